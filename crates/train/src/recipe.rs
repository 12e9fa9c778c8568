//! What a recipe for images says. Recipes themselves are functions in [`crate::recipes`].

use crate::cell::Cell;
use crate::error::{Error, Result};
use crate::optimizer::OptimizerConfig;
use crate::preprocess::Preprocess;
use crate::schedule::Schedule;
use crate::session::Session;
use crate::task::{Outline, Task, at_least_1, number};
use serde::{Deserialize, Serialize};
use swish_core::device::Seat;
use swish_data::{Data, Dataset};

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
    pub optimizer: OptimizerConfig,
    /// Learning rates.
    pub schedule: Schedule,
    /// Examples of a batch.
    pub batch: usize,
    /// Steps in all.
    pub steps: u64,
    /// Label smoothing.
    pub label_smoothing: f64,
    /// Normalisation and augmentation of training images.
    #[serde(rename = "augment")]
    pub preprocess: Preprocess,
    /// Steps between rows of the training curve; the last step always makes one.
    pub log_every: u64,
    /// Steps between evaluations, each with a row of its own; the last step is always evaluated.
    pub eval_every: u64,
    /// Training images held out: evaluations are on these, and the test set is left alone. `None` trains on all training images
    /// and evaluates on the test set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<usize>,
    /// Weight of the auxiliary head's loss, in models that have one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub aux_weight: f64,
    /// Batches a step: its gradient is the mean of theirs, and each has BatchNorm statistics of its own, as on so many synchronous
    /// replicas.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub replicas: u64,
    /// Largest decay of the moving averages of parameters and running statistics on which evaluations are made
    /// ([`crate::averages`]); `None` evaluates the network as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema_decay: Option<f64>,
    /// Share of a batch in BatchNorm's running statistics (PyTorch's momentum), for runs too short for the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm_momentum: Option<f64>,
}

fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_one(n: &u64) -> bool {
    *n == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

impl Recipe {
    /// Examples a step, over all of its batches.
    pub fn examples_a_step(&self) -> u64 {
        self.batch as u64 * self.replicas
    }

    /// The recipe over another number of steps, a linear warm-up and the intervals of logs and evaluations in proportion.
    #[must_use]
    pub fn with_steps(self, steps: u64) -> Self {
        let scale = |n: u64| (u128::from(n) * u128::from(steps) / u128::from(self.steps.max(1))) as u64;
        Self {
            log_every: scale(self.log_every).max(1),
            eval_every: scale(self.eval_every).max(1),
            steps,
            schedule: self.schedule.clone().with_warmup(scale),
            ..self
        }
    }
}

impl Task for Recipe {
    type Data = Data;
    type Session<'a> = Session<'a>;

    /// The model has to take images of this size, besides.
    fn check(&self) -> Result<()> {
        at_least_1("batch", self.batch as u64)?;
        at_least_1("steps", self.steps)?;
        at_least_1("steps between evaluations", self.eval_every)?;
        at_least_1("batches a step", self.replicas)?;
        self.optimizer.check()?;
        self.schedule.check()?;
        number("decay of the averages", self.ema_decay.unwrap_or(0.0), "from 0 to 1, 1 excluded", |x| {
            (0.0..1.0).contains(&x)
        })?;
        number("label smoothing", self.label_smoothing, "from 0 to 1", |x| (0.0..=1.0).contains(&x))?;
        number("auxiliary weight", self.aux_weight, "0 or more", |x| x >= 0.0)?;
        number("norm momentum", self.norm_momentum.unwrap_or(1.0), "above 0, at most 1", |x| x > 0.0 && x <= 1.0)?;
        let size = self.preprocess.image_size();
        let [_, h, w] = swish_core::models::find(&self.model)?.input;
        match (h, w) == (size, size) {
            true => Ok(()),
            false => Err(Error::BadValue {
                what: "size of the images",
                value: format!("{size}x{size} ({})", self.dataset),
                expected: format!("{h}x{w}, which {} is made for", self.model),
            }),
        }
    }

    fn outline(&self) -> Outline<'_> {
        Outline {
            name: &self.name,
            model: &self.model,
            dataset: self.dataset.to_string(),
            schedule: &self.schedule,
            steps: self.steps,
            examples_a_step: self.examples_a_step(),
            log_every: self.log_every,
            eval_every: self.eval_every,
        }
    }

    fn open<'a>(cell: &'a Cell, data: &'a Data, device: Seat) -> Result<Session<'a>> {
        Session::new(cell, data, device)
    }
}
