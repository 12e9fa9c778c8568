//! What learns: parameters, the optimizer that moves them, and averages over the steps.

use crate::averages::Averages;
use crate::error::{Error, Result};
use crate::optimizer::{Optimizer, OptimizerConfig};
use candle_core::Tensor;
use std::collections::HashMap;
use std::path::Path;
use swish_core::nn::{Data, Params, Stored, weights};

/// A network's parameters with their optimizer and averages: all that changes from step to step.
pub struct Learner {
    /// The parameters; the network has the same ones.
    pub params: Params,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The averages on which the network is evaluated, where the recipe wants them.
    pub averages: Option<Averages>,
}

impl Learner {
    /// Before the first step.
    pub fn new(params: &Params, optimizer: &OptimizerConfig, averages: Option<Averages>) -> Self {
        Self { params: params.clone(), optimizer: Optimizer::new(params, optimizer), averages }
    }

    /// Step number `step` (0-based) with the mean gradient of `replicas` batches, each of which `batch` runs, given its number; returns
    /// their mean loss. With a loss that is not finite, a batch gives no gradient, and nothing is changed.
    ///
    /// # Errors
    /// Those of `batch`.
    pub fn step(
        &mut self,
        step: u64,
        replicas: u64,
        lr: f64,
        mut batch: impl FnMut(u64) -> Result<(f64, Option<Data>)>,
    ) -> Result<f64> {
        let (mut loss, mut sum) = (0.0, None);
        for replica in 0..replicas {
            let (of_batch, gradient) = batch(step * replicas + replica)?;
            let Some(gradient) = gradient else { return Ok(of_batch) };
            loss += of_batch;
            sum = Some(match sum {
                None => gradient,
                Some(mut sum) => {
                    f32::of_mut(&mut sum)?.iter_mut().zip(f32::of(&gradient)?).for_each(|(sum, g)| *sum += g);
                    sum
                }
            });
        }
        if let Some(mut gradient) = sum {
            let gradient = f32::of_mut(&mut gradient)?;
            if replicas > 1 {
                gradient.iter_mut().for_each(|g| *g /= replicas as f32);
            }
            self.optimizer.step(gradient, lr)?;
        }
        if let Some(averages) = &mut self.averages {
            averages.update(&self.params, step + 1)?;
        }
        Ok(loss / replicas as f64)
    }

    /// Exchanges the parameters' values and their averages, where there are any: done twice, all is as before.
    ///
    /// # Errors
    /// Values that are not f32.
    pub fn swap_averages(&mut self) -> Result<()> {
        self.averages.as_mut().map_or(Ok(()), |averages| averages.swap(&self.params))
    }

    /// All of it, for a checkpoint.
    ///
    /// # Errors
    /// Candle's, when memory is out.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let mut tensors = weights::state_dict(&self.params)?;
        tensors.extend(self.optimizer.tensors()?);
        if let Some(averages) = &self.averages {
            tensors.extend(averages.tensors()?);
        }
        Ok(tensors)
    }

    /// Goes on from the tensors of a checkpoint `file`, after so many steps.
    ///
    /// # Errors
    /// Another network's weights; `bad` with the reason where the rest is another optimizer's or lacks averages.
    pub fn restore<B: Fn(String) -> crate::Error>(
        &mut self,
        tensors: &HashMap<String, Tensor>,
        file: &Path,
        steps: u64,
        bad: B,
    ) -> Result<()> {
        weights::load(&self.params, tensors, file)?;
        self.optimizer.restore(tensors, steps).map_err(&bad)?;
        match &mut self.averages {
            Some(averages) => averages.restore(tensors, steps).map_err(&bad),
            None => Ok(()),
        }
    }
}

/// The next of a stream of training batches, which has no end.
pub(crate) fn next<T>(batches: &mut impl Iterator<Item = T>) -> Result<T> {
    let ended = || Error::BadValue { what: "batches", value: "ended".into(), expected: "an endless stream".into() };
    batches.next().ok_or_else(ended)
}
