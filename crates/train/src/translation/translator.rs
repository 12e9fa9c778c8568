//! Trained weights with the tokenizer that they belong to.

use super::evaluate::{TranslationEvaluation, evaluate, translate};
use super::{MARK, TOKENIZER_FILE};
use crate::cell::Precision;
use crate::error::Result;
use candle_core::{DType, Device};
use std::path::Path;
use swish_core::activation::Activation;
use swish_core::device::{TextRunner, text_runner};
use swish_core::models::transformer::{self, Beam, Transformer, TransformerConfig};
use swish_core::nn::{Compute, Pass, weights};
use swish_data::text::{Bitext, Tokenizer};

/// A Transformer that translates.
pub struct Translator {
    net: Box<dyn TextRunner>,
    tokenizer: Tokenizer,
    precision: Precision,
}

impl Translator {
    /// Reads weights and their tokenizer, which lies beside them unless another file is named. The vocabulary is the tokenizer's.
    ///
    /// # Errors
    /// Files that are missing or damaged, weights of another model or activation, a tokenizer that is not the weights' own, a device that
    /// is not there.
    pub fn open(
        model: &str,
        activation: &Activation,
        file: &Path,
        tokenizer: Option<&Path>,
        precision: Precision,
        device: Compute,
    ) -> Result<Self> {
        let info = transformer::find(model)?;
        let beside = file.with_file_name(TOKENIZER_FILE);
        let tokenizer = Tokenizer::load(tokenizer.unwrap_or(&beside))?;
        let tensors = weights::read_file(file)?;
        if let Some(fingerprint) = weights::read_metadata(file)?.get(MARK) {
            tokenizer.check(fingerprint)?;
        }
        let config = TransformerConfig { vocab: tokenizer.vocab_size(), ..info.config };
        let net = Transformer::undrawn(&config, activation, DType::F32, &Device::Cpu)?;
        weights::load_for_evaluation(&net.params, &tensors, file)?;
        let on_device = text_runner(device, &net, precision.operands())?;
        Ok(Self { net: on_device.unwrap_or_else(|| Box::new(net)), tokenizer, precision })
    }

    /// Translations of these sentences, in order.
    ///
    /// # Errors
    /// Memory, and the device's.
    pub fn translate<'s>(&mut self, sentences: impl Iterator<Item = &'s str>, beam: &Beam) -> Result<Vec<String>> {
        let pass = Pass { operands: self.precision.operands(), ..Pass::eval() };
        translate(&mut *self.net, &self.tokenizer, sentences, beam, &pass)
    }

    /// Loss, accuracy and BLEU on these sets.
    ///
    /// # Errors
    /// Memory, and the device's.
    pub fn evaluate(&mut self, sets: &[Bitext], beam: &Beam) -> Result<TranslationEvaluation> {
        evaluate(&mut *self.net, &self.tokenizer, sets, beam, self.precision)
    }
}
