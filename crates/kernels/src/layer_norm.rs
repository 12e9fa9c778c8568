//! LayerNorm (Ba, Kiros & Hinton 2016) of rows of `width` elements: `y = gamma (x - mean) inv_std + beta` with each row's own mean
//! and biased variance.
//!
//! Rows are cut into tasks by their number and length only, and sums over rows are added in order, so results do not depend on the
//! threads.

#[cfg(test)]
mod tests;

use rayon::prelude::*;

use crate::real::Real;
use crate::simd::{mul_add, simd_fn};

/// Elements of a task, about.
const CHUNK: usize = 1 << 15;
/// Rows of a task at least, so that the tasks' sums stay small beside the data.
const CHUNK_ROWS: usize = 32;
/// Running sums, so that additions do not wait for each other.
const LANES: usize = 32;

/// Factor and term of each place of a row; both of length `width`.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a, T> {
    /// Factors.
    pub gamma: &'a [T],
    /// Terms.
    pub beta: &'a [T],
}

/// What [`forward`] wrote, one value a row.
#[derive(Debug)]
pub struct RowStats<'a, T> {
    /// Mean of the row.
    pub mean: &'a mut [T],
    /// 1 / sqrt(variance + epsilon).
    pub inv_std: &'a mut [T],
}

/// What the forward pass read and wrote, for [`backward`].
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a, T> {
    /// The input, (rows, width).
    pub xs: &'a [T],
    /// Mean of each row.
    pub mean: &'a [T],
    /// 1 / sqrt(variance + epsilon) of each row.
    pub inv_std: &'a [T],
    /// Factors, of length `width`.
    pub gamma: &'a [T],
}

/// Where [`backward`] writes; everything is overwritten.
#[derive(Debug)]
pub struct Grads<'a, T> {
    /// Of the shape of `xs`.
    pub d_xs: &'a mut [T],
    /// Of length `width`.
    pub d_gamma: &'a mut [T],
    /// Of length `width`.
    pub d_beta: &'a mut [T],
}

fn rows_of(width: usize, len: usize) -> usize {
    assert!(width > 0 && len.is_multiple_of(width), "{len} elements are no rows of {width}");
    len / width
}

fn rows_per_chunk(width: usize) -> usize {
    (CHUNK / width).max(CHUNK_ROWS)
}

/// `ys = gamma (xs - mean) inv_std + beta`, (rows, width) as `xs`; writes each row's statistics too.
///
/// `epsilon` is added to the variance: 1e-5 in PyTorch, 1e-6 in the Transformer of tensor2tensor.
///
/// # Panics
/// If the lengths disagree.
pub fn forward<T: Real>(epsilon: f64, affine: Affine<'_, T>, xs: &[T], ys: &mut [T], stats: RowStats<'_, T>) {
    let width = affine.gamma.len();
    let rows = rows_of(width, xs.len());
    assert!(affine.beta.len() == width && ys.len() == xs.len(), "beta is as long as gamma, ys as xs");
    assert!(stats.mean.len() == rows && stats.inv_std.len() == rows, "one mean and one inv_std a row");
    let work = |xs: &[T], ys: &mut [T], mean: &mut [T], inv_std: &mut [T]| {
        forward_rows(epsilon, affine, xs, ys, RowStats { mean, inv_std });
    };
    let step = rows_per_chunk(width);
    if rows <= step {
        work(xs, ys, stats.mean, stats.inv_std);
    } else {
        let stats = stats.mean.par_chunks_mut(step).zip(stats.inv_std.par_chunks_mut(step));
        let chunks = xs.par_chunks(step * width).zip(ys.par_chunks_mut(step * width)).zip(stats);
        chunks.for_each(|((xs, ys), (mean, inv_std))| work(xs, ys, mean, inv_std));
    }
}

/// [`forward`] on this thread.
pub(crate) fn forward_rows<T: Real>(
    epsilon: f64,
    affine: Affine<'_, T>,
    xs: &[T],
    ys: &mut [T],
    stats: RowStats<'_, T>,
) {
    let width = affine.gamma.len();
    let rows = xs.chunks_exact(width).zip(ys.chunks_exact_mut(width)).zip(stats.mean.iter_mut().zip(stats.inv_std));
    for ((xs, ys), (mean, inv_std)) in rows {
        let [row_mean, variance] = mean_and_variance(xs);
        *mean = T::from_f64(row_mean);
        *inv_std = T::from_f64((variance + epsilon).sqrt().recip());
        normalise(xs, *mean, *inv_std, affine.gamma, affine.beta, ys);
    }
}

/// The derivatives of `sum(d_ys * ys)`; `d_ys` has the shape of `xs`.
///
/// # Panics
/// If the lengths disagree.
pub fn backward<T: Real>(saved: &Saved<'_, T>, d_ys: &[T], out: Grads<'_, T>) {
    let width = saved.gamma.len();
    let rows = rows_of(width, saved.xs.len());
    let Grads { d_xs, d_gamma, d_beta } = out;
    assert!(saved.mean.len() == rows && saved.inv_std.len() == rows, "one mean and one inv_std a row");
    assert!(d_ys.len() == saved.xs.len() && d_xs.len() == saved.xs.len(), "d_ys and d_xs are as long as xs");
    assert!(d_gamma.len() == width && d_beta.len() == width, "d_gamma and d_beta are as long as gamma");
    let step = rows_per_chunk(width);
    let work = |(chunk, (d_ys, d_xs)): (usize, (&[T], &mut [T]))| {
        let mut sums = vec![T::ZERO; 2 * width];
        backward_rows(saved, chunk * step, d_ys, d_xs, &mut sums);
        sums
    };
    let chunks: Vec<Vec<T>> = if rows <= step {
        vec![work((0, (d_ys, d_xs)))]
    } else {
        let chunks = d_ys.par_chunks(step * width).zip(d_xs.par_chunks_mut(step * width));
        chunks.enumerate().map(work).collect()
    };
    for (place, d) in d_gamma.iter_mut().chain(d_beta).enumerate() {
        *d = T::from_f64(chunks.iter().map(|sums| sums[place].to_f64()).sum());
    }
}

