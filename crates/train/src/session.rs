//! A cell's network for images at work: its steps and evaluations, without records or checkpoints.

use crate::averages::{Averages, MovingAverages};
use crate::cell::Cell;
use crate::error::{Error, Result};
use crate::evaluate::{self, Evaluation};
use crate::learner::{Learner, next};
use crate::on_device::{self, Examples, OnImages};
use crate::optimizer::Optimizer;
use crate::recipe::Recipe;
use crate::task::{Task, Training};
use candle_core::{DType, Device, Tensor};
use std::iter::StepBy;
use std::num::NonZeroUsize;
use swish_core::device::Seat;
use swish_core::models::{self, Net};
use swish_core::nn::{Compute, LossAndGradient, LossConfig, Pass, Stored};
use swish_data::{Batches, Data, Drafts, ImageSource};
use swish_kernels::cuda::Rank;
use swish_kernels::rng;

/// What the recipe's loss is made of.
fn loss_config(recipe: &Recipe) -> LossConfig {
    LossConfig { smoothing: recipe.label_smoothing, aux_weight: recipe.aux_weight }
}

/// The recipe's loss of one batch, and its gradient.
fn loss_and_gradient(net: &Net, recipe: &Recipe, xs: &Tensor, labels: &[u32], pass: &Pass) -> Result<LossAndGradient> {
    Ok(net.loss_and_gradient(xs, labels, &loss_config(recipe), pass)?)
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
    images: Box<dyn ImageSource>,
    /// Where another device learns: the learner's state is then that of its last [`Training::settle`].
    on_device: Option<Box<dyn OnImages>>,
    /// Losses that nobody has asked for yet.
    losses: Vec<f64>,
}

/// The training batches of a session.
pub enum TrainingBatches {
    /// With their images.
    Images(Batches),
    /// For a device that has the images.
    Drafts(StepBy<Drafts>),
}

impl<'a> Session<'a> {
    /// A freshly drawn network.
    ///
    /// # Errors
    /// An impossible recipe, an unknown model, a device that is not there, several that cannot share out the batches of a step, memory.
    pub fn new(cell: &'a Cell, data: &Data, device: impl Into<Seat>) -> Result<Self> {
        Self::open(cell, data, |net, learner| on_device::open(device, net, learner, cell.precision))
    }

    /// A freshly drawn network that learns where `device` says; `None` is the CPU.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn open(
        cell: &'a Cell,
        data: &Data,
        device: impl FnOnce(&Net, &Learner) -> Result<Option<Box<dyn OnImages>>>,
    ) -> Result<Self> {
        cell.recipe.check()?;
        let threads = NonZeroUsize::new(rayon::current_num_threads()).unwrap_or(NonZeroUsize::MIN);
        let images = cell.recipe.preprocess.source(data, cell.recipe.holdout, threads)?;
        let info = models::find(&cell.recipe.model)?;
        let net = Net::new(info, &cell.activation, images.classes(), cell.seed, DType::F32, &Device::Cpu)?;
        let averages = cell.recipe.ema_decay.map(|decay| MovingAverages::new(&net.params, decay)).transpose()?;
        let learner = Learner::new(&net.params, &cell.recipe.optimizer, averages.map(Averages::Moving));
        let mut on_device = device(&net, &learner)?;
        on_device.as_mut().map_or(Ok(()), |device| device.share(cell.recipe.replicas))?;
        if let (Some(device), Some(images)) = (&mut on_device, images.in_memory()) {
            let (images, augment) = images.train_images();
            device.keep(images, augment)?;
        }
        Ok(Self { net, learner, cell, images, on_device, losses: Vec::new() })
    }

    /// How batch number `batch` is run in training.
    fn training_pass(cell: &Cell, batch: u64) -> Pass {
        Pass {
            norm_momentum: cell.recipe.norm_momentum,
            dropout_seed: Some(rng::at(cell.seed, batch)),
            operands: cell.precision.operands(),
            ..Pass::train()
        }
    }
}

