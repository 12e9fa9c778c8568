//! A block of a network in one pass over memory each way: BatchNorm, residual and activation of the input, convolution, statistics of
//! the output.
//!
//! ```text
//! xs ── u = (x - mean) scale + beta (+ residual) ── a = f(u) ── convolution ── (+ shortcut) ── ys, moments of ys
//! ```
//! Every stage may be absent. Images are taken a few at a time, so that all that lies between `xs` and `ys` stays in the cache of one
//! core. The backward pass makes `u` and `a` again from `xs`; it reads every tensor once and writes the gradient of `u`.
//!
//! The gradient through batch statistics has a part that is known only when all images are done: `pull (x - mean) + term` with one pull
//! and one term a channel. It is not added in a pass of its own but when the gradient is next read ([`Upstream::correction`]).
//!
//! | module | what it is for |
//! |---|---|
//! | `rows` | [`Lanes`]: where channels lie in memory |
//! | `plan` | which images make a task; buffers that tasks reuse |
//! | `forward`, `backward` | the passes |
//! | `upstream` | the gradient that comes back |
//! | `moments` | mean and variance of each channel |

mod backward;
mod forward;
mod moments;
mod plan;
mod rows;
#[cfg(test)]
mod tests;
mod upstream;

pub use backward::{Downstream, InputSums, Trained, backward};
pub use forward::{Output, forward};
pub use moments::{Moments, moments};
pub use plan::{Geometry, Reuse, Workspace};
pub use rows::Lanes;
pub use upstream::{Correction, Upstream, settle};

use crate::act::Program;
use crate::act::tile::{Pattern, Tile, Tiling};
use crate::element::{self, Element};
use crate::real::Real;
use crate::simd::{mul_add, simd_fn};

/// BatchNorm with its statistics, and the activation behind it. One value a channel throughout.
#[derive(Clone, Copy, Debug)]
pub struct NormAct<'a, T> {
    /// The activation.
    pub program: &'a Program,
    /// Mean of the input.
    pub mean: &'a [T],
    /// gamma / sqrt(variance + epsilon).
    pub scale: &'a [T],
    /// BatchNorm's shift.
    pub beta: &'a [T],
    /// Parameters of the activation, `params[k * channels + c]`.
    pub params: &'a [T],
}

/// What a block reads.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a, E: Element> {
    /// The map, `lanes.stride` elements a pixel. `None`: the same memory as the block's other map (the output of a forward pass), of which
    /// other channels are written.
    pub xs: Option<&'a [E]>,
    /// The channels to read.
    pub lanes: Lanes,
    /// What happens to them before the convolution.
    pub norm: Option<NormAct<'a, E::Real>>,
    /// Added before the activation: (pixels, channels).
    pub residual: Option<&'a [E]>,
}

/// [`NormAct`] laid out for tiles.
struct Prologue<'a, T: Real> {
    program: &'a Program,
    tiling: Tiling,
    mean: Pattern<'a, T>,
    scale: Pattern<'a, T>,
    beta: Pattern<'a, T>,
    params: Vec<Pattern<'a, T>>,
}

impl<'a, T: Real> Prologue<'a, T> {
    fn new(channels: usize, norm: &NormAct<'a, T>) -> Self {
        let tiling = Tiling::new(channels);
        let [mean, scale, beta] = [norm.mean, norm.scale, norm.beta].map(|values| tiling.pattern(values));
        let params = tiling.patterns(norm.program.n_params(), norm.params);
        Self { program: norm.program, tiling, mean, scale, beta, params }
    }

    /// The tile's `x` in `xs` and the activation's input in `us`.
    fn input<E: Element<Real = T>>(
        &self,
        xs: (&[E], Lanes),
        residual: Option<&[E]>,
        tile: Tile,
        scratch: &mut TileScratch<T>,
    ) {
        let (raw, lanes) = xs;
        let TileScratch { xs, us, .. } = scratch;
        let (xs, us) = (&mut xs[..tile.len], &mut us[..tile.len]);
        lanes.load(raw, tile.start, xs);
        normalise(xs, self.mean.at(tile), self.scale.at(tile), self.beta.at(tile), us);
        if let Some(residual) = residual {
            element::add(us, &residual[tile.start..tile.start + tile.len]);
        }
    }
}

/// What a thread needs for one tile.
struct TileScratch<T> {
    xs: Vec<T>,
    us: Vec<T>,
    other: Vec<T>,
}

impl<T: Real> TileScratch<T> {
    fn new() -> Self {
        let tile = || vec![T::ZERO; crate::act::tile::TILE];
        Self { xs: tile(), us: tile(), other: tile() }
    }
}

simd_fn! {
    /// `us = (xs - mean) * scale + beta`.
    fn normalise<T: Real>(xs: &[T], mean: &[T], scale: &[T], beta: &[T], us: &mut [T]) {
        for ((((u, &x), &mean), &scale), &beta) in us.iter_mut().zip(xs).zip(mean).zip(scale).zip(beta) {
            *u = mul_add::<T, FMA>(x - mean, scale, beta);
        }
    }
}
