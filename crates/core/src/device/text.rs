//! Passes of pairs of sentences through a [`Transformer`] on a device.

use super::network::{DeviceNetwork, Head, Kind, on_device};
use super::recorded::Behind;
use crate::models::transformer::{PAD, TextBatch, TextLoss, Transformer};
use crate::nn::{Error, Pass, Result};
use candle_core::{Device as Host, Tensor};
use std::rc::Rc;
use swish_kernels::cuda::launch::loss::{IGNORED, Totals};
use swish_kernels::cuda::{Engine, Precision, Stored};
use swish_kernels::vocabulary;

/// A Transformer on a device; maps are stored as `E`, parameters, logits and statistics as f32.
pub type DeviceTransformer<D, E> = DeviceNetwork<D, E, Transformer>;

impl<D: Engine, E: Stored> DeviceTransformer<D, E> {
    /// Brings a Transformer with f32 parameters to a device.
    ///
    /// # Errors
    /// Parameters that are not f32, and the device's.
    pub fn of(device: &Rc<D>, model: &Transformer, precision: Precision) -> Result<Self> {
        Self::made(device, model.clone(), &model.params, &model.graph([1; 3])?, precision)
    }

    /// Loss and gradient of a training pass, as [`Transformer::loss_and_gradient`].
    ///
    /// # Errors
    /// As [`DeviceTransformer::train`].
    pub fn loss_and_gradient(&mut self, batch: &TextBatch, smoothing: f64, pass: &Pass) -> Result<TextLoss> {
        self.train(batch, smoothing, pass, None)?;
        let loss = self.loss_of(smoothing)?;
        Ok(TextLoss { loss, tokens: batch.tokens(), gradient: self.gradient_of(loss)? })
    }

    /// A training pass, and what comes behind it: the loss stays on the device until [`DeviceTransformer::loss_of`] asks for it, the
    /// gradient stays for the optimizer.
    ///
    /// # Errors
    /// [`Error::NotTraining`] in an evaluation pass, those of a batch that does not fit and of `behind`, and the device's.
    pub fn train(
        &mut self,
        batch: &TextBatch,
        smoothing: f64,
        pass: &Pass,
        behind: Option<Behind<'_, D, E, Transformer>>,
    ) -> Result<()> {
        if !pass.train {
            return Err(Error::NotTraining);
        }
        self.model.check(batch, smoothing)?;
        let kind = self.bring(batch, pass)?;
        let head = self.head(self.ready(kind)?.plan.graph.logits, smoothing);
        self.train_pass(kind, pass, &[head], behind)
    }

    /// The loss of the last pass with this label smoothing; waits for the device.
    ///
    /// # Errors
    /// The device's, also those of what was launched before.
    pub fn loss_of(&self, smoothing: f64) -> Result<f64> {
        Ok(f64::from(self.read_losses()?[0]) - vocabulary::least(self.model.config.vocab, smoothing))
    }

    /// Puts the loss of the last pass with this label smoothing behind others on the device, without waiting for it.
    ///
    /// # Errors
    /// The device's.
    pub fn put_loss_of(&self, smoothing: f64, to: &mut Totals<D>) -> Result<(), D::Error> {
        self.put_total(0.0, vocabulary::least(self.model.config.vocab, smoothing), to)
    }

    /// The loss alone, in evaluation, as [`Transformer::loss`].
    ///
    /// # Errors
    /// As [`DeviceTransformer::train`], but for the pass: it is run without gradient whatever it says.
    pub fn loss(&mut self, batch: &TextBatch, smoothing: f64, pass: &Pass) -> Result<TextLoss> {
        self.model.check(batch, smoothing)?;
        let pass = Pass { train: false, ..pass.clone() };
        let kind = self.bring(batch, &pass)?;
        let ready = self.ready(kind)?;
        let head = self.head(ready.plan.graph.logits, smoothing);
        self.evaluation_pass(ready, &pass, &[head])?;
        Ok(TextLoss { loss: self.loss_of(smoothing)?, tokens: batch.tokens(), gradient: None })
    }

    /// The logits (n, tgt_len, vocab) of all positions, as [`Transformer::logits`].
    ///
    /// # Errors
    /// Those of a batch that does not fit, and the device's.
    pub fn logits(&mut self, batch: &TextBatch, pass: &Pass) -> Result<Tensor> {
        batch.check(self.model.config.vocab)?;
        let pass = Pass { train: false, ..pass.clone() };
        let kind = self.bring(batch, &pass)?;
        let ready = self.ready(kind)?;
        self.evaluation_pass(ready, &pass, &[])?;
        let logits = self.read(ready, ready.plan.graph.logits)?;
        Ok(Tensor::from_vec(logits, (batch.n, batch.tgt_len, self.model.config.vocab), &Host::Cpu)?)
    }

    /// The kernel smooths by e' / ids for each id; here the label has none of it: e / (ids - 1) for each other id.
    fn head(&self, logits: usize, smoothing: f64) -> Head {
        let ids = self.model.config.vocab as f64;
        let smoothing = smoothing * ids / (ids - 1.0);
        Head { logits, place: 0, smoothing, weight: 1.0 }
    }

    /// Plans passes of a kind that has not been run yet, and brings its sentences.
    fn bring(&mut self, batch: &TextBatch, pass: &Pass) -> Result<Kind> {
        let &TextBatch { n, src_len, tgt_len, .. } = batch;
        let kind = Kind { shape: [n, 1, src_len, tgt_len], train: pass.train, auxiliary: false };
        let (device, ready) = self.planned(kind, |model| model.graph([n, src_len, tgt_len]))?;
        let targets: Vec<u32> = batch.tgt.iter().map(|&id| if id == PAD { IGNORED } else { id }).collect();
        let lengths: Vec<u32> = batch.src_lengths().iter().map(|&length| length as u32).collect();
        let mut write = || -> Result<(), D::Error> {
            ready.targets.view_mut().write(device, &targets)?;
            ready.sentences.src.set(device, &batch.src)?;
            ready.sentences.tgt.set(device, &batch.tgt_before())?;
            ready.sentences.lengths.set(device, &lengths)?;
            ready.begin(device, pass, Some(batch.tokens()))
        };
        write().map_err(on_device)?;
        Ok(kind)
    }
}
