//! Labels of validation images that lie in one folder or archive without class folders.
//!
//! | a line of the file | such as | from |
//! |---|---|---|
//! | `file wnid`, further words ignored; space, tab or comma between | `ILSVRC2012_val_00000001.JPEG n01751748` | own lists; `LOC_val_solution.csv` |
//! | `file number` | `ILSVRC2012_val_00000001.JPEG 65` | Caffe's `val.txt`: place of the wnid among the sorted 1000, from 0 |
//! | `wnid` | `n01751748` | slim's `imagenet_2012_validation_synset_labels.txt`: one for each file in sorted order |
//! | `number` | `490` | `ILSVRC2012_validation_ground_truth.txt`: the ILSVRC2012_ID, from 1, for each file in sorted order |
//!
//! The last form needs the meaning of the IDs, which the MATLAB file `meta.mat` of the kit holds; it is taken from
//! `map_clsloc.txt` of the later kits (lines `wnid ID name`) beside it.

use super::classes::{Classes, is_wnid};
use crate::DataError;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Names under which labels are looked for.
pub(crate) const FILES: [&str; 5] = [
    "LOC_val_solution.csv",
    "val_labels.txt",
    "val.txt",
    "imagenet_2012_validation_synset_labels.txt",
    "ILSVRC2012_validation_ground_truth.txt",
];
const MAPPING: &str = "map_clsloc.txt";

/// The labels in `dir`, or in the folder of the development kit there.
pub(crate) fn find(dir: &Path) -> Option<PathBuf> {
    let folders = [dir.to_path_buf(), dir.join("ILSVRC2012_devkit_t12/data")];
    folders.iter().flat_map(|folder| FILES.map(|name| folder.join(name))).find(|path| path.is_file())
}

/// What a line says of a class.
#[derive(Debug, Clone)]
enum Class {
    Wnid(String),
    /// Place among the sorted classes.
    Place(usize),
    /// ILSVRC2012_ID.
    Id(usize),
}

/// A file of labels.
#[derive(Debug)]
pub(crate) struct Labels {
    path: PathBuf,
    /// File name without its ending (`None`: by order), and class; with the number of its line.
    lines: Vec<(usize, Option<String>, Class)>,
    ids: HashMap<usize, String>,
}

impl Labels {
    /// Reads a file of labels.
    ///
    /// # Errors
    /// A line of another form than those above, forms mixed, IDs without their meaning.
    pub(crate) fn read(path: &Path) -> Result<Self, DataError> {
        let text = std::fs::read_to_string(path).map_err(|e| DataError::io(path, &e))?;
        let mut lines = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split([' ', '\t', ',']).filter(|word| !word.is_empty()).collect();
            if words.is_empty() || (number == 0 && words[0].eq_ignore_ascii_case("imageid")) {
                continue;
            }
            let (file, class) = parse(&words).ok_or_else(|| wrong(path, number, line))?;
            lines.push((number, file, class));
            if lines[0].1.is_some() != lines[lines.len() - 1].1.is_some() {
                return Err(wrong(path, number, line));
            }
        }
        let mut ids = HashMap::new();
        if lines.iter().any(|(_, _, class)| matches!(class, Class::Id(_))) {
            ids = read_mapping(path)?;
        }
        Ok(Self { path: path.to_path_buf(), lines, ids })
    }

    /// The classes named here; `None` if places among the sorted classes are.
    pub(crate) fn wnids(&self) -> Option<Vec<&str>> {
        self.lines.iter().map(|(_, _, class)| self.wnid(class)).collect()
    }

    fn wnid<'a>(&'a self, class: &'a Class) -> Option<&'a str> {
        match class {
            Class::Wnid(wnid) => Some(wnid),
            Class::Id(id) => self.ids.get(id).map(String::as_str),
            Class::Place(_) => None,
        }
    }

    /// The label of each of `files`, which are sorted.
    ///
    /// # Errors
    /// A file without a label, a class outside `classes`, another number of labels than of files.
    pub(crate) fn of(&self, files: &[&str], classes: &Classes) -> Result<Vec<u16>, DataError> {
        let problem = |detail: String| DataError::Archive { path: self.path.clone(), detail };
        let in_order = self.lines.first().is_some_and(|(_, file, _)| file.is_none());
        if in_order && self.lines.len() != files.len() {
            return Err(problem(format!("{} labels for {} images", self.lines.len(), files.len())));
        }
        let by_name: HashMap<&str, usize> =
            self.lines.iter().enumerate().filter_map(|(at, (_, file, _))| Some((file.as_deref()?, at))).collect();
        let line = |(at, file): (usize, &&str)| match in_order {
            true => Ok(at),
            false => by_name.get(stem(file)).copied().ok_or_else(|| problem(format!("no label for {file}"))),
        };
        let label = |at: usize| {
            let (number, _, class) = &self.lines[at];
            let found = match class {
                Class::Place(place) => u16::try_from(*place).ok().filter(|_| *place < classes.len()),
                _ => self.wnid(class).and_then(|wnid| classes.label(wnid)),
            };
            let origin = classes.origin();
            found.ok_or_else(|| problem(format!("line {}: {class:?} is not among {origin}", number + 1)))
        };
        files.iter().enumerate().map(|image| line(image).and_then(label)).collect()
    }
}

fn parse(words: &[&str]) -> Option<(Option<String>, Class)> {
    match words {
        [wnid] if is_wnid(wnid) => Some((None, Class::Wnid((*wnid).into()))),
        [number] => Some((None, Class::Id(number.parse().ok().filter(|id| *id > 0)?))),
        [file, wnid, ..] if is_wnid(wnid) => Some((Some(stem(file).into()), Class::Wnid((*wnid).into()))),
        [file, number] => Some((Some(stem(file).into()), Class::Place(number.parse().ok()?))),
        _ => None,
    }
}

/// A file's name without folders and ending.
fn stem(file: &str) -> &str {
    let base = file.rsplit('/').next().unwrap_or(file);
    base.rsplit_once('.').map_or(base, |(stem, _)| stem)
}

fn wrong(path: &Path, number: usize, line: &str) -> DataError {
    let line = crate::error::one_line(line);
    let detail =
        format!("line {}: {line:?}; expected `file wnid`, `file number`, `wnid` or `number` throughout", number + 1);
    DataError::Archive { path: path.to_path_buf(), detail }
}

/// ILSVRC2012_ID to wnid.
fn read_mapping(labels: &Path) -> Result<HashMap<usize, String>, DataError> {
    let path = labels.with_file_name(MAPPING);
    let text = std::fs::read_to_string(&path).map_err(|_| DataError::Archive {
        path: labels.to_path_buf(),
        detail: format!("its numbers are ILSVRC2012_IDs; expected {MAPPING} (lines `wnid ID name`) beside it"),
    })?;
    let pair = |line: &str| {
        let mut words = line.split_whitespace();
        let wnid = words.next().filter(|word| is_wnid(word))?;
        Some((words.next()?.parse().ok()?, wnid.to_owned()))
    };
    Ok(text.lines().filter_map(pair).collect())
}

#[cfg(test)]
#[path = "tests/labels.rs"]
mod tests;
