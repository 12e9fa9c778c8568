#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::Value;
use std::fs;

/// The results in the repository.
fn committed() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../results"))
}

fn json(results: &Path) -> Value {
    serde_json::to_value(Report::read(results).unwrap()).unwrap()
}

/// Copies files of the repository's results below `to`.
fn copy(to: &Path, names: &[&str]) {
    for name in names {
        fs::create_dir_all(to.join(name).parent().unwrap()).unwrap();
        fs::copy(committed().join(name), to.join(name)).unwrap();
    }
}

#[test]
fn without_results_every_table_and_figure_has_a_place_and_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let report = json(folder.path());
    let tables = report["tables"].as_array().unwrap();
    let numbers: Vec<u64> = tables.iter().map(|table| table["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert!(tables.iter().all(|table| table["command"].as_str().unwrap().starts_with("make ")));
    // ReLU on ResNet-164 is 93.8 in Table 4 of the paper, and Table 6 prints three runs.
    let printed = |table: usize, row: &str| {
        let paper = &tables[table]["paper"];
        let place = paper["rows"].as_array().unwrap().iter().position(|name| name == row).unwrap();
        paper["cells"][place][0].clone()
    };
    assert_eq!(
        (printed(2, "relu"), printed(4, "relu")),
        (serde_json::json!([93.8]), serde_json::json!([73.5, 73.6, 73.8]))
    );
    assert_eq!(report["overview"]["paper"].as_array().unwrap().len(), 7);
    let figures = report["figures"].as_array().unwrap();
    assert_eq!(figures.len(), 8);
    assert!(figures.iter().all(|figure| figure["drawing"].is_string() || figure["command"] != ""));
    assert_eq!(
        Report::read(folder.path()).unwrap().summary(),
        "0 of 11 tables, 2 of 8 figures, 0 functions of 0 searches"
    );
}

#[test]
fn ours_stand_beside_the_papers_with_their_provenance_and_no_difference_where_they_do_not_compare() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path(), &["tables/table_04-reduced-dir.csv", "figures/table_04-reduced-dir.svg"]);
    let table = json(folder.path())["tables"][2].clone();
    let section = &table["sections"][0];
    assert_eq!((section["profile"].as_str(), section["data_source"].as_str()), (Some("reduced"), Some("dir")));
    let (column, row) =
        (&section["columns"][0], section["rows"].as_array().unwrap().iter().position(|r| r == "relu").unwrap());
    let cell = &section["cells"][row][0];
    // The values of the three seeds end the row.
    let text = fs::read_to_string(folder.path().join("tables/table_04-reduced-dir.csv")).unwrap();
    let relu = text.lines().find(|line| line.contains(",resnet-164,") && line.contains(",relu,")).unwrap();
    let mut values: Vec<f64> =
        relu.rsplit(',').next().unwrap().split(' ').map(|value| value.parse().unwrap()).collect();
    values.sort_by(f64::total_cmp);
    assert_eq!((cell["median"].as_f64(), cell["n"].as_u64()), (Some(values[1]), Some(3)));
    assert_eq!((cell["commits"].as_str().unwrap().len(), cell["devices"].as_str()), (40, Some("cpu")));
    assert_eq!(section["paper"][row][0], serde_json::json!([93.8]));
    assert!(cell["difference"].is_null());
    let why = column["not_comparable"].as_str().unwrap();
    assert_eq!(why, "profile reduced is not the paper's training; resnet-preact-11-half stands for resnet-164");
    assert!(section["pictures"][0]["uri"].as_str().unwrap().starts_with("data:image/svg+xml,<svg"));
}

#[test]
fn a_run_of_the_papers_size_has_a_difference_and_a_section_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path(), &["tables/table_04-reduced-dir.csv"]);
    let text = fs::read_to_string(folder.path().join("tables/table_04-reduced-dir.csv")).unwrap();
    // The run of ReLU, had it been the paper's.
    let relu = text.lines().find(|line| line.contains(",resnet-164,") && line.contains(",relu,")).unwrap();
    let relu = relu
        .replace("resnet-preact-11-half", "resnet164")
        .replace(",reduced,", ",paper,")
        .replace(",93.8,,", ",93.8,-61.63,");
    fs::write(
        folder.path().join("tables/table_04-paper-dir.csv"),
        format!("{}\n{relu}\n", text.lines().next().unwrap()),
    )
    .unwrap();
    let sections = json(folder.path())["tables"][2]["sections"].clone();
    let kinds: Vec<&str> =
        sections.as_array().unwrap().iter().map(|section| section["profile"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["paper", "reduced"]);
    assert!(sections[0]["columns"][0]["not_comparable"].is_null());
    assert_eq!(sections[0]["cells"][0][0]["difference"].as_f64(), Some(-61.63));
}

