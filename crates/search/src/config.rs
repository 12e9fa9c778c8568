//! What a search is told: its space, strategy, child network and data; kept in the search's folder as `search.json`.

use crate::error::{Error, Result};
use crate::space::SpaceConfig;
use crate::strategy::StrategyConfig;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use swish_core::activation::Activation;
use swish_data::{Data, DataChoice, DataOptions};
use swish_record::{Profile, write_atomic};
use swish_train::cell::Precision;
use swish_train::{Cell, Recipe, Task};

/// The file's name.
const FILE: &str = "search.json";

/// All that decides a search's sequence of proposals and rewards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchConfig {
    /// The space.
    pub space: SpaceConfig,
    /// The strategy, with its parameters.
    pub strategy: StrategyConfig,
    /// Seed of the strategy.
    pub seed: u64,
    /// Proposals in all.
    pub evaluations: u64,
    /// Proposals between two updates of the strategy.
    pub batch: usize,
    /// What a candidate is trained in.
    pub child: ChildConfig,
}

/// What a candidate is trained in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChildConfig {
    /// How it is trained.
    pub recipe: Recipe,
    /// `f32` or `bf16`.
    pub precision: String,
    /// Seed of weights, order and augmentation: the same for all candidates.
    pub seed: u64,
    /// Size of the run.
    pub profile: Profile,
    /// `cpu`, or `cuda:N`.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
    /// Where the data come from: `auto`, `hub`, `dir` or `embedded`.
    pub data: String,
    /// Folder of the data.
    pub data_dir: Option<PathBuf>,
}

impl SearchConfig {
    /// Reads the search's file in `dir`.
    ///
    /// # Errors
    /// No such file, or one that is not a search's.
    pub fn read(dir: &Path) -> Result<Self> {
        let file = dir.join(FILE);
        let bytes = std::fs::read(&file).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::bad_file(&file, "not there: this folder holds no search"),
            _ => Error::io(&file, "read")(e),
        })?;
        serde_json::from_slice(&bytes).map_err(|e| Error::bad_file(&file, format!("not a search's file ({e})")))
    }

    /// Writes the search's file into `dir`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        self.write_as(&dir.join(FILE))
    }

    /// Writes the same as `file`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_as(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::bad_file(file, e.to_string()))?;
        Ok(write_atomic(file, text + "\n")?)
    }

    /// Whether `dir` holds a search.
    pub fn exists(dir: &Path) -> bool {
        dir.join(FILE).exists()
    }

    /// Checks the numbers that a command line can change.
    ///
    /// # Errors
    /// [`Error::BadValue`].
    pub fn check(&self) -> Result<()> {
        for (what, value) in [("evaluations", self.evaluations), ("batch", self.batch as u64)] {
            if value == 0 {
                return Err(Error::BadValue { what, value: "0".into(), expected: "at least 1".into() });
            }
        }
        self.child.precision()?;
        Ok(self.child.recipe.check()?)
    }
}

impl ChildConfig {
    /// The precision.
    ///
    /// # Errors
    /// An unknown word.
    pub fn precision(&self) -> Result<Precision> {
        Ok(self.precision.parse()?)
    }

    /// Loads the data.
    ///
    /// # Errors
    /// Data that are not where they should be, or damaged.
    pub fn load(&self) -> Result<Data> {
        let options = DataOptions {
            choice: self.data.parse::<DataChoice>()?,
            dir: self.data_dir.clone(),
            cache: DataOptions::default_cache(),
            require_real: self.profile == Profile::Paper,
        };
        Ok(Data::open(self.recipe.dataset, options)?)
    }

    /// The training of one candidate.
    ///
    /// # Errors
    /// An unknown precision.
    pub fn cell(&self, activation: Activation) -> Result<Cell> {
        Ok(Cell {
            recipe: self.recipe.clone(),
            activation,
            seed: self.seed,
            precision: self.precision()?,
            profile: self.profile,
        })
    }
}
