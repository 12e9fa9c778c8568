//! Finding a data set in a folder, in any of the layouts it is handed around in.

use crate::{DataError, Dataset, Images, binary, hub, parquet_file};
use std::path::{Path, PathBuf};

/// The files of a data set on disk.
pub(crate) enum Files {
    Parquet { train: PathBuf, test: PathBuf },
    Binary { train: Vec<PathBuf>, test: Vec<PathBuf> },
}

impl Files {
    /// For the note.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Parquet { .. } => "parquet",
            Self::Binary { .. } => "binary batches",
        }
    }

    /// Name and paths of each split.
    pub(crate) fn splits(&self) -> [(&'static str, Vec<PathBuf>); 2] {
        let (train, test) = match self {
            Self::Parquet { train, test } => (vec![train.clone()], vec![test.clone()]),
            Self::Binary { train, test } => (train.clone(), test.clone()),
        };
        [("train", train), ("test", test)]
    }

    /// Decodes the files of one split.
    pub(crate) fn read(&self, paths: &[PathBuf], dataset: Dataset) -> Result<Images, DataError> {
        match self {
            Self::Parquet { .. } => parquet_file::read(&paths[0], dataset),
            Self::Binary { .. } => binary::read(paths, dataset),
        }
    }
}

/// Looks for a data set in `dir`, or in `dir`'s sub-folder of its name, in every known layout.
pub(crate) fn find_in(dir: &Path, dataset: Dataset) -> Result<Files, DataError> {
    if !dir.is_dir() {
        return Err(DataError::MissingDir { dir: dir.to_path_buf(), dataset });
    }
    let (_, name, in_hub) = hub::place(dataset);
    let (train, test) = binary::file_names(dataset);
    let (binary_dir, expected) = match dataset {
        Dataset::Cifar10 => (
            "cifar-10-batches-bin",
            "[cifar10/]plain_text/{train,test}-00000-of-00001.parquet or [cifar-10-batches-bin/]{data_batch_1..5,test_batch}.bin",
        ),
        Dataset::Cifar100 => (
            "cifar-100-binary",
            "[cifar100/]cifar100/{train,test}-00000-of-00001.parquet or [cifar-100-binary/]{train,test}.bin",
        ),
        Dataset::ImageNet => ("", "a data set that is held in memory"),
    };
    for base in [dir.join(name), dir.to_path_buf()] {
        for names in [in_hub, in_hub.map(base_name)] {
            if let Some(paths) = present(&base, &names, dataset)? {
                return Ok(Files::Parquet { train: paths[0].clone(), test: paths[1].clone() });
            }
        }
        for folder in [base.join(binary_dir), base] {
            let names = [train, test].concat();
            if let Some(mut paths) = present(&folder, &names, dataset)? {
                let test = paths.split_off(train.len());
                return Ok(Files::Binary { train: paths, test });
            }
        }
    }
    Err(DataError::NotInDir { dir: dir.to_path_buf(), dataset, expected })
}

fn base_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// The paths of `names` in `folder`; `None` if none is there; an error if only some are.
fn present(folder: &Path, names: &[&str], dataset: Dataset) -> Result<Option<Vec<PathBuf>>, DataError> {
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    let (there, missing): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| path.is_file());
    match (there.first(), missing.first()) {
        (None, _) => Ok(None),
        (Some(_), None) => Ok(Some(paths)),
        (Some(there), Some(missing)) => {
            let beside = there.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Err(DataError::MissingFile { path: missing.to_path_buf(), beside, dataset })
        }
    }
}
