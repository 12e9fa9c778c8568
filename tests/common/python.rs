//! Scripts of `tests/export`, run by the Python of SWISH_PYTHON, else `.venv/bin/python`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the scripts end with where a library is missing.
const MISSING: i32 = 77;

/// Runs a script and returns what it prints, or a loud word that `what` is not tested.
pub fn python(what: &str, script: &str, args: &[&str]) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = std::env::var_os("SWISH_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
    let Ok(out) = Command::new(&python).arg(root.join("tests/export").join(script)).args(args).output() else {
        eprintln!("SKIPPED: {what} is not tested, {} is missing (SWISH_PYTHON names another)", python.display());
        return None;
    };
    if out.status.code() == Some(MISSING) {
        eprintln!("SKIPPED: {what} is not installed for {}", python.display());
        return None;
    }
    assert!(out.status.success(), "{what}: {}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8(out.stdout).unwrap())
}
