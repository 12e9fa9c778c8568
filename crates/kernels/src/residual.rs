//! The end of a Transformer's sublayer in one pass over memory each way: activation, projection, dropout, sum with what the sublayer read,
//! LayerNorm.
//!
//! ```text
//! hs ── a = f(hs) ── s = a weight^T + bias ── dropout ── zs = xs + s ── ys = LayerNorm(zs)
//! ```
//! Activation, bias and dropout may be absent. Rows are taken a few at a time, so that what lies between `hs` and `zs` stays in the caches;
//! the backward pass makes `a` again.

use rayon::prelude::*;

use crate::act::tile::{Sums, Tiling, combine};
use crate::act::{Inputs, Program, Sweep, Values};
use crate::conv::Operands;
use crate::dropout::Dropout;
use crate::layer_norm::{self, Affine, RowStats, Saved};
use crate::linear::weight_gradient;
use crate::matmul::{Mat, MatMut, Right, task_rows};
use crate::real::Real;
use crate::simd::add_to;
use crate::spare::Spare;

/// A sublayer's end.
#[derive(Clone, Copy, Debug)]
pub struct Residual<'a, T> {
    /// The activation with its parameters, `params[k * c_in + c]`.
    pub act: Option<(&'a Program, &'a [T])>,
    /// The projection, (width, c_in).
    pub weight: &'a [T],
    /// Its bias, (width).
    pub bias: Option<&'a [T]>,
    /// Dropout of what is added.
    pub dropout: Option<Dropout>,
    /// What LayerNorm adds to variances.
    pub epsilon: f64,
    /// LayerNorm's factors and terms, (width).
    pub affine: Affine<'a, T>,
    /// How exact the factors of the products are.
    pub operands: Operands,
}

/// What [`Residual::forward`] writes.
#[derive(Debug)]
pub struct Made<'a, T> {
    /// The sums, (rows, width), which the backward pass reads.
    pub zs: &'a mut [T],
    /// The result, (rows, width).
    pub ys: &'a mut [T],
    /// The statistics of the rows.
    pub stats: RowStats<'a, T>,
}

/// What the backward pass reads of the forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a, T> {
    /// What was projected, before the activation: (rows, c_in).
    pub hs: &'a [T],
    /// The sums, (rows, width).
    pub zs: &'a [T],
    /// Mean of each row of `zs`.
    pub mean: &'a [T],
    /// 1 / sqrt(variance + epsilon) of each row of `zs`.
    pub inv_std: &'a [T],
}

/// Where [`Residual::backward`] writes; everything is overwritten.
#[derive(Debug)]
pub struct Grads<'a, T> {
    /// Of what the projection was added to, (rows, width).
    pub d_xs: &'a mut [T],
    /// Of `hs`, (rows, c_in).
    pub d_hs: &'a mut [T],
    /// Of the activation's parameters.
    pub d_params: &'a mut [T],
    /// Of the projection, (width, c_in).
    pub d_weight: &'a mut [T],
    /// Of its bias.
    pub d_bias: Option<&'a mut [T]>,
    /// Of LayerNorm's factors.
    pub d_gamma: &'a mut [T],
    /// Of LayerNorm's terms.
    pub d_beta: &'a mut [T],
}