#[test]
fn a_search_has_its_candidates_their_programs_and_what_equals_them() {
    let folder = tempfile::tempdir().unwrap();
    let names =
        ["asked.json", "candidates.csv", "rerun.csv", "summary.md"].map(|name| format!("search/one-unit/{name}"));
    copy(folder.path(), &names.each_ref().map(String::as_str));
    let search = json(folder.path())["searches"][0].clone();
    let list = |name: &str| search[name].as_array().unwrap().clone();
    // As the summary of this search says: 4023 trained, 1448 of them failed, 2216 equal to an earlier one, which for 86 is a constant.
    assert_eq!(list("formulas").len(), 4023);
    assert_eq!(list("top1").iter().filter(|value| value.is_null()).count(), 1448);
    let equal: usize = search["equal"].as_object().unwrap().values().map(|list| list.as_array().unwrap().len()).sum();
    assert_eq!((equal, search["fates"]["same"].as_u64()), (2216 - 86, Some(2216)));
    assert_eq!(search["data_source"], "dir");
    let swish = list("formulas").iter().position(|formula| formula == "x*sigmoid(beta*x)");
    let named = search["names"].as_object().unwrap().iter().find(|(_, name)| *name == "swish").unwrap();
    assert!(named.0.parse::<usize>().is_ok());
    assert!(swish.is_none() || list("programs")[swish.unwrap()].as_str().unwrap().contains("p0"));
    let again = list("again");
    assert_eq!(again.len(), 60);
    assert!(again.iter().filter(|row| row["candidate"].is_u64()).count() > 50);
    for name in ["n", "canonicals", "sizes", "programs", "losses", "seconds", "errs", "commits"] {
        assert_eq!(list(name).len(), 4023, "{name}");
    }
}

#[test]
fn damage_is_named_by_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let message = || Report::read(folder.path()).unwrap_err().to_string();
    let damage = |name: &str, from: &str, to: &str| {
        copy(folder.path(), &[name]);
        let path = folder.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    };
    for (name, from, to, expected) in [
        ("tables/table_04-reduced-dir.csv", ",120,", ",many,", "table_04-reduced-dir.csv: line 2: "),
        ("bench/cpu.csv", ",ms,", ",ms,several ", "cpu.csv: line 2: "),
        ("search/one-unit/asked.json", "exhaustive", "lucky", "asked.json: not the question of a search"),
        ("search/one-unit/candidates.csv", "1,x*x,x^2,", "1,x*x,x^^2,", "candidates.csv: line 3: "),
        ("search/one-unit/rerun.csv", ",3,0,", ",3,none,", "rerun.csv: line 2: "),
    ] {
        if name.starts_with("search") {
            copy(folder.path(), &["search/one-unit/asked.json", "search/one-unit/candidates.csv"]);
        }
        damage(name, from, to);
        assert!(message().contains(expected), "{}", message());
        copy(folder.path(), &[name]);
    }
    Report::read(folder.path()).unwrap();
}

#[test]
fn a_hostile_formula_stays_inside_the_data() {
    let folder = tempfile::tempdir().unwrap();
    copy(
        folder.path(),
        &["tables/table_04-reduced-dir.csv", "search/one-unit/asked.json", "search/one-unit/candidates.csv"],
    );
    for (name, from) in
        [("tables/table_04-reduced-dir.csv", ",lrelu,"), ("search/one-unit/candidates.csv", "diverged: training loss")]
    {
        let path = folder.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen(from, &from.replace(['l', 'd'], "</script><img src=x onerror=alert(1)>"), 1))
            .unwrap();
    }
    let page = Report::read(folder.path()).unwrap().html().unwrap();
    assert!(page.contains("\\u003c/script\\u003e\\u003cimg") && !page.contains("</script><img"));
    assert_eq!(page.matches("</script>").count(), 2);
}

/// Columns that a row does not know are passed over: a new mode of PyTorch would be measured and not shown.
#[test]
fn the_benchmark_is_shown_with_every_column() {
    let text = fs::read_to_string(committed().join("bench/cpu.csv")).unwrap();
    let rows = json(committed())["speed"]["rows"].clone();
    let unshown = ["peers_after_round_1", "elapsed_s"];
    let columns = text.lines().next().unwrap().split(',').filter(|column| !unshown.contains(column));
    let missing: Vec<&str> = columns.filter(|column| rows[0].get(column).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_whole_page_stays_small() {
    let page = Report::read(committed()).unwrap().html().unwrap();
    assert!(page.len() < 3 << 20, "{} bytes", page.len());
}
