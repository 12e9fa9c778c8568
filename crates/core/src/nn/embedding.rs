//! Tokens as rows: a matrix of embeddings and the signal of the positions.

use super::buffer::Stored;
use super::error::{Error, Result};
use super::graph::Op;
use super::linear::Linear;
use super::map::{Map, Node};
use super::params::{Builder, Compute, Role};
use super::run::{Run, computed};
use super::tape::{Backward, Step};
use std::ops::Range;
use std::sync::Arc;
use swish_kernels::embedding::{Embedding as Kernel, signal};

/// The rows of `weight` (ids, width) times sqrt(width), plus the signal of the positions; dropout of the sum.
#[derive(Clone, Debug)]
pub(crate) struct Embedding {
    pub(crate) ids: usize,
    pub(crate) width: usize,
    pub(crate) weight: Range<usize>,
    dropout: f64,
}

impl Embedding {
    /// Declares the matrix `NAME.weight`.
    pub(crate) fn new(vb: &Builder, name: &str, ids: usize, width: usize, dropout: f64) -> Self {
        let weight = vb.pp(name).add("weight", &[ids, width], Role::Embedding);
        Self { ids, width, weight, dropout }
    }

    /// Without dropout.
    pub(crate) fn kernel(&self) -> Kernel {
        Kernel { width: self.width, scale: (self.width as f64).sqrt(), dropout: None }
    }

    /// Ids (n, len), `None` for a row of zeros, to (n, 1, len, width). `site` tells the places of dropout apart.
    pub(crate) fn forward(&self, ids: Vec<Option<u32>>, len: usize, site: u64, run: &mut Run<'_>) -> Result<Map> {
        if run.records() {
            let op = Op::Embedding { layer: self.clone(), site };
            let sum = run.record(op, [ids.len() / len, 1, len, self.width]);
            let dropout = Op::Dropout { p: self.dropout, site, rows: true, xs: run.value(&sum) };
            return Ok(run.record(dropout, sum.shape()));
        }
        let kernel = Kernel { dropout: run.dropout(self.dropout, site), ..self.kernel() };
        computed!(run.values, T => self.run::<T>(ids, len, kernel, run))
    }

    /// The logits of rows (n, 1, len, width) in a pass that records: products with the matrix, (n, 1, len, ids).
    pub(crate) fn recorded_logits(&self, xs: &Map, run: &mut Run<'_>) -> Map {
        let (c_in, c_out, weight) = (self.width, self.ids, self.weight.clone());
        Linear { name: "logits".into(), c_in, c_out, weight, bias: None }.recorded(xs, run)
    }

    fn run<T: Compute + Stored<Real = T>>(
        &self,
        ids: Vec<Option<u32>>,
        len: usize,
        kernel: Kernel,
        run: &mut Run<'_>,
    ) -> Result<Map> {
        let mut ys = run.buffer::<T>(ids.len() * self.width);
        let weight = &T::values(run.values)?[self.weight.clone()];
        kernel.forward(&ids, weight, &signal::<T>(0, len, self.width), &mut ys);
        let out = Arc::new(Node::new([ids.len() / len, 1, len, self.width], T::wrap(ys), true));
        if run.pass.train {
            let (weight, element) = (self.weight.clone(), std::marker::PhantomData::<T>);
            run.tape.push(EmbeddingStep { kernel, weight, ids, out: out.clone(), element });
        }
        Ok(Map { node: out, pending: None })
    }
}

struct EmbeddingStep<T> {
    kernel: Kernel,
    weight: Range<usize>,
    ids: Vec<Option<u32>>,
    out: Arc<Node>,
    element: std::marker::PhantomData<T>,
}

impl<T: Compute + Stored<Real = T>> Step for EmbeddingStep<T> {
    fn backward(self: Box<Self>, back: &mut Backward<'_>) -> Result<()> {
        let no_gradient = || Error::NoGradient { layer: "embedding".into() };
        let gradient = back.gradients.take(self.out.id).ok_or_else(no_gradient)?;
        let d_weight = &mut T::of_mut(&mut back.d_params)?[self.weight.clone()];
        self.kernel.backward(&self.ids, T::of(&gradient.d)?, d_weight);
        Ok(())
    }
}
