//! Embeddings of tokens with tensor2tensor's signal of their positions.

use rayon::prelude::*;

use crate::dropout::Dropout;
use crate::real::Real;
use crate::simd::add_scaled;

/// Rows of a task.
const TASK_ROWS: usize = 64;

/// How ids become rows: the id's row of a matrix times a factor, plus the signal of the position, then dropout.
#[derive(Clone, Copy, Debug)]
pub struct Embedding {
    /// Width of a row.
    pub width: usize,
    /// Factor of the matrix' rows, sqrt(width) in the Transformer.
    pub scale: f64,
    /// Dropout of the sum.
    pub dropout: Option<Dropout>,
}

impl Embedding {
    /// `ys` (rows, width) from one id a row, where `None` is a row of zeros, and the signal (positions, width), which begins again where
    /// it ends.
    ///
    /// # Panics
    /// If the lengths disagree or an id is not below the number of the matrix' rows.
    pub fn forward<T: Real>(&self, ids: &[Option<u32>], weight: &[T], signal: &[T], ys: &mut [T]) {
        let width = self.width;
        assert!(ys.len() == ids.len() * width && signal.len().is_multiple_of(width), "one row an id");
        let scale = T::from_f64(self.scale);
        ys.par_chunks_mut(TASK_ROWS * width).enumerate().for_each(|(task, ys)| {
            let mut sum = vec![T::ZERO; width];
            for (row, y) in (task * TASK_ROWS..).zip(ys.chunks_exact_mut(width)) {
                let position = row * width % signal.len();
                sum.copy_from_slice(&signal[position..position + width]);
                if let Some(id) = ids[row] {
                    add_scaled(&mut sum, scale, &weight[id as usize * width..][..width]);
                }
                match self.dropout {
                    Some(dropout) => dropout.row(row, &sum, y),
                    None => y.copy_from_slice(&sum),
                }
            }
        });
    }

    /// Adds the gradient of the matrix, in the order of the rows.
    ///
    /// # Panics
    /// As [`Embedding::forward`].
    pub fn backward<T: Real>(&self, ids: &[Option<u32>], d_ys: &[T], d_weight: &mut [T]) {
        let width = self.width;
        assert!(d_ys.len() == ids.len() * width, "one row an id");
        let scale = T::from_f64(self.scale);
        let mut dropped = vec![T::ZERO; width];
        for (row, (id, d_y)) in ids.iter().zip(d_ys.chunks_exact(width)).enumerate() {
            let Some(id) = id else { continue };
            let d_row = &mut d_weight[*id as usize * width..][..width];
            match self.dropout {
                Some(dropout) => {
                    dropout.row(row, d_y, &mut dropped);
                    add_scaled(d_row, scale, &dropped);
                }
                None => add_scaled(d_row, scale, d_y),
            }
        }
    }
}

/// The signal of positions `first..first + positions`, (positions, width): the first half of a row sines, the second cosines of the same
/// angles, whose timescales go from 1 to 10,000 in equal ratios (tensor2tensor's `get_timing_signal_1d`; Vaswani et al. interleave them).
///
/// # Panics
/// For an odd width.
pub fn signal<T: Real>(first: usize, positions: usize, width: usize) -> Vec<T> {
    assert!(width.is_multiple_of(2), "as many sines as cosines, not {width} channels");
    let half = width / 2;
    let ratio = 1e4f64.ln() / (half.max(2) - 1) as f64;
    let mut signal = Vec::with_capacity(positions * width);
    for position in first..first + positions {
        let angle = |i: usize| position as f64 * (-(i as f64) * ratio).exp();
        signal.extend((0..half).map(|i| T::from_f64(angle(i).sin())));
        signal.extend((0..half).map(|i| T::from_f64(angle(i).cos())));
    }
    signal
}

#[cfg(test)]
mod tests {
    use super::{Embedding, signal};
    use crate::dropout::Dropout;

    #[test]
    fn rows_are_scaled_and_placed() {
        let weight = [9.0, 9.0, 1.0, 2.0, 3.0, 4.0];
        let layer = Embedding { width: 2, scale: 10.0, dropout: None };
        let ids = [Some(2), None, Some(1), Some(2)];
        let mut ys = [0.0; 8];
        layer.forward(&ids, &weight, &[0.5, 0.0, 0.0, 0.25], &mut ys);
        assert_eq!(ys, [30.5, 40.0, 0.0, 0.25, 10.5, 20.0, 30.0, 40.25]);
        let mut d = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0];
        layer.backward(&ids, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &mut d);
        assert_eq!(d, [0.0, 0.0, 50.0, 60.0, 81.0, 101.0]);
    }

    /// What was dropped has no gradient, and the rest is scaled alike.
    #[test]
    fn dropout_is_the_same_both_ways() {
        let layer = Embedding { width: 40, scale: 1.0, dropout: Some(Dropout { p: 0.5, seed: 8 }) };
        let (ids, weight) = ([Some(0); 1], [1.0f64; 40]);
        let (mut ys, mut d) = ([0.0; 40], [0.0; 40]);
        layer.forward(&ids, &weight, &[0.0; 40], &mut ys);
        layer.backward(&ids, &[1.0; 40], &mut d);
        assert_eq!(ys, d);
        assert!(ys.contains(&0.0) && ys.contains(&2.0));
    }

    /// Angles 1 and 3/10,000 at position 1 and 3, as the definition has them.
    #[test]
    fn positions_go_from_timescale_1_to_10_000() {
        let s: Vec<f64> = signal(1, 3, 8);
        assert!((s[0] - 1f64.sin()).abs() < 1e-15 && (s[4] - 1f64.cos()).abs() < 1e-15);
        let last = 3.0 / 1e4;
        assert!((s[16 + 3] - f64::sin(last)).abs() < 1e-15 && (s[16 + 7] - f64::cos(last)).abs() < 1e-15);
    }
}
