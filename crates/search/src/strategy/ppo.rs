//! The paper's RNN controller, trained with proximal policy optimization (Schulman et al. 2017).

#[cfg(test)]
mod tests;

use super::{Scored, Strategy, Update};
use crate::controller::{Controller, Prediction};
use crate::error::{Error, Result};
use crate::space::Space;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use swish_core::activation::CoreUnits;
use swish_kernels::optim::{AdamStep, adam};
use swish_kernels::rng::Rng;

/// Parameters of [`Ppo`].
///
/// The paper gives none. Its authors' searches with the same kind of controller took tens of thousands of children and learned
/// slowly (NASNet: Zoph et al. 2017; Neural Optimizer Search: Bello et al. 2017); with NASNet's learning rate and entropy bonus
/// 500 proposals hardly move the controller. The defaults marked as ours make it learn within 500. They were chosen on made-up
/// rewards and on the recorded accuracies of all functions of one core unit, told in batches of 20, with other seeds than those
/// that results are shown with (`swish search compare --first-seed`), so that the best function is found and not only good ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PpoConfig {
    /// Hidden units of the LSTM: 100 as in NASNet.
    pub hidden: usize,
    /// Length of the embedding of a choice: 32, ours.
    pub embedding: usize,
    /// Weights are drawn from U(-`init`, `init`) at the start: 0.08 as in Neural Optimizer Search.
    pub init: f64,
    /// Learning rate of Adam: 3e-3, ours (NASNet: 3.5e-4).
    pub learning_rate: f64,
    /// How far the ratio of new to old probability may leave 1 before it stops to count: 0.2 as in Schulman et al. 2017.
    pub clip: f64,
    /// Passes over a batch: 5, ours.
    pub passes: usize,
    /// Weight of the entropy bonus, in advantages a nat: 0.1, ours (NASNet: 1e-5). Less, and the controller settles early on
    /// what is merely good; more, and it goes on proposing what is bad.
    pub entropy: f64,
    /// Draws for a proposal until it is a function that was not proposed before, however written: 20, ours. A function seen again
    /// teaches nothing, and a controller that has learned draws the good ones again and again. 1 takes what comes.
    pub draws: usize,
    /// Power to which accuracies are raised before anything else: 10, ours (Zoph and Le 2017: 3). The differences among good
    /// functions then weigh something beside that between good ones and failures.
    pub power: f64,
    /// Decay of the moving average of rewards, a reward: 0.95 as in NASNet.
    pub baseline_decay: f64,
    /// Whether advantages are divided by the root of their mean square over the batch: true, ours. The bonus then keeps its
    /// weight as failures grow rare and differences between rewards small.
    pub standardize: bool,
}

impl Default for PpoConfig {
    fn default() -> Self {
        Self {
            hidden: 100,
            embedding: 32,
            init: 0.08,
            learning_rate: 3e-3,
            clip: 0.2,
            passes: 5,
            entropy: 0.1,
            draws: 20,
            power: 10.0,
            baseline_decay: 0.95,
            standardize: true,
        }
    }
}

impl PpoConfig {
    fn check(&self) -> Result<()> {
        let bad = |what, value: &dyn std::fmt::Display, expected: &str| {
            Err(Error::BadValue { what, value: value.to_string(), expected: expected.into() })
        };
        let sizes =
            [("hidden", self.hidden), ("embedding", self.embedding), ("passes", self.passes), ("draws", self.draws)];
        for (what, size) in sizes {
            if size == 0 {
                return bad(what, &size, "1 or more");
            }
        }
        for (what, value) in [("init", self.init), ("entropy", self.entropy)] {
            if !(value >= 0.0 && value.is_finite()) {
                return bad(what, &value, "0 or more");
            }
        }
        for (what, value) in [("learning_rate", self.learning_rate), ("clip", self.clip), ("power", self.power)] {
            if !(value > 0.0 && value.is_finite()) {
                return bad(what, &value, "more than 0");
            }
        }
        if !(0.0..1.0).contains(&self.baseline_decay) {
            return bad("baseline_decay", &self.baseline_decay, "from 0 to less than 1");
        }
        Ok(())
    }
}

/// Proposes what the controller draws; an update makes choices likelier whose rewards were above the baseline.
#[derive(Debug)]
pub struct Ppo {
    space: Space,
    config: PpoConfig,
    controller: Controller,
    moments: [Vec<f64>; 2],
    steps: u64,
    baseline: Option<f64>,
    /// Canonical forms of what was proposed.
    seen: HashSet<String>,
    rng: Rng,
}

/// A proposal to learn from.
#[derive(Debug)]
struct Episode {
    choices: Vec<usize>,
    advantage: f64,
    /// Logarithms of the choices' probabilities when they were made; empty in the first pass, which sees them as they were.
    old: Vec<f64>,
}

/// Means over a batch.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    surrogate: f64,
    entropy: f64,
}

impl Ppo {
    /// An untrained controller.
    ///
    /// # Errors
    /// Parameters out of their ranges.
    pub fn new(space: Space, config: &PpoConfig, seed: u64) -> Result<Self> {
        config.check()?;
        let mut rng = Rng::new(seed);
        let controller = Controller::new(&space, config.hidden, config.embedding, config.init, &mut rng);
        let moments = [0, 1].map(|_| vec![0.0; controller.params().len()]);
        Ok(Self {
            space,
            config: config.clone(),
            controller,
            moments,
            steps: 0,
            baseline: None,
            seen: HashSet::new(),
            rng,
        })
    }

