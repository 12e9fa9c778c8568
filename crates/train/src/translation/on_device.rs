//! A Transformer that learns on another device.

use crate::cell;
use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::on_device::{DeviceLearner, OnDevice};
use std::rc::Rc;
use swish_core::device::{self, DeviceTransformer, Make, Seat, TextRunner};
use swish_core::models::transformer::{TextBatch, Transformer};
use swish_core::nn::Pass;
use swish_kernels::cuda::{Engine, Precision, Stored};

/// What learns from pairs of sentences. The mean of the last checkpoints is the host's.
pub trait OnText: OnDevice {
    /// One batch of a step, which ends with it where the learning rate is given.
    ///
    /// # Errors
    /// A batch that does not fit, and the device's.
    fn batch(&mut self, batch: &TextBatch, smoothing: f64, pass: &Pass, lr: Option<f64>) -> Result<()>;

    /// Takes the host's weights, and nothing else of it.
    ///
    /// # Errors
    /// The device's.
    fn upload_weights(&mut self) -> Result<()>;

    /// The network.
    fn runner(&mut self) -> &mut dyn TextRunner;
}

impl<D: Engine, E: Stored> OnText for DeviceLearner<D, E, Transformer> {
    fn batch(&mut self, batch: &TextBatch, smoothing: f64, pass: &Pass, lr: Option<f64>) -> Result<()> {
        self.add_batch(
            lr,
            |net, behind| Ok(net.train(batch, smoothing, pass, behind)?),
            |net, losses| net.put_loss_of(smoothing, losses),
        )
    }

    fn upload_weights(&mut self) -> Result<()> {
        Ok(self.net_mut().upload()?)
    }

    fn runner(&mut self) -> &mut dyn TextRunner {
        self.net_mut()
    }
}

impl<D: Engine, E: Stored> DeviceLearner<D, E, Transformer> {
    /// Brings a Transformer and what it learns by to a device.
    ///
    /// # Errors
    /// Parameters that are not f32, and the device's.
    pub fn of(device: &Rc<D>, net: &Transformer, learner: &Learner, precision: Precision) -> Result<Self> {
        Self::with(device, DeviceTransformer::of(device, net, precision)?, learner)
    }
}

/// A learner on the device asked for; `None` for the CPU, where the host's own learns. One of several devices waits for the others.
///
/// # Errors
/// A GPU that is not there, ranks that do not meet, or a build without CUDA; as [`DeviceLearner::of`].
pub fn open(
    seat: impl Into<Seat>,
    net: &Transformer,
    learner: &Learner,
    precision: cell::Precision,
) -> Result<Option<Box<dyn OnText>>> {
    device::make(seat, precision.operands(), OfText { net, learner })
}

struct OfText<'a> {
    net: &'a Transformer,
    learner: &'a Learner,
}

impl Make for OfText<'_> {
    type Made = Box<dyn OnText>;
    type Error = Error;

    fn make<D: Engine + 'static, E: Stored>(self, device: &Rc<D>, precision: Precision) -> Result<Box<dyn OnText>> {
        Ok(Box::new(DeviceLearner::<D, E, _>::of(device, self.net, self.learner, precision)?))
    }
}
