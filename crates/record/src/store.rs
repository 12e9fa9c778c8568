//! The folders of runs: `<results>/runs/<id>/`, with `run.json` once a run has ended.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::atomic::write_atomic;
use crate::error::{RecordError, Result};
use crate::run::RunRecord;

/// Name of the record in the folder of a run.
pub const RUN_FILE: &str = "run.json";

/// The runs below one results folder.
#[derive(Clone, Debug)]
pub struct RunStore {
    runs: PathBuf,
}

impl RunStore {
    /// The store below `results_dir`; nothing is read or made yet.
    pub fn new(results_dir: impl AsRef<Path>) -> Self {
        Self { runs: results_dir.as_ref().join("runs") }
    }

    /// Folder of the run `id`, whether or not it exists.
    #[must_use]
    pub fn run_dir(&self, id: &str) -> PathBuf {
        self.runs.join(id)
    }

    /// Record of the run `id`; `None` when it has not ended.
    ///
    /// # Errors
    /// A file that cannot be read, is torn, or is the record of another run.
    pub fn read(&self, id: &str) -> Result<Option<RunRecord>> {
        let path = self.run_dir(id).join(RUN_FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RecordError::io(&path, "read", source)),
        };
        let record: RunRecord = serde_json::from_slice(&bytes).map_err(|source| {
            let path = path.clone();
            RecordError::RunJson { path, source }
        })?;
        if record.id != id {
            let reason = format!("{} holds the record of run {:?}", path.display(), record.id);
            let id = id.to_owned();
            return Err(RecordError::BadRecord { id, reason });
        }
        Ok(Some(record))
    }

    /// Writes the record into the folder of its run, whole or not at all.
    ///
    /// # Errors
    /// An id that is no name of a folder, `lr` or `seconds` that is not finite (JSON has no such
    /// numbers), or a file that cannot be written.
    pub fn write(&self, record: &RunRecord) -> Result<()> {
        let bad = |reason: String| RecordError::BadRecord { id: record.id.clone(), reason };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if record.id.is_empty() || !record.id.bytes().all(plain) {
            return Err(bad("an id is made of letters, digits, - and _".into()));
        }
        for (name, value) in [("lr", record.lr), ("seconds", record.seconds)] {
            if !value.is_finite() {
                return Err(bad(format!("{name} is {value}, expected a finite number")));
            }
        }
        let mut text = serde_json::to_string_pretty(record).map_err(|e| bad(e.to_string()))?;
        text.push('\n');
        write_atomic(self.run_dir(&record.id).join(RUN_FILE), text)
    }

    /// All records, sorted by id. Runs that have not ended are left out.
    ///
    /// # Errors
    /// A folder or record that cannot be read.
    pub fn list(&self) -> Result<Vec<RunRecord>> {
        let unreadable = |source| RecordError::io(&self.runs, "read", source);
        let entries = match fs::read_dir(&self.runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(unreadable(source)),
        };
        let mut records = Vec::new();
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            // A name that is not text was not made here: ids are plain ASCII.
            if let Some(id) = entry.file_name().to_str()
                && entry.path().is_dir()
            {
                records.extend(self.read(id)?);
            }
        }
        records.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(records)
    }

    /// The records of one experiment, sorted by id.
    ///
    /// # Errors
    /// As [`RunStore::list`].
    pub fn list_experiment(&self, experiment: &str) -> Result<Vec<RunRecord>> {
        let mut records = self.list()?;
        records.retain(|record| record.experiment == experiment);
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::run::samples::record;
    use crate::run::{DataSource, Profile};

    #[test]
    fn what_is_written_is_read_and_listed_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = RunStore::new(folder.path());
        assert!(store.list().unwrap().is_empty());
        assert_eq!(store.read("0000").unwrap(), None);
        let mut written: Vec<RunRecord> =
            (0..5).map(|seed| record("resnet20", Profile::Smoke, DataSource::Embedded, "relu", seed, 50.0)).collect();
        written[3].experiment = "search".into();
        for record in &written {
            store.write(record).unwrap();
        }
        // Folders of runs that have not ended, and stray files, are not records.
        fs::create_dir(store.run_dir("unfinished")).unwrap();
        fs::write(folder.path().join("runs/notes.txt"), "x").unwrap();
        assert_eq!(store.read(&written[2].id).unwrap().as_ref(), Some(&written[2]));
        assert_eq!(store.list_experiment("search").unwrap(), written[3..4]);
        written.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(store.list().unwrap(), written);
    }

    #[test]
    fn a_torn_record_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = RunStore::new(folder.path());
        let record = record("resnet20", Profile::Smoke, DataSource::Embedded, "relu", 1, 50.0);
        store.write(&record).unwrap();
        let path = store.run_dir(&record.id).join(RUN_FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        let message = store.list().unwrap_err().to_string();
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    }

    #[test]
    fn a_record_in_the_folder_of_another_run_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = RunStore::new(folder.path());
        let record = record("resnet20", Profile::Smoke, DataSource::Embedded, "relu", 1, 50.0);
        store.write(&record).unwrap();
        fs::rename(store.run_dir(&record.id), store.run_dir("other")).unwrap();
        assert!(store.read("other").unwrap_err().to_string().contains(&record.id));
    }

    #[test]
    fn a_record_that_could_not_be_read_back_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = RunStore::new(folder.path());
        let good = record("resnet20", Profile::Smoke, DataSource::Embedded, "relu", 1, 50.0);
        for bad in [
            RunRecord { id: "../up".into(), ..good.clone() },
            RunRecord { id: String::new(), ..good.clone() },
            RunRecord { lr: f64::NAN, ..good.clone() },
        ] {
            assert!(matches!(store.write(&bad), Err(RecordError::BadRecord { .. })));
        }
        // A loss that is not finite is no loss: JSON writes null, which reads as None.
        store.write(&RunRecord { train_loss: Some(f64::INFINITY), ..good.clone() }).unwrap();
        assert_eq!(store.read(&good.id).unwrap().unwrap().train_loss, None);
    }
}
