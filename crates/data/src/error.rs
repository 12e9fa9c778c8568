//! The one error type of this crate: every message is one line that names the file, the value and what was expected.

use crate::Dataset;
use crate::text::TextError;
use std::path::{Path, PathBuf};

/// Why data could not be read, made or served.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The operating system refused a file.
    #[error("{path}: {detail}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The folder given by the user does not exist or is no folder.
    #[error("{dir}: no such folder; --data-dir (or SWISH_DATA) must be an existing folder that holds {dataset}")]
    MissingDir {
        /// The folder.
        dir: PathBuf,
        /// What it should hold.
        dataset: Dataset,
    },
    /// The folder given by the user holds none of the known layouts.
    #[error("{dir}: no {dataset} in this folder; expected {expected}")]
    NotInDir {
        /// The folder.
        dir: PathBuf,
        /// What it should hold.
        dataset: Dataset,
        /// The layouts that are understood.
        expected: &'static str,
    },
    /// One file of a data set is there and another is not.
    #[error("{path}: missing, while {beside} is there; {dataset} needs both")]
    MissingFile {
        /// The file that is missing.
        path: PathBuf,
        /// A file of the same data set that is there.
        beside: String,
        /// The data set.
        dataset: Dataset,
    },
    /// A parquet file is truncated, damaged, or no parquet file.
    #[error("{path}: not a whole parquet file ({detail}); fetch it again")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        detail: String,
    },
    /// A parquet file lacks a column, or the column has another type, or a value is missing.
    #[error("{path}: column {column}: {detail}")]
    Column {
        /// The file.
        path: PathBuf,
        /// Name of the column, `img.bytes` style.
        column: &'static str,
        /// What is wrong and what was expected.
        detail: String,
    },
    /// The length of a binary batch is not a whole number of records.
    #[error("{path}: {bytes} bytes; expected a positive multiple of {record} (label byte(s) and 3072 of pixels)")]
    RecordSize {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: usize,
        /// Bytes in a record: 3073 or 3074.
        record: usize,
    },
    /// A label is outside the data set's classes.
    #[error("{path}: row {row}: {field} is {value}; expected 0 to {}", .classes - 1)]
    Label {
        /// The file.
        path: PathBuf,
        /// Row, counted from 0.
        row: usize,
        /// Name of the label.
        field: &'static str,
        /// The value read.
        value: i64,
        /// Number of classes.
        classes: usize,
    },
    /// An image does not decode, or is not 32x32 RGB.
    #[error("{path}: row {row}: {detail}; expected a 32x32 RGB image (PNG or JPEG)")]
    Image {
        /// The file.
        path: PathBuf,
        /// Row, counted from 0.
        row: usize,
        /// What is wrong.
        detail: String,
    },
    /// An archive, a folder, a list or a file of labels is not what it should be.
    #[error("{path}: {detail}")]
    Archive {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// An entry of an archive or folder cannot be used.
    #[error("{path}: {entry}: {detail}")]
    Entry {
        /// The archive or folder.
        path: PathBuf,
        /// Name of the entry.
        entry: String,
        /// What is wrong.
        detail: String,
    },
    /// An image that an evaluation needs does not decode.
    #[error("{name}: {detail}; an accuracy over fewer images would not compare")]
    Undecodable {
        /// The file, or the row of its shard.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// Too many training images do not decode.
    #[error("{count} training images do not decode, more than one in a thousand; the first: {first}")]
    TooManyUndecodable {
        /// How many were met.
        count: usize,
        /// Name of one of them and what is wrong with it.
        first: String,
    },
    /// The training set has no image of some class.
    #[error("{path}: class {class} ({name}) has no image; expected every one of the {classes} classes")]
    EmptyClass {
        /// The file or folder.
        path: PathBuf,
        /// The class.
        class: usize,
        /// Its name.
        name: String,
        /// Number of classes.
        classes: usize,
    },
    /// The hub gave no file: not cached here and not reachable, or it refused.
    #[error("hub: {what}: {detail}")]
    Hub {
        /// The data set, or the repository of a model.
        what: String,
        /// Why, in one line.
        detail: String,
    },
    /// Real data is needed and there is none on this machine.
    #[error(
        "real {dataset} is needed and was not found ({why}); get it with `swish data fetch --dataset {dataset}`, or give its folder with --data-dir"
    )]
    RealRequired {
        /// The data set.
        dataset: Dataset,
        /// Where was looked, or that embedded data was asked for.
        why: String,
    },
    /// What was fetched is not the data set.
    #[error("{path}: {detail}")]
    NotGenuine {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        detail: String,
    },
    /// Something is wrong with text, a tokenizer or a score.
    #[error(transparent)]
    Text(TextError),
    /// A name or number given by the caller is not allowed.
    #[error("{what} {value}: expected {expected}")]
    Argument {
        /// The argument.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        expected: String,
    },
    /// The thread that prepares batches stopped.
    #[error("the thread that prepares batches stopped: {detail}")]
    Worker {
        /// The panic's message.
        detail: String,
    },
}

impl DataError {
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), detail: one_line(&error.to_string()) }
    }
}

/// A foreign message brought to one line of bounded length.
pub(crate) fn one_line(message: &str) -> String {
    let joined = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match joined.char_indices().nth(300) {
        Some((end, _)) => format!("{}...", &joined[..end]),
        None => joined,
    }
}
