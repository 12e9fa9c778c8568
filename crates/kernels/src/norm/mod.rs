//! BatchNorm over the last dimension, fused with an optional residual and the activation: one pass forward, two backward.
//!
//! Ioffe & Szegedy 2015. `u = gamma (x - mean) inv_std + beta (+ residual)`, `y = f(u)`, for rows x channels; the variance is the
//! biased one.

mod stats;
#[cfg(test)]
mod tests;

pub use stats::stats;

use rayon::prelude::*;

use crate::act::tile::{Sums, Tile, Tiling, add_to, combine};
use crate::act::{Inputs, Program, Sweep, Values};
use crate::real::Real;
use crate::simd::{mul_add, simd_fn};

/// Per-channel `x * scale + shift`.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a, T> {
    /// Factor of each channel: gamma * inv_std.
    pub scale: &'a [T],
    /// Term of each channel: beta - mean * gamma * inv_std.
    pub shift: &'a [T],
}

/// What the forward pass read, for [`backward`].
#[derive(Clone, Copy, Debug)]
pub struct NormSaved<'a, T> {
    /// The input, rows x channels.
    pub xs: &'a [T],
    /// Mean of each channel.
    pub mean: &'a [T],
    /// 1 / sqrt(variance + epsilon) of each channel.
    pub inv_std: &'a [T],
    /// Factor of each channel.
    pub gamma: &'a [T],
    /// Term of each channel.
    pub beta: &'a [T],
    /// Added before the activation; of the shape of `xs`.
    pub residual: Option<&'a [T]>,
    /// Parameters of the activation, `params[k * channels + c]`.
    pub params: &'a [T],
}

/// Where [`backward`] writes; everything is overwritten.
#[derive(Debug)]
pub struct NormGrads<'a, T> {
    /// Of the shape of `xs`.
    pub d_xs: &'a mut [T],
    /// Of the shape of the residual.
    pub d_residual: Option<&'a mut [T]>,
    /// One value a channel.
    pub d_gamma: &'a mut [T],
    /// One value a channel.
    pub d_beta: &'a mut [T],
    /// Of the shape of the parameters.
    pub d_params: &'a mut [T],
}

/// `ys = f(xs * scale + shift + residual)` for rows x channels, in one pass.
///
/// # Panics
/// If the lengths disagree.
pub fn apply<T: Real>(
    program: &Program,
    channels: usize,
    xs: &[T],
    affine: Affine<'_, T>,
    residual: Option<&[T]>,
    params: &[T],
    ys: &mut [T],
) {
    check_rows(channels, xs.len());
    assert!(
        xs.len() == ys.len() && residual.is_none_or(|r| r.len() == xs.len()),
        "ys and the residual are as long as xs"
    );
    let tiling = Tiling::new(channels);
    let (scale, shift) = (tiling.pattern(affine.scale), tiling.pattern(affine.shift));
    let params = tiling.patterns(program.n_params(), params);
    let chunk = tiling.chunk_len();
    let work = |(i, ys): (usize, &mut [T])| {
        let mut values = Values::new(program);
        let mut us = vec![T::ZERO; tiling.period().min(xs.len())];
        for tile in tiling.tiles(ys.len()) {
            let input = i * chunk + tile.start..i * chunk + tile.start + tile.len;
            let us = &mut us[..tile.len];
            scale_shift(&xs[input.clone()], scale.at(tile), shift.at(tile), us);
            if let Some(residual) = residual {
                add_to(us, &residual[input]);
            }
            values.forward(Inputs { xs: us, params: &params, tile }, &mut ys[span(tile)]);
        }
    };
    if xs.len() <= chunk {
        work((0, ys));
    } else {
        ys.par_chunks_mut(chunk).enumerate().for_each(work);
    }
}

/// The derivatives of `sum(d_ys * y)` by input, residual, gamma, beta and the activation's parameters.
///
/// `batch_stats`: mean and variance are those of `xs` (training), so the gradient flows through them too; otherwise they are
/// constants (inference, frozen statistics).
///
/// # Panics
/// If the lengths disagree.
pub fn backward<T: Real>(
    program: &Program,
    channels: usize,
    saved: &NormSaved<'_, T>,
    d_ys: &[T],
    batch_stats: bool,
    out: NormGrads<'_, T>,
) {
    let n = saved.xs.len();
    check_rows(channels, n);
    let NormGrads { d_xs, d_residual, d_gamma, d_beta, d_params } = out;
    assert!(d_ys.len() == n && d_xs.len() == n, "d_ys and d_xs are as long as xs");
    assert!(saved.residual.is_none_or(|r| r.len() == n), "the residual is as long as xs");
    assert!(d_residual.as_ref().is_none_or(|r| r.len() == n), "d_residual is as long as xs");
    assert!(d_gamma.len() == channels && d_beta.len() == channels, "one d_gamma and one d_beta a channel");
    assert_eq!(d_params.len(), saved.params.len(), "d_params is as long as params");

    let sums = pre_activation(program, channels, saved, d_ys, d_xs);
    if let Some(d_residual) = d_residual {
        d_residual.copy_from_slice(d_xs);
    }
    let (d_params_sums, sums) = sums.split_at(d_params.len());
    for (d_param, &sum) in d_params.iter_mut().zip(d_params_sums) {
        *d_param = T::from_f64(sum);
    }
    let rows = (n / channels) as f64;
    let (mut slope, mut term, mut pull) = (vec![T::ZERO; channels], vec![T::ZERO; channels], vec![T::ZERO; channels]);
    for c in 0..channels {
        let inv_std = saved.inv_std[c].to_f64();
        let (sum, sum_xhat) = (sums[c], sums[channels + c] * inv_std);
        d_beta[c] = T::from_f64(sum);
        d_gamma[c] = T::from_f64(sum_xhat);
        // d_x = slope (du - mean(du) - xhat mean(du xhat)).
        let factor = saved.gamma[c].to_f64() * inv_std;
        slope[c] = T::from_f64(factor);
        if batch_stats {
            term[c] = T::from_f64(-factor * sum / rows);
            pull[c] = T::from_f64(-factor * inv_std * sum_xhat / rows);
        }
    }
    through_normalisation(channels, saved, [&slope, &term, &pull], d_xs);
}

