//! Clipping by the global norm, as `tf.clip_by_global_norm`.

use super::Group;
use rayon::prelude::*;

/// Elements that are summed up one after the other; it decides the last bits of a norm, so it is fixed.
const CHUNK: usize = 1 << 14;

/// What a gradient is multiplied with so that its norm is at most `limit`.
///
/// TensorFlow's recipes have the decay in their loss, so it belongs to the gradient whose norm is taken. Sums are in f64 and in one
/// order, however many threads there are.
pub(super) fn factor(limit: f64, groups: &[Group], w: &[f32], gradient: &[f32]) -> f64 {
    let squares = |decay: f64, w: &[f32], g: &[f32]| -> f64 {
        w.iter().zip(g).map(|(&w, &g)| (f64::from(g) + decay * f64::from(w)).powi(2)).sum()
    };
    let of_group = |group: &Group| -> f64 {
        let (w, g) = (&w[group.range.clone()], &gradient[group.range.clone()]);
        let pairs = w.par_chunks(CHUNK).zip(g.par_chunks(CHUNK));
        let sums: Vec<f64> = pairs.map(|(w, g)| squares(group.weight_decay, w, g)).collect();
        sums.iter().sum()
    };
    let norm = groups.iter().map(of_group).sum::<f64>().sqrt();
    if norm > limit { limit / norm } else { 1.0 }
}
