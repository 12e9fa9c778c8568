//! Dropout (Srivastava et al. 2014), scaled while training. The mask is a function of the seed and the element's index, so it is never
//! stored and does not depend on the threads.

use rayon::prelude::*;

use crate::real::Real;
use crate::rng;
use crate::simd::simd_fn;

/// Elements of a task, a multiple of [`BLOCK`].
const CHUNK: usize = 1 << 15;
/// Elements that share half as many random numbers: the first half of a block takes their low 32 bits, the second the high ones.
const BLOCK: usize = 32;

/// `ys = xs * mask / (1 - p)`; the mask is 0 with probability `p` (to 2^-32).
///
/// # Panics
/// If the lengths differ or `p` is not in [0, 1].
pub fn forward<T: Real>(p: f64, seed: u64, xs: &[T], ys: &mut [T]) {
    assert_eq!(xs.len(), ys.len(), "ys is as long as xs");
    assert!((0.0..=1.0).contains(&p), "drop probability {p} is not in [0, 1]");
    let (threshold, scale) = threshold_and_scale(p);
    let work = |(chunk, (xs, ys)): (usize, (&[T], &mut [T]))| {
        mask_chunk(seed, chunk * CHUNK / BLOCK, threshold, scale, xs, ys)
    };
    if xs.len() <= CHUNK {
        work((0, (xs, ys)));
    } else {
        xs.par_chunks(CHUNK).zip(ys.par_chunks_mut(CHUNK)).enumerate().for_each(work);
    }
}

/// Which random numbers keep an element, and what it is then multiplied by.
fn threshold_and_scale<T: Real>(p: f64) -> (u64, T) {
    let scale = if p < 1.0 { T::from_f64(1.0 / (1.0 - p)) } else { T::ZERO };
    ((p * 2f64.powi(32)).round() as u64, scale)
}

/// Dropout of rows inside another kernel: every row begins with a block of its own, so that a mask does not depend on how rows are
/// grouped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Probability that an element is dropped, in [0, 1].
    pub p: f64,
    /// Seed of the mask.
    pub seed: u64,
}

impl Dropout {
    /// `ys = xs * mask / (1 - p)` for row `row`.
    pub(crate) fn row<T: Real>(self, row: usize, xs: &[T], ys: &mut [T]) {
        let (threshold, scale) = threshold_and_scale(self.p);
        mask_chunk(self.seed, row * xs.len().div_ceil(BLOCK), threshold, scale, xs, ys);
    }
}

simd_fn! {
    /// Blocks `first_block..` of the mask; an element is kept where its 32 bits reach the threshold.
    fn mask_chunk<T: Real>(seed: u64, first_block: usize, threshold: u64, scale: T, xs: &[T], ys: &mut [T]) {
        for (block, (xs, ys)) in (first_block..).zip(xs.chunks(BLOCK).zip(ys.chunks_mut(BLOCK))) {
            let mut words = [0u64; BLOCK];
            let (low, high) = words.split_at_mut(BLOCK / 2);
            for (i, (low, high)) in low.iter_mut().zip(high).enumerate() {
                let bits = rng::at(seed, (block * (BLOCK / 2) + i) as u64);
                *low = bits & 0xffff_ffff;
                *high = bits >> 32;
            }
            for ((y, &x), &word) in ys.iter_mut().zip(xs).zip(&words) {
                *y = if word >= threshold { x * scale } else { T::ZERO };
            }
        }
    }
}

/// `d_xs = d_ys * mask / (1 - p)` with the mask of [`forward`] for the same `p` and `seed`.
///
/// # Panics
/// As [`forward`].
pub fn backward<T: Real>(p: f64, seed: u64, d_ys: &[T], d_xs: &mut [T]) {
    forward(p, seed, d_ys, d_xs);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rate_scale_and_seed() {
        let n = 100_001;
        let xs = vec![1.0f32; n];
        let mut ys = vec![0.0; n];
        forward(0.3, 5, &xs, &mut ys);
        let kept = ys.iter().filter(|&&y| y != 0.0).count() as f64;
        // Five standard deviations: 5 * sqrt(0.21 / n) = 0.0073.
        assert!((kept / n as f64 - 0.7).abs() < 0.0073, "{kept}");
        assert!(ys.iter().all(|&y| y == 0.0 || y == (1.0 / 0.7) as f32));
        // Neighbours are independent: both dropped with probability 0.09.
        let both = ys.windows(2).filter(|w| w[0] == 0.0 && w[1] == 0.0).count() as f64;
        assert!((both / n as f64 - 0.09).abs() < 0.01, "{both}");
        let mut again = vec![0.0; n];
        backward(0.3, 5, &xs, &mut again);
        assert_eq!(ys, again);
        forward(0.3, 6, &xs, &mut again);
        assert_ne!(ys, again);
        // The mask of a prefix is the prefix of the mask.
        let mut prefix = vec![0.0; 77];
        forward(0.3, 5, &xs[..77], &mut prefix);
        assert_eq!(prefix, ys[..77]);
    }

    #[test]
    fn ends_of_the_range() {
        let xs = [1.5f64, -2.0, 3.0];
        let mut ys = [9.0; 3];
        forward(0.0, 1, &xs, &mut ys);
        assert_eq!(ys, xs);
        forward(1.0, 1, &xs, &mut ys);
        assert_eq!(ys, [0.0; 3]);
    }

    #[test]
    fn threads_do_not_matter() {
        let xs: Vec<f32> = (0..200_000).map(|i| i as f32).collect();
        let run = |threads| {
            let mut ys = vec![0.0; xs.len()];
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap()
                .install(|| forward(0.5, 9, &xs, &mut ys));
            ys
        };
        assert_eq!(run(1), run(3));
    }
}
