//! The errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// Result with [`RecordError`].
pub type Result<T> = std::result::Result<T, RecordError>;

/// Why a record, table or plot could not be read or written. One line that names the file or value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The disk or the quota is full.
    #[error("{}: no space left to write it: free some space, or choose another folder", path.display())]
    DiskFull {
        /// File that was being written.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The folder may not be written to.
    #[error("{}: its folder cannot be written to ({source}): change its permissions, or choose another folder", path.display())]
    ReadOnly {
        /// File that was to be written.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Any other error of the file system.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// File or folder concerned.
        path: PathBuf,
        /// What was tried: `read`, `write`, ...
        action: &'static str,
        /// Error of the system.
        source: io::Error,
    },
    /// A `run.json` that is torn or not a record.
    #[error("{}: not a run record ({source}): remove the file, and the run is done again", path.display())]
    RunJson {
        /// The file.
        path: PathBuf,
        /// What the parser found.
        source: serde_json::Error,
    },
    /// A record that cannot be stored.
    #[error("run {id:?}: {reason}")]
    BadRecord {
        /// Its id.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A `metrics.csv` that is not one.
    #[error("{}: line {line}: {reason}", path.display())]
    MetricsCsv {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What was expected there.
        reason: String,
    },
    /// A table of results that is damaged.
    #[error("{}: line {line}: {reason}: make the file again, or remove it", path.display())]
    TableRow {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A word that is not one of a fixed set.
    #[error("{value:?} is not a {what}: expected {expected}")]
    UnknownName {
        /// What it should name.
        what: &'static str,
        /// The word.
        value: String,
        /// The words allowed.
        expected: &'static str,
    },
    /// A marker of a generated part is missing or misplaced.
    #[error("marker {marker:?}: {reason}")]
    Marker {
        /// The marker looked for.
        marker: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A CSV table could not be put together.
    #[error("table {table:?}: cannot write it as CSV: {source}")]
    TableCsv {
        /// File stem of the table.
        table: String,
        /// Error of the CSV writer.
        source: csv::Error,
    },
    /// A plot could not be drawn.
    #[error("{}: cannot draw the plot: {reason}", path.display())]
    Plot {
        /// Picture that was to be written.
        path: PathBuf,
        /// Error of the drawing library.
        reason: String,
    },
}

impl RecordError {
    /// The error of `action` on `path`, telling a full disk and a read-only folder apart from the rest.
    pub(crate) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path, source },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem if action != "read" => {
                Self::ReadOnly { path, source }
            }
            _ => Self::Io { path, action, source },
        }
    }
}
