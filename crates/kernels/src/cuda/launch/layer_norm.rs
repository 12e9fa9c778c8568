//! LayerNorm of rows; see [`crate::layer_norm`].

use super::{Grid, Stored, Subject, args, fits, int, rows_of, run, source, sums, width};
use crate::cuda::device::{Device, Scratch, View, ViewMut};

/// Factor and term of each place of a row.
#[derive(Debug)]
pub struct Affine<'a, D: Device> {
    /// Factors.
    pub gamma: View<'a, D, f32>,
    /// Terms.
    pub beta: View<'a, D, f32>,
}

/// What [`forward`] writes, one value a row.
#[derive(Debug)]
pub struct RowStats<'a, D: Device> {
    /// Mean of the row.
    pub mean: ViewMut<'a, D, f32>,
    /// 1 / sqrt(variance + epsilon).
    pub inv_std: ViewMut<'a, D, f32>,
}

/// `ys = gamma (xs - mean) inv_std + beta`, (rows, width) as `xs`.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn forward<D: Device, E: Stored>(
    device: &D,
    epsilon: f64,
    affine: Affine<'_, D>,
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
    stats: RowStats<'_, D>,
) -> Result<(), D::Error> {
    const NAME: &str = "layer_norm_forward";
    let width = affine.gamma.len();
    let rows = rows_of(NAME, xs.len(), width)?;
    fits(NAME, "beta", affine.beta.len(), width)?;
    fits(NAME, "ys", ys.len(), xs.len())?;
    fits(NAME, "mean", stats.mean.len(), rows)?;
    fits(NAME, "inv_std", stats.inv_std.len(), rows)?;
    let (width, epsilon) = (int(NAME, "width", width)?, epsilon as f32);
    let args = args![xs, affine.gamma, affine.beta, &ys, &stats.mean, &stats.inv_std, width, epsilon];
    run(device, source::<E>(Subject::LayerNorm, 1), NAME, Grid::blocks(NAME, rows)?, args)
}

/// What the forward pass read and wrote.
#[derive(Debug)]
pub struct Saved<'a, D: Device, E> {
    /// The input, (rows, width).
    pub xs: View<'a, D, E>,
    /// Mean of each row.
    pub mean: View<'a, D, f32>,
    /// 1 / sqrt(variance + epsilon) of each row.
    pub inv_std: View<'a, D, f32>,
    /// Factors.
    pub gamma: View<'a, D, f32>,
}

/// Where [`backward`] writes; `d_params` is (2, width), the gradient of gamma and then that of beta.
#[derive(Debug)]
pub struct Grads<'a, D: Device, E> {
    /// Of the shape of `xs`.
    pub d_xs: ViewMut<'a, D, E>,
    /// Of gamma, then of beta.
    pub d_params: ViewMut<'a, D, f32>,
}

/// The derivatives of `sum(d_ys ys)`; everything is overwritten.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn backward<D: Device, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    saved: Saved<'_, D, E>,
    d_ys: View<'_, D, E>,
    out: Grads<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "layer_norm_backward";
    let Saved { xs, mean, inv_std, gamma } = saved;
    let row_width = gamma.len();
    let rows = rows_of(NAME, xs.len(), row_width)?;
    for (what, found, expected) in [
        ("mean", mean.len(), rows),
        ("inv_std", inv_std.len(), rows),
        ("d_ys", d_ys.len(), xs.len()),
        ("d_xs", out.d_xs.len(), xs.len()),
        ("d_params", out.d_params.len(), 2 * row_width),
    ] {
        fits(NAME, what, found, expected)?;
    }
    let (row_count, width_count) = (int(NAME, "rows", rows)?, int(NAME, "width", row_width)?);
    let args = args![xs, mean, inv_std, gamma, d_ys, &out.d_xs, width_count];
    run(device, source::<E>(Subject::LayerNorm, 1), NAME, Grid::blocks(NAME, rows)?, args)?;
    let vec = width::<E>(row_width, [xs.place().1, d_ys.place().1]);
    let grid = Grid::sums(rows, row_width, vec);
    let partial = scratch.get::<f32>(device, 2 * grid.row_blocks() * row_width)?;
    let args = args![xs, mean, inv_std, d_ys, &partial, row_count, width_count];
    run(device, source::<E>(Subject::LayerNorm, vec), "layer_norm_reduce", grid, args)?;
    sums::finish(device, partial.view(), grid.row_blocks(), row_width, out.d_params)
}
