//! What the tests of engines share.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A script that can be run. Another process writes it: what this one holds open is for a moment open in every process that the test
/// beside starts, and what is open to be written cannot be run.
pub fn executable(path: &Path, text: &str) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", r#"cat >"$0" && chmod 755 "$0""#]).arg(path).env("PATH", "/usr/bin:/bin");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// This program once more, for one ignored test.
pub fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it said; it must have run its test.
pub fn passed(test: &str, out: &Output) -> String {
    let talk = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && talk.contains("1 passed"), "{test}: {talk}");
    talk.into_owned()
}
