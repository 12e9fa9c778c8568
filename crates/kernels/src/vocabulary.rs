//! The last layer of a language model with its loss: projection on the vocabulary and softmax cross-entropy, a part of the vocabulary at a
//! time. The logits of a batch are never there as a whole: the forward pass keeps one number a row, and the backward pass makes them again.

use rayon::prelude::*;

use crate::conv::Operands;
use crate::loss::exp_below;
use crate::matmul::{Mat, MatMut, Right, task_rows};
use crate::real::Real;
use crate::simd::simd_fn;
use crate::spare::Spare;

/// Ids of a part: the logits of a task's rows stay in the second-level cache.
const PART: usize = 1024;

/// The projection, and the distribution that a label stands for.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a, T> {
    /// One row an id, (ids, width).
    pub weight: &'a [T],
    /// Width of a row.
    pub width: usize,
    /// e: the label has probability 1 - e, each other id e / (ids - 1).
    pub smoothing: f64,
    /// How exact the factors of the products are.
    pub operands: Operands,
}

/// What is known of a row's logits after some parts.
#[derive(Clone, Copy, Debug)]
struct Row {
    max: f64,
    /// Sum of e^(logit - max).
    sum: f64,
    /// Sum of the logits.
    total: f64,
    at_label: f64,
}

impl Row {
    const START: Self = Self { max: f64::NEG_INFINITY, sum: 0.0, total: 0.0, at_label: 0.0 };

    /// Logarithm of the sum of e^logit.
    fn log_sum(self) -> f64 {
        self.max + self.sum.ln()
    }

    fn absorb<T: Real>(&mut self, logits: &[T], exps: &mut [T]) {
        let [max, total] = max_and_total(logits);
        self.total += total;
        // NaN stays.
        if max > self.max || max.is_nan() {
            self.sum *= (self.max - max).exp();
            self.max = max;
        }
        self.sum += exp_below(logits, T::from_f64(self.max), exps);
    }
}

/// The logarithm of the sum of e^logit.
pub fn log_sum<T: Real>(logits: &[T]) -> f64 {
    let (mut row, mut exps) = (Row::START, vec![T::ZERO; logits.len()]);
    row.absorb(logits, &mut exps);
    row.log_sum()
}

/// The least cross-entropy with a label smoothed by `smoothing` among `ids`: its entropy.
pub fn least(ids: usize, smoothing: f64) -> f64 {
    let entropy = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    let others = ids as f64 - 1.0;
    entropy(1.0 - smoothing) + others * entropy(smoothing / others)
}

/// What [`Vocabulary::loss`] has found.
#[derive(Clone, Debug)]
pub struct Scored {
    /// Mean cross-entropy of the rows, less the entropy of the smoothed labels, which is its minimum.
    pub loss: f64,
    /// Of each row the logarithm of the sum of e^logit.
    log_sums: Vec<f64>,
}

