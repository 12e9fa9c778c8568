//! [`Graph`]: a network written down as a list of operators, for devices that run it as a whole.
//!
//! A model is run once with a [`Run`] that computes nothing but takes down what each layer would do. Layers that the CPU runs in one
//! sweep (norm, activation, convolution, sum) are operators of their own here.

use super::attention::Attention;
use super::buffer::{Buffer, Data};
use super::embedding::Embedding;
use super::error::{Error, Result};
use super::linear::Linear;
use super::map::{Map, Node};
use super::norm::NormLayer;
use super::run::Run;
use super::shape::PoolKind;
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use swish_kernels::conv::Conv2d;
use swish_kernels::layout::SubsamplePad;
use swish_kernels::pool::Pool2d;

/// Number of the operator that makes a map.
pub(crate) type Value = usize;

/// One operator. Ranges are places in the network's flat variable.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// The images.
    Input,
    /// BatchNorm or a factor, a residual, an activation: each as the layer has it.
    Norm { layer: Arc<NormLayer>, xs: Value, residual: Option<Value> },
    /// A convolution, and what is added to its result.
    Conv { conv: Conv2d, weight: Range<usize>, xs: Value, shortcut: Option<Value> },
    /// Pooling.
    Pool { kind: PoolKind, pool: Pool2d, xs: Value },
    /// The mean over height and width.
    GlobalMean { xs: Value },
    /// Some of the pixels, zero channels appended.
    SubsamplePad { shape: SubsamplePad, xs: Value },
    /// Dropout, in training. Each image has a mask of its own, or its rows of channels are those of one mask.
    Dropout { p: f64, site: u64, rows: bool, xs: Value },
    /// Maps added up; one may stand more than once.
    Sum { terms: Vec<Value> },
    /// Maps side by side.
    Concat { parts: Vec<Value> },
    /// A fully connected layer, of features or of the rows of a map.
    Linear { layer: Linear, xs: Value },
    /// A sentence's tokens as rows of features; `site` tells sources from targets.
    Embedding { layer: Embedding, site: u64 },
    /// Rows of features as a map, for products.
    Narrow { xs: Value },
    /// What a sublayer has made, with a bias and dropout of rows, added to the features that it has read.
    Residual { bias: Option<Range<usize>>, p: f64, site: u64, xs: Value, residual: Value },
    /// LayerNorm of rows of features.
    LayerNorm { gamma: Range<usize>, beta: Range<usize>, epsilon: f64, xs: Value },
    /// The weights of attention, (n, heads, queries, keys). Keys lie in the same map as the queries, or before the values in another one.
    Weights { layer: Attention, q: Value, kv: Value },
    /// The means of the values that attention weights.
    Means { layer: Attention, weights: Value, kv: Value },
}

impl Op {
    /// What it reads; a value may stand more than once.
    pub(crate) fn inputs(&self) -> Vec<Value> {
        match self {
            Self::Input | Self::Embedding { .. } => Vec::new(),
            Self::Norm { xs, residual: other, .. } | Self::Conv { xs, shortcut: other, .. } => {
                [Some(*xs), *other].into_iter().flatten().collect()
            }
            Self::Pool { xs, .. }
            | Self::GlobalMean { xs }
            | Self::SubsamplePad { xs, .. }
            | Self::Dropout { xs, .. }
            | Self::Linear { xs, .. }
            | Self::LayerNorm { xs, .. }
            | Self::Narrow { xs } => vec![*xs],
            Self::Weights { q, kv, .. } => {
                if q == kv {
                    vec![*q]
                } else {
                    vec![*q, *kv]
                }
            }
            Self::Residual { xs, residual, .. } => vec![*xs, *residual],
            Self::Means { weights, kv, .. } => vec![*weights, *kv],
            Self::Sum { terms: maps } | Self::Concat { parts: maps } => maps.clone(),
        }
    }
}

/// An operator and the map that it makes.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) op: Op,
    /// (n, h, w, c).
    pub(crate) shape: [usize; 4],
    /// Whether the map is stored in the type that the network computes in, as features are, and not in that of maps.
    pub(crate) wide: bool,
}