/// First pass: `d_us` becomes du; returns the sums over rows of the parameters' derivatives, of du and of du (x - mean), per channel.
fn pre_activation<T: Real>(
    program: &Program,
    channels: usize,
    saved: &NormSaved<'_, T>,
    d_ys: &[T],
    d_us: &mut [T],
) -> Vec<f64> {
    let tiling = Tiling::new(channels);
    let n_params = program.n_params();
    let scale: Vec<T> = saved.gamma.iter().zip(saved.inv_std).map(|(&gamma, &inv_std)| gamma * inv_std).collect();
    let (mean, scale, beta) = (tiling.pattern(saved.mean), tiling.pattern(&scale), tiling.pattern(saved.beta));
    let params = tiling.patterns(n_params, saved.params);
    let chunk = tiling.chunk_len();
    let work = |(i, d_us): (usize, &mut [T])| {
        let mut sweep = Sweep::new(program);
        let mut sums = Sums::new(tiling, n_params + 2);
        let mut us = vec![T::ZERO; tiling.period().min(saved.xs.len())];
        for tile in tiling.tiles(d_us.len()) {
            let input = i * chunk + tile.start..i * chunk + tile.start + tile.len;
            let (us, d_us) = (&mut us[..tile.len], &mut d_us[span(tile)]);
            let (xs, mean) = (&saved.xs[input.clone()], mean.at(tile));
            normalise(xs, mean, scale.at(tile), beta.at(tile), us);
            if let Some(residual) = saved.residual {
                add_to(us, &residual[input.clone()]);
            }
            sweep.run(Inputs { xs: us, params: &params, tile }, &d_ys[input], d_us);
            for k in 0..n_params {
                sweep.add_d_param(k, sums.at(k, tile));
            }
            add_to(sums.at(n_params, tile), d_us);
            add_products(sums.at(n_params + 1, tile), d_us, xs, mean);
        }
        sums.fold()
    };
    if d_us.len() <= chunk {
        work((0, d_us))
    } else {
        combine(d_us.par_chunks_mut(chunk).enumerate().map(work).collect())
    }
}

/// Second pass: du in `d_xs` becomes `slope du + pull (x - mean) + term`.
fn through_normalisation<T: Real>(
    channels: usize,
    saved: &NormSaved<'_, T>,
    [slope, term, pull]: [&[T]; 3],
    d_xs: &mut [T],
) {
    let tiling = Tiling::new(channels);
    let [mean, slope, term, pull] = [saved.mean, slope, term, pull].map(|values| tiling.pattern(values));
    let chunk = tiling.chunk_len();
    let work = |(i, d_xs): (usize, &mut [T])| {
        for tile in tiling.tiles(d_xs.len()) {
            let xs = &saved.xs[i * chunk + tile.start..][..tile.len];
            d_input(xs, mean.at(tile), [slope.at(tile), term.at(tile), pull.at(tile)], &mut d_xs[span(tile)]);
        }
    };
    if d_xs.len() <= chunk {
        work((0, d_xs));
    } else {
        d_xs.par_chunks_mut(chunk).enumerate().for_each(work);
    }
}

fn check_rows(channels: usize, len: usize) {
    assert!(channels > 0 && len.is_multiple_of(channels), "{len} elements are no rows of {channels} channels");
}

fn span(tile: Tile) -> std::ops::Range<usize> {
    tile.start..tile.start + tile.len
}

simd_fn! {
    /// `us = xs * scale + shift`.
    fn scale_shift<T: Real>(xs: &[T], scale: &[T], shift: &[T], us: &mut [T]) {
        for (((u, &x), &scale), &shift) in us.iter_mut().zip(xs).zip(scale).zip(shift) {
            *u = mul_add::<T, FMA>(x, scale, shift);
        }
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

simd_fn! {
    /// `sums += d_us * (xs - mean)`.
    fn add_products<T: Real>(sums: &mut [T], d_us: &[T], xs: &[T], mean: &[T]) {
        for (((sum, &d_u), &x), &mean) in sums.iter_mut().zip(d_us).zip(xs).zip(mean) {
            *sum = mul_add::<T, FMA>(d_u, x - mean, *sum);
        }
    }
}

simd_fn! {
    /// `d_xs = slope d_xs + pull (xs - mean) + term`.
    fn d_input<T: Real>(xs: &[T], mean: &[T], coefficients: [&[T]; 3], d_xs: &mut [T]) {
        let n = d_xs.len();
        let [slope, term, pull] = coefficients.map(|values| &values[..n]);
        let (xs, mean) = (&xs[..n], &mean[..n]);
        for i in 0..n {
            d_xs[i] = mul_add::<T, FMA>(slope[i], d_xs[i], mul_add::<T, FMA>(pull[i], xs[i] - mean[i], term[i]));
        }
    }
}