impl<T: Real> Residual<'_, T> {
    fn width(&self) -> usize {
        self.affine.gamma.len()
    }

    fn c_in(&self) -> usize {
        self.weight.len() / self.width()
    }

    /// Of `hs` (rows, c_in) and `xs` (rows, width).
    ///
    /// # Panics
    /// If the lengths disagree.
    pub fn forward(&self, hs: &[T], xs: &[T], made: Made<'_, T>) {
        let (width, c_in) = (self.width(), self.c_in());
        let rows = self.check(hs, xs);
        let Made { zs, ys, stats: RowStats { mean, inv_std } } = made;
        assert!(zs.len() == xs.len() && ys.len() == xs.len(), "zs and ys are as long as xs");
        assert!(mean.len() == rows && inv_std.len() == rows, "one mean and one inv_std a row");
        let tiling = Tiling::new(c_in);
        let act = self.act.map(|(program, params)| (program, tiling.patterns(program.n_params(), params)));
        let right = Right::new(c_in, width, Mat { data: self.weight, rs: 1, cs: c_in }, self.operands);
        let step = task_rows(rows);
        let inputs = hs.par_chunks(step * c_in).zip(xs.par_chunks(step * width));
        let stats = mean.par_chunks_mut(step).zip(inv_std.par_chunks_mut(step));
        let outputs = zs.par_chunks_mut(step * width).zip(ys.par_chunks_mut(step * width)).zip(stats);
        inputs.zip(outputs).enumerate().for_each(|(task, ((hs, xs), ((zs, ys), (mean, inv_std))))| {
            let activated = act.as_ref().map(|(program, params)| {
                let (mut values, mut activated) = (Values::new(program), Spare::<T>::new(hs.len()));
                for tile in tiling.tiles(hs.len()) {
                    let span = tile.start..tile.start + tile.len;
                    values.forward(Inputs { xs: &hs[span.clone()], params, tile }, &mut activated[span]);
                }
                activated
            });
            let factors = activated.as_deref().unwrap_or(hs);
            let lhs = Mat { data: factors, rs: c_in, cs: 1 };
            right.product(mean.len(), lhs, MatMut { data: &mut *zs, rs: width, cs: 1 }, false);
            let mut dropped = vec![T::ZERO; width];
            for (row, (z, x)) in zs.chunks_exact_mut(width).zip(xs.chunks_exact(width)).enumerate() {
                if let Some(bias) = self.bias {
                    add_to(z, bias);
                }
                if let Some(dropout) = self.dropout {
                    dropout.row(task * step + row, z, &mut dropped);
                    z.copy_from_slice(&dropped);
                }
                add_to(z, x);
            }
            layer_norm::forward_rows(self.epsilon, self.affine, zs, ys, RowStats { mean, inv_std });
        });
    }

    /// From the gradient of `ys`.
    ///
    /// # Panics
    /// If the lengths disagree.
    pub fn backward(&self, kept: &Kept<'_, T>, d_ys: &[T], grads: Grads<'_, T>) {
        let (width, c_in) = (self.width(), self.c_in());
        let rows = self.check(kept.hs, d_ys);
        let Grads { d_xs, d_hs, d_params, d_weight, d_bias, d_gamma, d_beta } = grads;
        assert!(d_xs.len() == d_ys.len() && d_hs.len() == kept.hs.len(), "gradients of xs and hs are as long as they");
        let tiling = Tiling::new(c_in);
        let act = self.act.map(|(program, params)| (program, tiling.patterns(program.n_params(), params)));
        let saved = Saved { xs: kept.zs, mean: kept.mean, inv_std: kept.inv_std, gamma: self.affine.gamma };
        let right = Right::new(width, c_in, Mat { data: self.weight, rs: c_in, cs: 1 }, self.operands);
        // Where there is neither dropout nor activation, the gradient of the sum and `hs` serve.
        let mut dropped = self.dropout.map(|_| Spare::<T>::new(d_xs.len()));
        let mut activated = act.as_ref().map(|_| Spare::<T>::new(d_hs.len()));
        let step = task_rows(rows);
        let tasks = d_ys.par_chunks(step * width).zip(d_xs.par_chunks_mut(step * width));
        let tasks = tasks.zip(d_hs.par_chunks_mut(step * c_in));
        let tasks = tasks.zip(chunks_of(dropped.as_deref_mut(), step * width, rows.div_ceil(step)).into_par_iter());
        let tasks = tasks.zip(chunks_of(activated.as_deref_mut(), step * c_in, rows.div_ceil(step)).into_par_iter());
        let sums = tasks.enumerate().map(|(task, ((((d_ys, d_xs), d_hs), dropped), activated))| {
            // For gamma, beta and the bias.
            let mut sums = vec![T::ZERO; 3 * width];
            let (norm_sums, bias_sums) = sums.split_at_mut(2 * width);
            layer_norm::backward_rows(&saved, task * step, d_ys, d_xs, norm_sums);
            let d_added = match (self.dropout, dropped) {
                (Some(dropout), Some(dropped)) => {
                    let pairs = d_xs.chunks_exact(width).zip(dropped.chunks_exact_mut(width));
                    pairs.enumerate().for_each(|(row, (d, dropped))| dropout.row(task * step + row, d, dropped));
                    &*dropped
                }
                _ => &*d_xs,
            };
            if self.bias.is_some() {
                d_added.chunks_exact(width).for_each(|d| add_to(bias_sums, d));
            }
            let task_rows = d_ys.len() / width;
            let lhs = Mat { data: d_added, rs: width, cs: 1 };
            let (Some((program, params)), Some(activated)) = (&act, activated) else {
                right.product(task_rows, lhs, MatMut { data: d_hs, rs: c_in, cs: 1 }, false);
                return (sums, Vec::new());
            };
            let mut d_activated = Spare::<T>::new(d_hs.len());
            right.product(task_rows, lhs, MatMut { data: &mut d_activated, rs: c_in, cs: 1 }, false);
            let hs = &kept.hs[task * step * c_in..][..d_hs.len()];
            let (mut sweep, mut param_sums) = (Sweep::new(program), Sums::new(tiling, program.n_params()));
            for tile in tiling.tiles(hs.len()) {
                let span = tile.start..tile.start + tile.len;
                let inputs = Inputs { xs: &hs[span.clone()], params, tile };
                sweep.run_with_value(inputs, &d_activated[span.clone()], &mut activated[span.clone()], &mut d_hs[span]);
                (0..program.n_params()).for_each(|k| sweep.add_d_param(k, param_sums.at(k, tile)));
            }
            (sums, param_sums.fold())
        });
        let (sums, param_sums): (Vec<Vec<T>>, Vec<Vec<f64>>) = sums.collect::<Vec<_>>().into_iter().unzip();
        let total = |place: usize| T::from_f64(sums.iter().map(|sums| sums[place].to_f64()).sum());
        let places = d_gamma.iter_mut().chain(d_beta).chain(d_bias.into_iter().flatten());
        places.enumerate().for_each(|(place, d)| *d = total(place));
        d_params.iter_mut().zip(combine(param_sums)).for_each(|(d, sum)| *d = T::from_f64(sum));
        let (factors, d_added) = (activated.as_deref().unwrap_or(kept.hs), dropped.as_deref().unwrap_or(d_xs));
        weight_gradient(rows, c_in, factors, d_added, d_weight, self.operands);
    }

    /// Number of rows.
    fn check(&self, hs: &[T], xs: &[T]) -> usize {
        let (width, c_in) = (self.width(), self.c_in());
        assert!(width * c_in > 0 && self.weight.len() == width * c_in, "a projection to {width} channels");
        let rows = xs.len() / width;
        assert!(xs.len() == rows * width && hs.len() == rows * c_in, "as many rows of hs as of xs");
        assert!(
            self.affine.beta.len() == width && self.bias.is_none_or(|bias| bias.len() == width),
            "width of the terms"
        );
        rows
    }
}

/// The chunks of what may be absent, as many as there are tasks.
fn chunks_of<T: Real>(xs: Option<&mut [T]>, len: usize, tasks: usize) -> Vec<Option<&mut [T]>> {
    match xs {
        Some(xs) => xs.chunks_mut(len).map(Some).collect(),
        None => (0..tasks).map(|_| None).collect(),
    }
}

#[cfg(test)]
mod tests;
