//! A cell's network at work: its steps and evaluations, without records or checkpoints.

use crate::averages::Averages;
use crate::cell::Cell;
use crate::error::{Error, Result};
use crate::evaluate::{self, Evaluation, images};
use crate::optimizer::Optimizer;
use crate::recipe::Recipe;
use candle_core::{DType, Device, Tensor};
use std::num::NonZeroUsize;
use swish_core::models::{self, Net};
use swish_core::nn::{LossAndGradient, LossConfig, Pass, Stored};
use swish_data::{Batch, Batches, Data, ImageSource};
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

/// The next training batch; the stream has no end but an error.
fn next(batches: &mut Batches) -> Result<Batch> {
    let ended = || Error::BadValue { what: "batches", value: "ended".into(), expected: "an endless stream".into() };
    Ok(batches.next().ok_or_else(ended)??)
}

/// A cell's network, optimizer, averages and images.
pub struct Session<'a> {
    /// The network.
    pub net: Net,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The averages on which the network is evaluated, where the recipe wants them.
    pub averages: Option<Averages>,
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
        let optimizer = Optimizer::new(&net.params, &cell.recipe.optimizer);
        let averages = cell.recipe.ema_decay.map(|decay| Averages::new(&net.params, decay)).transpose()?;
        Ok(Self { net, optimizer, averages, cell, device, images })
    }

    /// Number of training images.
    pub fn train_len(&self) -> usize {
        self.images.train_len()
    }

    /// Training images that turned out to be damaged, a line each.
    pub fn damaged(&self) -> Vec<String> {
        self.images.damaged()
    }

    /// The stream of training batches from `step` on.
    ///
    /// # Errors
    /// A batch larger than the data.
    pub fn batches(&self, step: u64) -> Result<Batches> {
        let recipe = &self.cell.recipe;
        Ok(self.images.train_batches(recipe.batch, self.cell.seed, step * recipe.replicas)?)
    }

    /// Step number `step` (0-based) on the next batches of [`Session::batches`]: returns the mean training loss.
    ///
    /// A loss that is not finite leaves the network as it is.
    ///
    /// # Errors
    /// Memory.
    pub fn step(&mut self, batches: &mut Batches, step: u64) -> Result<f64> {
        let recipe = &self.cell.recipe;
        let replicas = recipe.replicas;
        let (mut loss, mut gradient) = (0.0, None);
        for replica in 0..replicas {
            let (xs, labels) = images(next(batches)?, self.images.image_size(), self.device)?;
            let pass = Pass {
                norm_momentum: recipe.norm_momentum,
                dropout_seed: Some(rng::at(self.cell.seed, step * replicas + replica)),
                operands: self.cell.precision.operands(),
                ..Pass::train()
            };
            let done = loss_and_gradient(&self.net, recipe, &xs, &labels, &pass)?;
            loss += done.loss;
            gradient = match (gradient, done.gradient) {
                (_, None) => return Ok(done.loss),
                (None, first) => first,
                (Some(mut sum), Some(next)) => {
                    f32::of_mut(&mut sum)?.iter_mut().zip(f32::of(&next)?).for_each(|(sum, g)| *sum += g);
                    Some(sum)
                }
            };
        }
        if let Some(mut gradient) = gradient {
            let gradient = f32::of_mut(&mut gradient)?;
            if replicas > 1 {
                gradient.iter_mut().for_each(|g| *g /= replicas as f32);
            }
            self.optimizer.step(gradient, recipe.schedule.at(step, recipe.steps))?;
        }
        if let Some(averages) = &mut self.averages {
            averages.update(&self.net.params, step + 1)?;
        }
        Ok(loss / replicas as f64)
    }

    /// Calls `f` while the network has the averages for its values, where there are averages.
    ///
    /// # Errors
    /// Those of `f`; memory.
    pub fn averaged<R>(&mut self, f: impl FnOnce(&Self) -> Result<R>) -> Result<R> {
        let Some(mut averages) = self.averages.take() else {
            return f(self);
        };
        averages.swap(&self.net.params)?;
        let result = f(self);
        averages.swap(&self.net.params)?;
        self.averages = Some(averages);
        result
    }

    /// Loss and accuracy on the images that are not trained on, of the averages where there are any.
    ///
    /// # Errors
    /// Memory.
    pub fn evaluate(&mut self) -> Result<Evaluation> {
        self.averaged(|session| {
            let pass = Pass { operands: session.cell.precision.operands(), ..Pass::eval() };
            let size = session.images.image_size();
            let batches = session.images.eval_batches(evaluate::batch(size))?;
            evaluate::evaluate(&session.net, batches, size, &pass, session.device)
        })
    }
}
