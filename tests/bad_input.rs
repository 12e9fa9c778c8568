//! What a person does wrong, or a disk: one line that names the file, the thing and what to do; exit code not 0.

use crate::common::data::{parquet_files, ten_classes};
use crate::common::{Generated, swish};
use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// Runs the command, which must fail with a single line that has all of `words` in it.
fn fails(command: &mut Command, words: &[&str]) {
    let out = command.output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success(), "it should have failed; it said: {text}");
    assert!(out.status.code().is_some(), "a signal, not an exit code");
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("error")).collect();
    assert_eq!(errors.len(), 1, "one line of error, not: {text}");
    assert!(!text.contains("panicked"), "{text}");
    for word in words {
        assert!(errors[0].contains(word), "no {word:?} in: {}", errors[0]);
    }
}

fn train(dir: &Path) -> Command {
    let mut command = swish();
    command.args([
        "train",
        "--model",
        "wrn-10-1",
        "--activation",
        "relu",
        "--steps",
        "2",
        "--batch",
        "8",
        "--threads",
        "1",
    ]);
    command.arg("--results").arg(dir.join("results"));
    command
}

fn train_on(dir: &Path) -> Command {
    let mut command = train(dir);
    command.arg("--data-dir").arg(dir);
    command
}

#[test]
fn the_parquet_files_of_these_tests_are_good_before_they_are_spoilt() {
    let dir = tempfile::tempdir().unwrap();
    parquet_files(dir.path(), &ten_classes());
    let out = train_on(dir.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_truncated_parquet_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = parquet_files(dir.path(), &ten_classes());
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    fails(&mut train_on(dir.path()), &["train-00000-of-00001.parquet"]);
}

/// What is said of `cuda:1000`: a thousand GPUs no machine has, and one without a driver has none at all.
fn no_such_gpu() -> &'static [&'static str] {
    if cfg!(feature = "cuda") { &["no GPU"] } else { &["CPU build", "cuda:1000"] }
}

#[test]
fn gpus_that_cannot_train_together() {
    let dir = tempfile::tempdir().unwrap();
    let fails_with = |flags: &[&str], words: &[&str]| fails(train(dir.path()).args(flags), words);
    // Before any data are asked for.
    let words = no_such_gpu();
    fails_with(&["--devices", "1000,cuda:1001"], words);
    fails_with(&["--devices", "0,1,cuda:0"], &["cuda:0", "twice"]);
    fails_with(&["--devices", "0,1,2"], &["--batch 8", "3"]);
    fails_with(&["--devices", "0,1", "--replicas", "3"], &["--replicas 3", "multiple of the 2"]);
    fails_with(&["--devices", "0,cpu"], &["cpu", "number of a GPU"]);
    fails_with(&["--devices", "0,1", "--device", "cuda:0"], &["--device"]);
    let times = |flags: &[&str], words: &[&str]| {
        fails(
            swish().args(["bench", "step", "--model", "resnet20", "--batch", "8", "--steps", "1"]).args(flags),
            words,
        );
    };
    times(&["--devices", "1000,cuda:1001"], words);
    times(&["--devices", "0,0"], &["cuda:0", "twice"]);
    times(&["--devices", "0,1,2"], &["--batch 8", "3"]);
}

#[test]
fn gpus_that_a_search_cannot_use() {
    let dir = tempfile::tempdir().unwrap();
    let fails_with = |flags: &[&str], words: &[&str]| {
        let mut command = swish();
        command.args(["search", "run"]).arg(dir.path().join("search")).args([
            "--strategy",
            "random",
            "--profile",
            "smoke",
        ]);
        fails(command.args(["--data", "embedded"]).args(flags), words);
        // What was begun is not in the way of the next.
        drop(std::fs::remove_dir_all(dir.path().join("search")));
    };
    let words = no_such_gpu();
    fails_with(&["--devices", "1000"], words);
    fails_with(&["--devices", "0,cuda:0"], &["cuda:0", "twice"]);
    fails_with(&["--children-per-gpu", "2"], &["--children-per-gpu", "CPU"]);
    fails_with(&["--children-per-gpu", "2", "--jobs", "3"], &["--jobs"]);
    fails_with(&["--engine", "slurm", "--devices", "0"], &["--devices", "local engine"]);
}

