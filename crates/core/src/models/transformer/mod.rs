//! The Transformer (Vaswani et al. 2017) for Tables 11's translation, numerically as `transformer_base` of tensor2tensor in October 2017: norms behind
//! the sums, one matrix for both embeddings and the projection on the vocabulary, no biases in attention.

mod batch;
mod config;
mod search;

pub use batch::{EOS, PAD, TextBatch};
pub use config::{TRANSFORMERS, TransformerConfig, TransformerInfo, find};
pub use search::{Beam, Hypothesis};

use crate::activation::Activation;
use crate::nn::{Data, Params, Pass, Result};
use candle_core::{DType, Device, Tensor};

/// What a training step of a [`Transformer`] starts from.
#[derive(Debug)]
pub struct TextLoss {
    /// Smoothed cross-entropy less its constant minimum, averaged over the target tokens.
    pub loss: f64,
    /// Target tokens that are no padding.
    pub tokens: usize,
    /// The gradient of the loss, laid out as `params.flat`; `None` in evaluation, and where the loss is not finite.
    pub gradient: Option<Data>,
}

/// A Transformer with its parameters.
#[derive(Clone)]
pub struct Transformer {
    /// Its sizes.
    pub config: TransformerConfig,
    /// Parameters under the names of the reference.
    pub params: Params,
}

impl Transformer {
    /// Builds the model with freshly drawn parameters: they depend on `seed` and their names alone.
    ///
    /// # Errors
    /// Sizes that fit no network; candle's, when memory is out.
    pub fn new(
        config: &TransformerConfig,
        activation: &Activation,
        seed: u64,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        unimplemented!()
    }

    /// Builds the model with weights of zero, for those that are read from a file.
    ///
    /// # Errors
    /// As [`Transformer::new`].
    pub fn undrawn(config: &TransformerConfig, activation: &Activation, dtype: DType, device: &Device) -> Result<Self> {
        unimplemented!()
    }

    /// Loss and gradient of a training pass. Label smoothing e gives 1 - e to the label and e / (vocab - 1) to each other id.
    ///
    /// # Errors
    /// A batch whose ids or lengths do not fit, [`crate::nn::Error::NotTraining`] in an evaluation pass.
    pub fn loss_and_gradient(&self, batch: &TextBatch, smoothing: f64, pass: &Pass) -> Result<TextLoss> {
        unimplemented!()
    }

    /// The loss alone, in evaluation.
    ///
    /// # Errors
    /// A batch whose ids or lengths do not fit.
    pub fn loss(&self, batch: &TextBatch, smoothing: f64, pass: &Pass) -> Result<TextLoss> {
        unimplemented!()
    }

    /// The logits (n, tgt_len, vocab) of all positions, for comparison with other programs.
    ///
    /// # Errors
    /// A batch whose ids or lengths do not fit.
    pub fn logits(&self, batch: &TextBatch, pass: &Pass) -> Result<Tensor> {
        unimplemented!()
    }

    /// Translations by beam search, one a sentence, in order. Sentences are ids that end with [`EOS`].
    ///
    /// # Errors
    /// Ids outside the vocabulary, a beam of width 0.
    pub fn translate(&self, src: &[Vec<u32>], beam: &Beam, pass: &Pass) -> Result<Vec<Hypothesis>> {
        unimplemented!()
    }
}
