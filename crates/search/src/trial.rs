//! One candidate's training: its identity, its outcome, and the file that holds it.
//!
//! An outcome's file is the truth about a trial. It is written whole or not at all, and a trial that has one is never run again,
//! so that it does no harm when an engine starts a trial twice.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use swish_record::write_atomic;

/// One training to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Hash of all that decides its numbers: recipe, function, seed, precision, data.
    pub id: String,
    /// The function's canonical form.
    pub activation: String,
}

/// What came of a trial. A failure is an outcome too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The trial's id.
    pub id: String,
    /// Accuracy on the held-out images, in percent; `None` for a failure.
    pub top1: Option<f64>,
    /// Mean training loss of the last tenth of the steps, in nats.
    pub train_loss: Option<f64>,
    /// Wall-clock time, in seconds.
    pub seconds: f64,
    /// Start, UTC, RFC 3339.
    pub started: String,
    /// Device that it ran on.
    pub device: String,
    /// Commit of the program.
    pub commit: String,
    /// Whether the program's sources differed from it.
    pub dirty: bool,
    /// Why it failed (diverged, lost, ...).
    pub err: Option<String>,
}

impl Outcome {
    /// The outcome of a trial that never came to an end.
    pub fn lost(trial: &Trial, why: String) -> Self {
        Self {
            id: trial.id.clone(),
            top1: None,
            train_loss: None,
            seconds: 0.0,
            started: swish_record::provenance::utc_now(),
            device: String::new(),
            commit: swish_record::provenance::commit().into(),
            dirty: swish_record::provenance::dirty(),
            err: Some(why),
        }
    }

    /// The reward: accuracy from 0 to 1, 0 for a failure.
    pub fn reward(&self) -> f64 {
        self.top1.unwrap_or(0.0) / 100.0
    }
}

/// The folder of outcome files.
#[derive(Clone, Debug)]
pub struct Outcomes {
    dir: PathBuf,
}

impl Outcomes {
    /// Those of the search in `search_dir`; nothing is read or made yet.
    pub fn of(search_dir: &Path) -> Self {
        Self { dir: search_dir.join("results") }
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a trial's outcome lies.
    pub fn file(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    /// A trial's outcome; `None` while there is none.
    ///
    /// # Errors
    /// A file that cannot be read or is another trial's.
    pub fn read(&self, id: &str) -> Result<Option<Outcome>> {
        let file = self.file(id);
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(&file, "read")(e)),
        };
        let bad =
            |reason: String| Error::bad_file(&file, format!("{reason}; remove the file, and the trial is run again"));
        let outcome: Outcome = serde_json::from_slice(&bytes).map_err(|e| bad(format!("not an outcome ({e})")))?;
        if outcome.id != id {
            return Err(bad(format!("the outcome of trial {}", outcome.id)));
        }
        Ok(Some(outcome))
    }

    /// Keeps an outcome.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, outcome: &Outcome) -> Result<()> {
        let file = self.file(&outcome.id);
        let text = serde_json::to_string(outcome).map_err(|e| Error::bad_file(&file, e.to_string()))?;
        Ok(write_atomic(&file, text + "\n")?)
    }
}
