//! What a recipe for translation says. Recipes themselves are functions in [`crate::recipes`].

use super::{TextData, TranslationSession};
use crate::cell::Cell;
use crate::error::{Error, Result};
use crate::optimizer::OptimizerConfig;
use crate::schedule::Schedule;
use crate::task::{Outline, Task, at_least_1, number};
use serde::{Deserialize, Serialize};
use swish_core::device::Seat;
use swish_core::models::transformer::{self, Beam, TransformerConfig};

/// The mean of checkpoints on which a network is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAverage {
    /// How many are averaged: the last ones.
    pub checkpoints: usize,
    /// Steps from one to the next.
    pub every: u64,
}

/// How translations are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// Hypotheses kept a sentence; 1 is greedy.
    pub width: usize,
    /// Exponent of the length penalty.
    pub alpha: f64,
    /// Tokens that a translation may be longer than its source.
    pub extra: usize,
}

impl Default for Search {
    /// Vaswani et al. 2017, section 6.1: a beam of 4, alpha 0.6, at most 50 tokens more than the source.
    fn default() -> Self {
        Self { width: 4, alpha: 0.6, extra: 50 }
    }
}

impl From<Search> for Beam {
    fn from(search: Search) -> Self {
        let Search { width, alpha, extra } = search;
        Self { width, alpha, extra, ..Self::default() }
    }
}

/// All that decides a training run besides the activation, the seed and the text itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TranslationRecipe {
    /// Name under which it is recorded.
    pub name: String,
    /// Transformer of the registry, whose vocabulary and dropout are replaced by those given here.
    pub model: String,
    /// Ids that the tokenizer is trained to have; of little text it may come out with fewer.
    pub vocab: usize,
    /// Longest sentence trained on, in tokens.
    pub max_len: usize,
    /// Share dropped of embeddings and of what a sublayer adds.
    pub dropout: f64,
    /// Optimizer.
    pub optimizer: OptimizerConfig,
    /// Learning rates.
    pub schedule: Schedule,
    /// Tokens of a batch at most, padding included: those of its source or of its target, whichever are more.
    pub tokens: usize,
    /// Batches a step: its gradient is the mean of theirs, as on so many synchronous replicas.
    pub replicas: u64,
    /// Steps in all.
    pub steps: u64,
    /// Label smoothing.
    pub label_smoothing: f64,
    /// Checkpoints whose mean is evaluated; `None` evaluates the network as it is.
    pub average: Option<LastAverage>,
    /// How evaluation sets are translated.
    pub search: Search,
    /// Steps between rows of the training curve; the last step always makes one.
    pub log_every: u64,
    /// Steps between evaluations on the development set; after the last step all sets are evaluated.
    pub eval_every: u64,
}

impl TranslationRecipe {
    /// The network's sizes for a vocabulary of so many ids.
    ///
    /// # Errors
    /// An unknown model.
    pub fn config(&self, vocab: usize) -> Result<TransformerConfig> {
        Ok(TransformerConfig { vocab, dropout: self.dropout, ..transformer::find(&self.model)?.config })
    }
}

impl Task for TranslationRecipe {
    type Data = TextData;
    type Session<'a> = TranslationSession<'a>;

    fn check(&self) -> Result<()> {
        at_least_1("tokens of a batch", self.tokens as u64)?;
        at_least_1("steps", self.steps)?;
        at_least_1("steps between evaluations", self.eval_every)?;
        at_least_1("batches a step", self.replicas)?;
        at_least_1("width of the beam", self.search.width as u64)?;
        self.optimizer.check()?;
        self.schedule.check()?;
        if let Some(LastAverage { checkpoints, every }) = self.average {
            at_least_1("checkpoints averaged", checkpoints as u64)?;
            at_least_1("steps between averaged checkpoints", every)?;
        }
        if self.max_len > self.tokens {
            return Err(Error::BadValue {
                what: "longest sentence",
                value: format!("{} tokens", self.max_len),
                expected: format!("at most the {} tokens of a batch", self.tokens),
            });
        }
        number("dropout", self.dropout, "from 0 to 1, 1 excluded", |x| (0.0..1.0).contains(&x))?;
        number("label smoothing", self.label_smoothing, "from 0 to 1", |x| (0.0..=1.0).contains(&x))?;
        number("length penalty", self.search.alpha, "0 or more", |x| x >= 0.0)?;
        self.config(self.vocab).map(drop)
    }

    fn outline(&self) -> Outline<'_> {
        Outline {
            name: &self.name,
            model: &self.model,
            dataset: "en-de".into(),
            schedule: &self.schedule,
            steps: self.steps,
            examples_a_step: self.tokens as u64 * self.replicas,
            log_every: self.log_every,
            eval_every: self.eval_every,
        }
    }

    fn open<'a>(cell: &'a Cell<Self>, data: &'a TextData, device: Seat) -> Result<TranslationSession<'a>> {
        TranslationSession::new(cell, data, device)
    }
}
