//! Published weights on the hub.

use crate::DataError;
use crate::hub::{Hub, Place, Progress};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The file of weights in a model's repository, as timm and others name it.
const FILE: &str = "model.safetensors";

/// A model's repository on the hub: `OWNER/NAME`, or `OWNER/NAME@REVISION` with a branch, tag or commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    owner: String,
    name: String,
    revision: Option<String>,
}

impl Published {
    /// The file `model.safetensors`, from the Hugging Face cache or downloaded into it.
    ///
    /// # Errors
    /// [`DataError::Hub`] when neither the cache nor the hub gives the file, with the reason: no network, no such repository, terms that
    /// have to be accepted, no such file in it.
    pub fn weights(&self, progress: Progress) -> Result<PathBuf, DataError> {
        self.weights_with(progress, &Hub::from_env())
    }

    pub(crate) fn weights_with(&self, progress: Progress, hub: &Hub) -> Result<PathBuf, DataError> {
        let place = Place { owner: self.owner.clone(), name: self.name.clone(), what: self.to_string() };
        hub.model_file(&place, self.revision.as_deref(), FILE, progress)
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)?;
        self.revision.as_ref().map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

impl FromStr for Published {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let (place, revision) = text.split_once('@').map_or((text, None), |(place, revision)| (place, Some(revision)));
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        // These become folders of the cache.
        let part = |part: &str| !part.is_empty() && part.chars().all(legal) && !part.contains("..");
        match place.split_once('/') {
            Some((owner, name)) if part(owner) && part(name) && revision.is_none_or(|r| r.split('/').all(part)) => {
                Ok(Self { owner: owner.into(), name: name.into(), revision: revision.map(str::to_owned) })
            }
            _ => Err(DataError::Argument {
                what: "repository",
                value: text.into(),
                expected: "OWNER/NAME or OWNER/NAME@REVISION".into(),
            }),
        }
    }
}
