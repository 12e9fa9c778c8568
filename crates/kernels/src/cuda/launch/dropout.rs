//! Dropout; see [`crate::dropout`], whose masks these are.

use super::{Grid, MAX_SIDE, Stored, Subject, args, fits, rows_of, run, source};
use crate::cuda::device::{Device, Misfit, View, ViewMut};
#[cfg(doc)]
use crate::rng;

/// The seed of masks: [`rng::at`]`(base, site)` of a base on the device, one number, which may be another at each pass.
#[derive(Debug)]
pub struct Seed<'a, D: Device> {
    /// The base.
    pub base: View<'a, D, u64>,
    /// The place in the network.
    pub site: u64,
}

impl<D: Device> Clone for Seed<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<D: Device> Copy for Seed<'_, D> {}

/// Where masks begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masks {
    /// Nowhere: one mask for all elements.
    One,
    /// In so many parts, at most 65535. Part i has the seed [`rng::at`]`(seed, i)`, so that its mask does not depend on the others.
    Seeds(usize),
    /// In rows of so many elements, as those of [`crate::dropout::Dropout`].
    Rows(usize),
}

/// `ys = xs * mask / (1 - p)`.
///
/// # Errors
/// Lengths that disagree, `p` or `masks` out of range, and the device's.
pub fn forward<D: Device, E: Stored>(
    device: &D,
    p: f64,
    seed: Seed<'_, D>,
    masks: Masks,
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "dropout";
    fits(NAME, "ys", ys.len(), xs.len())?;
    let (threshold, scale) = threshold_and_scale(NAME, p)?;
    fits(NAME, "base", seed.base.len(), 1)?;
    let count = if let Masks::Seeds(count) = masks { count } else { 1 };
    if count > MAX_SIDE {
        let value = count.to_string();
        return Err(Misfit::Value { function: NAME, what: "number of parts", value, expected: "at most 65535" }.into());
    }
    let n = rows_of(NAME, xs.len(), count)?;
    let width = if let Masks::Rows(width) = masks { width } else { n };
    let rows = if n > 0 { rows_of(NAME, n, width)? } else { 0 };
    // A thread for two of 32 elements.
    let mut grid = Grid::each(NAME, rows * width.div_ceil(32) * 16)?;
    grid.grid[1] = count as u32;
    let (Seed { base, site }, streams) = (seed, matches!(masks, Masks::Seeds(_)));
    let args = args![xs, &ys, n as u64, width as u64, base, site, streams, threshold, scale];
    run(device, source::<E>(Subject::Dropout, 1), NAME, grid, args)
}

/// From which random number on an element is kept, and what it is then multiplied by.
fn threshold_and_scale(function: &'static str, p: f64) -> Result<(u64, f32), Misfit> {
    if !(0.0..=1.0).contains(&p) {
        let value = p.to_string();
        return Err(Misfit::Value { function, what: "drop probability", value, expected: "0 to 1" });
    }
    let scale = if p < 1.0 { (1.0 / (1.0 - p)) as f32 } else { 0.0 };
    Ok(((p * 2f64.powi(32)).round() as u64, scale))
}

/// `d_xs = d_ys * mask / (1 - p)` with the mask of [`forward`] for the same `p`, `seed` and `masks`.
///
/// # Errors
/// As [`forward`].
pub fn backward<D: Device, E: Stored>(
    device: &D,
    p: f64,
    seed: Seed<'_, D>,
    masks: Masks,
    d_ys: View<'_, D, E>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    forward(device, p, seed, masks, d_ys, d_xs)
}

/// Dropout of rows on their way to a sum.
#[derive(Debug)]
pub struct RowDropout<'a, D: Device> {
    /// Elements of a row.
    pub width: usize,
    /// Probability that an element is dropped.
    pub p: f64,
    /// Of the masks, which are those of [`Masks::Rows`].
    pub seed: Seed<'a, D>,
}

impl<D: Device> RowDropout<'_, D> {
    fn grid(&self, function: &'static str, n: usize) -> Result<Grid, Misfit> {
        Grid::each(function, rows_of(function, n, self.width)? * self.width.div_ceil(32) * 16)
    }
}

/// `ys = residual + (xs + bias) * mask / (1 - p)`, all (rows, width).
///
/// # Errors
/// Lengths that disagree, `p` out of range, and the device's.
pub fn residual_forward<D: Device, E: Stored>(
    device: &D,
    dropout: &RowDropout<'_, D>,
    xs: View<'_, D, E>,
    bias: Option<View<'_, D, f32>>,
    residual: View<'_, D, f32>,
    ys: ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    const NAME: &str = "residual_forward";
    let (&RowDropout { width, p, seed: Seed { base, site } }, n) = (dropout, xs.len());
    let (threshold, scale) = threshold_and_scale(NAME, p)?;
    let grid = dropout.grid(NAME, n)?;
    fits(NAME, "base", base.len(), 1)?;
    fits(NAME, "bias", bias.map_or(width, |bias| bias.len()), width)?;
    fits(NAME, "residual", residual.len(), n)?;
    fits(NAME, "ys", ys.len(), n)?;
    let args = args![xs, bias, residual, &ys, n as u64, width as u64, base, site, threshold, scale];
    run(device, source::<E>(Subject::Dropout, 1), NAME, grid, args)
}

/// The gradient of the `xs` of [`residual_forward`], whose column sums are that of its bias; that of `residual` is `d_ys`.
///
/// # Errors
/// As [`residual_forward`].
pub fn residual_backward<D: Device, E: Stored>(
    device: &D,
    dropout: &RowDropout<'_, D>,
    d_ys: View<'_, D, f32>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "residual_backward";
    let (&RowDropout { width, p, seed: Seed { base, site } }, n) = (dropout, d_ys.len());
    let (threshold, scale) = threshold_and_scale(NAME, p)?;
    let grid = dropout.grid(NAME, n)?;
    fits(NAME, "base", base.len(), 1)?;
    fits(NAME, "d_xs", d_xs.len(), n)?;
    let args = args![d_ys, &d_xs, n as u64, width as u64, base, site, threshold, scale];
    run(device, source::<E>(Subject::Dropout, 1), NAME, grid, args)
}
