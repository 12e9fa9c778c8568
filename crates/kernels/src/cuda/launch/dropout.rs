//! Dropout; see [`crate::dropout`], whose masks these are.

use super::{Grid, MAX_SIDE, Stored, Subject, args, fits, rows_of, run, source};
use crate::cuda::device::{Device, Misfit, View, ViewMut};
#[cfg(doc)]
use crate::rng;

/// `ys = xs * mask / (1 - p)`. With `rows` there are so many of them, and row i has the seed [`rng::at`]`(seed, i)`, so that its mask does
/// not depend on the others; at most 65535.
///
/// # Errors
/// Lengths that disagree, `p` or `rows` out of range, and the device's.
pub fn forward<D: Device, E: Stored>(
    device: &D,
    p: f64,
    seed: u64,
    rows: Option<usize>,
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "dropout";
    fits(NAME, "ys", ys.len(), xs.len())?;
    if !(0.0..=1.0).contains(&p) {
        let value = p.to_string();
        return Err(Misfit::Value { function: NAME, what: "drop probability", value, expected: "0 to 1" }.into());
    }
    let count = rows.unwrap_or(1);
    if count > MAX_SIDE {
        let value = count.to_string();
        return Err(Misfit::Value { function: NAME, what: "number of rows", value, expected: "at most 65535" }.into());
    }
    let n = rows_of(NAME, xs.len(), count)?;
    let threshold = (p * 2f64.powi(32)).round() as u64;
    let scale = if p < 1.0 { (1.0 / (1.0 - p)) as f32 } else { 0.0 };
    // A thread for two of 32 elements.
    let mut grid = Grid::each(NAME, n.div_ceil(32) * 16)?;
    grid.grid[1] = count as u32;
    let args = args![xs, &ys, n as u64, seed, rows.is_some(), threshold, scale];
    run(device, source::<E>(Subject::Dropout, 1), NAME, grid, args)
}

/// `d_xs = d_ys * mask / (1 - p)` with the mask of [`forward`] for the same `p`, `seed` and `rows`.
///
/// # Errors
/// As [`forward`].
pub fn backward<D: Device, E: Stored>(
    device: &D,
    p: f64,
    seed: u64,
    rows: Option<usize>,
    d_ys: View<'_, D, E>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    forward(device, p, seed, rows, d_ys, d_xs)
}
