//! Finding parallel text in a folder.

use crate::DataError;
use crate::text::{Bitext, TextError, lines, wmt};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A set that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) files: Files,
}

/// Where its sentences come from.
#[derive(Debug, Clone)]
pub(crate) enum Files {
    /// Line i of one is line i of the other.
    Lines { en: PathBuf, de: PathBuf },
    /// Shards with both sides in a column.
    Parquet(Vec<PathBuf>),
    /// Made by the program.
    Made(Bitext),
}

impl Found {
    pub(crate) fn read(&self) -> Result<Bitext, DataError> {
        match &self.files {
            Files::Made(set) => Ok(set.clone()),
            Files::Parquet(shards) => wmt::read(&self.name, shards),
            Files::Lines { en, de } => {
                let [en_lines, de_lines] = [lines::read(en)?, lines::read(de)?];
                if en_lines.len() != de_lines.len() {
                    let (en_lines, de_lines) = (en_lines.len(), de_lines.len());
                    return Err(TextError::Unaligned { en: en.clone(), en_lines, de: de.clone(), de_lines }.data());
                }
                Ok(Bitext { name: self.name.clone(), en: en_lines, de: de_lines })
            }
        }
    }
}

/// The sets of a folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    pub(crate) train: Vec<Found>,
    pub(crate) eval: Vec<Found>,
    /// For the note.
    pub(crate) kind: &'static str,
}

const EXPECTED: &str =
    "[wmt-ende/]{train,eval}/NAME.{en,de}, plain, .gz or .zst, or wmt14/de-en/{train,validation,test}-*.parquet";

/// Looks in `dir/wmt-ende` and `dir` for `train` and `eval` with line-aligned files, then for WMT's parquet files.
///
/// # Errors
/// No such folder, nothing in it, one side of a set alone.
pub(crate) fn find(dir: &Path) -> Result<Layout, DataError> {
    if !dir.is_dir() {
        return Err(TextError::MissingDir { dir: dir.to_path_buf() }.data());
    }
    for base in [dir.join("wmt-ende"), dir.to_path_buf()] {
        let [train, eval] = [base.join("train"), base.join("eval")].map(|folder| pairs(&folder));
        let (train, eval) = (train?, eval?);
        if !train.is_empty() && !eval.is_empty() {
            return Ok(Layout { train, eval, kind: "line-aligned files" });
        }
    }
    wmt::find(&wmt::NAMES.map(|name| Some(dir.join(name))))
        .ok_or_else(|| TextError::NotInDir { dir: dir.to_path_buf(), expected: EXPECTED }.data())
}

/// The sets of line-aligned files in a folder, by name; none if there is no such folder.
fn pairs(folder: &Path) -> Result<Vec<Found>, DataError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |e: std::io::Error| DataError::io(folder, &e);
    let mut found: BTreeMap<String, [Option<PathBuf>; 2]> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some((name, side)) = path.file_name().and_then(|name| name.to_str()).and_then(set_and_side) else {
            continue;
        };
        let place = &mut found.entry(name.to_owned()).or_default()[side];
        // Where a file lies there twice, the plain one (its name is the shortest) is taken.
        if place.as_ref().is_none_or(|other| path.as_os_str().len() < other.as_os_str().len()) {
            *place = Some(path);
        }
    }
    let set = |(name, sides): (String, [Option<PathBuf>; 2])| match sides {
        [Some(en), Some(de)] => Ok(Found { name, files: Files::Lines { en, de } }),
        [Some(path), None] => Err(TextError::MissingSide { path, expected: format!("{name}.de") }.data()),
        [None, Some(path)] => Err(TextError::MissingSide { path, expected: format!("{name}.en") }.data()),
        [None, None] => Err(TextError::Nothing { what: name, part: "sentences" }.data()),
    };
    found.into_iter().map(set).collect()
}

/// `NAME.en.zst` is (NAME, 0), `NAME.de` is (NAME, 1).
fn set_and_side(file: &str) -> Option<(&str, usize)> {
    let plain = file.strip_suffix(".gz").or_else(|| file.strip_suffix(".zst")).unwrap_or(file);
    let english = plain.strip_suffix(".en").map(|name| (name, 0));
    english.or_else(|| plain.strip_suffix(".de").map(|name| (name, 1))).filter(|(name, _)| !name.is_empty())
}
