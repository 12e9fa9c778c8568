//! What the trainer, jobs and tables ask of a recipe and of the network at work, whatever is trained: classes of images, translation.

use crate::cell::Cell;
use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::schedule::Schedule;
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Debug;
use std::path::Path;
use swish_core::device::Seat;
use swish_core::nn::Compute;
use swish_data::{Data, DataSource};
use swish_record::{Columns, Row, RunRecord};

/// A recipe.
pub trait Task: Clone + Debug + Serialize + Send + Sync {
    /// What is trained and evaluated on.
    type Data: Origin + Sync;
    /// The network at work.
    type Session<'a>: Training
    where
        Self: 'a;

    /// Checks that the values make sense.
    ///
    /// # Errors
    /// [`Error::BadValue`]; an unknown model.
    fn check(&self) -> Result<()>;

    /// What every recipe says.
    fn outline(&self) -> Outline<'_>;

    /// A freshly drawn network.
    ///
    /// # Errors
    /// An impossible recipe, data that do not fit it, a device that is not there, ranks that do not meet, memory.
    fn open<'a>(cell: &'a Cell<Self>, data: &'a Self::Data, device: Seat) -> Result<Self::Session<'a>>;
}

/// What every recipe says.
#[derive(Clone, Debug)]
pub struct Outline<'a> {
    /// Name under which it is recorded.
    pub name: &'a str,
    /// Model.
    pub model: &'a str,
    /// Data set, as far as the recipe says it.
    pub dataset: String,
    /// Learning rates.
    pub schedule: &'a Schedule,
    /// Steps in all.
    pub steps: u64,
    /// Images a step, or for translation tokens, over all of its batches.
    pub examples_a_step: u64,
    /// Steps between rows of the training curve.
    pub log_every: u64,
    /// Steps between evaluations.
    pub eval_every: u64,
}

impl Outline<'_> {
    /// The learning rate of a step (0-based).
    pub fn lr_at(&self, step: u64) -> f64 {
        self.schedule.at(step, self.steps)
    }
}

/// Where data come from: part of a cell's identity and of its record.
pub trait Origin {
    /// Name of the data set.
    fn dataset(&self) -> String;
    /// Hub, folder or program.
    fn source(&self) -> DataSource;
    /// A text that identifies the content.
    fn version(&self) -> &str;
}

impl Origin for Data {
    fn dataset(&self) -> String {
        Data::dataset(self).to_string()
    }

    fn source(&self) -> DataSource {
        Data::source(self)
    }

    fn version(&self) -> &str {
        Data::version(self)
    }
}

/// A cell's network at work: its steps and evaluations, without records.
pub trait Training {
    /// The stream of training batches.
    type Batches;
    /// What an evaluation finds.
    type Evaluation: Outcome;

    /// Parameters, optimizer, averages.
    fn learner(&self) -> &Learner;

    /// As [`Training::learner`], to change them.
    fn learner_mut(&mut self) -> &mut Learner;

    /// The stream of training batches from `step` on.
    ///
    /// # Errors
    /// Batches that the data do not allow.
    fn batches(&self, step: u64) -> Result<Self::Batches>;

    /// Step number `step` (0-based) on the next batches of [`Training::batches`]; [`Training::losses`] tells its loss.
    ///
    /// A loss that is not finite leaves parameters, averages and what the optimizer remembers of gradients as they are; another device
    /// then changes none of them until [`Training::resume`], though it counts steps on.
    ///
    /// # Errors
    /// Memory, and those of another device.
    fn step(&mut self, batches: &mut Self::Batches, step: u64) -> Result<()>;

    /// The mean training losses of the steps since those told last, in order. Another device tells them only to who waits for it.
    ///
    /// # Errors
    /// The device's, also those of the steps.
    fn losses(&mut self, wait: bool) -> Result<Vec<f64>>;

    /// [`Training::step`], and its loss at once.
    ///
    /// # Errors
    /// As both.
    fn step_and_loss(&mut self, batches: &mut Self::Batches, step: u64) -> Result<f64> {
        self.step(batches, step)?;
        Ok(self.losses(true)?.pop().unwrap_or(f64::NAN))
    }

    /// Evaluates on what is not trained on, with the averages where there are any. After the `last` step it leaves nothing out.
    ///
    /// # Errors
    /// Memory.
    fn evaluate(&mut self, last: bool) -> Result<Self::Evaluation>;

    /// Epochs that so many steps make.
    fn epochs(&self, steps: u64) -> f64;

    /// Tokens trained on since the session began, where there are tokens.
    fn tokens(&self) -> Option<u64> {
        None
    }

    /// Training examples that turned out to be damaged, a line each.
    fn damaged(&self) -> Vec<String> {
        Vec::new()
    }

    /// What learns.
    fn device(&self) -> String {
        Compute::Cpu.to_string()
    }

    /// Brings the learner up to date, where another device learns.
    ///
    /// # Errors
    /// The device's.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    /// Goes on from the learner's state, after it was changed.
    ///
    /// # Errors
    /// The device's.
    fn resume(&mut self) -> Result<()> {
        Ok(())
    }

    /// What a file of weights has to carry, so that it is not used with what does not belong to it.
    fn marks(&self) -> HashMap<String, String> {
        HashMap::new()
    }

    /// Writes what belongs beside the record from the start on.
    ///
    /// # Errors
    /// A file that cannot be written.
    fn keep(&self, _dir: &Path) -> Result<()> {
        Ok(())
    }

    /// Calls `f` while the network has the averages for its values, where there are averages.
    ///
    /// # Errors
    /// Those of `f`; memory.
    fn averaged<R>(&mut self, f: impl FnOnce(&mut Self) -> Result<R>) -> Result<R>
    where
        Self: Sized,
    {
        self.learner_mut().swap_averages()?;
        let result = f(self);
        self.learner_mut().swap_averages()?;
        result
    }
}

/// What an evaluation found.
pub trait Outcome: Default {
    /// The columns of its training curve.
    const COLUMNS: Columns = Columns::Usual;

    /// Mean loss, in nats.
    fn loss(&self) -> f64;

    /// In words, for whoever waits.
    fn words(&self) -> String;

    /// Fills in its columns of the training curve.
    fn fill_row(&self, row: &mut Row);

    /// Fills in its part of the record.
    fn fill_record(&self, record: &mut RunRecord);

    /// Writes what belongs beside the record.
    ///
    /// # Errors
    /// A file that cannot be written.
    fn keep(&self, _dir: &Path) -> Result<()> {
        Ok(())
    }
}

/// Checks of recipes.
pub(crate) fn at_least_1(what: &'static str, value: u64) -> Result<()> {
    match value {
        0 => Err(Error::BadValue { what, value: "0".into(), expected: "at least 1".into() }),
        _ => Ok(()),
    }
}

pub(crate) fn number(what: &'static str, value: f64, expected: &str, fits: impl Fn(f64) -> bool) -> Result<()> {
    match value.is_finite() && fits(value) {
        true => Ok(()),
        false => Err(Error::BadValue { what, value: value.to_string(), expected: format!("a number, {expected}") }),
    }
}
