//! Regularized evolution.

#[cfg(test)]
mod tests;

use super::{Scored, Strategy, Update};
use crate::error::{Error, Result};
use crate::space::Space;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use swish_core::activation::CoreUnits;
use swish_kernels::rng::{Rng, fnv1a64};

/// Parameters of [`Evolution`]. The defaults are those of Real et al. 2018; of four other settings, tried with 500 proposals and 40
/// seeds on made-up rewards of one core unit, none found better functions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvolutionConfig {
    /// Members of the population.
    pub population: usize,
    /// Members of a tournament, drawn with replacement.
    pub tournament: usize,
}

impl Default for EvolutionConfig {
    fn default() -> Self {
        Self { population: 100, tournament: 25 }
    }
}

/// Regularized evolution (Real et al. 2018, algorithm 1): a child is the winner of a tournament with one choice changed, and
/// takes the place of the oldest member, however good.
///
/// The first proposals, as many as the population has members, are drawn uniformly. The children of a batch have their
/// parents in the population before it.
#[derive(Debug)]
pub struct Evolution {
    space: Space,
    config: EvolutionConfig,
    /// The oldest in front.
    population: VecDeque<Scored>,
    rng: Rng,
}

impl Evolution {
    /// An empty population.
    ///
    /// # Errors
    /// No population, or a tournament of no member or of more than there are.
    pub fn new(space: Space, config: &EvolutionConfig, seed: u64) -> Result<Self> {
        let bad =
            |what, value: usize, expected: String| Err(Error::BadValue { what, value: value.to_string(), expected });
        if config.population == 0 {
            return bad("population", 0, "1 or more".into());
        }
        if !(1..=config.population).contains(&config.tournament) {
            return bad("tournament", config.tournament, format!("from 1 to the population of {}", config.population));
        }
        // A stream of its own: with that of random search, both would begin with the same proposals, and their results would not
        // be independent.
        let rng = Rng::new(seed ^ fnv1a64("evolution"));
        Ok(Self { space, config: config.clone(), population: VecDeque::new(), rng })
    }

    /// The best of a tournament, the first drawn among equals; `None` without a population.
    fn winner(&mut self) -> Option<&CoreUnits> {
        let members = self.population.len() as u64;
        let mut drawn = (0..self.config.tournament).map(|_| self.rng.below(members) as usize);
        let first = self.population.get(drawn.next()?)?;
        let best = drawn.map(|at| &self.population[at]).fold(first, |a, b| if b.reward > a.reward { b } else { a });
        Some(&best.units)
    }
}

impl Strategy for Evolution {
    fn propose(&mut self, n: usize) -> Result<Vec<CoreUnits>> {
        let missing = self.config.population - self.population.len();
        let propose = |i| {
            let parent = if i < missing { None } else { self.winner().cloned() };
            match parent {
                Some(parent) => self.space.mutate(&parent, &mut self.rng),
                None => self.space.sample(&mut self.rng),
            }
        };
        Ok((0..n).map(propose).collect())
    }

    fn learn(&mut self, batch: &[Scored]) -> Result<Option<Update>> {
        self.population.extend(batch.iter().cloned());
        let too_many = self.population.len().saturating_sub(self.config.population);
        self.population.drain(..too_many);
        Ok(None)
    }

    fn learns(&self) -> bool {
        true
    }
}
