//! Transformers in the tool: trained, evaluated, put to use; and what is refused.

use crate::common::data::text_folder;
use crate::common::swish;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn train(dir: &Path, flags: &[&str]) -> Command {
    let data = dir.join("data");
    if !data.exists() {
        text_folder(&data);
    }
    let mut command = swish();
    command.args(["train", "--model", "transformer_tiny", "--activation", "relu", "--steps", "6", "--threads", "1"]);
    for usual in [["--batch", "64"], ["--max-len", "40"], ["--vocab", "300"]] {
        if !flags.contains(&usual[0]) {
            command.args(usual);
        }
    }
    command.args(flags);
    command.arg("--data-dir").arg(&data).arg("--results").arg(dir.join("results"));
    command.env("SWISH_CACHE", dir.join("cache"));
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(out: &Output) -> Value {
    assert!(out.status.success(), "{}", text(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn failure(command: &mut Command) -> String {
    let out = command.output().unwrap();
    assert!(!out.status.success(), "{}", text(&out.stdout));
    text(&out.stderr)
}

/// The translations of these lines.
fn translate(weights: &Path, flags: &[&str], lines: &str) -> Output {
    let mut command = swish();
    command.args(["translate", "--model", "transformer-tiny", "--weights"]).arg(weights);
    if !flags.contains(&"--activation") {
        command.args(["--activation", "relu"]);
    }
    command.args(flags).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended before it reads.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn what_was_trained_is_evaluated_and_translates() {
    let dir = tempfile::tempdir().unwrap();
    let record = json(&train(dir.path(), &[]).output().unwrap());
    assert_eq!(record["dataset"], "wmt-en-de");
    let sets: Vec<&Value> = record["scores"].as_array().unwrap().iter().map(|score| &score["set"]).collect();
    assert_eq!(sets, ["dev", "test"]);
    let run = dir.path().join("results/runs").join(record["id"].as_str().unwrap());
    for file in ["tokenizer.json", "samples.md", "samples.csv", "metrics.csv", "recipe.json"] {
        assert!(run.join(file).metadata().unwrap().len() > 0, "{file}");
    }
    let weights = run.join("model.safetensors");

    let mut eval = swish();
    eval.args(["eval", "--model", "transformer-tiny", "--activation", "relu", "--dataset", "wmt-en-de", "--weights"]);
    eval.arg(&weights).arg("--data-dir").arg(dir.path().join("data"));
    assert_eq!(json(&eval.output().unwrap())["scores"], record["scores"]);
    let one = json(&eval.args(["--eval-sets", "test", "--greedy"]).output().unwrap());
    assert_eq!((one["scores"].as_array().unwrap().len(), &one["beam"]), (1, &Value::from(1)));

    let out = translate(&weights, &[], "A dog runs here.\n\nA fish swims.");
    assert!(out.status.success(), "{}", text(&out.stderr));
    let lines: Vec<String> = text(&out.stdout).lines().map(str::to_owned).collect();
    assert!(lines.len() == 3 && lines[1].is_empty(), "{lines:?}");
    let greedy = [["--greedy"].as_slice(), &["--beam", "1"]].map(|flags| translate(&weights, flags, "A dog.\n").stdout);
    assert_eq!(greedy[0], greedy[1]);

    let said = |flags: &[&str], lines: &[u8]| {
        let out = translate(&weights, flags, &text(lines));
        assert!(!out.status.success());
        text(&out.stderr)
    };
    assert!(said(&["--tokenizer", "none.json"], b"").contains("none.json"));
    let wide = said(&["--beam", "18446744073709551615"], b"A dog.\n");
    assert!(wide.contains("expected a width of 1 to 1024"), "{wide}");
    assert!(said(&["--activation", "swish"], b"").contains("model.safetensors"), "weights of another activation");
}

#[test]
fn what_another_program_needs_is_exported() {
    let dir = tempfile::tempdir().unwrap();
    let to: PathBuf = dir.path().join("export");
    let out = train(dir.path(), &["--replicas", "2", "--export", to.to_str().unwrap()]).output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    let told: Value = serde_json::from_slice(&std::fs::read(to.join("export.json")).unwrap()).unwrap();
    assert_eq!((&told["config"]["hidden"], &told["recipe"]["tokens"]), (&Value::from(32), &Value::from(64)));
    let bytes = std::fs::read(to.join("batches.safetensors")).unwrap();
    let batches = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let shapes = batches.tensor("shapes").unwrap();
    assert_eq!(shapes.shape(), [12, 3]);
    let numbers: Vec<u32> =
        shapes.data().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    for (side, place) in [("src", 1), ("tgt", 2)] {
        let ids: u32 = numbers.chunks_exact(3).map(|shape| shape[0] * shape[place]).sum();
        assert_eq!(batches.tensor(side).unwrap().shape(), [ids as usize]);
        assert!(numbers.chunks_exact(3).all(|shape| shape[0] * shape[place] <= 64));
    }
    for file in ["initial.safetensors", "tokenizer.json", "dev.en", "dev.de", "test.en", "test.de"] {
        assert!(to.join(file).metadata().unwrap().len() > 0, "{file}");
    }
    assert!(!dir.path().join("results").exists(), "nothing is trained");
}

#[test]
fn flags_and_data_of_the_other_kind_of_model_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (flags, expected) in [
        (["--dataset", "cifar10"], "cifar10 has images"),
        (["--ema-decay", "0.9"], "--average"),
        (["--max-len", "65"], "at most the 64 tokens of a batch"),
        (["--vocab", "10"], "258"),
        (["--sets", "none"], "no set none; there are few"),
        (["--eval-sets", "none"], "no set none"),
        (["--dropout", "1"], "dropout"),
        (["--warmup", "0"], "warm-up"),
        (["--dataset", "wmt13"], "imagenet or wmt-en-de"),
    ] {
        let message = failure(&mut train(dir.path(), &flags));
        assert!(message.contains(expected), "{flags:?}: {message}");
    }
    let mut images = swish();
    images.args(["train", "--model", "resnet20", "--activation", "relu", "--vocab", "300"]);
    assert!(failure(&mut images).contains("--vocab is for Transformers"));
    let mut images = swish();
    images.args(["train", "--model", "resnet20", "--activation", "relu", "--dataset", "wmt-en-de"]);
    assert!(failure(&mut images).contains("is text, for Transformers"));
    let mut images = swish();
    images.args(["translate", "--model", "resnet20", "--activation", "relu", "--weights", "none"]);
    assert!(failure(&mut images).contains("expected a Transformer"));
    let mut images = swish();
    images.args(["eval", "--model", "resnet20", "--activation", "relu", "--weights", "none", "--eval-sets", "dev"]);
    assert!(failure(&mut images).contains("--eval-sets is for Transformers"));
    let mut text = swish();
    text.args(["eval", "--model", "transformer_tiny", "--activation", "relu", "--weights", "none", "--batch", "4"]);
    assert!(failure(&mut text).contains("--batch is for models that take images"));
    let mut unknown = swish();
    unknown.args(["train", "--model", "transformer_bas", "--activation", "relu"]);
    assert!(failure(&mut unknown).contains("transformer_base"));
}
