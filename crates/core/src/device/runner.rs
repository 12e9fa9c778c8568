//! [`Runner`], [`TextRunner`]: a network or a Transformer on whichever device was asked for.

use super::{DeviceNetwork, DeviceTransformer, Make};
use crate::models::transformer::{Beam, Hypothesis, TextBatch, TextLoss, Transformer};
use crate::nn::{Compute, Error, LossAndGradient, LossConfig, Network, Pass, Result};
use candle_core::Tensor;
use std::rc::Rc;
use swish_kernels::conv::Operands;
use swish_kernels::cuda::{Engine, Precision, Stored};

/// What [`Network`] does, on a device.
pub trait Runner {
    /// As [`Network::forward`] in an evaluation pass.
    ///
    /// # Errors
    /// As [`DeviceNetwork::forward`].
    fn forward(&mut self, xs: &Tensor, pass: &Pass) -> Result<Tensor>;

    /// As [`Network::loss_and_gradient`]. Running statistics reach the network by [`Runner::download`].
    ///
    /// # Errors
    /// As [`DeviceNetwork::loss_and_gradient`].
    fn loss_and_gradient(
        &mut self,
        xs: &Tensor,
        targets: &[u32],
        config: &LossConfig,
        pass: &Pass,
    ) -> Result<LossAndGradient>;

    /// Gives the network its parameters and running statistics back.
    ///
    /// # Errors
    /// The device's.
    fn download(&self) -> Result<()>;
}

impl<D: Engine, E: Stored> Runner for DeviceNetwork<D, E> {
    fn forward(&mut self, xs: &Tensor, pass: &Pass) -> Result<Tensor> {
        Self::forward(self, xs, pass)
    }

    fn loss_and_gradient(
        &mut self,
        xs: &Tensor,
        targets: &[u32],
        config: &LossConfig,
        pass: &Pass,
    ) -> Result<LossAndGradient> {
        Self::loss_and_gradient(self, xs, targets, config, pass)
    }

    fn download(&self) -> Result<()> {
        Self::download(self)
    }
}

/// The network on the device asked for; `None` for the CPU, where the network itself runs. `image` is (h, w, c).
///
/// # Errors
/// A GPU that is not there, or a build without CUDA; as [`DeviceNetwork::new`].
pub fn runner(
    compute: Compute,
    network: &Network,
    image: [usize; 3],
    operands: Operands,
) -> Result<Option<Box<dyn Runner>>> {
    super::make(compute, operands, OfImages { network, image })
}

struct OfImages<'a> {
    network: &'a Network,
    image: [usize; 3],
}

impl Make for OfImages<'_> {
    type Made = Box<dyn Runner>;
    type Error = Error;

    fn make<D: Engine + 'static, E: Stored>(self, device: &Rc<D>, precision: Precision) -> Result<Box<dyn Runner>> {
        Ok(Box::new(DeviceNetwork::<D, E>::new(device, self.network, self.image, precision)?))
    }
}

/// What a [`Transformer`] does with sentences, on whichever device.
pub trait TextRunner {
    /// What it runs on.
    fn name(&self) -> String;

    /// As [`Transformer::logits`].
    ///
    /// # Errors
    /// A batch that does not fit, and the device's.
    fn logits(&mut self, batch: &TextBatch, pass: &Pass) -> Result<Tensor>;

    /// As [`Transformer::loss_and_gradient`].
    ///
    /// # Errors
    /// A batch that does not fit, a pass that does not train, and the device's.
    fn loss_and_gradient(&mut self, batch: &TextBatch, smoothing: f64, pass: &Pass) -> Result<TextLoss>;

    /// As [`Transformer::translate`].
    ///
    /// # Errors
    /// Sentences or a beam that are none, and the device's.
    fn translate(&mut self, src: &[Vec<u32>], beam: &Beam, pass: &Pass) -> Result<Vec<Hypothesis>>;
}

impl TextRunner for Transformer {
    fn name(&self) -> String {
        Compute::Cpu.to_string()
    }

    fn logits(&mut self, batch: &TextBatch, pass: &Pass) -> Result<Tensor> {
        Self::logits(self, batch, pass)
    }

    fn loss_and_gradient(&mut self, batch: &TextBatch, smoothing: f64, pass: &Pass) -> Result<TextLoss> {
        Self::loss_and_gradient(self, batch, smoothing, pass)
    }

    fn translate(&mut self, src: &[Vec<u32>], beam: &Beam, pass: &Pass) -> Result<Vec<Hypothesis>> {
        Self::translate(self, src, beam, pass)
    }
}

impl<D: Engine, E: Stored> TextRunner for DeviceTransformer<D, E> {
    fn name(&self) -> String {
        self.device().name()
    }

    fn logits(&mut self, batch: &TextBatch, pass: &Pass) -> Result<Tensor> {
        Self::logits(self, batch, pass)
    }

    fn loss_and_gradient(&mut self, batch: &TextBatch, smoothing: f64, pass: &Pass) -> Result<TextLoss> {
        Self::loss_and_gradient(self, batch, smoothing, pass)
    }

    fn translate(&mut self, src: &[Vec<u32>], beam: &Beam, pass: &Pass) -> Result<Vec<Hypothesis>> {
        Self::translate(self, src, beam, pass)
    }
}

/// The Transformer on the device asked for; `None` for the CPU, where the model itself runs.
///
/// # Errors
/// A GPU that is not there, or a build without CUDA; as [`DeviceTransformer::of`].
pub fn text_runner(compute: Compute, model: &Transformer, operands: Operands) -> Result<Option<Box<dyn TextRunner>>> {
    super::make(compute, operands, OfText { model })
}

struct OfText<'a> {
    model: &'a Transformer,
}

impl Make for OfText<'_> {
    type Made = Box<dyn TextRunner>;
    type Error = Error;

    fn make<D: Engine + 'static, E: Stored>(self, device: &Rc<D>, precision: Precision) -> Result<Box<dyn TextRunner>> {
        Ok(Box::new(DeviceTransformer::<D, E>::of(device, self.model, precision)?))
    }
}
