//! Given weights on ImageNet: accuracies of classes, lists of classes, files of weights that do not fit, the hub.

use crate::common::data::{imagenet_folder, wnid};
use crate::common::swish;
use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use std::collections::HashMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use swish_core::models::{self, Net};
use swish_core::nn::weights;

const MODEL: &str = "mobilenet-v1-025-64";
/// One with an auxiliary head.
const WITH_HEAD: &str = "inception-v3-mini-107";

fn eval(model: &str, activation: &str, weights: &Path) -> Command {
    let mut command = swish();
    command.args(["eval", "--dataset", "imagenet", "--threads", "2", "--model", model, "--activation", activation]);
    command.arg("--weights").arg(weights);
    command
}

fn json(command: &mut Command) -> Value {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// What the command says; it must fail.
fn failure(command: &mut Command) -> String {
    let out = command.output().unwrap();
    assert!(!out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    let text = String::from_utf8(out.stderr).unwrap();
    text.lines().find(|line| line.starts_with("error")).unwrap_or(&text).to_owned()
}

/// Drawn weights of a network with relu.
fn state(model: &str, classes: usize) -> HashMap<String, Tensor> {
    let (info, relu) = (models::find(model).unwrap(), "relu".parse().unwrap());
    let net = Net::new(info, &relu, classes, 1, DType::F32, &Device::Cpu).unwrap();
    weights::state_dict(&net.params).unwrap().into_iter().collect()
}

fn save(state: &HashMap<String, Tensor>, file: &Path) {
    candle_core::safetensors::save(state, file).unwrap();
}

/// Class, name, examples, top1, top5.
fn lines(file: &Path) -> Vec<(usize, String, f64, f64, f64)> {
    let mut reader = csv::Reader::from_path(file).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["class", "name", "examples", "top1", "top5"]);
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn a_run_evaluates_to_what_it_recorded_and_its_classes_to_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (data, classes_csv) = (dir.path().join("data"), dir.path().join("new/classes.csv"));
    imagenet_folder(&data, 7, 4);
    let mut train = swish();
    train.args(["train", "--dataset", "imagenet", "--model", MODEL, "--activation", "swish", "--batch", "7"]);
    train.args(["--steps", "6", "--optimizer", "rms-prop", "--lr", "0.05", "--threads", "2"]);
    train.arg("--data-dir").arg(&data).arg("--results").arg(dir.path());
    let record = json(&mut train);
    let file = dir.path().join("runs").join(record["id"].as_str().unwrap()).join("model.safetensors");

    let found = json(eval(MODEL, "swish", &file).arg("--data-dir").arg(&data).arg("--per-class").arg(&classes_csv));
    for key in ["top1", "top5", "data_version"] {
        assert_eq!(found[key], record[key], "{key}");
    }
    assert_eq!((found["examples"].as_u64(), found["preprocess"].as_str()), (Some(14), Some("slim")));
    let lines = lines(&classes_csv);
    assert_eq!(lines.iter().map(|line| line.1.clone()).collect::<Vec<_>>(), (0..7).map(wnid).collect::<Vec<_>>());
    let examples: f64 = lines.iter().map(|line| line.2).sum();
    assert_eq!(examples, 14.0);
    for (name, sum) in [
        ("top1", lines.iter().map(|line| line.2 * line.3).sum::<f64>()),
        ("top5", lines.iter().map(|line| line.2 * line.4).sum::<f64>()),
    ] {
        assert!((sum / examples - found[name].as_f64().unwrap()).abs() < 1e-9, "{name}: {lines:?}, {found}");
    }
    // Five of seven classes are hit by any network that tells logits apart, but not all of them.
    let top5 = found["top5"].as_f64().unwrap();
    assert!(top5 > 0.0 && top5 < 100.0, "{found}");

    let other = json(eval(MODEL, "swish", &file).args(["--preprocess", "antialias"]).arg("--data-dir").arg(&data));
    assert_ne!(other["loss"], found["loss"]);
}

#[test]
fn a_list_of_classes_gives_a_part_the_labels_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (data, list, file) = (dir.path().join("data"), dir.path().join("list"), dir.path().join("w.safetensors"));
    imagenet_folder(&data, 3, 2);
    // Classes 0, 1, 2 of the folder are 1, 3, 5 of the list, whose order does not matter.
    let other = |i: usize| format!("n{:08}", 15 + 10 * i);
    let all: Vec<String> = (0..3).flat_map(|i| [wnid(i), other(i)]).collect();
    let mut sorted = all.clone();
    sorted.sort();
    std::fs::write(&list, all.join("\n")).unwrap();
    save(&state(MODEL, 6), &file);
    let csv = dir.path().join("classes.csv");
    let with_list = |place: &[&str]| {
        let mut command = eval(MODEL, "relu", &file);
        command.args(place).arg("--classes").arg(&list);
        command
    };
    let (whole, val) = (data.to_str().unwrap(), data.join("val"));
    let found = json(with_list(&["--data-dir", whole]).arg("--per-class").arg(&csv));
    let expected: Vec<_> = (0..3).map(|i| (sorted.binary_search(&wnid(i)).unwrap(), wnid(i))).collect();
    assert_eq!(lines(&csv).into_iter().map(|line| (line.0, line.1)).collect::<Vec<_>>(), expected);
    assert_ne!(expected.iter().map(|class| class.0).collect::<Vec<_>>(), [0, 1, 2]);
    let alone = json(&mut with_list(&["--val", val.to_str().unwrap()]));
    assert_eq!(
        [&alone["loss"], &alone["top5"], &alone["examples"]],
        [&found["loss"], &found["top5"], &found["examples"]]
    );

    let text = failure(eval(MODEL, "relu", &file).args(["--data-dir", whole]));
    assert!(text.contains("weights for 3 classes") && text.contains("classifier.weight"), "{text}");
}

