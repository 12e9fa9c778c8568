//! The networks of the paper and scaled-down members of their families. One file a family, one row a model.
//!
//! No model names an activation: it comes in as a value and stands wherever the family has one.

mod densenet;
mod preact;
mod registry;
mod resnet;

pub use registry::{MODELS, ModelInfo, find};

use crate::activation::Activation;
use crate::nn::{Builder, Params, Pass, Result};
use candle_core::{DType, Device, Tensor};

/// A network from images to logits.
pub trait Model: Send + Sync {
    /// Images (n, h, w, 3) to logits (n, classes).
    fn forward(&self, xs: &Tensor, pass: &Pass) -> Result<Tensor>;
}

/// A built network with its parameters.
pub struct Net {
    /// The row of the registry that it was built from.
    pub info: &'static ModelInfo,
    /// Number of classes.
    pub classes: usize,
    /// Parameters and buffers under PyTorch's names.
    pub params: Params,
    model: Box<dyn Model>,
}

/// A network is a candle module too: full precision, no dropout.
impl candle_nn::ModuleT for Net {
    fn forward_t(&self, xs: &Tensor, train: bool) -> candle_core::Result<Tensor> {
        let pass = if train { Pass::train() } else { Pass::eval() };
        self.forward(xs, &pass).map_err(candle_core::Error::wrap)
    }
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
        let vb = Builder::new(activation, info.scheme, seed, dtype, device);
        let model = (info.build)(&vb, classes)?;
        Ok(Self { info, classes, params: vb.finish(), model })
    }

    /// Images (n, h, w, 3) to logits (n, classes).
    pub fn forward(&self, xs: &Tensor, pass: &Pass) -> Result<Tensor> {
        self.model.forward(xs, pass)
    }
}
