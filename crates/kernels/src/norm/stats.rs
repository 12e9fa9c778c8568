//! Mean and variance of each channel.

use rayon::prelude::*;

use super::{check_rows, span};
use crate::act::tile::{Sums, Tiling};
use crate::real::Real;
use crate::simd::{mul_add, simd_fn};

/// Mean and biased variance of each channel over the rows.
///
/// Each chunk of rows takes deviations from its own mean, so a mean that is large beside the deviation costs no digits; chunks are
/// merged in double precision. No rows give NaN.
///
/// # Panics
/// If the lengths disagree.
pub fn stats<T: Real>(channels: usize, xs: &[T], mean: &mut [T], var: &mut [T]) {
    assert!(mean.len() == channels && var.len() == channels, "one mean and one variance a channel");
    let tiling = Tiling::new(channels);
    check_rows(channels, xs.len());
    let chunks = map_chunks(xs.len(), tiling, |start, len| chunk_stats(tiling, channels, &xs[start..start + len]));
    // Chan, Golub and LeVeque 1983: merging the counts, means and sums of squared deviations of two samples.
    let (mut count, mut means, mut squares) = (0.0, vec![f64::NAN; channels], vec![f64::NAN; channels]);
    for chunk in chunks {
        let n = chunk.rows as f64;
        if count == 0.0 {
            (count, means, squares) = (n, chunk.means, chunk.squares);
            continue;
        }
        let total = count + n;
        for c in 0..channels {
            let delta = chunk.means[c] - means[c];
            means[c] += delta * (n / total);
            squares[c] += chunk.squares[c] + delta * delta * (count * n / total);
        }
        count = total;
    }
    for c in 0..channels {
        mean[c] = T::from_f64(means[c]);
        var[c] = T::from_f64(squares[c] / count);
    }
}

/// Mean and sum of squared deviations of each channel.
struct ChunkStats {
    rows: usize,
    means: Vec<f64>,
    squares: Vec<f64>,
}

fn chunk_stats<T: Real>(tiling: Tiling, channels: usize, xs: &[T]) -> ChunkStats {
    let rows = xs.len() / channels;
    // Deviations from the first row give the mean closely, deviations from that mean the rest and the squares.
    let center = |center: &[T], quantities| {
        let pattern = tiling.pattern(center);
        let mut sums = Sums::new(tiling, quantities);
        for tile in tiling.tiles(xs.len()) {
            let xs = &xs[span(tile)];
            add_deviations(sums.at(0, tile), pattern.at(tile), xs);
            if quantities == 2 {
                add_squares(sums.at(1, tile), pattern.at(tile), xs);
            }
        }
        sums.fold()
    };
    let first = &xs[..channels];
    let near: Vec<T> =
        center(first, 1).iter().zip(first).map(|(sum, x)| T::from_f64(x.to_f64() + sum / rows as f64)).collect();
    let sums = center(&near, 2);
    let (rest, squares) = sums.split_at(channels);
    ChunkStats {
        rows,
        means: near.iter().zip(rest).map(|(near, rest)| near.to_f64() + rest / rows as f64).collect(),
        squares: squares.iter().zip(rest).map(|(square, rest)| square - rest * rest / rows as f64).collect(),
    }
}

/// `work(start, len)` of every chunk, in order; one chunk runs on the calling thread.
fn map_chunks<R: Send>(len: usize, tiling: Tiling, work: impl Fn(usize, usize) -> R + Sync) -> Vec<R> {
    let chunk = tiling.chunk_len();
    let one = |i: usize| work(i * chunk, chunk.min(len - i * chunk));
    match len.div_ceil(chunk) {
        n @ 0..=1 => (0..n).map(one).collect(),
        n => (0..n).into_par_iter().map(one).collect(),
    }
}

simd_fn! {
    /// `sums += xs - center`.
    fn add_deviations<T: Real>(sums: &mut [T], center: &[T], xs: &[T]) {
        for ((sum, &center), &x) in sums.iter_mut().zip(center).zip(xs) {
            *sum += x - center;
        }
    }
}

simd_fn! {
    /// `sums += (xs - center)^2`.
    fn add_squares<T: Real>(sums: &mut [T], center: &[T], xs: &[T]) {
        for ((sum, &center), &x) in sums.iter_mut().zip(center).zip(xs) {
            *sum = mul_add::<T, FMA>(x - center, x - center, *sum);
        }
    }
}
