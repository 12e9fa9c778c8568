//! How the next functions are chosen.
//!
//! | strategy | what it does |
//! |---|---|
//! | [`Exhaustive`] | every member of the space in order (the paper's way for one core unit) |
//! | [`Random`] | members drawn uniformly |
//! | [`Evolution`] | regularized evolution (Real et al. 2018) |
//! | [`Ppo`] | the paper's RNN controller, trained with PPO |
//!
//! A strategy depends on its seed and on the rewards that it is told, on nothing else: a search that was interrupted is rebuilt
//! by asking it again and telling it what the journal holds.

mod evolution;
mod exhaustive;
mod ppo;
mod random;

pub use evolution::{Evolution, EvolutionConfig};
pub use exhaustive::Exhaustive;
pub use ppo::{Ppo, PpoConfig};
pub use random::Random;

use crate::error::Result;
use crate::space::Space;
use serde::{Deserialize, Serialize};
use swish_core::activation::CoreUnits;

/// A proposal with its reward.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The function.
    pub units: CoreUnits,
    /// Validation accuracy from 0 to 1; 0 for one that failed or was rejected.
    pub reward: f64,
}

/// What an update of a learning strategy did, for the journal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// Moving average of the rewards as the strategy takes them (PPO raises them to a power), after the update.
    pub baseline: f64,
    /// Mean entropy of a whole proposal's distribution, in nats, before the update.
    pub entropy: f64,
    /// Mean of the surrogate loss over the update's passes.
    pub loss: f64,
}

/// A way to choose functions.
pub trait Strategy: Send {
    /// The next `n` proposals; fewer only when the space has no more to propose.
    ///
    /// # Errors
    /// A strategy's own; none of those here has any.
    fn propose(&mut self, n: usize) -> Result<Vec<CoreUnits>>;

    /// Is told the rewards of all proposals of the last [`Strategy::propose`], in their order.
    ///
    /// # Errors
    /// Functions that are not members of its space.
    fn learn(&mut self, batch: &[Scored]) -> Result<Option<Update>>;

    /// Whether rewards matter to it: if not, proposals need not wait for them.
    fn learns(&self) -> bool;
}

/// Which strategy, with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "strategy", rename_all = "snake_case")]
pub enum StrategyConfig {
    /// [`Exhaustive`].
    Exhaustive,
    /// [`Random`].
    Random,
    /// [`Evolution`].
    Evolution(EvolutionConfig),
    /// [`Ppo`].
    Ppo(PpoConfig),
}

impl StrategyConfig {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exhaustive => "exhaustive",
            Self::Random => "random",
            Self::Evolution(_) => "evolution",
            Self::Ppo(_) => "ppo",
        }
    }

    /// The strategy of this name with its default parameters; `None` for an unknown name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "exhaustive" => Some(Self::Exhaustive),
            "random" => Some(Self::Random),
            "evolution" => Some(Self::Evolution(EvolutionConfig::default())),
            "ppo" => Some(Self::Ppo(PpoConfig::default())),
            _ => None,
        }
    }

    /// The strategy at its start.
    ///
    /// # Errors
    /// Parameters that make no sense.
    pub fn build(&self, space: Space, seed: u64) -> Result<Box<dyn Strategy>> {
        Ok(match self {
            Self::Exhaustive => Box::new(Exhaustive::new(space)),
            Self::Random => Box::new(Random::new(space, seed)),
            Self::Evolution(config) => Box::new(Evolution::new(space, config, seed)?),
            Self::Ppo(config) => Box::new(Ppo::new(space, config, seed)?),
        })
    }
}
