//! Every member of a space in order.

use super::{Scored, Strategy, Update};
use crate::error::Result;
use crate::space::Space;
use swish_core::activation::CoreUnits;

/// Proposes every member once, in the order of [`Space::at`].
#[derive(Debug)]
pub struct Exhaustive {
    space: Space,
    next: u128,
}

impl Exhaustive {
    /// At the first member.
    pub fn new(space: Space) -> Self {
        Self { space, next: 0 }
    }
}

impl Strategy for Exhaustive {
    fn propose(&mut self, n: usize) -> Result<Vec<CoreUnits>> {
        let end = self.space.count().min(self.next + n as u128);
        let batch = (self.next..end).map(|index| self.space.at(index)).collect();
        self.next = end;
        Ok(batch)
    }

    fn learn(&mut self, _batch: &[Scored]) -> Result<Option<Update>> {
        Ok(None)
    }

    fn learns(&self) -> bool {
        false
    }
}
