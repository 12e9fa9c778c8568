//! The Transformer (Vaswani et al. 2017) of the paper's Table 11, numerically as `transformer_base` of tensor2tensor in October
//! 2017 but for biases in attention, which the article has not: norms behind the sums, one matrix for both embeddings and the projection
//! on the vocabulary, dropout of embeddings and sublayers only. At a vocabulary of 37,000 the base model has 63,045,632 parameters, with
//! 12 + 12 layers 107,147,264.
//!
//! | module | what it has |
//! |---|---|
//! | `config` | sizes, and the registered models |
//! | `batch` | pairs of sentences as ids |
//! | `layers` | encoder and decoder |
//! | `loss` | smoothed cross-entropy over the vocabulary |
//! | `decode` | one token after another, with the keys and values of those before |
//! | `search` | beam search |

mod batch;
mod config;
mod decode;
mod layers;
mod loss;
mod search;

pub use batch::{EOS, PAD, TextBatch};
pub use config::{TRANSFORMERS, TransformerConfig, TransformerInfo, find};
pub(crate) use layers::SOURCE_SITE;
pub use search::{Beam, Hypothesis};
pub(crate) use search::{Row, Writer, translate};

use self::decode::OnCpu;
use self::layers::Layers;
use crate::activation::Activation;
use crate::nn::graph::Graph;
use crate::nn::init::Scheme;
use crate::nn::run::computed;
use crate::nn::{Builder, Data, Error, Memory, Params, Pass, Result, Run, Stored};
use candle_core::{DType, Device, Tensor};
use std::sync::Arc;
use swish_kernels::linear;

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
    /// Its parameters, by name.
    pub params: Params,
    pub(crate) layers: Arc<Layers>,
    memory: Arc<Memory>,
}

impl Transformer {
    /// Builds the model with freshly drawn parameters: they depend on `seed` and their names alone.
    ///
    /// # Errors
    /// [`Error::BadConfig`] for sizes that fit no network; candle's, when memory is out.
    pub fn new(
        config: &TransformerConfig,
        activation: &Activation,
        seed: u64,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        Self::build(config, Builder::new(activation, Scheme::TRANSFORMER, seed, dtype, device))
    }

    /// Builds the model with weights of zero, for those that are read from a file.
    ///
    /// # Errors
    /// As [`Transformer::new`].
    pub fn undrawn(config: &TransformerConfig, activation: &Activation, dtype: DType, device: &Device) -> Result<Self> {
        Self::build(config, Builder::new(activation, Scheme::ZERO, 0, dtype, device))
    }

    fn build(config: &TransformerConfig, vb: Builder) -> Result<Self> {
        config.check()?;
        let layers = Arc::new(Layers::new(&vb, config));
        Ok(Self { config: *config, params: vb.finish()?, layers, memory: Arc::default() })
    }

    /// The operators that make the logits (n, 1, tgt_len, vocab) of pairs of sentences of these lengths.
    pub(crate) fn graph(&self, [n, src_len, tgt_len]: [usize; 3]) -> Result<Graph> {
        let [src, tgt] = [src_len, tgt_len].map(|len| vec![EOS; n * len]);
        let (batch, pass) = (TextBatch { n, src_len, tgt_len, src, tgt }, Pass::train());
        self.params.with_values(|values| {
            Run::new(values, &pass, &self.memory).written_down(|run| {
                let made = self.layers.forward(&batch, run)?;
                Ok(self.layers.embedding.recorded_logits(&made, run))
            })
        })
    }

    /// The operators that make of sources of this length what the decoder attends to, (n, 1, src_len, hidden): the first of those of
    /// [`Transformer::graph`].
    pub(crate) fn source_graph(&self, [n, src_len]: [usize; 2]) -> Result<Graph> {
        let (ids, lengths, pass) = (vec![EOS; n * src_len], vec![src_len; n].into(), Pass::eval());
        self.params.with_values(|values| {
            let run = Run::new(values, &pass, &self.memory);
            run.written_down(|run| self.layers.encode(&ids, src_len, &lengths, run))
        })
    }

    /// Loss and gradient of a training pass. Label smoothing e gives 1 - e to the label and e / (vocab - 1) to each other id.
    ///
    /// # Errors
    /// [`Error::BadInput`] and [`Error::BadId`] for a batch that does not fit, [`Error::NotTraining`] in an evaluation pass.
    pub fn loss_and_gradient(&self, batch: &TextBatch, smoothing: f64, pass: &Pass) -> Result<TextLoss> {
        if !pass.train {
            return Err(Error::NotTraining);
        }
        self.run_loss(batch, smoothing, pass)
    }

