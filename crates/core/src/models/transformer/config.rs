//! Sizes of Transformers, and the registered ones by name.

use crate::activation::error::nearest;
use crate::nn::{Error, Result};

/// Sizes of a Transformer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransformerConfig {
    /// Ids of source and target, padding (0) and the end of a sentence (1) among them.
    pub vocab: usize,
    /// Width of a token between layers.
    pub hidden: usize,
    /// Width inside the feed-forward layers, where the activation stands.
    pub filter: usize,
    /// Heads of attention; they share out `hidden`.
    pub heads: usize,
    /// Layers that read the source.
    pub encoder_layers: usize,
    /// Layers that write the target.
    pub decoder_layers: usize,
    /// Share dropped of embeddings and of what a sublayer adds.
    pub dropout: f64,
}

impl TransformerConfig {
    /// Vaswani et al.'s base model (`transformer_base` of tensor2tensor in October 2017): 6 + 6 layers, hidden size 512.
    pub const fn base(vocab: usize) -> Self {
        Self { vocab, hidden: 512, filter: 2048, heads: 8, encoder_layers: 6, decoder_layers: 6, dropout: 0.1 }
    }

    /// The same sizes with other numbers of layers.
    pub const fn layers(self, encoder_layers: usize, decoder_layers: usize) -> Self {
        Self { encoder_layers, decoder_layers, ..self }
    }

    /// # Errors
    /// [`Error::BadConfig`] for sizes that fit no network.
    pub(super) fn check(&self) -> Result<()> {
        let bad = |reason: String| Err(Error::BadConfig { model: "Transformer".into(), reason });
        let Self { vocab, hidden, filter, heads, decoder_layers, dropout, .. } = *self;
        if vocab < 3 || filter == 0 {
            return bad(format!("vocab {vocab}, filter {filter}; expected 3 ids and 1 unit at least"));
        }
        if heads == 0 || hidden == 0 || !hidden.is_multiple_of(2 * heads) {
            return bad(format!("hidden {hidden}, heads {heads}; expected an even number of channels a head"));
        }
        if decoder_layers == 0 {
            return bad("decoder_layers 0; expected 1 at least, or the source is not read".into());
        }
        if !(0.0..1.0).contains(&dropout) {
            return bad(format!("dropout {dropout}; expected a share from 0 to below 1"));
        }
        Ok(())
    }
}

/// A registered Transformer.
#[derive(Clone, Copy, Debug)]
pub struct TransformerInfo {
    /// Its name; hyphens, underscores and case do not matter when it is looked up.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Its sizes, with the vocabulary that it is made for.
    pub config: TransformerConfig,
}

/// A small member of the family, 4 heads.
const fn small(vocab: usize, hidden: usize, layers: usize) -> TransformerConfig {
    let (encoder_layers, decoder_layers) = (layers, layers);
    TransformerConfig { vocab, hidden, filter: 4 * hidden, heads: 4, encoder_layers, decoder_layers, dropout: 0.1 }
}

/// The translation models. The paper's "12 layer Base Transformer" may be either of the last two.
pub const TRANSFORMERS: &[TransformerInfo] = &[
    TransformerInfo {
        name: "transformer_tiny",
        about: "Transformer 2+2, hidden size 32, for tests",
        config: TransformerConfig {
            vocab: 96,
            hidden: 32,
            filter: 64,
            heads: 4,
            encoder_layers: 2,
            decoder_layers: 2,
            dropout: 0.1,
        },
    },
    TransformerInfo {
        name: "transformer_base",
        about: "Transformer base, 6+6 layers",
        config: TransformerConfig::base(37_000),
    },
    TransformerInfo {
        name: "transformer_12",
        about: "Transformer base with 12+12 layers",
        config: TransformerConfig::base(37_000).layers(12, 12),
    },
    TransformerInfo {
        name: "transformer_small",
        about: "Transformer 3+3, hidden size 256, for some 200,000 sentences",
        config: small(8_000, 256, 3),
    },
    TransformerInfo {
        name: "transformer_mini",
        about: "Transformer 2+2, hidden size 64, for phrases made by the program",
        config: small(600, 64, 2),
    },
];

/// The Transformer of that name.
///
/// # Errors
/// [`Error::UnknownModel`], with the nearest name.
pub fn find(name: &str) -> Result<&'static TransformerInfo> {
    let key = crate::models::registry::key;
    TRANSFORMERS.iter().find(|m| key(m.name) == key(name)).ok_or_else(|| Error::UnknownModel {
        name: name.to_string(),
        suggestion: nearest(name, TRANSFORMERS.iter().map(|m| m.name)),
    })
}
