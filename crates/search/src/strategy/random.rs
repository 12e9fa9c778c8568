//! Members drawn uniformly: what every other strategy has to beat.

use super::{Scored, Strategy, Update};
use crate::error::Result;
use crate::space::Space;
use swish_core::activation::CoreUnits;
use swish_kernels::rng::Rng;

/// Proposes members drawn uniformly, with replacement.
#[derive(Debug)]
pub struct Random {
    space: Space,
    rng: Rng,
}

impl Random {
    /// The stream of this seed.
    pub fn new(space: Space, seed: u64) -> Self {
        Self { space, rng: Rng::new(seed) }
    }
}

impl Strategy for Random {
    fn propose(&mut self, n: usize) -> Result<Vec<CoreUnits>> {
        Ok((0..n).map(|_| self.space.sample(&mut self.rng)).collect())
    }

    fn learn(&mut self, _batch: &[Scored]) -> Result<Option<Update>> {
        Ok(None)
    }

    fn learns(&self) -> bool {
        false
    }
}
