//! A cell's network for images at work: its steps and evaluations, without records or checkpoints.

use crate::averages::{Averages, MovingAverages};
use crate::cell::Cell;
use crate::error::Result;
use crate::evaluate::{self, Evaluation};
use crate::learner::{Learner, next};
use crate::optimizer::Optimizer;
use crate::recipe::Recipe;
use crate::task::{Task, Training};
use candle_core::{DType, Device, Tensor};
use std::num::NonZeroUsize;
use swish_core::models::{self, Net};
use swish_core::nn::{LossAndGradient, LossConfig, Pass, Stored};
use swish_data::{Batches, Data, ImageSource};
use swish_kernels::rng;

/// The recipe's loss of one batch, and its gradient.
fn loss_and_gradient(net: &Net, recipe: &Recipe, xs: &Tensor, labels: &[u32], pass: &Pass) -> Result<LossAndGradient> {
    let config = LossConfig { smoothing: recipe.label_smoothing, aux_weight: recipe.aux_weight };
    Ok(net.loss_and_gradient(xs, labels, &config, pass)?)
}

/// One training step on one batch: forward, loss, backward, update. Returns the loss before the update.
///
/// # Errors
/// Memory.
pub fn train_step(
    net: &Net,
    optimizer: &mut Optimizer,
    recipe: &Recipe,
    (xs, labels): (&Tensor, &[u32]),
    lr: f64,
    pass: &Pass,
) -> Result<f64> {
    let done = loss_and_gradient(net, recipe, xs, labels, pass)?;
    if let Some(gradient) = &done.gradient {
        optimizer.step(f32::of(gradient)?, lr)?;
    }
    Ok(done.loss)
}

/// A cell's network, with what it learns by, and its images.
pub struct Session<'a> {
    /// The network.
    pub net: Net,
    /// Its parameters, their optimizer and averages.
    pub learner: Learner,
    cell: &'a Cell,
    device: &'a Device,
    images: Box<dyn ImageSource>,
}

impl<'a> Session<'a> {
    /// A freshly drawn network.
    ///
    /// # Errors
    /// An impossible recipe, an unknown model, memory.
    pub fn new(cell: &'a Cell, data: &Data, device: &'a Device) -> Result<Self> {
        cell.recipe.check()?;
        let threads = NonZeroUsize::new(rayon::current_num_threads()).unwrap_or(NonZeroUsize::MIN);
        let images = cell.recipe.preprocess.source(data, cell.recipe.holdout, threads)?;
        let info = models::find(&cell.recipe.model)?;
        let net = Net::new(info, &cell.activation, images.classes(), cell.seed, DType::F32, device)?;
        let averages = cell.recipe.ema_decay.map(|decay| MovingAverages::new(&net.params, decay)).transpose()?;
        let learner = Learner::new(&net.params, &cell.recipe.optimizer, averages.map(Averages::Moving));
        Ok(Self { net, learner, cell, device, images })
    }
}

impl Training for Session<'_> {
    type Batches = Batches;
    type Evaluation = Evaluation;

    fn learner(&self) -> &Learner {
        &self.learner
    }

    fn learner_mut(&mut self) -> &mut Learner {
        &mut self.learner
    }

    fn batches(&self, step: u64) -> Result<Batches> {
        let recipe = &self.cell.recipe;
        Ok(self.images.train_batches(recipe.batch, self.cell.seed, step * recipe.replicas)?)
    }

    fn step(&mut self, batches: &mut Batches, step: u64) -> Result<f64> {
        let Self { net, learner, cell, device, images } = self;
        let recipe = &cell.recipe;
        let size = images.image_size();
        learner.step(step, recipe.replicas, recipe.schedule.at(step, recipe.steps), |batch| {
            let (xs, labels) = evaluate::images(next(batches)??, size, device)?;
            let pass = Pass {
                norm_momentum: recipe.norm_momentum,
                dropout_seed: Some(rng::at(cell.seed, batch)),
                operands: cell.precision.operands(),
                ..Pass::train()
            };
            let done = loss_and_gradient(net, recipe, &xs, &labels, &pass)?;
            Ok((done.loss, done.gradient))
        })
    }

    fn evaluate(&mut self, _last: bool) -> Result<Evaluation> {
        self.averaged(|session| {
            let pass = Pass { operands: session.cell.precision.operands(), ..Pass::eval() };
            let size = session.images.image_size();
            let batches = session.images.eval_batches(evaluate::batch(size))?;
            evaluate::evaluate(&session.net, batches, size, &pass, session.device)
        })
    }

    fn epochs(&self, steps: u64) -> f64 {
        (steps * self.cell.recipe.examples_a_step()) as f64 / self.images.train_len() as f64
    }

    fn damaged(&self) -> Vec<String> {
        self.images.damaged()
    }
}