impl<T: Real> Vocabulary<'_, T> {
    fn ids(&self) -> usize {
        self.weight.len() / self.width
    }

    /// Probabilities of the label and of each other id.
    fn label(&self) -> [f64; 2] {
        [1.0 - self.smoothing, self.smoothing / (self.ids() as f64 - 1.0)]
    }

    fn packed(&self, ids: std::ops::Range<usize>) -> Right<'_, T> {
        let (width, lanes) = (self.width, ids.len());
        let rows = &self.weight[ids.start * width..ids.end * width];
        Right::new(width, lanes, Mat { data: rows, rs: 1, cs: width }, self.operands)
    }

    fn parts(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let ids = self.ids();
        (0..ids).step_by(PART).map(move |first| first..ids.min(first + PART))
    }

    /// The loss of `xs` (rows, width) with one label a row.
    ///
    /// # Panics
    /// If the lengths disagree or a label is no id.
    pub fn loss(&self, xs: &[T], labels: &[u32]) -> Scored {
        let (width, step) = (self.width, task_rows(labels.len()));
        assert!(xs.len() == labels.len() * width && self.ids() > 1, "one label a row, and two ids at least");
        assert!(labels.iter().all(|&label| (label as usize) < self.ids()), "labels are ids");
        let mut rows = vec![Row::START; labels.len()];
        for ids in self.parts() {
            let right = self.packed(ids.clone());
            let tasks = rows.par_chunks_mut(step).zip(labels.par_chunks(step)).zip(xs.par_chunks(step * width));
            tasks.for_each(|((rows, labels), xs)| {
                let (mut logits, mut exps) = (Spare::<T>::new(rows.len() * ids.len()), vec![T::ZERO; ids.len()]);
                let lhs = Mat { data: xs, rs: width, cs: 1 };
                right.product(rows.len(), lhs, MatMut { data: &mut logits, rs: ids.len(), cs: 1 }, false);
                for ((row, &label), logits) in rows.iter_mut().zip(labels).zip(logits.chunks_exact(ids.len())) {
                    row.absorb(logits, &mut exps);
                    if ids.contains(&(label as usize)) {
                        row.at_label = logits[label as usize - ids.start].to_f64();
                    }
                }
            });
        }
        let [high, low] = self.label();
        let log_sums: Vec<f64> = rows.iter().map(|row| row.log_sum()).collect();
        let of_row = |row: &Row, log_sum: f64| log_sum - (high - low) * row.at_label - low * row.total;
        let sum: f64 = rows.iter().zip(&log_sums).map(|(row, &log_sum)| of_row(row, log_sum)).sum();
        Scored { loss: sum / labels.len() as f64 - least(self.ids(), self.smoothing), log_sums }
    }

    /// The gradients of the loss: `d_xs` of the shape of `xs`, `d_weight` of that of the weight. Both are overwritten.
    ///
    /// # Panics
    /// If the lengths disagree.
    pub fn gradients(&self, xs: &[T], labels: &[u32], scored: &Scored, d_xs: &mut [T], d_weight: &mut [T]) {
        let (width, n, step) = (self.width, labels.len(), task_rows(labels.len()));
        assert!(xs.len() == n * width && d_xs.len() == xs.len() && d_weight.len() == self.weight.len(), "lengths");
        let [high, low] = self.label();
        let scale = 1.0 / n as f64;
        let transposed = Right::new(n, width, Mat { data: xs, rs: width, cs: 1 }, self.operands);
        let mut d_logits = Spare::<T>::new(n * PART.min(self.ids()));
        for ids in self.parts() {
            let right = self.packed(ids.clone());
            let rows = &self.weight[ids.start * width..ids.end * width];
            let back = Right::new(ids.len(), width, Mat { data: rows, rs: width, cs: 1 }, self.operands);
            let d_logits = &mut d_logits[..n * ids.len()];
            let tasks = d_logits.par_chunks_mut(step * ids.len()).zip(d_xs.par_chunks_mut(step * width)).enumerate();
            tasks.for_each(|(task, (d_logits, d_xs))| {
                let first = task * step;
                let count = d_xs.len() / width;
                let lhs = Mat { data: &xs[first * width..], rs: width, cs: 1 };
                right.product(count, lhs, MatMut { data: &mut *d_logits, rs: ids.len(), cs: 1 }, false);
                for (row, d) in d_logits.chunks_exact_mut(ids.len()).enumerate() {
                    less_target(d, scored.log_sums[first + row], low, scale);
                    if let Some(d) = (labels[first + row] as usize).checked_sub(ids.start).and_then(|i| d.get_mut(i)) {
                        *d -= T::from_f64((high - low) * scale);
                    }
                }
                let lhs = Mat { data: &*d_logits, rs: ids.len(), cs: 1 };
                back.product(count, lhs, MatMut { data: d_xs, rs: width, cs: 1 }, ids.start > 0);
            });
            let d_weight = &mut d_weight[ids.start * width..ids.end * width];
            transposed.product_of_all(d_logits, true, d_weight, false, |_| ());
        }
    }
}

simd_fn! {
    /// The largest logit, NaN if there is one, and their sum.
    fn max_and_total<T: Real>(logits: &[T]) -> [f64; 2] {
        const LANES: usize = 32;
        let (blocks, rest) = logits.as_chunks::<LANES>();
        let (mut max, mut total) = ([T::NEG_INFINITY; LANES], [T::ZERO; LANES]);
        for block in blocks {
            for i in 0..LANES {
                max[i] = if block[i] > max[i] { block[i] } else { max[i] };
                total[i] += block[i];
            }
        }
        let total: f64 = total.iter().chain(rest).map(|t| t.to_f64()).sum();
        let max = max.iter().chain(rest).fold(T::NEG_INFINITY, |max, &z| if z > max { z } else { max });
        [if total.is_nan() { total } else { max.to_f64() }, total]
    }
}

