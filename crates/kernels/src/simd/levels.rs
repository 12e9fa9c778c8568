//! The library's tests with the instructions of older processors.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use super::{Level, level};

/// This process has one level, chosen once, so all tests of the library run again in processes of their own.
#[test]
fn under_lower_levels() {
    if std::env::var_os("SWISH_SIMD").is_some() {
        return;
    }
    let levels = [("avx512", Level::Avx512), ("avx2", Level::Avx2), ("scalar", Level::Scalar)];
    for (name, _) in levels.into_iter().filter(|(_, lower)| *lower < level()) {
        // AArch64 has none of x86's.
        if name != "scalar" && !cfg!(target_arch = "x86_64") {
            continue;
        }
        let output = Command::new(std::env::current_exe().unwrap()).env("SWISH_SIMD", name).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "SWISH_SIMD={name}:\n{out}\n{err}");
        assert!(out.contains("single_precision_keeps_its_bounds"), "the tests were not found:\n{out}");
    }
}
