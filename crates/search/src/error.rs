//! What can go wrong in a search.

use std::path::{Path, PathBuf};

/// Errors of a search, each one line that names the file or value and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// From training a child.
    #[error(transparent)]
    Train(#[from] swish_train::Error),
    /// From the data.
    #[error(transparent)]
    Data(#[from] swish_data::DataError),
    /// From result files and plots.
    #[error(transparent)]
    Record(#[from] swish_record::RecordError),
    /// From the text of an activation.
    #[error(transparent)]
    Activation(#[from] swish_core::activation::ParseError),
    /// A value that makes no sense.
    #[error("{what} is {value}, expected {expected}")]
    BadValue {
        /// Which value.
        what: &'static str,
        /// As given.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// A file or folder that cannot be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried: `read`, `write`, ...
        action: &'static str,
        /// The system's word.
        source: std::io::Error,
    },
    /// A file whose content is not what it should be.
    #[error("{}: {reason}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A second driver on one folder.
    #[error("{}: another process is driving this search; wait for it or stop it", dir.display())]
    Locked {
        /// The folder of the search.
        dir: PathBuf,
    },
    /// An engine that cannot be used or that refused work.
    #[error("engine {engine}: {reason}")]
    Engine {
        /// Its name.
        engine: &'static str,
        /// What it said, and what to do.
        reason: String,
    },
}

/// The result of a search's function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For `map_err`: the error of `action` on `path`.
    pub(crate) fn io<'a>(path: &'a Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |source| Self::Io { path: path.to_path_buf(), action, source }
    }

    pub(crate) fn bad_file(path: &Path, reason: impl Into<String>) -> Self {
        Self::BadFile { path: path.to_path_buf(), reason: reason.into() }
    }
}