/// [`backward`] on this thread for some rows from `first` on; adds to the sums for gamma, then beta.
pub(crate) fn backward_rows<T: Real>(saved: &Saved<'_, T>, first: usize, d_ys: &[T], d_xs: &mut [T], sums: &mut [T]) {
    let width = saved.gamma.len();
    let (gamma_sums, beta_sums) = sums.split_at_mut(width);
    for (i, (d_ys, d_xs)) in d_ys.chunks_exact(width).zip(d_xs.chunks_exact_mut(width)).enumerate() {
        let row = first + i;
        let (xs, stats) = (&saved.xs[row * width..][..width], [saved.mean[row], saved.inv_std[row]]);
        let means = gradient_sums(xs, stats, saved.gamma, d_ys, gamma_sums, beta_sums);
        let means = means.map(|sum| T::from_f64(sum / width as f64));
        d_input(xs, stats, saved.gamma, d_ys, means, d_xs);
    }
}

/// The lanes of whole blocks and the rest behind them, in double precision.
fn total<T: Real>(lanes: [T; LANES], rest: impl Iterator<Item = T>) -> f64 {
    lanes.into_iter().chain(rest).map(T::to_f64).sum()
}

simd_fn! {
    /// Mean and biased variance of a row, from differences to a first mean: nothing large cancels, and the rounding of that first
    /// mean is made good.
    fn mean_and_variance<T: Real>(xs: &[T]) -> [f64; 2] {
        let n = xs.len() as f64;
        let (blocks, rest) = xs.as_chunks::<LANES>();
        let mut lanes = [T::ZERO; LANES];
        for block in blocks {
            for (sum, &x) in lanes.iter_mut().zip(block) {
                *sum += x;
            }
        }
        let first = T::from_f64(total(lanes, rest.iter().copied()) / n);
        let (mut lanes, mut squares) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        for block in blocks {
            for ((sum, square), &x) in lanes.iter_mut().zip(&mut squares).zip(block) {
                let d = x - first;
                *sum += d;
                *square = mul_add::<T, FMA>(d, d, *square);
            }
        }
        let left = total(lanes, rest.iter().map(|&x| x - first)) / n;
        let square = total(squares, rest.iter().map(|&x| (x - first) * (x - first))) / n;
        [first.to_f64() + left, square - left * left]
    }
}

simd_fn! {
    fn normalise<T: Real>(xs: &[T], mean: T, inv_std: T, gamma: &[T], beta: &[T], ys: &mut [T]) {
        for (((y, &x), &gamma), &beta) in ys.iter_mut().zip(xs).zip(gamma).zip(beta) {
            *y = mul_add::<T, FMA>((x - mean) * inv_std, gamma, beta);
        }
    }
}

simd_fn! {
    /// The sums of g and of g xhat over a row, where g = d_y gamma; adds d_y xhat and d_y to the sums over rows.
    fn gradient_sums<T: Real>(
        xs: &[T],
        stats: [T; 2],
        gamma: &[T],
        d_ys: &[T],
        gamma_sums: &mut [T],
        beta_sums: &mut [T],
    ) -> [f64; 2] {
        let [mean, inv_std] = stats;
        for (((sum, beta_sum), &x), &d) in gamma_sums.iter_mut().zip(beta_sums).zip(xs).zip(d_ys) {
            *sum = mul_add::<T, FMA>(d, (x - mean) * inv_std, *sum);
            *beta_sum += d;
        }
        let ((xs, x_rest), (gamma, gamma_rest), (d_ys, d_rest)) =
            (xs.as_chunks::<LANES>(), gamma.as_chunks::<LANES>(), d_ys.as_chunks::<LANES>());
        let (mut sums, mut products) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        for ((xs, gamma), d_ys) in xs.iter().zip(gamma).zip(d_ys) {
            for i in 0..LANES {
                let g = d_ys[i] * gamma[i];
                sums[i] += g;
                products[i] = mul_add::<T, FMA>(g, (xs[i] - mean) * inv_std, products[i]);
            }
        }
        let rest = || x_rest.iter().zip(gamma_rest).zip(d_rest).map(|((&x, &gamma), &d)| (x, d * gamma));
        [
            total(sums, rest().map(|(_, g)| g)),
            total(products, rest().map(|(x, g)| g * ((x - mean) * inv_std))),
        ]
    }
}

simd_fn! {
    /// `d_xs = inv_std (g - mean(g) - xhat mean(g xhat))` from those two means.
    fn d_input<T: Real>(xs: &[T], stats: [T; 2], gamma: &[T], d_ys: &[T], means: [T; 2], d_xs: &mut [T]) {
        let ([mean, inv_std], [of_g, of_product]) = (stats, means);
        for (((d_x, &x), &gamma), &d) in d_xs.iter_mut().zip(xs).zip(gamma).zip(d_ys) {
            let xhat = (x - mean) * inv_std;
            *d_x = inv_std * (mul_add::<T, FMA>(d, gamma, -of_g) - xhat * of_product);
        }
    }
}
