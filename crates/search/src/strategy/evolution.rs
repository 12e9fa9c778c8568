//! Regularized evolution.

use super::{Scored, Strategy, Update};
use crate::error::{Error, Result};
use crate::space::Space;
use serde::{Deserialize, Serialize};
use swish_core::activation::CoreUnits;

/// Parameters of [`Evolution`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvolutionConfig {
    /// Members of the population.
    pub population: usize,
    /// Members of a tournament.
    pub tournament: usize,
}
