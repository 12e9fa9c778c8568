//! The operators of sentences forward, and back.

use super::buffers::{Beside, Ready};
use super::network::DeviceNetwork;
use super::pass::mask;
use crate::models::transformer::SOURCE_SITE;
use crate::nn::graph::{Graph, Op, Step, Value};
use crate::nn::{Attention, Pass};
use swish_kernels::cuda::launch::dropout::{self, RowDropout, Seed};
use swish_kernels::cuda::launch::embedding::{self, Tokens};
use swish_kernels::cuda::launch::heads::{self, Heads};
use swish_kernels::cuda::launch::layer_norm::{self, Affine, RowStats, Saved};
use swish_kernels::cuda::launch::layout::{self, Columns};
use swish_kernels::cuda::launch::sums;
use swish_kernels::cuda::{Engine, Scratch, Stored};

impl<D: Engine, E: Stored, M> DeviceNetwork<D, E, M> {
    pub(super) fn text_forward(
        &self,
        ready: &Ready<D, E>,
        (device, scratch): (&D, &mut Scratch<D>),
        pass: &Pass,
        i: Value,
    ) -> Result<(), D::Error> {
        let (maps, features, precision) = (ready.maps(), ready.features(), self.precision);
        let (graph, weights) = (&ready.plan.graph, self.weights.view());
        match (&graph.steps[i].op, &ready.beside[i]) {
            (Op::Embedding { layer, site }, Beside::Signal(signal)) => {
                let (width, scale) = (layer.width, layer.kernel().scale);
                let table = weights.range(self.places.find(&layer.weight));
                let (signal, mut ys) = (Some(signal.view()), features.value_mut(i));
                embedding::forward(device, width, scale, tokens(ready, *site), table, signal, ys.view_mut())
            }
            (Op::Narrow { xs }, _) => {
                layout::from_float(device, features.value(*xs).view(), maps.value_mut(i).view_mut())
            }
            (Op::Residual { bias, xs, residual, .. }, _) => {
                let bias = bias.as_ref().map(|bias| weights.range(self.places.find(bias)));
                let (xs, residual, mut ys) = (maps.value(*xs), features.value(*residual), features.value_mut(i));
                let dropout = row_dropout(ready, pass, &graph.steps[i]);
                dropout::residual_forward(device, &dropout, xs.view(), bias, residual.view(), ys.view_mut())
            }
            (Op::LayerNorm { gamma, epsilon, xs, .. }, Beside::Rows([mean, inv_std])) => {
                let (first, width) = (self.places.find(gamma).start, gamma.len());
                let [gamma, beta] = [first, first + width].map(|first| weights.range(first..first + width));
                let (mut mean, mut inv_std) = (mean.borrow_mut(), inv_std.borrow_mut());
                let stats = RowStats { mean: mean.view_mut(), inv_std: inv_std.view_mut() };
                let (xs, mut ys) = (features.value(*xs), features.value_mut(i));
                layer_norm::forward(device, *epsilon, Affine { gamma, beta }, xs.view(), ys.view_mut(), stats)
            }
            (Op::Weights { layer, q, kv }, _) => {
                let (sizes, mut ys) = (sizes(layer, graph, i), maps.value_mut(i));
                let (q_columns, [k_columns, _]) = columns(layer, graph, *q, *kv);
                let (q, kv) = (maps.value(*q), maps.value(*kv));
                let (q, k) = ((q.view(), q_columns), (kv.view(), k_columns));
                let lengths = (!layer.causal).then(|| ready.sentences.lengths.view());
                heads::weights_forward(device, scratch, &sizes, precision, q, k, lengths, ys.view_mut())
            }
            (Op::Means { layer, weights, kv }, _) => {
                let (sizes, mut ys) = (sizes(layer, graph, *weights), maps.value_mut(i));
                let (_, [_, v_columns]) = columns(layer, graph, queries(graph, *weights), *kv);
                let (weights, kv) = (maps.value(*weights), maps.value(*kv));
                let v = (kv.view(), v_columns);
                heads::means_forward(device, scratch, &sizes, precision, weights.view(), v, ys.view_mut())
            }
            _ => Ok(()),
        }
    }