#[test]
fn a_wrong_record_size() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cifar-10-batches-bin");
    std::fs::create_dir(&folder).unwrap();
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        std::fs::write(folder.join(format!("{name}.bin")), vec![0; 3073 * 3 + 5]).unwrap();
    }
    fails(&mut train_on(dir.path()), &[".bin", "3073"]);
}

#[test]
fn a_label_out_of_range() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = ten_classes();
    rows[7].1 = 10;
    parquet_files(dir.path(), &rows);
    fails(&mut train_on(dir.path()), &["train-00000-of-00001.parquet", "10", "7"]);
}

#[test]
fn an_image_that_does_not_decode() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = ten_classes();
    rows[3].0 = b"not a picture".to_vec();
    parquet_files(dir.path(), &rows);
    fails(&mut train_on(dir.path()), &["train-00000-of-00001.parquet", "3"]);
}

#[test]
fn a_class_missing() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<_> = ten_classes().into_iter().filter(|r| r.1 != 4).collect();
    parquet_files(dir.path(), &rows);
    fails(&mut train_on(dir.path()), &["4"]);
}

#[test]
fn a_data_folder_that_is_not_there_is_never_replaced_by_other_data() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("nowhere");
    fails(train(dir.path()).arg("--data-dir").arg(&missing), &["nowhere"]);
}

#[test]
fn an_unknown_activation_suggests_the_nearest() {
    fails(swish().args(["activation", "swishh"]), &["swishh", "swish"]);
}

#[test]
fn an_unfinished_expression() {
    fails(swish().args(["activation", "relu("]), &["relu(", "6"]);
}

#[test]
fn an_unknown_model_suggests_the_nearest() {
    fails(swish().args(["bench", "step", "--model", "resnet21"]), &["resnet21", "resnet20"]);
}

#[test]
fn a_model_for_images_of_another_size_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = swish();
    command.args(["train", "--model", "mobilenet-v1-025-64", "--activation", "relu", "--data", "embedded"]);
    command.arg("--results").arg(dir.path().join("results"));
    fails(&mut command, &["size of the images", "32x32 (cifar10)", "64x64", "mobilenet-v1-025-64"]);
    assert!(!dir.path().join("results").exists());
}

#[test]
fn a_gpu_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    fails(train(dir.path()).args(["--data", "embedded", "--device", "cuda:1000"]), no_such_gpu());
}

/// `/dev/full` takes no byte: what a full disk does to a result that goes to standard output.
#[test]
fn a_full_disk_behind_standard_output() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        return eprintln!("SKIPPED: no /dev/full here");
    };
    fails(swish().args(["activation", "swish"]).stdout(full), &["standard output"]);
}

#[test]
fn a_results_folder_that_cannot_be_made_leaves_finished_runs_alone() {
    let dir = tempfile::tempdir().unwrap();
    parquet_files(dir.path(), &ten_classes());
    assert!(train_on(dir.path()).output().unwrap().status.success());
    let runs = dir.path().join("results/runs");
    let run = std::fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path().join("run.json");
    let before = std::fs::read(&run).unwrap();
    // A file where the next run's folder should be: refused for root too, as a read-only folder would not be.
    let blocked = dir.path().join("blocked");
    std::fs::write(&blocked, "").unwrap();
    let mut command = swish();
    command.args(["train", "--model", "wrn-10-1", "--activation", "relu", "--steps", "2", "--batch", "8"]);
    command.arg("--data-dir").arg(dir.path()).arg("--results").arg(&blocked);
    fails(&mut command, &["blocked"]);
    assert_eq!(std::fs::read(&run).unwrap(), before);
}

/// A file system of 64 KiB: the run fails with the file's name, and an earlier record is as it was.
#[test]
fn a_full_disk_under_the_results() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results");
    std::fs::create_dir(&results).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&results).status();
    if !mounted.is_ok_and(|s| s.success()) {
        return eprintln!("SKIPPED: mounting a small file system needs root");
    }
    std::fs::create_dir(results.join("runs")).unwrap();
    std::fs::write(results.join("runs/kept"), "kept").unwrap();
    let mut command = train(dir.path());
    parquet_files(dir.path(), &ten_classes());
    command.args(["--checkpoint-seconds", "0"]).arg("--data-dir").arg(dir.path());
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        fails(&mut command, &["checkpoint.safetensors", "space"]);
    }));
    let kept = std::fs::read(results.join("runs/kept"));
    assert!(Command::new("umount").arg(&results).status().unwrap().success());
    assert_eq!(kept.unwrap(), b"kept");
    checked.unwrap();
}

