//! A cell's Transformer at work.

use super::evaluate::{TranslationEvaluation, evaluate};
use super::{MARK, TOKENIZER_FILE, TextData, TranslationRecipe};
use crate::averages::{Averages, LastCheckpoints};
use crate::cell::Cell;
use crate::error::Result;
use crate::learner::{Learner, next};
use crate::task::{Task, Training};
use candle_core::{DType, Device};
use std::collections::HashMap;
use std::path::Path;
use swish_core::models::transformer::Transformer;
use swish_core::nn::Pass;
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
}

impl<'a> TranslationSession<'a> {
    /// A freshly drawn network.
    ///
    /// # Errors
    /// An impossible recipe, an unknown model, data that were encoded for another recipe, memory.
    pub fn new(cell: &'a Cell<TranslationRecipe>, data: &'a TextData) -> Result<Self> {
        let recipe = &cell.recipe;
        recipe.check()?;
        data.check(recipe)?;
        let config = recipe.config(data.tokenizer.vocab_size())?;
        let net = Transformer::new(&config, &cell.activation, cell.seed, DType::F32, &Device::Cpu)?;
        let last = recipe.average.map(|last| LastCheckpoints::new(&net.params, last.every, last.checkpoints));
        let learner = Learner::new(&net.params, &recipe.optimizer, last.map(Averages::Last));
        let epoch = TextBatches::new(data.train.clone(), recipe.tokens, cell.seed, 0)?.steps_per_epoch();
        Ok(Self { net, learner, cell, data, tokens: 0, epoch })
    }
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

    fn step(&mut self, batches: &mut TextBatches, step: u64) -> Result<f64> {
        let Self { net, learner, cell, tokens, .. } = self;
        let recipe = &cell.recipe;
        learner.step(step, recipe.replicas, recipe.schedule.at(step, recipe.steps), |number| {
            let batch = next(batches)?;
            let pass = Pass {
                dropout_seed: Some(rng::at(cell.seed, number)),
                operands: cell.precision.operands(),
                ..Pass::train()
            };
            let done = net.loss_and_gradient(&batch, recipe.label_smoothing, &pass)?;
            *tokens += done.tokens as u64;
            Ok((done.loss, done.gradient))
        })
    }

    fn evaluate(&mut self, last: bool) -> Result<TranslationEvaluation> {
        self.averaged(|session| {
            let Self { net, cell, data, .. } = session;
            let sets = if last { data.eval() } else { &data.eval()[..1] };
            evaluate(net, &data.tokenizer, sets, &cell.recipe.search.into(), cell.precision)
        })
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
