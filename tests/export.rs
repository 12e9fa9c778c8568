//! `swish export`: what it writes for Python is run there, what it writes for CUDA is compiled.
//!
//! The Python is that of SWISH_PYTHON, else `.venv/bin/python`; what is not installed there is skipped, and said.

#[allow(dead_code, reason = "each test uses its part")]
#[path = "../crates/core/tests/export/cases.rs"]
mod cases;

use crate::common::python::python;
use crate::common::swish;
use cases::{Case, cases, numbers};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Exports every case into files `<target>_<n>.<ending>`.
fn exported(cases: &[Case], dir: &Path, target: &str, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        let file = dir.join(format!("{target}_{n}.{ending}"));
        let mut command = swish();
        command.args(["export", &case.activation.to_string(), "--to", target, "--name", &format!("case_{n}")]);
        let out = command.arg("--output").arg(&file).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        files.push(file);
    }
    files
}

fn as_json(case: &Case) -> Value {
    let params: Vec<Value> = case
        .activation
        .params()
        .iter()
        .zip(&case.params)
        .map(|(p, values)| json!({"name": p.name, "init": p.init, "values": values}))
        .collect();
    let expected: Vec<Option<Vec<f64>>> = case.expected.iter().map(|grad| grad.as_ref().map(numbers)).collect();
    json!({"activation": case.activation.to_string(), "x": case.xs, "params": params, "expected": expected})
}

fn check(target: &str) {
    let dir = tempfile::tempdir().unwrap();
    let cases = cases();
    let all: Vec<Value> = cases.iter().map(as_json).collect();
    std::fs::write(dir.path().join("cases.json"), serde_json::to_vec(&all).unwrap()).unwrap();
    exported(&cases, dir.path(), target, "py");
    if let Some(line) = python(target, "check.py", &[target, dir.path().to_str().unwrap()]) {
        assert!(line.contains(&format!("{} functions", cases.len())), "{line}");
        eprint!("{line}");
    }
}

#[test]
fn pytorch_has_our_values_and_derivatives() {
    check("pytorch");
}

#[test]
fn jax_has_our_values_and_derivatives() {
    check("jax");
}

#[test]
fn tensorflow_has_our_values_and_derivatives() {
    check("tensorflow");
}

#[test]
fn nvrtc_compiles_what_is_written_for_cuda() {
    let dir = tempfile::tempdir().unwrap();
    let files = exported(&cases(), dir.path(), "cuda", "cu");
    let args: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    if let Some(line) = python("nvrtc", "nvrtc.py", &args) {
        assert!(line.contains(&format!("{} files", files.len())), "{line}");
        eprint!("{line}");
    }
}

#[test]
fn bad_input_is_told() {
    for (args, word) in [
        (["swish", "--to", "cobol"], "expected pytorch, jax, tensorflow, cuda, c or candle"),
        (["swish+", "--to", "c"], "swish+"),
    ] {
        let out = swish().arg("export").args(args).output().unwrap();
        let text = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && text.contains(word), "{text}");
    }
    let out = swish().args(["export", "swish", "--to", "jax", "--precision", "f64"]).output().unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).contains("--precision is for c and cuda"));
}
