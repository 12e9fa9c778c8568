//! Averages of a network over its steps, on which it is evaluated.

mod last;
mod moving;

pub use last::LastCheckpoints;
pub use moving::{MovingAverages, decay_at};

use crate::error::Result;
use candle_core::Tensor;
use std::collections::HashMap;
use swish_core::nn::Params;

/// Averages of either kind.
pub enum Averages {
    /// Exponential moving averages.
    Moving(MovingAverages),
    /// The mean of the last few checkpoints.
    Last(LastCheckpoints),
}

impl Averages {
    /// Whether the values after step `t` are taken in.
    pub fn takes(&self, t: u64) -> bool {
        match self {
            Self::Moving(_) => true,
            Self::Last(averages) => averages.takes(t),
        }
    }

    /// Takes the values in after step `t`, counted from 1.
    ///
    /// # Errors
    /// Values that are not f32.
    pub fn update(&mut self, params: &Params, t: u64) -> Result<()> {
        match self {
            Self::Moving(averages) => averages.update(params, t),
            Self::Last(averages) => averages.update(params, t),
        }
    }

    /// Exchanges the network's values and the averages: done twice, all is as before.
    ///
    /// # Errors
    /// Values that are not f32.
    pub fn swap(&mut self, params: &Params) -> Result<()> {
        match self {
            Self::Moving(averages) => averages.swap(params),
            Self::Last(averages) => averages.swap(params),
        }
    }

    /// All that they go on from, for a checkpoint.
    ///
    /// # Errors
    /// Candle's, when memory is out.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        match self {
            Self::Moving(averages) => averages.tensors(),
            Self::Last(averages) => averages.tensors(),
        }
    }

    /// Goes on from the tensors of a checkpoint made after so many steps.
    ///
    /// # Errors
    /// Why it cannot: none there, or another network's.
    pub fn restore(&mut self, tensors: &HashMap<String, Tensor>, steps: u64) -> Result<(), String> {
        match self {
            Self::Moving(averages) => averages.restore(tensors),
            Self::Last(averages) => averages.restore(tensors, steps),
        }
    }
}
