//! The child network: one candidate trained, its accuracy on held-out images its reward.

use crate::config::ChildConfig;
use crate::error::{Error, Result};
use crate::trial::{Outcome, Trial};
use std::time::Instant;
use swish_core::activation::Activation;
use swish_core::nn::Compute;
use swish_data::Data;
use swish_record::provenance;
use swish_train::Training;
use swish_train::session::Session;

/// A candidate whose mean loss over a quarter of the steps is this many times that of blind guessing has diverged.
const DIVERGED: f64 = 4.0;
/// A mean loss that fell by less than this share from the first quarter of the steps to the second stands still.
const STILL: f64 = 0.01;

/// What trials are run with: data and device, loaded once a process.
pub struct Child {
    config: ChildConfig,
    data: Data,
    device: Compute,
}

impl Child {
    /// Loads the data and finds the device.
    ///
    /// # Errors
    /// Data that are not where they should be; a device that is not there.
    pub fn new(config: ChildConfig) -> Result<Self> {
        let device = config.device.parse::<Compute>().map_err(swish_train::Error::from)?;
        let data = config.load()?;
        Ok(Self { config, data, device })
    }

    /// The data.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The trial of a candidate.
    ///
    /// # Errors
    /// An unknown precision.
    pub fn trial(&self, activation: &Activation) -> Result<Trial> {
        let id = self.config.cell(activation.clone())?.id(&self.data);
        Ok(Trial { id, activation: activation.canonical() })
    }

    /// Finds out what keeps every candidate from being trained, before the first one is.
    ///
    /// # Errors
    /// An unknown model, a batch larger than the data, an impossible recipe.
    pub fn check(&self) -> Result<()> {
        let cell = self.config.cell(Activation::identity())?;
        drop(Session::new(&cell, &self.data, self.device)?.batches(0)?);
        Ok(())
    }

    /// Trains. A training that fails is an outcome that says why.
    ///
    /// # Errors
    /// What is wrong with the child and not with the candidate: a trial of other data, a text that is no activation, memory.
    pub fn run(&self, trial: &Trial) -> Result<Outcome> {
        let activation: Activation = trial.activation.parse()?;
        let here = self.trial(&activation)?.id;
        if here != trial.id {
            let expected = format!("{here}: search.json, the data or the program changed since it was proposed");
            return Err(Error::BadValue { what: "trial", value: trial.id.clone(), expected });
        }
        let cell = self.config.cell(activation)?;
        let (started, clock) = (provenance::utc_now(), Instant::now());
        let mut session = Session::new(&cell, &self.data, self.device)?;
        let end = train(&mut session, cell.recipe.steps)?;
        let (top1, train_loss, err) = match end {
            End::Finished { top1, train_loss } => (Some(top1), Some(train_loss), None),
            End::Failed(why) => (None, None, Some(why)),
        };
        Ok(Outcome {
            id: trial.id.clone(),
            top1,
            train_loss,
            seconds: clock.elapsed().as_secs_f64(),
            started,
            device: session.device(),
            commit: provenance::commit().into(),
            dirty: provenance::dirty(),
            err,
        })
    }
}

/// Steps, then the evaluation, unless it is hopeless before.
fn train(session: &mut Session<'_>, steps: u64) -> Result<End> {
    let blind = (session.net.classes as f64).ln();
    let mut batches = session.batches(0)?;
    let (quarter, last) = (steps.div_ceil(4), steps.div_ceil(10));
    let (mut sum, mut end_sum, mut known) = (0.0, 0.0, 0);
    let mut means: Vec<f64> = Vec::new();
    for step in 0..steps {
        session.step(&mut batches, step)?;
        let judged = (step + 1).is_multiple_of(quarter);
        for loss in session.losses(judged || step + 1 == steps)? {
            if !loss.is_finite() {
                return Ok(End::Failed(format!("diverged: training loss is {loss} at step {known}")));
            }
            sum += loss;
            if known >= steps - last {
                end_sum += loss;
            }
            known += 1;
        }
        if judged {
            means.push(std::mem::take(&mut sum) / quarter as f64);
            if let Some(why) = hopeless(&means, blind) {
                return Ok(End::Failed(format!("{why} in the steps before {}", step + 1)));
            }
        }
    }
    let evaluation = session.evaluate(true)?;
    if !evaluation.loss.is_finite() {
        return Ok(End::Failed(format!("diverged: validation loss is {} after the last step", evaluation.loss)));
    }
    Ok(End::Finished { top1: evaluation.top1, train_loss: end_sum / last as f64 })
}

/// Why it is not worth going on, from the mean training losses of the quarters so far; `blind` is the loss of guessing.
fn hopeless(means: &[f64], blind: f64) -> Option<String> {
    match *means {
        [.., mean] if mean > DIVERGED * blind => Some(format!("diverged: the mean training loss is {mean:.4e}")),
        // Seen once, after half of the steps: what guesses by then and does not get better is left alone.
        [first, second] if second >= blind && second > (1.0 - STILL) * first => {
            Some(format!("learns nothing: the mean training loss is {second:.4}"))
        }
        _ => None,
    }
}

/// How a training ended.
enum End {
    Finished { top1: f64, train_loss: f64 },
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::hopeless;

    #[test]
    fn only_what_explodes_or_guesses_is_given_up() {
        let blind = 10_f64.ln();
        let says = |means: &[f64]| hopeless(means, blind).unwrap_or_default();
        assert!(says(&[1e3]).starts_with("diverged"));
        assert!(says(&[2.1, 2.0, 12.0]).starts_with("diverged"));
        assert!(says(&[2.304, 2.305]).starts_with("learns nothing"));
        // A slow start, a bad start that gets better, and a standstill above guessing that was let through before.
        for fine in [&[2.31, 2.28][..], &[6.0, 3.0], &[2.304], &[2.31, 2.28, 2.31]] {
            assert_eq!(hopeless(fine, blind), None, "{fine:?}");
        }
    }
}
