//! The library's tests with the instructions of older processors.
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// This process has one level, chosen once, so all tests of the library run again in processes of their own.
#[test]
fn under_lower_levels() {
    // Elsewhere there is one level.
    if std::env::var_os("SWISH_SIMD").is_some() || !cfg!(target_arch = "x86_64") {
        return;
    }
    for level in ["avx512", "avx2", "scalar"] {
        let output = Command::new(std::env::current_exe().unwrap()).env("SWISH_SIMD", level).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "SWISH_SIMD={level}:\n{out}\n{err}");
        assert!(out.contains("single_precision_keeps_its_bounds"), "the tests were not found:\n{out}");
    }
}