    /// A function that was not proposed before, if it comes within so many draws.
    fn draw(&mut self) -> CoreUnits {
        let mut units = self.space.decode(&self.controller.sample(&mut self.rng));
        for _ in 1..self.config.draws {
            if !self.seen.contains(&form(&units)) {
                break;
            }
            units = self.space.decode(&self.controller.sample(&mut self.rng));
        }
        self.seen.insert(form(&units));
        units
    }

    /// The batch with its advantages over the baseline, which moves on.
    fn episodes(&mut self, batch: &[Scored]) -> Result<Vec<Episode>> {
        let rewards: Vec<f64> = batch.iter().map(|s| libm::pow(s.reward, self.config.power)).collect();
        // At the start nothing is known but the batch itself.
        let mean = rewards.iter().sum::<f64>() / rewards.len() as f64;
        let before = self.baseline.unwrap_or(mean);
        let decay = self.config.baseline_decay;
        self.baseline = Some(rewards.iter().fold(before, |b, r| decay * b + (1.0 - decay) * r));
        let square = rewards.iter().map(|r| (r - before).powi(2)).sum::<f64>() / rewards.len() as f64;
        // Below it the differences are rounding, not rewards.
        let scale = if self.config.standardize { square.sqrt().max(1e-6) } else { 1.0 };
        let episode = |(scored, reward): (&Scored, &f64)| {
            let choices = self.space.encode(&scored.units).ok_or_else(|| Error::BadValue {
                what: "proposal",
                value: scored.units.expr().to_string(),
                expected: "a member of the space".into(),
            })?;
            Ok(Episode { choices, advantage: (reward - before) / scale, old: Vec::new() })
        };
        batch.iter().zip(&rewards).map(episode).collect()
    }

    /// One pass over the batch: adds the gradient of the loss to `grads`.
    fn pass(&self, episodes: &mut [Episode], grads: &mut [f64]) -> Pass {
        let share = 1.0 / episodes.len() as f64;
        let mut means = Pass::default();
        for episode in episodes {
            let predictions = self.controller.follow(&episode.choices);
            if episode.old.is_empty() {
                episode.old = predictions.iter().map(Prediction::log_prob).collect();
            }
            let dlogits = predictions.iter().zip(&episode.old).map(|(prediction, old)| {
                let ratio = libm::exp(prediction.log_prob() - old);
                let (surrogate, slope) = surrogate(ratio, episode.advantage, self.config.clip);
                let entropy = prediction.entropy();
                means.surrogate += share * surrogate;
                means.entropy += share * entropy;
                let gradient = |(choice, log_prob): (usize, &f64)| {
                    let p = libm::exp(*log_prob);
                    let chosen = if choice == prediction.choice { 1.0 } else { 0.0 };
                    let entropy_slope = -p * (log_prob + entropy);
                    -share * (slope * (chosen - p) + self.config.entropy * entropy_slope)
                };
                prediction.log_probs.iter().enumerate().map(gradient).collect()
            });
            let dlogits: Vec<Vec<f64>> = dlogits.collect();
            self.controller.backward(&predictions, &dlogits, grads);
        }
        means
    }
}

/// What equal functions share, as far as algebra tells.
fn form(units: &CoreUnits) -> String {
    units.activation().map_or_else(|_| units.expr().to_string(), |activation| activation.canonical())
}

/// The clipped surrogate `min(r A, clip(r, 1 - c, 1 + c) A)` and its derivative by the logarithm of the new probability.
fn surrogate(ratio: f64, advantage: f64, clip: f64) -> (f64, f64) {
    let free = ratio * advantage;
    let clipped = ratio.clamp(1.0 - clip, 1.0 + clip) * advantage;
    // dr / dlog p = r; where the clipped one is the smaller, nothing depends on r.
    if free <= clipped { (free, free) } else { (clipped, 0.0) }
}

impl Strategy for Ppo {
    fn propose(&mut self, n: usize) -> Result<Vec<CoreUnits>> {
        Ok((0..n).map(|_| self.draw()).collect())
    }

    fn learn(&mut self, batch: &[Scored]) -> Result<Option<Update>> {
        if batch.is_empty() {
            return Ok(None);
        }
        let mut episodes = self.episodes(batch)?;
        let mut passes = Vec::with_capacity(self.config.passes);
        for _ in 0..self.config.passes {
            let mut grads = vec![0.0; self.controller.params().len()];
            passes.push(self.pass(&mut episodes, &mut grads));
            self.steps += 1;
            let step = AdamStep {
                lr: self.config.learning_rate,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                weight_decay: 0.0,
                t: self.steps,
            };
            let [mean, mean_square] = &mut self.moments;
            adam(&step, self.controller.params_mut(), &grads, mean, mean_square);
        }
        if self.controller.params().iter().any(|p| !p.is_finite()) {
            let expected = "finite numbers: take a smaller learning_rate".into();
            return Err(Error::BadValue { what: "a weight of the controller", value: "not finite".into(), expected });
        }
        Ok(self.baseline.map(|baseline| Update {
            baseline,
            entropy: passes[0].entropy,
            loss: -passes.iter().map(|p| p.surrogate).sum::<f64>() / passes.len() as f64,
        }))
    }

    fn learns(&self) -> bool {
        true
    }
}
