//! Writing translations one token after another. Weights are packed once; the keys and values of tokens already written are kept, each where
//! its step has put it, and a hypothesis remembers which row it was at every step.

use super::Transformer;
use super::layers::{DecoderLayer, Layers};
use super::search::{Beam, Row, Writer};
use crate::nn::buffer::Stored;
use crate::nn::params::{Compute, Values};
use crate::nn::residual::EPSILON;
use crate::nn::{Linear, Pass, Residual, Result, Run};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;
use swish_kernels::conv::Operands;
use swish_kernels::embedding::signal;
use swish_kernels::layer_norm::{self, Affine, RowStats};
use swish_kernels::linear::{self, Packed};
use swish_kernels::{Real, act, attention};

/// The decoder with packed weights.
struct Decoder<'a, T: Real> {
    layers: &'a Layers,
    values: &'a [T],
    packed: Vec<PackedLayer<'a, T>>,
    vocabulary: Packed<'a, T>,
    operands: Operands,
}

struct PackedLayer<'a, T: Real> {
    qkv: Packed<'a, T>,
    itself_out: Packed<'a, T>,
    q: Packed<'a, T>,
    source_out: Packed<'a, T>,
    fc1: Packed<'a, T>,
    fc2: Packed<'a, T>,
}

/// Keys, then values of every row that can be attended to.
#[derive(Default)]
struct State<T> {
    /// Of the sources, by layer: (sentences, src_len, 2 * width).
    sources: Vec<Vec<T>>,
    src_len: usize,
    /// Tokens of each source.
    lengths: Vec<usize>,
    /// Of the tokens written, by layer and step: (rows of that step, 2 * width).
    written: Vec<Vec<Vec<T>>>,
}

/// Writes on the CPU.
pub(super) struct OnCpu<'a, T: Real> {
    model: &'a Transformer,
    values: Values<'a>,
    pass: &'a Pass,
    decoder: Decoder<'a, T>,
    state: State<T>,
}

impl<'a, T: Compute + Stored<Real = T>> OnCpu<'a, T> {
    /// # Errors
    /// Values that are not of this type.
    pub(super) fn new(model: &'a Transformer, values: Values<'a>, pass: &'a Pass) -> Result<Self> {
        let decoder = Decoder::new(&model.layers, T::values(values)?, pass.operands);
        Ok(Self { model, values, pass, decoder, state: State::default() })
    }
}

impl<T: Compute + Stored<Real = T>> Writer for OnCpu<'_, T> {
    type Number = T;

    fn read(&mut self, ids: &[u32], len: usize, lengths: &Arc<[usize]>, _: &Beam) -> Result<()> {
        let mut run = Run::new(self.values, self.pass, &self.model.memory);
        let sources = self.model.layers.encode(ids, len, lengths, &mut run)?;
        self.state = self.decoder.start(T::of(&sources.node.data)?, len, lengths);
        drop(sources);
        self.model.memory.end_pass();
        Ok(())
    }

    fn write(&mut self, rows: &[Row<'_>]) -> Result<Vec<T>> {
        Ok(self.decoder.step(&mut self.state, rows))
    }
}

impl<'a, T: Real> Decoder<'a, T> {
    fn new(layers: &'a Layers, values: &'a [T], operands: Operands) -> Self {
        let of = |c_in: usize, c_out: usize, weight: &Range<usize>| {
            Packed::new(c_in, c_out, &values[weight.clone()], operands)
        };
        let linear = |layer: &Linear| of(layer.c_in, layer.c_out, &layer.weight);
        let end = |layer: &Residual| of(layer.c_in, layer.width, &layer.weight);
        let packed = layers.decoder.iter().map(|layer| PackedLayer {
            qkv: linear(&layer.itself.qkv),
            itself_out: end(&layer.itself.out),
            q: linear(&layer.source.q),
            source_out: end(&layer.source.out),
            fc1: linear(&layer.ffn.fc1),
            fc2: end(&layer.ffn.out),
        });
        let shared = &layers.embedding;
        let (packed, vocabulary) = (packed.collect(), of(shared.width, shared.ids, &shared.weight));
        Self { layers, values, packed, vocabulary, operands }
    }

    fn width(&self) -> usize {
        self.layers.embedding.width
    }

    /// From what the encoder has made of the sources, (sentences, src_len, width).
    fn start(&self, sources: &[T], src_len: usize, lengths: &[usize]) -> State<T> {
        let width = self.width();
        let rows = lengths.len() * src_len;
        let of_layer = |layer: &DecoderLayer| {
            let mut kv = vec![T::ZERO; rows * 2 * width];
            let weight = &self.values[layer.source.kv.weight.clone()];
            linear::forward(rows, width, 2 * width, sources, weight, None, &mut kv, self.operands);
            attention::round(self.operands, &mut kv);
            kv
        };
        let sources = self.layers.decoder.iter().map(of_layer).collect();
        State { sources, src_len, lengths: lengths.to_vec(), written: vec![Vec::new(); self.packed.len()] }
    }

