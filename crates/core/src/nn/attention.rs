//! Attention of several heads between the projections of queries, keys and values and that of its result.

use super::buffer::{Buffer, Stored};
use super::error::{Error, Result};
use super::graph::Op;
use super::map::{Map, Node};
use super::params::Compute;
use super::run::{Run, computed};
use super::tape::{Backward, Step};
use std::sync::Arc;
use swish_kernels::attention::{Attention as Kernel, Grads, Inputs, Kept, Lanes};
use swish_kernels::conv::Operands;

/// Scaled dot-product attention; no parameters of its own.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    pub(crate) name: String,
    pub(crate) heads: usize,
    /// Channels of all heads.
    pub(crate) width: usize,
    /// Whether a token attends to those up to itself only.
    pub(crate) causal: bool,
}

impl Attention {
    /// Queries, keys and values side by side, (n, 1, len, 3 * width), to (n, 1, len, width). `lengths`: tokens before the padding.
    pub(crate) fn within(&self, qkv: &Map, lengths: &Arc<[usize]>, run: &mut Run<'_>) -> Result<Map> {
        if run.records() {
            return Ok(self.recorded(qkv, qkv, run));
        }
        computed!(run.values, T => self.run::<T>(&qkv.node, &qkv.node, lengths, run))
    }

    /// Queries (n, 1, len, width) of one sequence, keys and values of another one side by side, (n, 1, other len, 2 * width).
    pub(crate) fn across(&self, q: &Map, kv: &Map, lengths: &Arc<[usize]>, run: &mut Run<'_>) -> Result<Map> {
        if run.records() {
            return Ok(self.recorded(q, kv, run));
        }
        computed!(run.values, T => self.run::<T>(&q.node, &kv.node, lengths, run))
    }

    /// Where attention is causal, padding lies behind all that could attend to it; so a record needs lengths of sources alone.
    fn recorded(&self, q: &Map, kv: &Map, run: &mut Run<'_>) -> Map {
        let ([n, _, queries, _], [_, _, keys, _]) = (q.shape(), kv.shape());
        let (layer, kv) = (self.clone(), run.value(kv));
        let weights = run.record(Op::Weights { layer, q: run.value(q), kv }, [n, self.heads, queries, keys]);
        run.record(Op::Means { layer: self.clone(), weights: run.value(&weights), kv }, [n, 1, queries, self.width])
    }

    fn run<T: Compute + Stored<Real = T>>(
        &self,
        q: &Arc<Node>,
        kv: &Arc<Node>,
        lengths: &Arc<[usize]>,
        run: &mut Run<'_>,
    ) -> Result<Map> {
        let [n, _, queries, channels] = q.shape;
        let (one, width) = (q.id == kv.id, self.width);
        if kv.shape[0] != n
            || kv.shape[3] != (if one { 3 } else { 2 }) * width
            || channels != if one { 3 * width } else { width }
        {
            let expected = format!("queries, keys and values of {width} channels, not {:?}", q.shape);
            return Err(Error::BadInput { layer: self.name.clone(), found: kv.shape.to_vec(), expected });
        }
        let (lengths, operands) = (lengths.clone(), run.pass.operands);
        let job = Job { layer: self.clone(), operands, lengths, q: q.clone(), kv: kv.clone() };
        let mut ys = run.buffer::<T>(n * queries * width);
        let mut log_sums = run.buffer::<T>(n * queries * self.heads);
        job.kernel().forward(&job.inputs::<T>()?, &mut ys, &mut log_sums);
        if let Some(tally) = &run.pass.tally {
            // Scores, and the means that they weight.
            tally.add(2 * (n * queries * kv.shape[2] * width) as u64);
        }
        let out = Arc::new(Node::new([n, 1, queries, width], T::wrap(ys), true));
        if run.pass.train {
            run.tape.push(AttentionStep { job, log_sums, out: out.clone() });
        }
        Ok(Map { node: out, pending: None })
    }
}

/// What both ways need.
struct Job {
    layer: Attention,
    operands: Operands,
    lengths: Arc<[usize]>,
    q: Arc<Node>,
    kv: Arc<Node>,
}

impl Job {
    fn kernel(&self) -> Kernel<'_> {
        let Attention { heads, width, causal, .. } = self.layer;
        let (lengths, operands) = (&self.lengths[..], self.operands);
        let (queries, keys) = (self.q.shape[2], self.kv.shape[2]);
        Kernel { heads, size: width / heads, queries, keys, lengths, causal, operands }
    }

    fn inputs<T: Stored>(&self) -> Result<Inputs<'_, T>> {
        let (q, kv) = (T::of(&self.q.data)?, T::of(&self.kv.data)?);
        let first = if self.q.id == self.kv.id { self.layer.width } else { 0 };
        let lanes = |first| Lanes { stride: self.kv.shape[3], first };
        let q = (q, Lanes { stride: self.q.shape[3], first: 0 });
        Ok(Inputs { q, k: (kv, lanes(first)), v: (kv, lanes(first + self.layer.width)) })
    }
}

struct AttentionStep<T: Stored> {
    job: Job,
    log_sums: Buffer<T>,
    out: Arc<Node>,
}

impl<T: Compute + Stored<Real = T>> Step for AttentionStep<T> {
    fn backward(self: Box<Self>, back: &mut Backward<'_>) -> Result<()> {
        let Self { job, log_sums, out } = &*self;
        let no_gradient = || Error::NoGradient { layer: job.layer.name.clone() };
        let gradient = back.gradients.take(out.id).ok_or_else(no_gradient)?;
        let inputs = job.inputs::<T>()?;
        let mut d_q = Buffer::<T>::new(&back.memory, inputs.q.0.len());
        let mut d_kv = (job.q.id != job.kv.id).then(|| Buffer::<T>::new(&back.memory, inputs.k.0.len()));
        let kept = Kept { ys: T::of(&out.data)?, log_sums };
        let grads = Grads { d_q: &mut d_q, d_kv: d_kv.as_deref_mut() };
        job.kernel().backward(&inputs, &kept, T::of(&gradient.d)?, grads);
        back.gradients.add::<T>(job.q.id, Arc::new(T::wrap(d_q)))?;
        match d_kv {
            Some(d_kv) => back.gradients.add::<T>(job.kv.id, Arc::new(T::wrap(d_kv))),
            None => Ok(()),
        }
    }
}
