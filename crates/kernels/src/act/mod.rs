//! Activation programs: any function of the paper's search space, forward and backward, on rows x channels.
//!
//! The rules of value and derivative are the documentation of [`Unary`], [`Binary`] and [`Gated`]; they are the same in `f32` and
//! `f64`. No operation of one operand gives NaN for a finite input, and overflow happens only where the true value overflows; NaN in
//! gives NaN out. The `f32` functions are within 4 ulp or 2e-7 of the true value.
//!
//! | module | what it is for |
//! |---|---|
//! | `program` | the operations, checked |
//! | `plan`, `fuse` | the operations prepared as steps, compound ones among them |
//! | `tile` | cutting rows x channels into tiles and chunks, per-channel sums |
//! | `forward`, `backward` | the interpreter on one tile |
//! | `slope`, `fused` | value and derivative in one loop; the compound steps |
//! | `stream` | large results past the caches |
//! | `math`, `single` | the elementary functions |

mod backward;
mod forward;
mod fuse;
mod fused;
mod math;
mod plan;
mod program;
mod single;
mod slope;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod tile;

pub(crate) use backward::Sweep;
pub(crate) use forward::{Inputs, Values};
pub(crate) use math::exp_of_negative;
pub(crate) use plan::{Fold, FoldOp, Join, Plan, Step};
pub use program::{Binary, Gated, Op, Program, ProgramError, Unary};

use rayon::prelude::*;

use crate::real::Real;
use tile::{Sums, TILE, Tiling, combine};

/// The epsilon of log(|x| + eps) and of x1 / (x2 + eps).
pub const EPS: f64 = 1e-7;

/// Without parameters the channels do not matter.
fn tiling(program: &Program, channels: usize) -> Tiling {
    Tiling::new(if program.n_params() == 0 { 1 } else { channels })
}

fn check(program: &Program, channels: usize, len: usize, params: usize) {
    assert!(channels > 0 && len.is_multiple_of(channels), "{len} elements are no rows of {channels} channels");
    assert_eq!(params, program.n_params() * channels, "n_params * channels parameters");
}

/// `ys = f(xs)`, both of shape (rows, channels).
///
/// `params[k * channels + c]` is parameter `k` of channel `c`. Without parameters any `channels` that divides the length will do.
///
/// # Panics
/// If the lengths disagree.
pub fn forward<T: Real>(program: &Program, channels: usize, xs: &[T], params: &[T], ys: &mut [T]) {
    check(program, channels, xs.len(), params.len());
    assert_eq!(xs.len(), ys.len(), "ys is as long as xs");
    let tiling = tiling(program, channels);
    let params = tiling.patterns(program.n_params(), params);
    let streamed = stream::pays::<T>(xs.len());
    let work = |values: &mut Values<'_, T>, xs: &[T], ys: &mut [T]| {
        let mut result = [T::ZERO; TILE];
        for tile in tiling.tiles(xs.len()) {
            let span = tile.start..tile.start + tile.len;
            let inputs = Inputs { xs: &xs[span.clone()], params: &params, tile };
            if streamed {
                stream::fetch(xs, tile.start + tile.len);
                values.forward(inputs, &mut result[..tile.len]);
                stream::store(&result[..tile.len], &mut ys[span]);
            } else {
                values.forward(inputs, &mut ys[span]);
            }
        }
        stream::finish();
    };
    let chunk = tiling.chunk_len();
    if xs.len() <= chunk {
        work(&mut Values::new(program), xs, ys);
    } else {
        let chunks = xs.par_chunks(chunk).zip(ys.par_chunks_mut(chunk));
        chunks.for_each_init(|| Values::new(program), |values, (xs, ys)| work(values, xs, ys));
    }
}

/// The derivatives of `sum(d_ys * f(xs))`: `d_xs` of the shape of `xs`, `d_params` of the shape of `params`, summed over the rows.
/// Both are overwritten.
///
/// # Panics
/// If the lengths disagree.
pub fn backward<T: Real>(
    program: &Program,
    channels: usize,
    xs: &[T],
    params: &[T],
    d_ys: &[T],
    d_xs: &mut [T],
    d_params: &mut [T],
) {
    check(program, channels, xs.len(), params.len());
    assert!(xs.len() == d_ys.len() && xs.len() == d_xs.len(), "d_ys and d_xs are as long as xs");
    assert_eq!(params.len(), d_params.len(), "d_params is as long as params");
    let tiling = tiling(program, channels);
    let n_params = program.n_params();
    let params = tiling.patterns(n_params, params);
    let streamed = stream::pays::<T>(xs.len());
    let work = |sweep: &mut Sweep<'_, T>, xs: &[T], d_ys: &[T], d_xs: &mut [T]| {
        let mut sums = Sums::new(tiling, n_params);
        let mut result = [T::ZERO; TILE];
        for tile in tiling.tiles(xs.len()) {
            let span = tile.start..tile.start + tile.len;
            let inputs = Inputs { xs: &xs[span.clone()], params: &params, tile };
            if streamed {
                stream::fetch(xs, tile.start + tile.len);
                stream::fetch(d_ys, tile.start + tile.len);
                sweep.run(inputs, &d_ys[span.clone()], &mut result[..tile.len]);
                stream::store(&result[..tile.len], &mut d_xs[span]);
            } else {
                sweep.run(inputs, &d_ys[span.clone()], &mut d_xs[span]);
            }
            for k in 0..n_params {
                sweep.add_d_param(k, sums.at(k, tile));
            }
        }
        stream::finish();
        sums.fold()
    };
    let chunk = tiling.chunk_len();
    let sums = if xs.len() <= chunk {
        work(&mut Sweep::new(program), xs, d_ys, d_xs)
    } else {
        let chunks = xs.par_chunks(chunk).zip(d_ys.par_chunks(chunk)).zip(d_xs.par_chunks_mut(chunk));
        let sums = chunks.map_init(|| Sweep::new(program), |sweep, ((xs, d_ys), d_xs)| work(sweep, xs, d_ys, d_xs));
        combine(sums.collect())
    };
    for (d_param, sum) in d_params.iter_mut().zip(sums) {
        *d_param = T::from_f64(sum);
    }
}