    /// The loss alone, in evaluation.
    ///
    /// # Errors
    /// As [`Transformer::loss_and_gradient`], but for the pass: it is run without gradient whatever it says.
    pub fn loss(&self, batch: &TextBatch, smoothing: f64, pass: &Pass) -> Result<TextLoss> {
        self.run_loss(batch, smoothing, &Pass { train: false, ..pass.clone() })
    }

    /// # Errors
    /// A batch that does not fit or has no targets, or label smoothing that is no share.
    pub(crate) fn check(&self, batch: &TextBatch, smoothing: f64) -> Result<()> {
        batch.check(self.config.vocab)?;
        if !(0.0..=1.0).contains(&smoothing) {
            let reason = format!("label smoothing {smoothing} is not in [0, 1]");
            return Err(Error::BadConfig { model: "Transformer".into(), reason });
        }
        if batch.tokens() == 0 {
            let expected = "one token that is no padding at least".into();
            return Err(Error::BadInput { layer: "target ids".into(), found: vec![batch.n, batch.tgt_len], expected });
        }
        Ok(())
    }

    fn run_loss(&self, batch: &TextBatch, smoothing: f64, pass: &Pass) -> Result<TextLoss> {
        self.check(batch, smoothing)?;
        self.params.with_values(|values| {
            let mut run = Run::new(values, pass, &self.memory);
            let made = self.layers.forward(batch, &mut run)?;
            let shared = &self.layers.embedding;
            let loss = computed!(values, T => loss::loss::<T>(shared, &made, batch, smoothing, &mut run)?);
            drop(made);
            let gradient = match pass.train && loss.is_finite() {
                true => Some(run.tape.backward(&self.memory, values, [])?.0),
                false => None,
            };
            self.memory.end_pass();
            Ok(TextLoss { loss, tokens: batch.tokens(), gradient })
        })
    }

    /// The logits (n, tgt_len, vocab) of all positions, for comparison with other programs.
    ///
    /// # Errors
    /// [`Error::BadInput`] and [`Error::BadId`] for a batch that does not fit.
    pub fn logits(&self, batch: &TextBatch, pass: &Pass) -> Result<Tensor> {
        batch.check(self.config.vocab)?;
        let pass = Pass { train: false, ..pass.clone() };
        let TransformerConfig { vocab, hidden, .. } = self.config;
        let rows = batch.n * batch.tgt_len;
        self.params.with_values(|values| {
            let mut run = Run::new(values, &pass, &self.memory);
            let made = self.layers.forward(batch, &mut run)?;
            if let Some(tally) = &pass.tally {
                tally.add((rows * hidden * vocab) as u64);
            }
            let logits = computed!(values, T => {
                let mut logits = run.buffer::<T>(rows * vocab);
                let weight = &<T as crate::nn::params::Compute>::values(values)?[self.layers.embedding.weight.clone()];
                linear::forward(rows, hidden, vocab, T::of(&made.node.data)?, weight, None, &mut logits, pass.operands);
                T::wrap(logits)
            });
            self.memory.end_pass();
            Ok(logits.to_tensor()?.reshape((batch.n, batch.tgt_len, vocab))?)
        })
    }

    /// Translations by beam search, one a sentence, in order. Sentences are ids that end with [`EOS`].
    ///
    /// # Errors
    /// [`Error::BadInput`] for an empty sentence or one with padding, [`Error::BadId`] for an id outside the vocabulary,
    /// [`Error::BadConfig`] for a beam that is none.
    pub fn translate(&self, src: &[Vec<u32>], beam: &Beam, pass: &Pass) -> Result<Vec<Hypothesis>> {
        self.check_search(src, beam)?;
        let pass = Pass { train: false, ..pass.clone() };
        self.params.with_values(
            |values| computed!(values, T => search::translate(&mut OnCpu::<T>::new(self, values, &pass)?, src, beam)),
        )
    }

    /// # Errors
    /// As [`Transformer::translate`].
    pub(crate) fn check_search(&self, src: &[Vec<u32>], beam: &Beam) -> Result<()> {
        beam.check()?;
        src.iter().try_for_each(|sentence| batch::check_sentence("source", sentence, self.config.vocab))
    }
}
