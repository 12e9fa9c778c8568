//! The binaries of Tables 6 to 10, as a user runs them.

use std::path::Path;
use std::process::{Command, Output};

fn table(binary: &str, results: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(binary);
    command.args(["--profile", "smoke", "--data", "embedded", "--activations", "relu;swish"]).args(more);
    command.arg("--results").arg(results).env_remove("SWISH_DATA").env("SWISH_CACHE", results.join("cache"));
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Lines of a CSV as maps from the names of the columns.
fn rows(file: &Path) -> Vec<std::collections::HashMap<String, String>> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().unwrap();
    lines.map(|line| header.iter().cloned().zip(line).collect()).collect()
}

#[test]
fn every_rate_is_run_once_and_the_best_again_where_the_paper_has_three_runs() {
    let dir = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_imagenet_mobilenasnet");
    let listed = table(binary, dir.path(), &["--dry-run"]);
    // Two activations with three rates, and two further seeds of each.
    assert!(text(&listed.stdout).contains("10 cells, 10 to train"), "{}", text(&listed.stdout));
    assert!(!dir.path().join("runs").exists(), "a dry run leaves nothing");

    let out = table(binary, dir.path(), &[]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let tables = dir.path().join("tables");
    let stem = "table_06-smoke-embedded-partial";
    let best = rows(&tables.join(format!("{stem}.csv")));
    let tried = rows(&tables.join(format!("{stem}_rates.csv")));
    // Two activations, two accuracies; three rates each.
    assert_eq!((best.len(), tried.len()), (4, 12));
    for cell in &best {
        assert_eq!((cell["n"].as_str(), cell["lrs_tried"].as_str(), cell["dataset"].as_str()), ("3", "3", "imagenet"));
        assert!(cell["difference"].is_empty() && !cell["paper"].is_empty());
        let own: Vec<_> =
            tried.iter().filter(|r| r["activation"] == cell["activation"] && r["metric"] == cell["metric"]).collect();
        let chosen: Vec<_> = own.iter().filter(|r| r["chosen"] == "true").collect();
        assert_eq!((own.len(), chosen.len(), &chosen[0]["lr"], &chosen[0]["n"]), (3, 1, &cell["lr"], &cell["n"]));
        assert!(own.iter().all(|r| ["0.02", "0.04", "0.08"].contains(&r["lr"].as_str())));
        assert_eq!(own.iter().filter(|r| r["n"] == "1").count(), 2);
    }
    let markdown = std::fs::read_to_string(tables.join(format!("{stem}.md"))).unwrap();
    assert!(markdown.contains("73.6 [73.5, 73.8] n=3") && markdown.contains("· smoke · embedded"), "{markdown}");
    for figure in [stem, "figure_08-smoke-embedded-partial"] {
        for ending in ["png", "svg"] {
            let file = dir.path().join("figures").join(figure).with_extension(ending);
            assert!(file.metadata().unwrap().len() > 2_000, "{}", file.display());
        }
    }
    let listed = table(binary, dir.path(), &["--dry-run"]);
    assert!(text(&listed.stdout).contains("10 cells, 0 to train"), "{}", text(&listed.stdout));
}

#[test]
fn a_table_of_single_runs_has_one_run_a_rate_and_takes_other_rates() {
    let dir = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_imagenet_mobilenet");
    // 1e30 diverges: a result like others, and never the best.
    let out = table(binary, dir.path(), &["--rates", "0.01,1e30"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let tried = rows(&dir.path().join("tables/table_08-smoke-embedded-partial_rates.csv"));
    let of = |lr: &str| tried.iter().filter(|r| r["lr"] == lr && r["metric"] == "top1").collect::<Vec<_>>();
    assert!(of("0.01").iter().all(|r| r["chosen"] == "true" && r["n"] == "1"), "{tried:?}");
    let diverged = of("1e30");
    assert_eq!(diverged.len(), 2, "{tried:?}");
    assert!(diverged.iter().all(|r| r["chosen"] == "false" && r["failed"] == "1"), "{tried:?}");
    assert!(dir.path().join("figures/table_08-smoke-embedded-partial_curves.png").exists());

    let out = table(binary, dir.path(), &["--rates=-1"]);
    assert!(!out.status.success() && text(&out.stderr).contains("--rates"), "{}", text(&out.stderr));
}

#[test]
fn the_other_three_list_their_cells() {
    let dir = tempfile::tempdir().unwrap();
    for (binary, cells) in [
        (env!("CARGO_BIN_EXE_imagenet_inception_resnet_v2"), 10),
        (env!("CARGO_BIN_EXE_imagenet_inception_v3"), 6),
        (env!("CARGO_BIN_EXE_imagenet_inception_v4"), 6),
    ] {
        let out = table(binary, dir.path(), &["--dry-run"]);
        assert!(text(&out.stdout).contains(&format!("{cells} cells, {cells} to train")), "{}", text(&out.stderr));
    }
}