    /// Queries, keys and values have one reader each, so what comes back to their map are other columns each time.
    pub(super) fn text_backward(&self, ready: &Ready<D, E>, pass: &Pass, i: Value) -> Result<(), D::Error> {
        let (maps, features, precision) = (ready.maps(), ready.features(), self.precision);
        let (device, scratch, graph) = (&*self.device, &mut *self.scratch.borrow_mut(), &ready.plan.graph);
        match (&graph.steps[i].op, &ready.beside[i]) {
            (Op::Embedding { layer, site }, _) => {
                let d_ys = features.gradient(i);
                // Added to what the projection on the vocabulary, which goes back first, has written.
                let mut gradient = self.gradient.borrow_mut();
                let d_table = gradient.view_mut().range(self.places.find(&layer.weight));
                let scale = layer.kernel().scale;
                embedding::backward(device, layer.width, scale, tokens(ready, *site), d_ys.view(), d_table)
            }
            (Op::Narrow { xs }, _) => {
                let d_ys = maps.gradient(i);
                features.receive(device, *xs, |d_xs| layout::to_float(device, d_ys.view(), d_xs))
            }
            (Op::Residual { bias, xs, residual, .. }, _) => {
                let (d_ys, dropout) = (features.gradient(i), row_dropout(ready, pass, &graph.steps[i]));
                maps.receive(device, *xs, |mut d_xs| {
                    dropout::residual_backward(device, &dropout, d_ys.view(), d_xs.reborrow())?;
                    let Some(bias) = bias else { return Ok(()) };
                    let mut gradient = self.gradient.borrow_mut();
                    let d_bias = gradient.view_mut().range(self.places.find(bias));
                    sums::column_sums(device, scratch, d_xs.view(), d_bias)
                })?;
                self.pass_on(&features, graph.steps[i].shape[3], d_ys.view(), *residual)
            }
            (Op::LayerNorm { gamma, xs, .. }, Beside::Rows([mean, inv_std])) => {
                let (first, width, read) = (self.places.find(gamma).start, gamma.len(), features.value(*xs));
                let d_ys = features.gradient(i);
                let (mean, inv_std, mut gradient) = (mean.borrow(), inv_std.borrow(), self.gradient.borrow_mut());
                let gamma = self.weights.view().range(first..first + width);
                features.receive(device, *xs, |d_xs| {
                    let saved = Saved { xs: read.view(), mean: mean.view(), inv_std: inv_std.view(), gamma };
                    let d_params = gradient.view_mut().range(first..first + 2 * width);
                    layer_norm::backward(device, scratch, saved, d_ys.view(), layer_norm::Grads { d_xs, d_params })
                })
            }
            (Op::Means { layer, weights, kv }, _) => {
                let sizes = sizes(layer, graph, *weights);
                let (_, [_, v_columns]) = columns(layer, graph, queries(graph, *weights), *kv);
                let (read, values, d_ys) = (maps.value(*weights), maps.value(*kv), maps.gradient(i));
                let (Some((mut d_weights, _)), Some((mut d_v, _))) = (maps.receiver(*weights), maps.receiver(*kv))
                else {
                    return Ok(());
                };
                let (v, d_weights) = ((values.view(), v_columns), d_weights.view_mut());
                let (read, d_ys, d_v) = (read.view(), d_ys.view(), d_v.view_mut());
                heads::means_backward(device, scratch, &sizes, precision, read, v, d_ys, d_weights, d_v)
            }
            (Op::Weights { layer, q, kv }, _) => {
                let (sizes, weights, d_ys) = (sizes(layer, graph, i), maps.value(i), maps.gradient(i));
                let (q_columns, [k_columns, _]) = columns(layer, graph, *q, *kv);
                let (queries, keys) = (maps.value(*q), maps.value(*kv));
                let Some((mut d_q, _)) = maps.receiver(*q) else { return Ok(()) };
                let mut d_k = if q == kv { None } else { maps.receiver(*kv) };
                let grads = heads::Grads { d_q: d_q.view_mut(), d_k: d_k.as_mut().map(|(d_k, _)| d_k.view_mut()) };
                let (q, k) = ((queries.view(), q_columns), (keys.view(), k_columns));
                let (weights, d_ys) = (weights.view(), d_ys.view());
                heads::weights_backward(device, scratch, &sizes, precision, q, k, weights, d_ys, grads)
            }
            _ => Ok(()),
        }
    }
}

/// Of a sublayer's end in this pass.
fn row_dropout<'a, D: Engine, E: Stored>(ready: &'a Ready<D, E>, pass: &Pass, step: &Step) -> RowDropout<'a, D> {
    let (p, site) = if let Op::Residual { p, site, .. } = step.op { (p, site) } else { (0.0, 0) };
    let (width, seed) = (step.shape[3], mask(ready, pass, site));
    match seed {
        Some(seed) => RowDropout { width, p, seed },
        None => RowDropout { width, p: 0.0, seed: Seed { base: ready.seed.view(), site } },
    }
}

/// The sentences of a place.
fn tokens<D: Engine, E: Stored>(ready: &Ready<D, E>, site: u64) -> &Tokens<D> {
    if site == SOURCE_SITE { &ready.sentences.src } else { &ready.sentences.tgt }
}

/// Of attention with these weights.
fn sizes(layer: &Attention, graph: &Graph, weights: Value) -> Heads {
    let [batch, heads, queries, keys] = graph.steps[weights].shape;
    Heads { batch, heads, size: layer.width / heads, queries, keys, causal: layer.causal }
}

/// The map of the queries that made weights.
fn queries(graph: &Graph, weights: Value) -> Value {
    match &graph.steps[weights].op {
        Op::Weights { q, .. } => *q,
        _ => weights,
    }
}

/// Where queries, keys and values lie in their maps.
fn columns(layer: &Attention, graph: &Graph, q: Value, kv: Value) -> (Columns, [Columns; 2]) {
    let stride = |map: Value| graph.steps[map].shape[3];
    let first = if q == kv { layer.width } else { 0 };
    let of = |first| Columns { stride: stride(kv), first };
    (Columns { stride: stride(q), first: 0 }, [of(first), of(first + layer.width)])
}
