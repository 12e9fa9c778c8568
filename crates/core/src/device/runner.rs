//! [`Runner`]: a network on whichever device was asked for.

use super::{DeviceNetwork, Make};
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
