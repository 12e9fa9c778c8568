//! Rewards of earlier results instead of training.

use super::Engine;
use crate::error::Result;
use crate::trial::{Outcome, Trial};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Answers from a table of accuracies by canonical form. A function that is not in the table has failed.
#[derive(Debug)]
pub struct Recorded {
    top1: HashMap<String, Option<f64>>,
    answers: VecDeque<Outcome>,
}

impl Recorded {
    /// An engine for these accuracies, in percent, `None` where the training failed.
    pub fn new(top1: HashMap<String, Option<f64>>) -> Self {
        Self { top1, answers: VecDeque::new() }
    }

    /// The recorded accuracy of a function, in percent; `None` where it failed or is not in the table.
    pub fn top1(&self, canonical: &str) -> Option<f64> {
        self.top1.get(canonical).copied().flatten()
    }
}

impl Engine for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn capacity(&self) -> usize {
        1
    }

    fn submit(&mut self, trials: &[Trial]) -> Result<()> {
        for trial in trials {
            let err = match self.top1.get(&trial.activation) {
                Some(Some(_)) => None,
                Some(None) => Some("failed when it was recorded".to_owned()),
                None => Some("not in the recorded table".to_owned()),
            };
            let outcome = Outcome::lost(trial, String::new());
            self.answers.push_back(Outcome { top1: self.top1(&trial.activation), err, ..outcome });
        }
        Ok(())
    }

    fn next(&mut self, _patience: Duration) -> Result<Option<Outcome>> {
        Ok(self.answers.pop_front())
    }
}
