//! Puts the git commit of the sources, and whether they differ from it, into the crate
//! (`provenance::commit`, `provenance::dirty`).
//!
//! Without git, without a commit, or from an unpacked archive (also one unpacked inside another
//! repository) the commit is `unknown` and the sources count as changed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the programs are built from, seen from the top of the repository.
const SOURCES: [&str; 5] = ["crates", "experiments", "results/paper", "Cargo.toml", "Cargo.lock"];

/// Output of a git command in this crate's folder, trimmed; `None` when git fails or is missing.
fn git(arguments: &[&str]) -> Option<String> {
    // Without optional locks `git status` leaves the index alone, which is one of the files watched.
    let output = Command::new("git").arg("--no-optional-locks").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Rebuild when `path` changes; a path that is not there would rebuild every time, so it is left out.
fn watch(path: &Path) {
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let (commit, dirty) = state().unwrap_or_else(|| ("unknown".to_owned(), true));
    println!("cargo::rustc-env=SWISH_COMMIT={commit}");
    println!("cargo::rustc-env=SWISH_DIRTY={dirty}");
}

/// Commit and whether the sources differ from it; `None` without a repository that holds this crate.
fn state() -> Option<(String, bool)> {
    for name in ["HEAD", "index", "packed-refs", "refs/heads"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]) {
            watch(&PathBuf::from(path));
        }
    }
    // An archive unpacked inside some other repository must not take that repository's commit.
    git(&["ls-files", "--error-unmatch", "Cargo.toml"])?;
    let commit = git(&["rev-parse", "--verify", "HEAD"])?;
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    let base = top.join(git(&["rev-parse", "--show-prefix"])?).join("../..");
    let paths: Vec<PathBuf> = SOURCES.iter().map(|name| base.join(name)).collect();
    let mut arguments = vec!["status", "--porcelain", "--"];
    arguments.extend(paths.iter().filter_map(|path| path.to_str()));
    let dirty = git(&arguments).is_none_or(|changes| !changes.is_empty());
    if !dirty {
        // The first edit after a clean build turns the flag; while it is set, edits cannot change it
        // and need not rebuild this crate. Committing or reverting goes through the index.
        paths.iter().for_each(|path| watch(path));
    }
    Some((commit, dirty))
}