    /// Logits (rows, vocab) of the tokens that may follow.
    fn step(&self, state: &mut State<T>, rows: &[Row<'_>]) -> Vec<T> {
        let width = self.width();
        let shared = &self.layers.embedding;
        let ids: Vec<Option<u32>> = rows.iter().map(|row| row.last).collect();
        let mut xs = vec![T::ZERO; rows.len() * width];
        let position = rows.first().map_or(0, |row| row.path.len());
        let weight = &self.values[shared.weight.clone()];
        shared.kernel().forward(&ids, weight, &signal(position, 1, width), &mut xs);
        let layers = self.layers.decoder.iter().zip(&self.packed).zip(&state.sources).zip(&mut state.written);
        for (((layer, packed), sources), written) in layers {
            let mut qkv = vec![T::ZERO; rows.len() * 3 * width];
            packed.qkv.forward(&xs, None, &mut qkv);
            let mut kv: Vec<T> = qkv.chunks_exact(3 * width).flat_map(|row| &row[width..]).copied().collect();
            attention::round(self.operands, &mut kv);
            written.push(kv);
            let of_row = |row: usize| row * 2 * width..(row + 1) * 2 * width;
            let attended = self.attend(layer.itself.attention.heads, &qkv, 3 * width, |i| {
                let before = written.iter().zip(rows[i].path).map(|(kv, &row)| &kv[of_row(row)]);
                let own = written.last().map(|kv| &kv[of_row(i)]);
                before.chain(own).collect()
            });
            xs = self.end(&layer.itself.out, &packed.itself_out, &attended, &xs);
            let mut q = vec![T::ZERO; rows.len() * width];
            packed.q.forward(&xs, None, &mut q);
            let attended = self.attend(layer.source.attention.heads, &q, width, |i| {
                let sentence = rows[i].sentence;
                let first = sentence * state.src_len;
                (first..first + state.lengths[sentence]).map(|row| &sources[of_row(row)]).collect()
            });
            xs = self.end(&layer.source.out, &packed.source_out, &attended, &xs);
            let (fc1, out) = (&layer.ffn.fc1, &layer.ffn.out);
            let mut hs = vec![T::ZERO; rows.len() * fc1.c_out];
            packed.fc1.forward(&xs, fc1.bias.clone().map(|bias| &self.values[bias]), &mut hs);
            xs = self.end(out, &packed.fc2, &hs, &xs);
        }
        let mut logits = vec![T::ZERO; rows.len() * shared.ids];
        self.vocabulary.forward(&xs, None, &mut logits);
        logits
    }

    /// Attention of each row's query, the first channels of `stride`, to the keys and values that `keys` gives for it.
    fn attend<'k>(
        &self,
        heads: usize,
        queries: &[T],
        stride: usize,
        keys: impl Fn(usize) -> Vec<&'k [T]> + Sync,
    ) -> Vec<T>
    where
        T: 'k,
    {
        let width = self.width();
        let mut ys = vec![T::ZERO; queries.len() / stride * width];
        ys.par_chunks_mut(width).zip(queries.par_chunks(stride)).enumerate().for_each(|(i, (y, q))| {
            attention::single(heads, &q[..width], &keys(i), self.operands, y);
        });
        ys
    }

    /// [`Residual`] without dropout.
    fn end(&self, layer: &Residual, packed: &Packed<'_, T>, hs: &[T], xs: &[T]) -> Vec<T> {
        let at = |range: &Range<usize>| &self.values[range.clone()];
        let rows = xs.len() / layer.width;
        let activated = layer.act.as_ref().map(|(program, params)| {
            let mut activated = vec![T::ZERO; hs.len()];
            act::forward(program, layer.c_in, hs, at(params), &mut activated);
            activated
        });
        let (mut zs, mut ys) = (vec![T::ZERO; xs.len()], vec![T::ZERO; xs.len()]);
        packed.forward(activated.as_deref().unwrap_or(hs), layer.bias.as_ref().map(at), &mut zs);
        zs.iter_mut().zip(xs).for_each(|(z, &x)| *z += x);
        let affine = Affine { gamma: at(&layer.gamma), beta: at(&layer.beta) };
        let (mut mean, mut inv_std) = (vec![T::ZERO; rows], vec![T::ZERO; rows]);
        let stats = RowStats { mean: &mut mean, inv_std: &mut inv_std };
        layer_norm::forward(EPSILON, affine, &zs, &mut ys, stats);
        ys
    }
}
