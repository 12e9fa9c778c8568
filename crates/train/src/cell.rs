//! One cell of an experiment: a recipe, an activation, a seed; and its identity.

use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::task::{Origin, Outline, Task};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;
use swish_core::activation::Activation;
use swish_kernels::conv::Operands;
use swish_record::{Profile, cell_id};

/// Raised whenever the same cell would give other numbers than before, so that old records are not taken for new ones.
const NUMERICS: u32 = 2;

/// Precision of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single precision throughout.
    #[default]
    F32,
    /// Maps and the factors of products in bfloat16; sums, statistics, parameters and their gradients in f32.
    Bf16,
}

impl Precision {
    /// What the kernels are told.
    pub fn operands(self) -> Operands {
        match self {
            Precision::F32 => Operands::Exact,
            Precision::Bf16 => Operands::Bf16,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "f32" => Ok(Precision::F32),
            "bf16" => Ok(Precision::Bf16),
            _ => Err(Error::BadValue { what: "precision", value: text.into(), expected: "f32 or bf16".into() }),
        }
    }
}

/// A recipe x activation x seed. The learning rate is the recipe's.
#[derive(Clone, Debug)]
pub struct Cell<R = Recipe> {
    /// How to train.
    pub recipe: R,
    /// The function under study.
    pub activation: Activation,
    /// Seed of weights, order, augmentation and dropout.
    pub seed: u64,
    /// Precision.
    pub precision: Precision,
    /// Size of the run.
    pub profile: Profile,
}

impl<R: Task> Cell<R> {
    /// The cell's id: a hash of all that decides its numbers, source and version of the data included. Equal functions have
    /// equal ids however they are written; threads, folders and the experiment's name do not count.
    pub fn id(&self, data: &R::Data) -> String {
        #[derive(Serialize)]
        struct Key<'a, R> {
            numerics: u32,
            recipe: &'a R,
            activation: String,
            seed: u64,
            precision: String,
            profile: Profile,
            data: String,
        }
        let key = Key {
            numerics: NUMERICS,
            recipe: &self.recipe,
            activation: self.activation.canonical(),
            seed: self.seed,
            precision: self.precision.to_string(),
            profile: self.profile,
            data: format!("{} {}", data.source(), data.version()),
        };
        // A struct of strings and numbers: JSON cannot fail on it, and {:?} would do as well as an identity.
        cell_id(&serde_json::to_string(&key).unwrap_or_else(|e| format!("{self:?} {e}")))
    }

    /// A short name for progress lines, e.g. `resnet-preact-11 cifar10 swish 0.1 #2`: the rate, and the seed.
    pub fn label(&self) -> String {
        let Outline { model, dataset, schedule, .. } = self.recipe.outline();
        format!("{model} {dataset} {} {} #{}", self.activation, schedule.lr, self.seed)
    }
}
