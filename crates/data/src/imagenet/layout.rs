//! Finding ImageNet in a folder, in the layouts it is handed around in.

use super::archive::is_archive;
use super::labels;
use super::listing::Split;
use crate::{DataError, Dataset};
use std::path::{Path, PathBuf};

/// What is looked for, for messages.
const EXPECTED: &str = "train/ and val/ with class folders, ILSVRC2012_img_{train,val}.tar, *train.tar[.gz] and *val.tar[.gz], or [data/]{train,validation}-*-of-*.parquet";

/// The files of both splits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A folder or an archive a split, and labels of validation images without class folders.
    Trees { train: PathBuf, val: PathBuf, labels: Option<PathBuf>, kind: &'static str },
    /// Parquet shards.
    Shards { train: Vec<PathBuf>, val: Vec<PathBuf> },
}

impl Layout {
    /// For the note.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Trees { kind, .. } => kind,
            Self::Shards { .. } => "parquet shards",
        }
    }
}

/// Looks in `at`/imagenet, then in `at`; `at` may also be one archive of both splits.
///
/// # Errors
/// No such folder, nothing in it, half of a layout, several archives that could be meant.
pub(crate) fn find(at: &Path) -> Result<Layout, DataError> {
    let name = at.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if at.is_file() && is_archive(&name) {
        let labels = at.parent().and_then(labels::find);
        return Ok(Layout::Trees { train: at.into(), val: at.into(), labels, kind: "archive" });
    }
    if !at.is_dir() {
        return Err(DataError::MissingDir { dir: at.to_path_buf(), dataset: Dataset::ImageNet });
    }
    for base in [at.join("imagenet"), at.to_path_buf()] {
        if !base.is_dir() {
            continue;
        }
        let folders = [Split::Train, Split::Val].map(|split| folder(&base, split));
        let archives = [archive(&base, Split::Train)?, archive(&base, Split::Val)?];
        for ([train, val], kind) in [(folders, "folders"), (archives, "archives")] {
            match (train, val) {
                (Some(train), Some(val)) => {
                    let labels = labels::find(&val).filter(|_| val.is_dir()).or_else(|| labels::find(&base));
                    return Ok(Layout::Trees { train, val, labels, kind });
                }
                (Some(there), None) => return Err(missing(&base, "validation", &there)),
                (None, Some(there)) => return Err(missing(&base, "training", &there)),
                (None, None) => {}
            }
        }
        for folder in [base.join("data"), base] {
            let [train, val] = [shards(&folder, "train")?, shards(&folder, "validation")?];
            match (train.first(), val.first()) {
                (Some(_), Some(_)) => return Ok(Layout::Shards { train, val }),
                (Some(there), None) => return Err(missing(&folder, "validation", there)),
                (None, Some(there)) => return Err(missing(&folder, "training", there)),
                (None, None) => {}
            }
        }
    }
    Err(DataError::NotInDir { dir: at.to_path_buf(), dataset: Dataset::ImageNet, expected: EXPECTED })
}

fn missing(base: &Path, what: &str, there: &Path) -> DataError {
    let there = there.file_name().unwrap_or_default().to_string_lossy();
    let detail = format!("no {what} images, while {there} is there; {} needs both", Dataset::ImageNet);
    DataError::Archive { path: base.to_path_buf(), detail }
}

fn folder(base: &Path, split: Split) -> Option<PathBuf> {
    let names: &[&str] = match split {
        Split::Train => &["train"],
        Split::Val => &["val", "validation"],
    };
    names.iter().map(|name| base.join(name)).find(|path| path.is_dir())
}

/// The one archive of a split: its name without ending is `train`, or ends with it after a sign.
fn archive(base: &Path, split: Split) -> Result<Option<PathBuf>, DataError> {
    let mut found: Vec<PathBuf> = names(base)?
        .into_iter()
        .filter(|name| is_archive(name))
        .filter(|name| {
            let stem = name.split(".t").next().unwrap_or(name);
            let before = stem.strip_suffix(split.name());
            before.is_some_and(|before| before.is_empty() || before.ends_with(['_', '-', '.']))
        })
        .map(|name| base.join(name))
        .collect();
    found.sort();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        [one, other, ..] => {
            let other = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let detail = format!("{other} is there too; expected one archive of the {} split", split.name());
            Err(DataError::Archive { path: one.clone(), detail })
        }
    }
}

/// All shards `split-00000-of-00294.parquet`, in order; none if there is none.
fn shards(folder: &Path, split: &str) -> Result<Vec<PathBuf>, DataError> {
    let number = |name: &String| -> Option<(usize, usize)> {
        let (number, of) = name.strip_prefix(split)?.strip_prefix('-')?.strip_suffix(".parquet")?.split_once("-of-")?;
        Some((number.parse().ok()?, of.parse().ok()?))
    };
    let mut found: Vec<((usize, usize), PathBuf)> = Vec::new();
    for name in names(folder)? {
        if let Some(number) = number(&name) {
            found.push((number, folder.join(name)));
        }
    }
    found.sort();
    let of = found.first().map_or(0, |((_, of), _)| *of);
    let complete = found.iter().enumerate().all(|(at, (number, _))| *number == (at, of)) && found.len() == of;
    if !complete {
        let detail = format!("{} of {of} {split} shards; expected all", found.len());
        return Err(DataError::Archive { path: folder.to_path_buf(), detail });
    }
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Names in a folder; none if it is no folder.
fn names(folder: &Path) -> Result<Vec<String>, DataError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |e: std::io::Error| DataError::io(folder, &e);
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned())).collect()
}
