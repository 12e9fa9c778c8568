//! `swish report`, as a user runs it.

use crate::common::swish;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn report(results: &Path, output: &Path) -> Output {
    swish().arg("report").arg("--results").arg(results).arg("--output").arg(output).output().unwrap()
}

#[test]
fn writes_one_page_that_holds_all_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let out = report(&Path::new(ROOT).join("results"), &page);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains("of 11 tables") && said.contains("of 8 figures"), "{said}");
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.len() < 3 << 20);
    // Again gives the same bytes: there is no clock in it.
    assert!(report(&Path::new(ROOT).join("results"), &page).status.success());
    assert!(std::fs::read_to_string(&page).unwrap() == html);
}

#[test]
fn without_results_it_is_the_papers_and_without_a_folder_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let out = swish().arg("report").arg("--results").arg(folder.path()).output().unwrap();
    assert!(out.status.success() && folder.path().join("index.html").exists());
    let out = report(&folder.path().join("none"), &folder.path().join("page.html"));
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("none: no folder of results"));
}

/// In a browser: no errors, filters, clicks, widths, and curves against `swish activation`. SWISH_PYTHON names a Python with Playwright;
/// SWISH_BROWSER the browser where Playwright has none of its own.
#[test]
fn the_page_works_in_a_browser() {
    let Some(python) = std::env::var_os("SWISH_PYTHON") else {
        eprintln!("SKIPPED: SWISH_PYTHON names no Python with Playwright");
        return;
    };
    let imports = Command::new(&python).args(["-c", "import playwright"]).output();
    if !imports.is_ok_and(|out| out.status.success()) {
        eprintln!("SKIPPED: {} has no Playwright", python.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let results = with_runs_of_the_papers_size(folder.path());
    assert!(report(&results, &page).status.success());
    let script = Path::new(ROOT).join("tests/report_page.py");
    let out = Command::new(python).arg(script).arg(&page).arg(env!("CARGO_BIN_EXE_swish")).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    if out.status.code() == Some(77) {
        eprintln!("SKIPPED: {said}");
        return;
    }
    assert!(out.status.success(), "{said}{errors}");
    assert!(said.contains("difference to the paper: checked"), "{said}");
}

/// The repository's results, and made-up runs of the paper's size beside them, one of them of a function that would be a script.
fn with_runs_of_the_papers_size(folder: &Path) -> PathBuf {
    let results = folder.join("results");
    for name in ["tables", "figures", "bench", "search/one-unit", "search/two-unit-ppo"] {
        std::fs::create_dir_all(results.join(name)).unwrap();
        for entry in std::fs::read_dir(Path::new(ROOT).join("results").join(name)).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), results.join(name).join(entry.file_name())).unwrap();
        }
    }
    let reduced = std::fs::read_to_string(results.join("tables/table_04-reduced-dir.csv")).unwrap();
    let mut lines = reduced.lines();
    let mut paper = vec![lines.next().unwrap().to_owned()];
    for line in lines.filter(|line| line.contains(",resnet-preact-11-half,")) {
        let evil = "</script><img src=x onerror=alert(1)>";
        let line = line.replace("resnet-preact-11-half", "resnet164").replace(",reduced,", ",paper,");
        paper.push(line.replace(",selu,", &format!(",{evil},")).replace(",93.8,,", ",93.8,-61.63,"));
    }
    std::fs::write(results.join("tables/table_04-paper-dir.csv"), paper.join("\n") + "\n").unwrap();
    results
}
