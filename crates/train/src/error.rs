//! What can go wrong in training.

use std::path::PathBuf;

/// Errors of training, each one line that names the file or value and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// From the network.
    #[error(transparent)]
    Network(#[from] swish_core::nn::Error),
    /// From the data.
    #[error(transparent)]
    Data(#[from] swish_data::DataError),
    /// From records and result files.
    #[error(transparent)]
    Record(#[from] swish_record::RecordError),
    /// From the activation's text.
    #[error(transparent)]
    Activation(#[from] swish_core::activation::ParseError),
    /// A checkpoint that cannot be gone on from.
    #[error("{}: {reason}; delete the file to train this cell from the start", file.display())]
    BadCheckpoint {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that cannot be removed or read.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A value of a recipe or option that makes no sense.
    #[error("{what} is {value}, expected {expected}")]
    BadValue {
        /// Which value.
        what: &'static str,
        /// As given.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// The pool of threads could not be made.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were wanted.
        threads: usize,
        /// The system's word.
        reason: String,
    },
}

impl From<candle_core::Error> for Error {
    fn from(e: candle_core::Error) -> Self {
        Self::Network(e.into())
    }
}

/// The result of training.
pub type Result<T, E = Error> = std::result::Result<T, E>;
