//! All that a run needs to go on after being killed, in one safetensors file.
//!
//! Parameters and running statistics stand under their own names, what the optimizer remembers under
//! `optimizer.momentum` and the like, averages under `averages.parameters`, `averages.last.0` and the like, and the step,
//! sums and seconds in the metadata, with what the weights belong to (a tokenizer). Augmentation, dropout and order are
//! functions of the seed and the step, so no generator's state is needed.

use crate::error::{Error, Result};
use crate::task::Training;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use swish_core::nn::weights;
use swish_record::write_atomic;

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Id of the cell.
    pub id: String,
    /// Steps done.
    pub step: u64,
    /// Sum of the training losses since the last row of metrics.
    pub loss_sum: f64,
    /// Steps in that sum.
    pub loss_steps: u64,
    /// Mean training loss of the last row of metrics.
    pub last_loss: Option<f64>,
    /// Seconds spent.
    pub seconds: f64,
    /// When the run was first started, UTC.
    pub started: String,
    /// What has run it, one after the other.
    #[serde(default)]
    pub devices: Vec<String>,
}

const STANDING: &str = "standing";

/// Writes the checkpoint whole or not at all.
///
/// # Errors
/// A file that cannot be written.
pub fn save(file: &Path, session: &impl Training, standing: &Standing) -> Result<()> {
    let tensors = session.learner().tensors()?;
    let bad = |e: serde_json::Error| Error::BadCheckpoint { file: file.to_path_buf(), reason: e.to_string() };
    let standing = serde_json::to_string(standing).map_err(bad)?;
    let mut metadata = session.marks();
    metadata.insert(STANDING.to_string(), standing);
    let bytes = weights::to_bytes(&tensors, Some(metadata))?;
    Ok(write_atomic(file, bytes)?)
}

/// Where a run stands by its checkpoint, and what else the file's metadata say. `None` when there is no file.
///
/// # Errors
/// [`Error::BadCheckpoint`] when the file is damaged, [`Error::Io`] when it cannot be read.
pub fn standing(file: &Path) -> Result<Option<(Standing, HashMap<String, String>)>> {
    let bad = |reason: String| Error::BadCheckpoint { file: file.to_path_buf(), reason };
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(Error::Io { file: file.to_path_buf(), source });
        }
    };
    let (_, metadata) =
        safetensors::SafeTensors::read_metadata(&bytes).map_err(|e| bad(format!("not a checkpoint ({e})")))?;
    let marks = metadata.metadata().clone().unwrap_or_default();
    let text = marks.get(STANDING).ok_or_else(|| bad("holds no standing".into()))?;
    let standing = serde_json::from_str(text).map_err(|e| bad(format!("its standing is unreadable ({e})")))?;
    Ok(Some((standing, marks)))
}

/// Goes back to a checkpoint: sets parameters, statistics, the optimizer's state and averages. `None` when there is no file.
///
/// # Errors
/// [`Error::BadCheckpoint`] when the file is damaged, another cell's, another tokenizer's or another optimizer's.
pub fn load(file: &Path, id: &str, session: &mut impl Training) -> Result<Option<Standing>> {
    let bad = |reason: String| Error::BadCheckpoint { file: file.to_path_buf(), reason };
    // The file may be several gigabytes: one copy of it at a time.
    let Some((standing, marks)) = standing(file)? else { return Ok(None) };
    if standing.id != id {
        return Err(bad(format!("belongs to cell {}, not to {id}", standing.id)));
    }
    for (key, mark) in session.marks() {
        let found = marks.get(&key).map_or("none", String::as_str);
        if found != mark {
            return Err(bad(format!("was made with another {key} ({found}) than this run's ({mark})")));
        }
    }
    let tensors = weights::read_file(file)?;
    session.learner_mut().restore(&tensors, file, standing.step, bad)?;
    Ok(Some(standing))
}
