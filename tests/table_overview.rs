//! The binary of Table 3, as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn overview(results: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_table_overview")).arg("--results").arg(results).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The tables of the repository, copied: a fresh clone has no records, only these.
fn copied(folder: &Path) -> PathBuf {
    let tables = folder.join("tables");
    std::fs::create_dir(&tables).unwrap();
    for number in ["04", "09"] {
        let name = format!("table_{number}-reduced-dir.csv");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/tables").join(&name);
        std::fs::copy(from, tables.join(name)).unwrap();
    }
    tables
}

#[test]
fn counts_from_the_tables_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let tables = copied(folder.path());
    let out = overview(folder.path());
    assert!(out.status.success(), "{}", text(&out.stderr));
    let csv = std::fs::read_to_string(tables.join("table_03-reduced-dir.csv")).unwrap();
    // Three CIFAR models and Inception-v3.
    assert!(csv.lines().skip(1).all(|line| line.split(',').nth(5) == Some("4")), "{csv}");
    let markdown = std::fs::read_to_string(tables.join("table_03-reduced-dir.md")).unwrap();
    assert!(markdown.contains("do not compare with the paper's") && text(&out.stdout).contains("| `gelu` |"));
    assert!(overview(folder.path()).status.success(), "its own files are no tables of runs");
}

#[test]
fn no_tables_and_damaged_ones_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let out = overview(folder.path());
    assert!(!out.status.success() && text(&out.stderr).contains("make table-cifar"), "{}", text(&out.stderr));
    let file = copied(folder.path()).join("table_04-reduced-dir.csv");
    let damaged = std::fs::read_to_string(&file).unwrap().replacen(",120,", ",many,", 1);
    std::fs::write(&file, damaged).unwrap();
    let message = text(&overview(folder.path()).stderr);
    assert!(message.contains("table_04-reduced-dir.csv: line 2: ") && message.lines().count() == 1, "{message}");
}