/// A step on another device; of several, its own batches of the step.
fn step_on(
    device: &mut dyn OnImages,
    cell: &Cell,
    (h, w): (usize, usize),
    batches: &mut TrainingBatches,
    step: u64,
) -> Result<()> {
    let (recipe, rank) = (&cell.recipe, device.rank());
    let lr = recipe.schedule.at(step, recipe.steps);
    for replica in (0..recipe.replicas).filter(|&replica| rank.takes(replica)) {
        let (config, pass) = (loss_config(recipe), Session::training_pass(cell, step * recipe.replicas + replica));
        let lr = rank.ends(replica, recipe.replicas).then_some(lr);
        match batches {
            TrainingBatches::Images(batches) => {
                let batch = next(batches)??;
                let images = Examples::Images { shape: [batch.n, h, w, 3], xs: &batch.xs, labels: &batch.labels };
                device.batch(&images, &config, &pass, lr)?;
            }
            TrainingBatches::Drafts(drafts) => device.batch(&Examples::Kept(&next(drafts)?), &config, &pass, lr)?,
        }
    }
    Ok(())
}

impl Training for Session<'_> {
    type Batches = TrainingBatches;
    type Evaluation = Evaluation;

    fn learner(&self) -> &Learner {
        &self.learner
    }

    fn learner_mut(&mut self) -> &mut Learner {
        &mut self.learner
    }

    fn batches(&self, step: u64) -> Result<TrainingBatches> {
        let Recipe { batch, replicas, .. } = self.cell.recipe;
        let rank = self.on_device.as_ref().map_or(Rank::ALONE, |device| device.rank());
        // Dealt out in turn, the batches of one of several devices are as far from one another as there are devices.
        let (seed, start, every) = (self.cell.seed, step * replicas + rank.number() as u64, rank.of());
        Ok(match self.images.in_memory().filter(|_| self.on_device.is_some()) {
            Some(images) => TrainingBatches::Drafts(images.drafts(batch, seed, start)?.step_by(every)),
            None => TrainingBatches::Images(self.images.some_train_batches(batch, seed, start, every)?),
        })
    }

    fn step(&mut self, batches: &mut TrainingBatches, step: u64) -> Result<()> {
        let Self { net, learner, cell, images, on_device, losses } = self;
        let recipe = &cell.recipe;
        let size = images.image_size();
        if let Some(device) = on_device {
            return step_on(&mut **device, cell, size, batches, step);
        }
        let TrainingBatches::Images(batches) = batches else {
            let expected = "those of this session, which are images".into();
            return Err(Error::BadValue { what: "batches", value: "drafts".into(), expected });
        };
        losses.push(learner.step(step, recipe.replicas, recipe.schedule.at(step, recipe.steps), |batch| {
            let (xs, labels) = evaluate::images(next(batches)??, size)?;
            let pass = Session::training_pass(cell, batch);
            let done = loss_and_gradient(net, recipe, &xs, &labels, &pass)?;
            Ok((done.loss, done.gradient))
        })?);
        Ok(())
    }

    fn losses(&mut self, wait: bool) -> Result<Vec<f64>> {
        if let Some(device) = self.on_device.as_mut().filter(|_| wait) {
            self.losses.extend(device.losses(self.cell.recipe.replicas)?);
        }
        Ok(std::mem::take(&mut self.losses))
    }

    fn evaluate(&mut self, _last: bool) -> Result<Evaluation> {
        let pass = Pass { operands: self.cell.precision.operands(), ..Pass::eval() };
        let size = self.images.image_size();
        let batches = self.images.eval_batches(evaluate::batch(size))?;
        let classes = self.net.classes;
        let Some(device) = &mut self.on_device else {
            return self.averaged(|session| evaluate::evaluate(&session.net, batches, size, &pass));
        };
        device.swap_averages()?;
        let found = evaluate::evaluate_by(classes, batches, size, |xs| device.forward(xs, &pass));
        device.swap_averages()?;
        Ok(found?.0)
    }

    fn device(&self) -> String {
        self.on_device.as_ref().map_or_else(|| Compute::Cpu.to_string(), |device| device.name())
    }

    fn settle(&mut self) -> Result<()> {
        self.on_device.as_ref().map_or(Ok(()), |device| device.download(&mut self.learner))
    }

    fn resume(&mut self) -> Result<()> {
        self.on_device.as_mut().map_or(Ok(()), |device| device.upload(&self.learner))
    }

    fn epochs(&self, steps: u64) -> f64 {
        (steps * self.cell.recipe.examples_a_step()) as f64 / self.images.train_len() as f64
    }

    fn damaged(&self) -> Vec<String> {
        self.images.damaged()
    }
}