#[test]
fn weights_may_lack_an_auxiliary_head_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("w.safetensors"));
    imagenet_folder(&data, 2, 1);
    let run = |activation: &str, state: &HashMap<String, Tensor>| {
        save(state, &file);
        let mut command = eval(WITH_HEAD, activation, &file);
        command.arg("--data-dir").arg(&data);
        command
    };
    let whole = state(WITH_HEAD, 2);
    let headless: HashMap<_, _> =
        whole.clone().into_iter().filter(|(name, _)| !name.starts_with("AuxLogits")).collect();
    assert!(headless.len() < whole.len());
    let mut counted = headless.clone();
    counted.insert("Conv2d_1a_3x3.bn.num_batches_tracked".into(), Tensor::new(7u32, &Device::Cpu).unwrap());
    assert_eq!(json(&mut run("relu", &whole))["loss"], json(&mut run("relu", &counted))["loss"]);

    let without = |state: &HashMap<String, Tensor>, name: &str| {
        let mut state = state.clone();
        state.remove(name).unwrap();
        state
    };
    let with = |name: &str| {
        let mut state = headless.clone();
        state.insert(name.into(), headless["fc.bias"].clone());
        state
    };
    let head = whole.keys().filter(|name| name.starts_with("AuxLogits")).min().unwrap();
    for (state, name) in [
        (without(&headless, "fc.weight"), "`fc.weight` is missing"),
        (without(&headless, "Conv2d_1a_3x3.bn.running_var"), "`Conv2d_1a_3x3.bn.running_var` is missing"),
        (without(&whole, head), head.as_str()),
        (with("head.fc.weight"), "`head.fc.weight` is none of this model's"),
        (with("Mixed_9.bn.running_mean"), "`Mixed_9.bn.running_mean` is none of this model's"),
        (with("scale"), "`scale` is none of this model's"),
    ] {
        let text = failure(&mut run("relu", &state));
        assert!(text.contains(name) && text.contains("w.safetensors"), "{name}: {text}");
    }
    let text = failure(&mut run("swish", &headless));
    assert!(text.contains("Conv2d_1a_3x3.bn.act.beta") && text.contains("trainable parameters"), "{text}");
    // Its form without one fits.
    json(&mut run("x*sigmoid(x)", &headless));
}

#[test]
fn weights_bring_their_own_epsilon() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("w.safetensors"));
    imagenet_folder(&data, 2, 1);
    let own = state(MODEL, 2);
    // The same sums of variance and epsilon; here it is 1e-3.
    let mut shifted = own.clone();
    for (name, tensor) in &mut shifted {
        if name.ends_with("running_var") {
            *tensor = (tensor.clone() + (1e-3 - 0.5)).unwrap();
        }
    }
    let loss = |state: &HashMap<String, Tensor>, flags: &[&str]| {
        save(state, &file);
        json(eval(MODEL, "relu", &file).arg("--data-dir").arg(&data).args(flags))["loss"].as_f64().unwrap()
    };
    let (expected, found) = (loss(&own, &[]), loss(&shifted, &["--norm-eps", "0.5"]));
    assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
    assert!((loss(&own, &["--norm-eps", "0.5"]) - expected).abs() > 1e-4);
    let text = failure(eval(MODEL, "relu", &file).args(["--norm-eps", "0"]));
    assert!(text.contains("expected a number above 0"), "{text}");
}

#[test]
fn options_of_the_other_data_set_are_refused() {
    for (flags, expected) in [
        (["--model", "resnet20", "--preprocess", "slim"], "--preprocess is for imagenet"),
        (["--model", "resnet20", "--val", "x"], "--val is for imagenet"),
        (["--model", "resnet20", "--classes", "x"], "--classes is for imagenet"),
        (["--model", MODEL, "--classes", "x"], "cifar10 has images of 32x32"),
    ] {
        let mut command = swish();
        let text = failure(command.args(["eval", "--activation", "relu", "--weights", "none"]).args(flags));
        assert!(text.contains(expected), "{text}");
    }
    for (flags, expected) in [
        (["--normalise", "fb"], "--normalise is for cifar10 and cifar100"),
        (["--preprocess", "bicubic"], "expected slim or antialias"),
    ] {
        let text = failure(eval(MODEL, "relu", Path::new("none")).args(flags));
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn what_the_hub_does_not_give_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let from = |place: &str| {
        let mut command = eval(MODEL, "relu", Path::new(place));
        command.args(["--data", "embedded"]).env("HF_HOME", dir.path()).env_remove("HF_HUB_CACHE");
        command
    };
    let text = failure(&mut from("hub:timm/none"));
    let expected = "hub: timm/none: model.safetensors: not in the Hugging Face cache, and HF_HUB_OFFLINE is set";
    assert!(text.contains(expected), "{text}");
    // Nothing listens on a port that was just given back.
    let closed = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let text = failure(from("hub:timm/none@v1").env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", closed));
    assert!(text.contains("hub: timm/none@v1: model.safetensors: not cached, and the download failed: "), "{text}");
    for wrong in ["hub:timm", "hub:a/b/c", "hub:../x", "hub:a/b@"] {
        let text = failure(&mut from(wrong));
        assert!(text.contains("expected OWNER/NAME or OWNER/NAME@REVISION"), "{text}");
    }
}