impl Step {
    /// Elements of the map.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Operators in an order in which they can be run: each reads what those before it make.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) steps: Vec<Step>,
    /// Makes the logits.
    pub(crate) logits: Value,
    /// Makes the auxiliary head's logits, where it was run.
    pub(crate) aux_logits: Option<Value>,
}

/// A graph while it is written down.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    steps: Vec<Step>,
    /// By the ids of nodes.
    values: HashMap<usize, Value>,
    /// Maps of features.
    narrowed: HashMap<Value, Map>,
    /// Whether a map was read that this pass has not made.
    strange: Cell<bool>,
}

impl Recorder {
    /// Ends the record.
    ///
    /// # Errors
    /// [`Error::BadConfig`] where a map of another pass was read.
    pub(crate) fn finish(self, logits: &Map, aux_logits: Option<&Map>) -> Result<Graph> {
        let (logits, aux_logits) = (self.value(logits), aux_logits.map(|map| self.value(map)));
        if self.strange.get() {
            let reason = "it reads a map that another pass has made".to_string();
            return Err(Error::BadConfig { model: "network".into(), reason });
        }
        Ok(Graph { steps: self.steps, logits, aux_logits })
    }

    /// The operator that made a map; the first, and an error at the end, for a map of another pass.
    fn value(&self, map: &Map) -> Value {
        self.values.get(&map.node.id).copied().unwrap_or_else(|| {
            self.strange.set(true);
            0
        })
    }
}

impl Run<'_> {
    /// Whether this pass only takes down what is done.
    pub(super) fn records(&self) -> bool {
        self.recorder.is_some()
    }

    /// The operator that made a map of a pass that records.
    pub(super) fn value(&self, map: &Map) -> Value {
        self.recorder.as_ref().map_or(0, |recorder| recorder.value(map))
    }

    /// Whether the map of a pass that records is stored in the type to compute in.
    pub(super) fn is_wide(&self, map: &Map) -> bool {
        let value = self.value(map);
        self.recorder.as_ref().and_then(|recorder| recorder.steps.get(value)).is_some_and(|step| step.wide)
    }

    /// Features as a map; once for all its readers.
    pub(super) fn narrowed(&mut self, features: &Map) -> Map {
        let xs = self.value(features);
        let made = self.recorder.as_ref().and_then(|recorder| recorder.narrowed.get(&xs)).cloned();
        made.unwrap_or_else(|| {
            let made = self.record(Op::Narrow { xs }, features.shape());
            if let Some(recorder) = &mut self.recorder {
                recorder.narrowed.insert(xs, made.clone());
            }
            made
        })
    }

    /// Takes an operator down; the map that stands for its result has no values.
    pub(super) fn record(&mut self, op: Op, shape: [usize; 4]) -> Map {
        let node = Node::new(shape, Data::F32(Buffer::new(&self.memory, 0)), true);
        if let Some(recorder) = &mut self.recorder {
            let wide = match &op {
                Op::GlobalMean { .. } | Op::Embedding { .. } | Op::Residual { .. } => true,
                Op::Narrow { .. } => false,
                other => other.inputs().first().is_some_and(|&value| recorder.steps[value].wide),
            };
            recorder.values.insert(node.id, recorder.steps.len());
            recorder.steps.push(Step { op, shape, wide });
        }
        Map::of(node)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::nn::init::Scheme;
    use crate::nn::{Builder, Network};
    use candle_core::{DType, Device};
    use std::sync::OnceLock;

    #[test]
    fn a_map_of_another_pass_is_an_error() {
        let swish = "swish".parse().unwrap();
        let vb = Builder::new(&swish, Scheme::WIDE_RESNET, 5, DType::F32, &Device::Cpu);
        let first: OnceLock<Map> = OnceLock::new();
        let model = move |xs: &Map, _: &mut Run<'_>| Ok(first.get_or_init(|| xs.clone()).clone());
        let network = Network::new(vb.finish().unwrap(), model);
        assert_eq!(network.graph([1, 2, 2, 3]).unwrap().steps.len(), 1);
        let error = network.graph([1, 2, 2, 3]).unwrap_err().to_string();
        assert!(error.contains("another pass"), "{error}");
    }
}