simd_fn! {
    /// `(e^(logit - log_sum) - low) scale`, in place.
    fn less_target<T: Real>(logits: &mut [T], log_sum: f64, low: f64, scale: f64) {
        let (log_sum, low, scale) = (T::from_f64(log_sum), T::from_f64(low), T::from_f64(scale));
        for z in logits {
            *z = (crate::act::exp_of_negative::<T, FMA>(Real::min(*z - log_sum, T::ZERO)) - low) * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Vocabulary;
    use crate::conv::Operands;
    use crate::rng::Rng;

    /// From the definition: cross-entropy with the smoothed label, less its entropy.
    fn naive(weight: &[f64], width: usize, xs: &[f64], labels: &[u32], smoothing: f64) -> f64 {
        let ids = weight.len() / width;
        let low = smoothing / (ids - 1) as f64;
        let mut loss = 0.0;
        for (x, &label) in xs.chunks(width).zip(labels) {
            let logits: Vec<f64> =
                weight.chunks(width).map(|w| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>()).collect();
            let sum: f64 = logits.iter().map(|z| z.exp()).sum();
            for (id, z) in logits.iter().enumerate() {
                let p = if id == label as usize { 1.0 - smoothing } else { low };
                if p > 0.0 {
                    loss += p * (p.ln() - (z.exp() / sum).ln());
                }
            }
        }
        loss / labels.len() as f64
    }

    /// More ids than a part has, so that parts meet.
    #[test]
    fn loss_and_gradients_agree_with_the_definition() {
        let (ids, width, rows) = (2500, 4, 5);
        let mut rng = Rng::new(4);
        let mut weight: Vec<f64> = (0..ids * width).map(|_| rng.normal()).collect();
        let mut xs: Vec<f64> = (0..rows * width).map(|_| rng.normal()).collect();
        let labels: Vec<u32> = vec![0, 1023, 1024, 2499, 7];
        for smoothing in [0.0, 0.1] {
            let of = |weight: &[f64], xs: &[f64]| {
                Vocabulary { weight, width, smoothing, operands: Operands::Exact }.loss(xs, &labels).loss
            };
            assert!((of(&weight, &xs) - naive(&weight, width, &xs, &labels, smoothing)).abs() < 1e-12);
            let (mut d_xs, mut d_weight) = (vec![1.0; xs.len()], vec![1.0; weight.len()]);
            let layer = Vocabulary { weight: &weight, width, smoothing, operands: Operands::Exact };
            let scored = layer.loss(&xs, &labels);
            layer.gradients(&xs, &labels, &scored, &mut d_xs, &mut d_weight);
            for i in 0..xs.len() {
                let at = |h: f64, xs: &mut Vec<f64>| {
                    xs[i] += h;
                    let loss = naive(&weight, width, xs, &labels, smoothing);
                    xs[i] -= h;
                    loss
                };
                let difference = (at(1e-5, &mut xs) - at(-1e-5, &mut xs)) / 2e-5;
                assert!((d_xs[i] - difference).abs() < 1e-8, "{i}: {} {difference}", d_xs[i]);
            }
            for i in [0, 5, 4 * 1023, 4 * 1024 + 1, 4 * 2499 + 3, 4 * 1500] {
                let at = |h: f64, weight: &mut Vec<f64>| {
                    weight[i] += h;
                    let loss = naive(weight, width, &xs, &labels, smoothing);
                    weight[i] -= h;
                    loss
                };
                let difference = (at(1e-5, &mut weight) - at(-1e-5, &mut weight)) / 2e-5;
                assert!((d_weight[i] - difference).abs() < 1e-8, "{i}: {} {difference}", d_weight[i]);
            }
        }
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let weight = [1000.0f32, -1000.0, 999.0];
        let layer = Vocabulary { weight: &weight, width: 1, smoothing: 0.0, operands: Operands::Exact };
        // log(1 + e^-1 + e^-2000) with all logits moved by 1000.
        let scored = layer.loss(&[1.0], &[0]);
        assert!((scored.loss - (-1.0f64).exp().ln_1p()).abs() < 1e-4, "{}", scored.loss);
        assert!(layer.loss(&[f32::NAN], &[0]).loss.is_nan());
    }
}
