//! The layers of encoder and decoder, and a pass through them.

use super::batch::{PAD, TextBatch};
use super::config::TransformerConfig;
use crate::nn::map::Map;
use crate::nn::residual::ResidualConfig;
use crate::nn::{Attention, Builder, Embedding, Linear, Residual, Result, Run};
use std::sync::Arc;

/// Attention within a sequence.
#[derive(Clone, Debug)]
pub(crate) struct SelfAttention {
    pub(crate) qkv: Linear,
    pub(crate) attention: Attention,
    pub(crate) out: Residual,
}

/// Attention of the target to the source.
#[derive(Clone, Debug)]
pub(crate) struct CrossAttention {
    pub(crate) q: Linear,
    pub(crate) kv: Linear,
    pub(crate) attention: Attention,
    pub(crate) out: Residual,
}

/// The two linear layers of every token, with the activation between them.
#[derive(Clone, Debug)]
pub(crate) struct FeedForward {
    pub(crate) fc1: Linear,
    pub(crate) out: Residual,
}

/// A layer of the decoder.
#[derive(Clone, Debug)]
pub(crate) struct DecoderLayer {
    pub(crate) itself: SelfAttention,
    pub(crate) source: CrossAttention,
    pub(crate) ffn: FeedForward,
}

/// All layers.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    pub(crate) embedding: Embedding,
    pub(crate) encoder: Vec<(SelfAttention, FeedForward)>,
    pub(crate) decoder: Vec<DecoderLayer>,
}

/// Places of dropout: those of the embeddings, which are told apart by them, then one a sublayer.
pub(crate) const SOURCE_SITE: u64 = 0;
const TARGET_SITE: u64 = 1;

/// Declares sublayers, each with a place of dropout of its own.
struct Sublayers<'a> {
    config: &'a TransformerConfig,
    site: u64,
}

impl Sublayers<'_> {
    fn end(&mut self, vb: &Builder, act: Option<&str>, projection: &str, norm: &str, c_in: usize) -> Residual {
        self.site += 1;
        let TransformerConfig { hidden: width, dropout, .. } = *self.config;
        Residual::new(vb, &ResidualConfig { act, projection, norm, c_in, width, dropout, site: self.site })
    }

    fn attention(&self, vb: &Builder, causal: bool) -> Attention {
        let &TransformerConfig { heads, hidden: width, .. } = self.config;
        Attention { name: vb.path().to_string(), heads, width, causal }
    }

    fn within(&mut self, vb: &Builder, causal: bool) -> SelfAttention {
        let (at, width) = (vb.pp("self_attn"), self.config.hidden);
        let qkv = Linear::side_by_side(&at, &["q", "k", "v"], width, width);
        let attention = self.attention(&at, causal);
        SelfAttention { qkv, attention, out: self.end(vb, None, "self_attn.o", "norm1", width) }
    }

    fn across(&mut self, vb: &Builder) -> CrossAttention {
        let (at, width) = (vb.pp("cross_attn"), self.config.hidden);
        let q = Linear::side_by_side(&at, &["q"], width, width);
        let kv = Linear::side_by_side(&at, &["k", "v"], width, width);
        let attention = self.attention(&at, false);
        CrossAttention { q, kv, attention, out: self.end(vb, None, "cross_attn.o", "norm2", width) }
    }

    fn feed_forward(&mut self, vb: &Builder, norm: &str) -> FeedForward {
        let &TransformerConfig { hidden, filter, .. } = self.config;
        let fc1 = Linear::new(vb, "ffn.fc1", hidden, filter);
        FeedForward { fc1, out: self.end(vb, Some("ffn.act"), "ffn.fc2", norm, filter) }
    }
}

impl SelfAttention {
    fn forward(&self, xs: &Map, lengths: &Arc<[usize]>, run: &mut Run<'_>) -> Result<Map> {
        let qkv = self.qkv.forward_rows(xs, run)?;
        let attended = self.attention.within(&qkv, lengths, run)?;
        self.out.forward(&attended, xs, run)
    }
}

impl CrossAttention {
    fn forward(&self, xs: &Map, source: &Map, lengths: &Arc<[usize]>, run: &mut Run<'_>) -> Result<Map> {
        let (q, kv) = (self.q.forward_rows(xs, run)?, self.kv.forward_rows(source, run)?);
        let attended = self.attention.across(&q, &kv, lengths, run)?;
        self.out.forward(&attended, xs, run)
    }
}

impl FeedForward {
    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let hs = self.fc1.forward_rows(xs, run)?;
        self.out.forward(&hs, xs, run)
    }
}

impl Layers {
    pub(super) fn new(vb: &Builder, config: &TransformerConfig) -> Self {
        let embedding = Embedding::new(vb, "shared", config.vocab, config.hidden, config.dropout);
        let mut sublayers = Sublayers { config, site: TARGET_SITE };
        let encoder = (0..config.encoder_layers).map(|i| {
            let vb = vb.pp("encoder").pp(i);
            (sublayers.within(&vb, false), sublayers.feed_forward(&vb, "norm2"))
        });
        let encoder = encoder.collect();
        let decoder = (0..config.decoder_layers).map(|i| {
            let vb = vb.pp("decoder").pp(i);
            let (itself, source) = (sublayers.within(&vb, true), sublayers.across(&vb));
            DecoderLayer { itself, source, ffn: sublayers.feed_forward(&vb, "norm3") }
        });
        let decoder = decoder.collect();
        Self { embedding, encoder, decoder }
    }

    /// Source ids (n, len) to (n, 1, len, hidden).
    pub(super) fn encode(&self, ids: &[u32], len: usize, lengths: &Arc<[usize]>, run: &mut Run<'_>) -> Result<Map> {
        let ids = ids.iter().map(|&id| embedded(id)).collect();
        let mut xs = self.embedding.forward(ids, len, SOURCE_SITE, run)?;
        for (attention, ffn) in &self.encoder {
            xs = attention.forward(&xs, lengths, run)?;
            xs = ffn.forward(&xs, run)?;
        }
        Ok(xs)
    }

    /// What the logits of every target position are made from, (n, 1, tgt_len, hidden).
    pub(super) fn forward(&self, batch: &TextBatch, run: &mut Run<'_>) -> Result<Map> {
        let lengths = batch.src_lengths();
        let source = self.encode(&batch.src, batch.src_len, &lengths, run)?;
        let ids = batch.tgt_before().into_iter().map(embedded).collect();
        let mut ys = self.embedding.forward(ids, batch.tgt_len, TARGET_SITE, run)?;
        // Padding stands behind all that could attend to it.
        let all: Arc<[usize]> = vec![batch.tgt_len; batch.n].into();
        for layer in &self.decoder {
            ys = layer.itself.forward(&ys, &all, run)?;
            ys = layer.source.forward(&ys, &source, &lengths, run)?;
            ys = layer.ffn.forward(&ys, run)?;
        }
        Ok(ys)
    }
}

/// Padding is a row of zeros.
fn embedded(id: u32) -> Option<u32> {
    (id != PAD).then_some(id)
}
