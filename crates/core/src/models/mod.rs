//! The networks of the paper and scaled-down members of their families. One file a family, one row a model.
//!
//! No model names an activation: it comes in as a value and stands wherever the family has one.

mod auxiliary;
mod densenet;
mod inception;
mod mobilenet;
mod nasnet;
mod preact;
mod registry;
mod resnet;
pub mod transformer;

pub use registry::{MODELS, ModelInfo, find};

use crate::activation::Activation;
use crate::nn::init::Scheme;
use crate::nn::{Builder, Network, Result};
use candle_core::{DType, Device};
use std::ops::Deref;

pub use crate::nn::Model;

/// A registered model with its parameters.
#[derive(Clone)]
pub struct Net {
    /// The row of the registry that it was built from.
    pub info: &'static ModelInfo,
    /// Number of classes.
    pub classes: usize,
    network: Network,
}

impl Net {
    /// Builds a registered model with freshly drawn parameters: they depend on `seed` and their names alone.
    ///
    /// # Errors
    /// Candle's, when the device is out of memory.
    pub fn new(
        info: &'static ModelInfo,
        activation: &Activation,
        classes: usize,
        seed: u64,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        Self::build(info, classes, Builder::new(activation, info.scheme, seed, dtype, device))
    }

    /// Builds a registered model with weights of zero, for those that are read from a file.
    ///
    /// # Errors
    /// Candle's, when the device is out of memory.
    pub fn undrawn(
        info: &'static ModelInfo,
        activation: &Activation,
        classes: usize,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        Self::build(info, classes, Builder::new(activation, Scheme::ZERO, 0, dtype, device))
    }

    fn build(info: &'static ModelInfo, classes: usize, vb: Builder) -> Result<Self> {
        let model = (info.build)(&vb, classes)?.into();
        Ok(Self { info, classes, network: Network::boxed(vb.finish()?, model) })
    }
}

impl Deref for Net {
    type Target = Network;

    fn deref(&self) -> &Network {
        &self.network
    }
}
