//! The errors of this crate.

use std::path::PathBuf;
use swish_core::activation::ParseError;
use swish_record::RecordError;

/// Result with [`ReportError`].
pub type Result<T> = std::result::Result<T, ReportError>;

/// Why a page could not be made. One line that names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file that cannot be read, or a damaged table.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A file of the system that cannot be read.
    #[error("{}: cannot read: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// A candidate whose formula is none.
    #[error("{}: line {line}: {source}", path.display())]
    Formula {
        /// The table of candidates.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What the parser found.
        source: Box<ParseError>,
    },
    /// A file of JSON that is torn, or not what it should be.
    #[error("{}: not the {what} ({source})", path.display())]
    Asked {
        /// The file.
        path: PathBuf,
        /// What was expected.
        what: &'static str,
        /// What the parser found.
        source: serde_json::Error,
    },
    /// The page's data cannot be written as JSON.
    #[error("the page's data cannot be written as JSON: {0}")]
    Json(serde_json::Error),
}
