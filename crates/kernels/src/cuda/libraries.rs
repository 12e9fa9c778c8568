//! NVIDIA's libraries, opened at run time: from folders that the environment names, or wherever the system has them.
#![allow(unsafe_code, reason = "opening a library runs its initialisers")]

use std::path::{Path, PathBuf};

use libloading::Library;

/// Folders to look in first, separated as in PATH; the second variable is for tests of NVRTC alone.
pub const VARIABLES: [&str; 2] = ["SWISH_CUDA_LIBS", "SWISH_NVRTC"];

/// A library that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{library} was not found; install CUDA 13's libraries (`pip install {package}`) and put their folder (.../site-packages/nvidia/*/lib) \
     into SWISH_CUDA_LIBS or LD_LIBRARY_PATH"
)]
pub struct Missing {
    /// Its name, without version.
    pub library: &'static str,
    /// The package that has it.
    pub package: &'static str,
}

/// Opens `lib{stem}.so`, of whichever version.
pub fn open(stem: &str) -> Option<Library> {
    let file = format!("lib{stem}.so");
    let found = folders().into_iter().flat_map(|folder| versions(&folder, &file));
    // The loader's own search: with the versions that programs are linked to.
    let names = ["", ".13", ".12", ".9", ".2", ".1"].map(|version| PathBuf::from(format!("{file}{version}")));
    // SAFETY: NVIDIA's libraries may be opened by any program at any time.
    found.chain(names).find_map(|path| unsafe { Library::new(path) }.ok())
}

/// Those of the environment, then those of the active Python environment's packages.
fn folders() -> Vec<PathBuf> {
    let named = VARIABLES.iter().filter_map(std::env::var_os);
    let mut folders: Vec<PathBuf> = named.flat_map(|list| std::env::split_paths(&list).collect::<Vec<_>>()).collect();
    let below = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    if let Some(python) = std::env::var_os("VIRTUAL_ENV") {
        let packages = below(Path::new(&python).join("lib")).map(|python| python.join("site-packages/nvidia"));
        folders.extend(packages.flat_map(below).map(|package| package.join("lib")));
    }
    folders
}

/// The files of a folder that are versions of a library, the shortest name first.
fn versions(folder: &Path, file: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(file)))
        .map(|entry| entry.path())
        .collect();
    paths.sort_by_key(|path| path.as_os_str().len());
    paths
}

/// Opens those of the libraries that are found for the rest of the process, so that those who ask for them by name get these.
pub fn keep(stems: &[&str]) {
    stems.iter().filter_map(|stem| open(stem)).for_each(std::mem::forget);
}
