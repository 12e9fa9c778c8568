//! The loss of a training step, at the positions that have a target.

use super::batch::{PAD, TextBatch};
use crate::nn::buffer::{Buffer, Stored};
use crate::nn::map::{Map, Node};
use crate::nn::params::Compute;
use crate::nn::tape::{Backward, Step};
use crate::nn::{Embedding, Result, Run};
use std::ops::Range;
use std::sync::Arc;
use swish_kernels::conv::Operands;
use swish_kernels::vocabulary::{Scored, Vocabulary};

/// The loss of what a decoder has made; in training its gradient goes on the tape, the first to go back.
pub(super) fn loss<T: Compute + Stored<Real = T>>(
    shared: &Embedding,
    made: &Map,
    batch: &TextBatch,
    smoothing: f64,
    run: &mut Run<'_>,
) -> Result<f64> {
    let width = shared.width;
    let places: Vec<usize> = (0..batch.tgt.len()).filter(|&i| batch.tgt[i] != PAD).collect();
    let labels: Vec<u32> = places.iter().map(|&i| batch.tgt[i]).collect();
    let all = T::of(&made.node.data)?;
    let mut xs = run.buffer::<T>(places.len() * width);
    for (x, &place) in xs.chunks_exact_mut(width).zip(&places) {
        x.copy_from_slice(&all[place * width..][..width]);
    }
    if let Some(tally) = &run.pass.tally {
        tally.add((places.len() * width * shared.ids) as u64);
    }
    let operands = run.pass.operands;
    let weight = &T::values(run.values)?[shared.weight.clone()];
    let scored = Vocabulary { weight, width, smoothing, operands }.loss(&xs, &labels);
    let loss = scored.loss;
    if run.pass.train {
        let (weight, input) = (shared.weight.clone(), made.node.clone());
        run.tape.push(LossStep { weight, width, smoothing, operands, places, labels, xs, scored, input });
    }
    Ok(loss)
}

struct LossStep<T: Stored> {
    weight: Range<usize>,
    width: usize,
    smoothing: f64,
    operands: Operands,
    /// Positions that have a target.
    places: Vec<usize>,
    labels: Vec<u32>,
    /// Their rows.
    xs: Buffer<T>,
    scored: Scored,
    input: Arc<Node>,
}

impl<T: Compute + Stored<Real = T>> Step for LossStep<T> {
    fn backward(self: Box<Self>, back: &mut Backward<'_>) -> Result<()> {
        let Self { width, smoothing, operands, .. } = *self;
        let weight = &T::values(back.values)?[self.weight.clone()];
        let d_weight = &mut T::of_mut(&mut back.d_params)?[self.weight.clone()];
        let mut d_xs = Buffer::<T>::new(&back.memory, self.xs.len());
        let layer = Vocabulary { weight, width, smoothing, operands };
        layer.gradients(&self.xs, &self.labels, &self.scored, &mut d_xs, d_weight);
        let mut d_all = Buffer::<T>::zeros(&back.memory, T::of(&self.input.data)?.len());
        for (d, &place) in d_xs.chunks_exact(width).zip(&self.places) {
            d_all[place * width..][..width].copy_from_slice(d);
        }
        back.gradients.add::<T>(self.input.id, Arc::new(T::wrap(d_all)))
    }
}
