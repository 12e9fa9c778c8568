//! The binary of Tables 4 and 5, as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

fn table(results: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_table_cifar"));
    command.args(["--profile", "smoke", "--data", "embedded", "--models", "wrn-28-10", "--datasets", "cifar10"]);
    command.args(["--activations", "relu;max(x, sin(x))"]).args(more).arg("--results").arg(results);
    command.env_remove("SWISH_DATA").env("SWISH_CACHE", results.join("cache")).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn trains_writes_tables_and_plots_and_does_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let listed = table(dir.path(), &["--dry-run"]);
    assert!(text(&listed.stdout).contains("2 cells, 2 to train"), "{}", text(&listed.stdout));
    assert!(!dir.path().join("runs").exists(), "a dry run leaves nothing");

    let first = table(dir.path(), &[]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert_eq!(text(&first.stderr).lines().filter(|l| l.starts_with("data: ")).count(), 1, "one line on the data");
    let csv = std::fs::read_to_string(dir.path().join("tables/table_04-smoke-embedded-partial.csv")).unwrap();
    let markdown = std::fs::read_to_string(dir.path().join("tables/table_04-smoke-embedded-partial.md")).unwrap();
    // ReLU has 95.3 in the paper; a smoke run on stand-in data has no difference to it.
    assert!(csv.contains("95.3") && markdown.contains("95.3") && markdown.contains("wrn-10-1 · smoke · embedded"));
    assert!(markdown.contains("max(x, sin(x))") || markdown.contains("max(x,sin(x))"), "{markdown}");
    for figure in [
        "table_04-smoke-embedded-partial.png",
        "table_04-smoke-embedded-partial.svg",
        "table_04-smoke-embedded-partial_curves.png",
    ] {
        assert!(dir.path().join("figures").join(figure).metadata().unwrap().len() > 2_000, "{figure}");
    }

    let records = |dir: &Path| {
        let mut runs: Vec<_> = std::fs::read_dir(dir.join("runs")).unwrap().map(|e| e.unwrap().path()).collect();
        runs.sort();
        runs.iter().map(|r| std::fs::read(r.join("run.json")).unwrap()).collect::<Vec<_>>()
    };
    let before = records(dir.path());
    assert_eq!(before.len(), 2);
    assert!(table(dir.path(), &[]).status.success());
    assert!(records(dir.path()) == before, "a record is not made twice");
}

#[test]
fn the_paper_profile_takes_real_data_or_stops() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_table_cifar"));
    command.args(["--profile", "paper", "--data", "embedded", "--dry-run"]).arg("--results").arg(dir.path());
    let out = command.output().unwrap();
    assert!(!out.status.success());
    assert!(text(&out.stderr).contains("swish data fetch --dataset cifar10"), "{}", text(&out.stderr));
}

#[test]
fn unknown_models_and_activations_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_table_cifar"));
    let out = command.args(["--models", "vgg", "--dry-run"]).arg("--results").arg(dir.path()).output().unwrap();
    assert!(!out.status.success() && text(&out.stderr).contains("resnet-164"), "{}", text(&out.stderr));
    let mut command = Command::new(env!("CARGO_BIN_EXE_table_cifar"));
    let out = command.args(["--activations", "swishh"]).output().unwrap();
    assert!(!out.status.success() && text(&out.stderr).contains("did you mean"), "{}", text(&out.stderr));
}

#[test]
fn the_functions_that_a_search_found_have_tables_and_a_figure() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_table_cifar_search"));
    command.args(["--profile", "smoke", "--data", "embedded", "--models", "densenet-100-12", "--datasets", "cifar10"]);
    command.arg("--results").arg(dir.path()).env_remove("SWISH_DATA").env("SWISH_CACHE", dir.path().join("cache"));
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    let csv = std::fs::read_to_string(dir.path().join("tables/table_01-smoke-embedded-partial.csv")).unwrap();
    // The paper's densenet-100-12 column of Table 1.
    let row = |name: &str| csv.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {csv}"));
    assert!(row("max(x,sigmoid(x))").contains("94.8") && row("x*asinh(x)^2").contains("91.1"), "{csv}");
    assert!(dir.path().join("figures/figure_03.png").exists());
}
