//! Which data a run gets: from a folder, from the hub or its cache, or made by the program; and the line that says so.

use crate::cache::Entry;
use crate::files::{Files, find_in};
use crate::hub::Hub;
use crate::{DataError, Dataset, Images, digest, embedded};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// Which source the user allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataChoice {
    /// The folder if one is given, else the hub or its cache, else embedded data.
    #[default]
    Auto,
    /// The Hugging Face cache or hub.
    Hub,
    /// The folder given.
    Dir,
    /// Made by the program.
    Embedded,
}

impl fmt::Display for DataChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Hub => "hub",
            Self::Dir => "dir",
            Self::Embedded => "embedded",
        })
    }
}

impl FromStr for DataChoice {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        [Self::Auto, Self::Hub, Self::Dir, Self::Embedded]
            .into_iter()
            .find(|choice| choice.to_string() == name)
            .ok_or_else(|| DataError::Argument {
                what: "data source",
                value: name.to_owned(),
                expected: "auto, hub, dir or embedded".into(),
            })
    }
}

/// Where the data came from; part of every run record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataSource {
    /// The Hugging Face cache or hub.
    Hub,
    /// The folder given by the user.
    Dir,
    /// Made by the program.
    Embedded,
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hub => "hub",
            Self::Dir => "dir",
            Self::Embedded => "embedded",
        })
    }
}

/// What the caller wants loaded, and from where.
#[derive(Debug, Clone)]
pub struct DataOptions {
    /// The allowed source.
    pub choice: DataChoice,
    /// The folder from `--data-dir` or SWISH_DATA.
    pub dir: Option<PathBuf>,
    /// Folder of the decoded copies; made when missing.
    pub cache: PathBuf,
    /// Refuse embedded data.
    pub require_real: bool,
}

impl DataOptions {
    /// The folder of decoded copies: `$SWISH_CACHE`, else `swish` in the user's cache folder, else in the system's
    /// temporary one.
    pub fn default_cache() -> PathBuf {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        var("SWISH_CACHE")
            .or_else(|| var("XDG_CACHE_HOME").map(|dir| dir.join("swish")))
            .or_else(|| var("HOME").map(|dir| dir.join(".cache/swish")))
            .unwrap_or_else(|| std::env::temp_dir().join("swish"))
    }
}

/// A data set in memory, with its history.
#[derive(Debug, Clone)]
pub struct LoadedData {
    /// Which data set.
    pub dataset: Dataset,
    /// Where it came from.
    pub source: DataSource,
    /// One line for the user: which data, why, how many images.
    pub note: String,
    /// 12 hexadecimal digits of the hash of the decoded content, in order.
    pub version: String,
    /// Training images.
    pub train: Arc<Images>,
    /// Test images.
    pub test: Arc<Images>,
    /// Class names in label order.
    pub class_names: Vec<String>,
}

/// Loads a data set. With [`DataChoice::Auto`]: the folder if one is given, else the Hugging Face cache or hub, else
/// embedded data. A folder that is given and does not hold the data set is an error, never a reason to take another.
///
/// # Errors
/// Any [`DataError`]; [`DataError::RealRequired`] when only embedded data could be had and `require_real` is set;
/// [`DataError::Argument`] for ImageNet, which [`imagenet::load`](crate::imagenet::load()) opens.
pub fn load(dataset: Dataset, options: &DataOptions) -> Result<LoadedData, DataError> {
    load_with(dataset, options, &Hub::from_env())
}

