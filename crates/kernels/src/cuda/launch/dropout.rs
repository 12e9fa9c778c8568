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
    const NAME: &str = "dropout";
    fits(NAME, "ys", ys.len(), xs.len())?;
    if !(0.0..=1.0).contains(&p) {
        let value = p.to_string();
        return Err(Misfit::Value { function: NAME, what: "drop probability", value, expected: "0 to 1" }.into());
    }
    let threshold = (p * 2f64.powi(32)).round() as u64;
    let scale = if p < 1.0 { (1.0 / (1.0 - p)) as f32 } else { 0.0 };
    let n = xs.len() as u64;
    // A thread for two of 32 elements.
    let grid = Grid::each(NAME, xs.len().div_ceil(32) * 16)?;
    run(device, source::<E>(Subject::Dropout, 1), NAME, grid, args![xs, &ys, n, seed, threshold, scale])
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
