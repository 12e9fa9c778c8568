//! Softmax of attention scores with a mask, in between two products.

use super::{Grid, Stored, Subject, args, fits, int, run, source};
use crate::cuda::device::{Device, Misfit, View, ViewMut};

/// Sizes and mask of the scores (batch, heads, queries, keys).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// Sentences.
    pub batch: usize,
    /// Heads.
    pub heads: usize,
    /// Queries of a sentence.
    pub queries: usize,
    /// Keys of a sentence.
    pub keys: usize,
    /// What scores are multiplied by: 1 / sqrt(width of a head).
    pub scale: f64,
    /// Whether query i sees keys 0..=i only.
    pub causal: bool,
}

impl Scores {
    fn rows(&self) -> usize {
        self.batch * self.heads * self.queries
    }

    fn check(&self, function: &'static str, xs: usize, ys: usize) -> Result<(), Misfit> {
        fits(function, "scores", xs, self.rows() * self.keys)?;
        fits(function, "ys", ys, xs)
    }
}

/// `ys` = softmax of scale * scores over the keys that are seen: the first `lengths[batch]` ones, all without `lengths`. Others get 0,
/// as does everything in a row without any.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn softmax_forward<D: Device, E: Stored>(
    device: &D,
    scores: &Scores,
    xs: View<'_, D, E>,
    lengths: Option<View<'_, D, u32>>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "attention_softmax_forward";
    scores.check(NAME, xs.len(), ys.len())?;
    fits(NAME, "lengths", lengths.map_or(scores.batch, |lengths| lengths.len()), scores.batch)?;
    let (heads, queries) = (int(NAME, "heads", scores.heads)?, int(NAME, "queries", scores.queries)?);
    let (keys, scale) = (int(NAME, "keys", scores.keys)?, scores.scale as f32);
    let args = args![xs, lengths, &ys, heads, queries, keys, scale, scores.causal];
    run(device, source::<E>(Subject::Attention, 1), NAME, Grid::blocks(NAME, scores.rows())?, args)
}

/// The gradient of the scores from the softmax `ys` and its gradient.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn softmax_backward<D: Device, E: Stored>(
    device: &D,
    scores: &Scores,
    ys: View<'_, D, E>,
    d_ys: View<'_, D, E>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "attention_softmax_backward";
    scores.check(NAME, d_xs.len(), ys.len())?;
    fits(NAME, "d_ys", d_ys.len(), ys.len())?;
    let args = args![ys, d_ys, &d_xs, int(NAME, "keys", scores.keys)?, scores.scale as f32];
    run(device, source::<E>(Subject::Attention, 1), NAME, Grid::blocks(NAME, scores.rows())?, args)
}