pub(crate) fn load_with(dataset: Dataset, options: &DataOptions, hub: &Hub) -> Result<LoadedData, DataError> {
    check_in_memory(dataset)?;
    match (options.choice, &options.dir) {
        (DataChoice::Embedded, _) => load_embedded(dataset, options, "asked for"),
        (DataChoice::Dir, None) => Err(DataError::Argument {
            what: "data source",
            value: "dir".into(),
            expected: "a folder with it: --data-dir or SWISH_DATA".into(),
        }),
        (DataChoice::Dir | DataChoice::Auto, Some(dir)) => {
            let files = find_in(dir, dataset)?;
            let why = format!("{}, {}", dir.display(), files.kind());
            complete(load_files(dataset, DataSource::Dir, &why, &files, &options.cache)?, options)
        }
        (DataChoice::Hub, _) => complete(load_hub(dataset, hub, &options.cache, "asked for")?, options),
        (DataChoice::Auto, None) => match load_hub(dataset, hub, &options.cache, "no --data-dir") {
            Err(DataError::Hub { detail, .. }) => {
                load_embedded(dataset, options, &format!("no --data-dir; hub: {detail}"))
            }
            other => complete(other?, options),
        },
    }
}

/// ImageNet is not read into memory.
fn check_in_memory(dataset: Dataset) -> Result<(), DataError> {
    match dataset {
        Dataset::Cifar10 | Dataset::Cifar100 => Ok(()),
        Dataset::ImageNet => Err(DataError::Argument {
            what: "data set",
            value: dataset.to_string(),
            expected: "cifar10 or cifar100 where images are held in memory".into(),
        }),
    }
}

/// Where real data are required, a part of them does not do.
fn complete(data: LoadedData, options: &DataOptions) -> Result<LoadedData, DataError> {
    let counts = (data.train.len(), data.test.len());
    let full = data.dataset.full_counts();
    if options.require_real && counts != full {
        let why = format!("{} training and {} test images instead of {} and {}", counts.0, counts.1, full.0, full.1);
        return Err(DataError::RealRequired { dataset: data.dataset, why });
    }
    Ok(data)
}

fn load_embedded(dataset: Dataset, options: &DataOptions, why: &str) -> Result<LoadedData, DataError> {
    if options.require_real {
        return Err(DataError::RealRequired { dataset, why: format!("embedded data {why}") });
    }
    let (train, test) = embedded::generate(dataset);
    let hashes = [digest::ordered(&train), digest::ordered(&test)];
    let note = format!("data: embedded {dataset} ({why}), {} training and {} test images", train.len(), test.len());
    Ok(loaded(dataset, DataSource::Embedded, note, [train, test], hashes))
}

fn load_hub(dataset: Dataset, hub: &Hub, cache: &Path, why: &str) -> Result<LoadedData, DataError> {
    let [train, test] = hub.files(dataset, &mut |_, _, _| ())?;
    load_files(dataset, DataSource::Hub, why, &Files::Parquet { train, test }, cache)
}

fn load_files(
    dataset: Dataset,
    source: DataSource,
    why: &str,
    files: &Files,
    cache: &Path,
) -> Result<LoadedData, DataError> {
    let [train, test] = files.splits().map(|(split, paths)| {
        let entry = Entry::new(cache, dataset, split, &paths)?;
        if let Some(kept) = entry.read() {
            return Ok(kept);
        }
        let images = files.read(&paths, dataset)?;
        if split == "train" {
            images.check_every_class(&paths[0], &dataset.class_names(source))?;
        }
        let hash = digest::ordered(&images);
        entry.write(&images, &hash);
        Ok((images, hash))
    });
    let ((train, train_hash), (test, test_hash)) = (train?, test?);
    let counts = (train.len(), test.len());
    let mut note = format!("data: {source} {dataset} ({why}), {} training and {} test images", counts.0, counts.1);
    if counts != dataset.full_counts() {
        let (full_train, full_test) = dataset.full_counts();
        note += &format!("; warning: not the complete {full_train} and {full_test}");
    }
    Ok(loaded(dataset, source, note, [train, test], [train_hash, test_hash]))
}

fn loaded(
    dataset: Dataset,
    source: DataSource,
    note: String,
    [train, test]: [Images; 2],
    hashes: [digest::Hash; 2],
) -> LoadedData {
    let version = digest::hex(&digest::sha256(hashes.as_flattened()), 12);
    LoadedData {
        dataset,
        source,
        note,
        version,
        train: Arc::new(train),
        test: Arc::new(test),
        class_names: dataset.class_names(source),
    }
}
