//! What a recipe says. Recipes themselves are functions in [`crate::recipes`].

use crate::error::{Error, Result};
use crate::schedule::{Schedule, Warmup};
use serde::{Deserialize, Serialize};
use swish_core::nn::Role;
use swish_data::{Augment, Dataset};

/// Which parameters are decayed. An activation's own parameters never are: He et al. 2015 (PReLU), section 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecayOn {
    /// All of them, BatchNorm's and biases included: Torch flattens the parameters into one vector.
    All,
    /// Weights of convolutions and linear layers (TensorFlow's ResNet).
    Weights,
}

impl DecayOn {
    /// Whether a parameter with this role is decayed.
    pub fn covers(self, role: Role) -> bool {
        match role {
            Role::Activation => false,
            Role::ConvWeight | Role::LinearWeight => true,
            Role::Bias | Role::NormWeight | Role::NormBias => self == DecayOn::All,
        }
    }
}

/// SGD with momentum, in PyTorch's form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    /// Momentum.
    pub momentum: f64,
    /// Nesterov's form of it.
    pub nesterov: bool,
    /// Weight decay, added to the gradient as weight_decay * w.
    pub weight_decay: f64,
    /// Which parameters are decayed.
    pub decay_on: DecayOn,
}

/// All that decides a training run besides the activation, the seed and the data themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Name under which it is recorded.
    pub name: String,
    /// Model of the registry.
    pub model: String,
    /// Data set.
    pub dataset: Dataset,
    /// Optimizer.
    pub optimizer: Sgd,
    /// Learning rates.
    pub schedule: Schedule,
    /// Examples a step.
    pub batch: usize,
    /// Steps in all.
    pub steps: u64,
    /// Label smoothing.
    pub label_smoothing: f64,
    /// Normalisation and augmentation of training images.
    pub augment: Augment,
    /// Steps between rows of the training curve; the last step always makes one.
    pub log_every: u64,
    /// Steps between evaluations, each with a row of its own; the last step is always evaluated.
    pub eval_every: u64,
    /// Training images held out: evaluations are on these, and the test set is left alone. `None` trains on all training images
    /// and evaluates on the test set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<usize>,
}

impl Recipe {
    /// The recipe over another number of steps, a linear warm-up and the intervals of logs and evaluations in proportion.
    #[must_use]
    pub fn with_steps(self, steps: u64) -> Self {
        let scale = |n: u64| (u128::from(n) * u128::from(steps) / u128::from(self.steps.max(1))) as u64;
        let warmup = match self.schedule.warmup {
            Warmup::Linear { steps } => Warmup::Linear { steps: scale(steps) },
            other => other,
        };
        Self {
            log_every: scale(self.log_every).max(1),
            eval_every: scale(self.eval_every).max(1),
            steps,
            schedule: Schedule { warmup, ..self.schedule },
            ..self
        }
    }

    /// Checks the values that a command line can change.
    ///
    /// # Errors
    /// [`Error::BadValue`].
    pub fn check(&self) -> Result<()> {
        let bad = |what, value: String, expected: &str| Err(Error::BadValue { what, value, expected: expected.into() });
        if self.batch == 0 {
            return bad("batch", "0".into(), "at least 1");
        }
        if self.steps == 0 {
            return bad("steps", "0".into(), "at least 1");
        }
        if self.eval_every == 0 {
            return bad("steps between evaluations", "0".into(), "at least 1");
        }
        let decay = self.optimizer.weight_decay;
        if !(decay.is_finite() && decay >= 0.0) {
            return bad("weight decay", decay.to_string(), "a number, 0 or more");
        }
        if !(0.0..=1.0).contains(&self.label_smoothing) {
            return bad("label smoothing", self.label_smoothing.to_string(), "a number from 0 to 1");
        }
        if !(self.schedule.lr.is_finite() && self.schedule.lr > 0.0) {
            return bad("learning rate", self.schedule.lr.to_string(), "a positive number");
        }
        Ok(())
    }
}
