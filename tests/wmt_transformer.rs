//! The binary of Table 11, as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

fn table(results: &Path, profile: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wmt_transformer"));
    command.args(["--profile", profile, "--activations", "relu;swish"]).args(more);
    command.arg("--results").arg(results).env_remove("SWISH_DATA").env("SWISH_CACHE", results.join("cache"));
    command.env("HF_HUB_OFFLINE", "1").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A few sentences that stand for the paper's sets.
fn data(dir: &Path) {
    for (part, name, n) in [("train", "animals", 8), ("eval", "newstest2013", 3), ("eval", "newstest2014", 2)] {
        let folder = dir.join(part);
        std::fs::create_dir_all(&folder).unwrap();
        let lines = |text: &str| -> String { (1..=n).map(|i| format!("{text} {i}{n}.\n")).collect() };
        std::fs::write(folder.join(format!("{name}.en")), lines("Here are the dogs of house")).unwrap();
        std::fs::write(folder.join(format!("{name}.de")), lines("Hier sind die Hunde von Haus")).unwrap();
    }
}

#[test]
fn two_rates_an_activation_on_every_set_beside_the_papers_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let (results, text_dir) = (dir.path().join("results"), dir.path().join("text"));
    data(&text_dir);
    let flags = ["--data-dir", text_dir.to_str().unwrap()];
    let listed = table(&results, "smoke", &[flags[0], flags[1], "--dry-run"]);
    assert!(text(&listed.stdout).contains("4 cells, 4 to train"), "{}", text(&listed.stderr));
    assert!(!results.join("runs").exists(), "a dry run leaves nothing");

    let out = table(&results, "smoke", &flags);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let stem = "table_11-smoke-dir-partial";
    let csv = std::fs::read_to_string(results.join(format!("tables/{stem}.csv"))).unwrap();
    // Two activations, two sets, two kinds of BLEU; 26.1 and 27.8 are the paper's for ReLU.
    assert_eq!(csv.lines().count(), 1 + 8, "{csv}");
    assert!(csv.contains("wmt14-en-de/newstest2014,wmt-en-de/newstest2014,transformer-12,transformer_tiny,bleu,relu"));
    assert!(csv.contains(",26.1,,") && csv.contains(",27.8,,"), "{csv}");
    let markdown = std::fs::read_to_string(results.join(format!("tables/{stem}.md"))).unwrap();
    for papers in ["newstest2013", "newstest2014", "newstest2015", "newstest2016"] {
        assert!(markdown.contains(&format!("transformer-12 · in the paper · wmt14-en-de/{papers}")), "{markdown}");
    }
    let rates = std::fs::read_to_string(results.join(format!("tables/{stem}_rates.csv"))).unwrap();
    assert_eq!(rates.lines().count(), 1 + 16, "{rates}");
    for figure in [format!("{stem}.png"), format!("{stem}.svg"), format!("{stem}_curves.png")] {
        assert!(results.join("figures").join(&figure).metadata().unwrap().len() > 2_000, "{figure}");
    }
}

#[test]
fn the_papers_profile_takes_wmt_2014_or_stops_and_flags_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let failure = |profile: &str, more: &[&str], expected: &str| {
        let out = table(dir.path(), profile, more);
        assert!(!out.status.success() && text(&out.stderr).contains(expected), "{}", text(&out.stderr));
    };
    failure("paper", &["--data", "embedded", "--dry-run"], "swish data fetch --dataset wmt14");
    failure("smoke", &["--layers", "7"], "expected 6 or 12");
    failure("smoke", &["--rates", "0"], "expected positive numbers");
}
