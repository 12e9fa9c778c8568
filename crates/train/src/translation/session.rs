//! A cell's Transformer at work.

use super::evaluate::{TranslationEvaluation, evaluate};
use super::on_device::{self, OnText};
use super::{MARK, TOKENIZER_FILE, TextData, TranslationRecipe};
use crate::averages::{Averages, LastCheckpoints};
use crate::cell::Cell;
use crate::error::Result;
use crate::learner::{Learner, next};
use crate::task::{Task, Training};
use candle_core::{DType, Device};
use std::collections::HashMap;
use std::path::Path;
use swish_core::device::{Seat, TextRunner};
use swish_core::models::transformer::Transformer;
use swish_core::nn::{Compute, Pass};
use swish_data::text::TextBatches;
use swish_kernels::rng;

/// A cell's network, with what it learns by, and its text.
pub struct TranslationSession<'a> {
    /// The network.
    pub net: Transformer,
    /// Its parameters, their optimizer and averages.
    pub learner: Learner,
    cell: &'a Cell<TranslationRecipe>,
    data: &'a TextData,
    /// Target tokens trained on.
    tokens: u64,
    /// Batches an epoch.
    epoch: u64,
    /// Where another device learns: the learner's state is then that of its last [`Training::settle`].
    on_device: Option<Box<dyn OnText>>,
    /// Losses that nobody has asked for yet.
    losses: Vec<f64>,
}

impl<'a> TranslationSession<'a> {
    /// A freshly drawn network.
    ///
    /// # Errors
    /// An impossible recipe, an unknown model, data that were encoded for another recipe, a device that is not there, several that cannot
    /// share out the batches of a step, memory.
    pub fn new(cell: &'a Cell<TranslationRecipe>, data: &'a TextData, device: impl Into<Seat>) -> Result<Self> {
        Self::open(cell, data, |net, learner| on_device::open(device, net, learner, cell.precision))
    }

    /// A freshly drawn network that learns where `device` says; `None` is the CPU.
    ///
    /// # Errors
    /// As [`TranslationSession::new`].
    pub fn open(
        cell: &'a Cell<TranslationRecipe>,
        data: &'a TextData,
        device: impl FnOnce(&Transformer, &Learner) -> Result<Option<Box<dyn OnText>>>,
    ) -> Result<Self> {
        let recipe = &cell.recipe;
        recipe.check()?;
        data.check(recipe)?;
        let config = recipe.config(data.tokenizer.vocab_size())?;
        let net = Transformer::new(&config, &cell.activation, cell.seed, DType::F32, &Device::Cpu)?;
        let last = recipe.average.map(|last| LastCheckpoints::new(&net.params, last.every, last.checkpoints));
        let learner = Learner::new(&net.params, &recipe.optimizer, last.map(Averages::Last));
        let epoch = TextBatches::new(data.train.clone(), recipe.tokens, cell.seed, 0)?.steps_per_epoch();
        let mut on_device = device(&net, &learner)?;
        on_device.as_mut().map_or(Ok(()), |device| device.share(recipe.replicas))?;
        Ok(Self { net, learner, cell, data, tokens: 0, epoch, on_device, losses: Vec::new() })
    }
}

/// How batch number `batch` is run in training.
fn training_pass(cell: &Cell<TranslationRecipe>, batch: u64) -> Pass {
    Pass { dropout_seed: Some(rng::at(cell.seed, batch)), operands: cell.precision.operands(), ..Pass::train() }
}

/// A step on another device, or of several its own batches of the step; returns the target tokens of all. Where the learner averages
/// checkpoints, it takes in this one, unless a loss so far was not finite; `losses` gets those that are known by then.
fn step_on(
    device: &mut dyn OnText,
    learner: &mut Learner,
    cell: &Cell<TranslationRecipe>,
    batches: &mut TextBatches,
    step: u64,
    losses: &mut Vec<f64>,
) -> Result<u64> {
    let (recipe, rank) = (&cell.recipe, device.rank());
    let lr = recipe.schedule.at(step, recipe.steps);
    let mut tokens = 0;
    for replica in 0..recipe.replicas {
        let batch = next(batches)?;
        tokens += batch.tokens() as u64;
        if rank.takes(replica) {
            let pass = training_pass(cell, step * recipe.replicas + replica);
            let lr = rank.ends(replica, recipe.replicas).then_some(lr);
            device.batch(&batch, recipe.label_smoothing, &pass, lr)?;
        }
    }
    if learner.averages.as_ref().is_some_and(|averages| averages.takes(step + 1)) {
        let since = losses.len();
        losses.extend(device.losses(recipe.replicas)?);
        if losses[since..].iter().all(|loss| loss.is_finite()) {
            device.download(learner)?;
            learner.averages.as_mut().map_or(Ok(()), |averages| averages.update(&learner.params, step + 1))?;
        }
    }
    Ok(tokens)
}

impl Training for TranslationSession<'_> {
    type Batches = TextBatches;
    type Evaluation = TranslationEvaluation;

    fn learner(&self) -> &Learner {
        &self.learner
    }

    fn learner_mut(&mut self) -> &mut Learner {
        &mut self.learner
    }

    fn batches(&self, step: u64) -> Result<TextBatches> {
        let recipe = &self.cell.recipe;
        Ok(TextBatches::new(self.data.train.clone(), recipe.tokens, self.cell.seed, step * recipe.replicas)?)
    }

    fn step(&mut self, batches: &mut TextBatches, step: u64) -> Result<()> {
        let Self { net, learner, cell, tokens, on_device, losses, .. } = self;
        let recipe = &cell.recipe;
        if let Some(device) = on_device {
            *tokens += step_on(&mut **device, learner, cell, batches, step, losses)?;
            return Ok(());
        }
        losses.push(learner.step(step, recipe.replicas, recipe.schedule.at(step, recipe.steps), |number| {
            let batch = next(batches)?;
            let done = net.loss_and_gradient(&batch, recipe.label_smoothing, &training_pass(cell, number))?;
            *tokens += done.tokens as u64;
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

    /// The mean of checkpoints is the host's: a device gets it, and afterwards its own weights back.
    fn evaluate(&mut self, last: bool) -> Result<TranslationEvaluation> {
        self.settle()?;
        let found = self.averaged(|session| {
            let Self { net, cell, data, on_device, .. } = session;
            let sets = if last { data.eval() } else { &data.eval()[..1] };
            let net: &mut dyn TextRunner = match on_device {
                Some(device) => {
                    device.upload_weights()?;
                    device.runner()
                }
                None => net,
            };
            evaluate(net, &data.tokenizer, sets, &cell.recipe.search.into(), cell.precision)
        })?;
        self.on_device.as_mut().map_or(Ok(()), |device| device.upload_weights())?;
        Ok(found)
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
        (steps * self.cell.recipe.replicas) as f64 / self.epoch as f64
    }

    fn tokens(&self) -> Option<u64> {
        Some(self.tokens)
    }

    fn marks(&self) -> HashMap<String, String> {
        HashMap::from([(MARK.to_string(), self.data.tokenizer.fingerprint().to_string())])
    }

    fn keep(&self, dir: &Path) -> Result<()> {
        Ok(self.data.tokenizer.save(&dir.join(TOKENIZER_FILE))?)
    }
}
