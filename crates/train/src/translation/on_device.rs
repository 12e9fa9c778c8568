//! A Transformer that learns on another device.

use crate::cell;
use crate::error::Result;
use crate::learner::Learner;
use crate::on_device::{DeviceLearner, OnDevice};
use std::rc::Rc;
use swish_core::device::{self, DeviceTransformer};
use swish_core::models::transformer::{TextBatch, Transformer};
use swish_core::nn::{Compute, Pass};
use swish_kernels::cuda::{Engine, Precision, Stored};

/// What learns from pairs of sentences. The mean of the last checkpoints is the host's.
pub trait OnText: OnDevice {
    /// The gradient of one batch, added to those since the last update; returns the loss.
    ///
    /// # Errors
    /// A batch that does not fit, and the device's.
    fn batch(&mut self, batch: &TextBatch, smoothing: f64, pass: &Pass) -> Result<f64>;
}

impl<D: Engine, E: Stored> OnText for DeviceLearner<D, E, Transformer> {
    fn batch(&mut self, batch: &TextBatch, smoothing: f64, pass: &Pass) -> Result<f64> {
        self.add_batch(|net| Ok(net.train(batch, smoothing, pass)?))?;
        Ok(self.net().loss_of(smoothing)?)
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

/// A learner on the device asked for; `None` for the CPU, where the host's own learns.
///
/// # Errors
/// A GPU that is not there, or a build without CUDA; as [`DeviceLearner::of`].
pub fn open(
    compute: Compute,
    net: &Transformer,
    learner: &Learner,
    precision: cell::Precision,
) -> Result<Option<Box<dyn OnText>>> {
    match compute {
        Compute::Cpu => Ok(None),
        Compute::Cuda(number) => cuda(number, net, learner, precision).map(Some),
    }
}

#[cfg(feature = "cuda")]
fn cuda(number: usize, net: &Transformer, learner: &Learner, precision: cell::Precision) -> Result<Box<dyn OnText>> {
    let (gpu, products) = (device::gpu(number)?, device::products(precision.operands()));
    Ok(match precision {
        cell::Precision::F32 => Box::new(DeviceLearner::<_, f32, _>::of(&gpu, net, learner, products)?),
        cell::Precision::Bf16 => Box::new(DeviceLearner::<_, half::bf16, _>::of(&gpu, net, learner, products)?),
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda(number: usize, _: &Transformer, _: &Learner, _: cell::Precision) -> Result<Box<dyn OnText>> {
    Err(device::no_cuda(number).into())
}