fn forward(dir: &Path, weights: &Path) -> Command {
    let mut command = swish();
    command.args(["forward", "--model", "wrn-10-1", "--activation", "swish"]).arg("--weights").arg(weights);
    command.arg("--input").arg(dir.join("i")).arg("--output").arg(dir.join("o"));
    command
}

#[test]
fn weights_with_a_missing_or_misshapen_tensor_or_no_weights_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let generated = Generated::new("wrn-10-1", "swish", 1);
    candle_core::safetensors::save(&generated.input(2), dir.path().join("i")).unwrap();
    let file = dir.path().join("weights.safetensors");

    let mut missing = generated.weights.clone();
    missing.remove("layer2.0.act1.beta");
    candle_core::safetensors::save(&missing, &file).unwrap();
    fails(&mut forward(dir.path(), &file), &["weights.safetensors", "layer2.0.act1.beta", "missing", "[16]"]);

    let mut misshapen = generated.weights.clone();
    misshapen.insert("fc.weight".into(), Tensor::zeros((100, 64), candle_core::DType::F32, &Device::Cpu).unwrap());
    candle_core::safetensors::save(&misshapen, &file).unwrap();
    fails(&mut forward(dir.path(), &file), &["weights.safetensors", "fc.weight", "[100, 64]", "[10, 64]"]);

    let mut surplus = generated.weights.clone();
    surplus.insert("layer9.0.conv1.weight".into(), generated.weights["fc.weight"].clone());
    candle_core::safetensors::save(&surplus, &file).unwrap();
    fails(&mut forward(dir.path(), &file), &["weights.safetensors", "layer9.0.conv1.weight"]);

    // Evaluation without running statistics would be a number without a meaning.
    candle_core::safetensors::save(&generated.weights, &file).unwrap();
    fails(&mut forward(dir.path(), &file), &["weights.safetensors", "running_mean"]);

    std::fs::write(&file, b"not tensors").unwrap();
    fails(&mut forward(dir.path(), &file), &["weights.safetensors"]);
    fails(&mut forward(dir.path(), &dir.path().join("none.safetensors")), &["none.safetensors"]);
}

#[test]
fn sentences_that_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let generated = Generated::new("transformer_tiny", "relu", 1);
    candle_core::safetensors::save(&generated.weights, file("w")).unwrap();
    let forward = |input: &HashMap<String, Tensor>| {
        candle_core::safetensors::save(input, file("i")).unwrap();
        let mut command = swish();
        command.args(["forward", "--model", "transformer_tiny", "--activation", "relu"]);
        command.arg("--weights").arg(file("w")).arg("--input").arg(file("i")).arg("--output").arg(file("o"));
        command
    };
    let good = generated.input(2);
    assert!(forward(&good).output().unwrap().status.success());
    let with = |name: &str, values: &[i64], shape: (usize, usize)| {
        let mut input = good.clone();
        input.insert(name.into(), Tensor::from_slice(values, shape, &Device::Cpu).unwrap());
        input
    };
    fails(&mut forward(&with("src", &[5, 96, 1, 0], (2, 2))), &["source ids", "96"]);
    fails(&mut forward(&with("tgt", &[0, 5, 1, 1], (2, 2))), &["target ids", "padding"]);
    fails(&mut forward(&with("src", &[5, -3, 1, 1], (2, 2))), &["src -3"]);
    fails(&mut forward(&with("tgt", &[5, 1, 1], (3, 1))), &["2 rows", "3 of `tgt`"]);
    fails(forward(&good).args(["--norm-eps", "0.001"]), &["--norm-eps", "images", "transformer_tiny"]);
    let mut missing = good.clone();
    missing.remove("tgt");
    fails(&mut forward(&missing), &["`tgt` is missing"]);
}
