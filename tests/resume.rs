//! The same seed gives the same bits, also after kill -9; another seed gives others.

use crate::common::data::{imagenet_folder, parquet_files, ten_classes, text_folder};
use crate::common::swish;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const STEPS: u64 = 120;

fn train(results: &Path, seed: &str) -> Command {
    let data = results.parent().unwrap().join("data");
    if !data.exists() {
        parquet_files(&data, &ten_classes());
    }
    train_on(&data, "cifar10", "wrn-10-1", results, seed)
}

/// With 15 steps an epoch.
fn train_on_imagenet(results: &Path, seed: &str) -> Command {
    let data = results.parent().unwrap().join("data");
    if !data.exists() {
        imagenet_folder(&data, 10, 6);
    }
    train_on(&data, "imagenet", "mobilenet-v1-025-64", results, seed)
}

fn train_on(data: &Path, dataset: &str, model: &str, results: &Path, seed: &str) -> Command {
    let mut command = swish();
    command.args(["train", "--dataset", dataset, "--model", model, "--activation", "swish", "--batch", "4"]);
    command.arg("--data-dir").arg(data);
    command.args(["--steps", &STEPS.to_string(), "--eval-every", "30", "--seed", seed, "--threads", "2"]);
    command.args(["--checkpoint-seconds", "0"]).arg("--results").arg(results).env("SWISH_CACHE", data.join("cache"));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// A Transformer on a few made-up sentences, two batches a step.
fn train_on_text(results: &Path, seed: &str) -> Command {
    let data = results.parent().unwrap().join("data");
    if !data.exists() {
        text_folder(&data);
    }
    let mut command = swish();
    command.args(["train", "--dataset", "wmt-en-de", "--model", "transformer-tiny", "--activation", "swish"]);
    command.args(["--batch", "64", "--max-len", "40", "--replicas", "2", "--vocab", "300", "--warmup", "20"]);
    command.arg("--data-dir").arg(&data);
    command.args(["--steps", &STEPS.to_string(), "--eval-every", "30", "--seed", seed, "--threads", "2"]);
    command.args(["--checkpoint-seconds", "0"]).arg("--results").arg(results).env("SWISH_CACHE", data.join("cache"));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The only run's folder.
fn run_dir(results: &Path) -> PathBuf {
    let mut runs = std::fs::read_dir(results.join("runs")).unwrap();
    runs.next().unwrap().unwrap().path()
}

/// What must not differ: curve and weights.
fn outcome(results: &Path) -> (String, Vec<u8>) {
    let dir = run_dir(results);
    assert!(dir.join("run.json").exists());
    let metrics = std::fs::read_to_string(dir.join("metrics.csv")).unwrap();
    assert!(metrics.lines().count() > 4, "{metrics}");
    (metrics, std::fs::read(dir.join("model.safetensors")).unwrap())
}

/// The step that the run's checkpoint stands at, read as the trainer writes it.
fn checkpoint_step(results: &Path) -> Option<u64> {
    let runs = std::fs::read_dir(results.join("runs")).ok()?;
    let file = runs.flatten().next()?.path().join("checkpoint.safetensors");
    let bytes = std::fs::read(file).ok()?;
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).ok()?;
    let standing: serde_json::Value = serde_json::from_str(metadata.metadata().as_ref()?.get("standing")?).ok()?;
    standing["step"].as_u64()
}

#[test]
fn killed_at_any_step_a_run_ends_as_if_it_had_not_been() {
    ends_as_if_not_killed(train, &[]);
}

#[test]
fn so_does_one_with_rms_prop_and_averages() {
    ends_as_if_not_killed(train, &["--optimizer", "rms-prop", "--ema-decay", "0.9999"]);
}

#[test]
fn so_does_one_on_imagenet_killed_within_an_epoch() {
    let flags = ["--optimizer", "rms-prop", "--ema-decay", "0.9999", "--lr", "0.01"];
    ends_as_if_not_killed(train_on_imagenet, &flags);
}

/// The mean of the last five checkpoints, four steps apart, is evaluated.
#[test]
fn so_does_one_that_translates() {
    ends_as_if_not_killed(train_on_text, &[]);
}

/// `flags`: those of `swish train` besides the usual ones.
fn ends_as_if_not_killed(train: fn(&Path, &str) -> Command, flags: &[&str]) {
    let train = |results: &Path, seed| {
        let mut command = train(results, seed);
        command.args(flags);
        command
    };
    let dir = tempfile::tempdir().unwrap();
    let (whole, again, other, killed) = ("whole", "again", "other", "killed");
    for (name, seed) in [(whole, "3"), (again, "3"), (other, "4")] {
        let out = train(&dir.path().join(name), seed).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    let expected = outcome(&dir.path().join(whole));
    assert!(outcome(&dir.path().join(again)) == expected, "the same seed twice");
    let differs = outcome(&dir.path().join(other));
    assert!(differs.0 != expected.0 && differs.1 != expected.1, "another seed");

    // Killed three times: between two steps, inside a step, while a checkpoint is written, as chance will have it.
    let results = dir.path().join(killed);
    for target in [8, 45, 90] {
        let mut child = train(&results, "3").spawn().unwrap();
        let start = Instant::now();
        while checkpoint_step(&results).is_none_or(|step| step < target) {
            assert!(start.elapsed() < Duration::from_secs(120), "no checkpoint at step {target} in two minutes");
            assert!(child.try_wait().unwrap().is_none(), "it ended before step {target}");
            std::thread::sleep(Duration::from_millis(3));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!run_dir(&results).join("run.json").exists());
    }
    let out = train(&results, "3").output().unwrap();
    let talk = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && talk.contains("going on from step"), "{talk}");
    assert!(outcome(&results) == expected, "killed and resumed");
    assert!(!run_dir(&results).join("checkpoint.safetensors").exists());

    // Finished: a further start trains nothing and changes nothing.
    let record = std::fs::read(run_dir(&results).join("run.json")).unwrap();
    assert!(train(&results, "3").output().unwrap().status.success());
    assert_eq!(std::fs::read(run_dir(&results).join("run.json")).unwrap(), record);
}

#[test]
fn a_damaged_checkpoint_is_named_and_not_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    let mut child = train(&results, "3").spawn().unwrap();
    while checkpoint_step(&results).is_none() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(3));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let file = run_dir(&results).join("checkpoint.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 3]).unwrap();
    let out = train(&results, "3").output().unwrap();
    let talk = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success());
    assert!(talk.contains("checkpoint.safetensors") && talk.contains("delete the file"), "{talk}");
}

#[test]
fn a_run_that_diverges_leaves_a_record_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    let out = train(&results, "1").args(["--lr", "1e30"]).output().unwrap();
    assert!(!out.status.success());
    let record = std::fs::read_to_string(run_dir(&results).join("run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert!(record["err"].as_str().unwrap().starts_with("diverged"), "{record}");
    assert!(record["top1"].is_null());
}

#[test]
fn values_that_make_no_sense_are_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    for [flag, value] in [
        ["--weight-decay", "nan"],
        ["--weight-decay", "-1"],
        ["--label-smoothing", "5"],
        ["--lr", "inf"],
        ["--eval-every", "0"],
        ["--ema-decay", "1"],
        ["--optimizer", "sdg"],
    ] {
        let mut command = swish();
        command.args(["train", "--model", "wrn-10-1", "--activation", "relu", "--data", "embedded"]);
        let out = command.arg(format!("{flag}={value}")).arg("--results").arg(&results).output().unwrap();
        let talk = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && talk.contains("expected"), "{flag} {value}: {talk}");
        assert!(!results.exists());
    }
}
