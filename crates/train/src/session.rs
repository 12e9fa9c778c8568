//! A cell's network at work: its steps and evaluations, without records or checkpoints.

use crate::cell::Cell;
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, evaluate, images};
use crate::optimizer::Sgd;
use candle_core::{DType, Device, Tensor};
use std::sync::Arc;
use swish_core::models::{self, Net};
use swish_core::nn::{LossConfig, Pass};
use swish_data::{Batch, Images, LoadedData, TrainBatches, split};
use swish_kernels::rng;

/// Examples a step of an evaluation; it decides speed and memory, not numbers.
const EVAL_BATCH: usize = 250;
/// Seed of the choice of validation images: the same for every run, so that runs compare.
const HOLDOUT_SEED: u64 = 0;

/// One training step: forward, loss, backward, update. Returns the loss before the update.
pub fn train_step(
    net: &Net,
    optimizer: &mut Sgd,
    xs: &Tensor,
    labels: &[u32],
    lr: f64,
    label_smoothing: f64,
    pass: &Pass,
) -> Result<f64> {
    let done = net.loss_and_gradient(xs, labels, &LossConfig::smoothed(label_smoothing), pass)?;
    if let Some(gradient) = &done.gradient {
        optimizer.step(gradient, lr)?;
    }
    Ok(done.loss)
}

/// The next training batch; the stream has no end but an error.
pub fn next(batches: &mut TrainBatches) -> Result<Batch> {
    let ended = || Error::BadValue { what: "batches", value: "ended".into(), expected: "an endless stream".into() };
    Ok(batches.next().ok_or_else(ended)??)
}

/// The images that a run sees: all training and all test images, or, where the recipe holds some out, the rest of the training
/// images and those held out.
#[derive(Clone, Debug)]
struct Part {
    images: Arc<Images>,
    indices: Option<Arc<Vec<u32>>>,
}

/// A cell's network, optimizer and images.
pub struct Session<'a> {
    /// The network.
    pub net: Net,
    /// The optimizer.
    pub optimizer: Sgd,
    cell: &'a Cell,
    device: &'a Device,
    train: Part,
    eval: Part,
}

impl<'a> Session<'a> {
    /// A freshly drawn network.
    ///
    /// # Errors
    /// An impossible recipe, an unknown model, memory.
    pub fn new(cell: &'a Cell, data: &LoadedData, device: &'a Device) -> Result<Self> {
        cell.recipe.check()?;
        let info = models::find(&cell.recipe.model)?;
        let net = Net::new(info, &cell.activation, data.train.classes, cell.seed, DType::F32, device)?;
        let optimizer = Sgd::new(&net.params, &cell.recipe.optimizer);
        let part = |images: &Arc<Images>, indices| Part { images: images.clone(), indices };
        let (train, eval) = match cell.recipe.holdout {
            None => (part(&data.train, None), part(&data.test, None)),
            Some(holdout) => {
                let (rest, held) = split(data.train.len(), holdout, HOLDOUT_SEED)?;
                (part(&data.train, Some(Arc::new(rest))), part(&data.train, Some(Arc::new(held))))
            }
        };
        Ok(Self { net, optimizer, cell, device, train, eval })
    }

    /// Number of training images.
    pub fn train_len(&self) -> usize {
        self.train.indices.as_ref().map_or(self.train.images.len(), |indices| indices.len())
    }

    /// The stream of training batches from `step` on.
    ///
    /// # Errors
    /// A batch larger than the data.
    pub fn batches(&self, step: u64) -> Result<TrainBatches> {
        let recipe = &self.cell.recipe;
        let Part { images, indices } = self.train.clone();
        Ok(TrainBatches::new(images, indices, recipe.batch, recipe.augment, self.cell.seed, step)?)
    }

    /// Step number `step` (0-based) on its batch: returns the training loss.
    ///
    /// # Errors
    /// Memory.
    pub fn step(&mut self, batch: Batch, step: u64) -> Result<f64> {
        let recipe = &self.cell.recipe;
        let (xs, labels) = images(batch, self.train.images.h, self.train.images.w, self.device)?;
        let pass = Pass {
            dropout_seed: Some(rng::at(self.cell.seed, step)),
            operands: self.cell.precision.operands(),
            ..Pass::train()
        };
        let lr = recipe.schedule.at(step, recipe.steps);
        train_step(&self.net, &mut self.optimizer, &xs, &labels, lr, recipe.label_smoothing, &pass)
    }

    /// Loss and accuracy on the images that are not trained on.
    ///
    /// # Errors
    /// Memory.
    pub fn evaluate(&self) -> Result<Evaluation> {
        let pass = Pass { operands: self.cell.precision.operands(), ..Pass::eval() };
        let normalise = self.cell.recipe.augment.normalise;
        let Part { images, indices } = self.eval.clone();
        evaluate(&self.net, &images, indices, normalise, EVAL_BATCH, &pass, self.device)
    }
}
