//! Dropout; see [`crate::dropout`], whose masks these are.

use super::{Grid, Stored, Subject, args, fits, run, source};
use crate::cuda::device::{Device, Misfit, View, ViewMut};

/// `ys = xs * mask / (1 - p)`.
///
/// # Errors
/// Lengths that disagree, `p` out of range, and the device's.
pub fn forward<D: Device, E: Stored>(
    device: &D,
    p: f64,
    seed: u64,
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    run_rows(device, None, p, seed, xs, ys)
}

/// As [`forward`] for each of `rows` rows, row i with the seed [`crate::rng::at`]`(seed, i)`.
///
/// # Errors
/// As [`forward`]; more than 65,535 rows.
pub fn forward_rows<D: Device, E: Stored>(
    device: &D,
    rows: usize,
    p: f64,
    seed: u64,
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    run_rows(device, Some(rows), p, seed, xs, ys)
}

fn run_rows<D: Device, E: Stored>(
    device: &D,
    rows: Option<usize>,
    p: f64,
    seed: u64,
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "dropout";
    /// CUDA's limit of a grid's second side.
    const MAX_ROWS: usize = 65_535;
    fits(NAME, "ys", ys.len(), xs.len())?;
    let bad = |what, value: String, expected| Misfit::Value { function: NAME, what, value, expected };
    if !(0.0..=1.0).contains(&p) {
        return Err(bad("drop probability", p.to_string(), "0 to 1").into());
    }
    let count = rows.unwrap_or(1);
    if count > MAX_ROWS || count == 0 || !xs.len().is_multiple_of(count) {
        let value = format!("{count} for {} elements", xs.len());
        return Err(bad("rows", value, "at most 65535 rows of one length").into());
    }
    let threshold = (p * 2f64.powi(32)).round() as u64;
    let scale = if p < 1.0 { (1.0 / (1.0 - p)) as f32 } else { 0.0 };
    let n = xs.len() / count;
    // A thread for two of 32 elements.
    let mut grid = Grid::each(NAME, n.div_ceil(32) * 16)?;
    grid.grid[1] = count as u32;
    let args = args![xs, &ys, n as u64, seed, threshold, scale, rows.is_some()];
    run(device, source::<E>(Subject::Dropout, 1), NAME, grid, args)
}

/// `d_xs = d_ys * mask / (1 - p)` with the mask of [`forward`] for the same `p` and `seed`.
///
/// # Errors
/// As [`forward`].
pub fn backward<D: Device, E: Stored>(
    device: &D,
    p: f64,
    seed: u64,
    d_ys: View<'_, D, E>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    forward(device, p, seed, d_ys, d_xs)
}
