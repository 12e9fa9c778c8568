//! The binary of Figures 4 to 8, as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

fn figures(results: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_figures"));
    command.args(["--profile", "smoke", "--data", "embedded"]).args(more).arg("--results").arg(results);
    command.env_remove("SWISH_DATA").env("SWISH_CACHE", results.join("cache")).output().unwrap()
}

/// What is distributed, and how many there are, from the lines of a CSV file.
fn counts(file: &Path) -> Vec<(String, u64)> {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.starts_with("of,low,high,count\n"), "{text}");
    let mut all: Vec<(String, u64)> = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let count: u64 = fields[3].parse().unwrap();
        match all.last_mut() {
            Some((name, sum)) if name == fields[0] => *sum += count,
            _ => all.push((fields[0].to_owned(), count)),
        }
    }
    all
}

#[test]
fn draws_what_it_can_and_trains_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let first = figures(dir.path(), &[]);
    let talk = String::from_utf8_lossy(&first.stderr);
    assert!(first.status.success() && talk.contains("Figure 8 is left out"), "{talk}");
    let of = |name: &str| dir.path().join("figures").join(name);
    for name in ["figure_04", "figure_05", "figure_06-smoke-embedded", "figure_07-smoke-embedded"] {
        for ending in ["svg", "png"] {
            assert!(of(&format!("{name}.{ending}")).metadata().unwrap().len() > 2_000, "{name}");
        }
    }
    // ResNet-32 has 31 layers with an activation; 16 images of 1,024 pixels with 16 channels, and half of that at every stage.
    let preactivations = counts(&of("figure_06-smoke-embedded.csv"));
    assert_eq!(preactivations.len(), 32);
    assert_eq!(preactivations[1], ("act1".to_owned(), 16 * 1024 * 16));
    assert_eq!(preactivations[0].1, 16 * 1024 * (11 * 16 + 10 * 8 + 10 * 4));
    // The channels of the small NASNet's activations without its auxiliary head.
    assert!(counts(&of("figure_07-smoke-embedded.csv"))[0].1 > 100);

    let weights = std::fs::read_dir(dir.path().join("runs/figures/runs")).unwrap().map(|run| run.unwrap().path());
    let weights: Vec<_> = weights.map(|run| run.join("model.safetensors")).collect();
    assert_eq!(weights.len(), 2);
    let again = figures(dir.path(), &["--only", "6"]);
    assert!(again.status.success() && !String::from_utf8_lossy(&again.stderr).contains("step 4/4"));
    // Of the two runs one has betas.
    let with_weights = |file: &Path| figures(dir.path(), &["--only", "7", "--weights", file.to_str().unwrap()]);
    let results: Vec<Output> = weights.iter().map(|file| with_weights(file)).collect();
    assert_eq!(results.iter().filter(|out| out.status.success()).count(), 1);
    let failed = results.iter().find(|out| !out.status.success()).unwrap();
    assert!(String::from_utf8_lossy(&failed.stderr).contains("no tensor called *.beta"));
    let csv = |name: &str| std::fs::read(of(name)).unwrap();
    assert!(csv("figure_07-weights.csv") == csv("figure_07-smoke-embedded.csv"));
}
