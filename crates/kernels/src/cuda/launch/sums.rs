//! Sums over rows in two stages.

use super::{Grid, Stored, Subject, args, fits, int, rows_of, run, source, width};
use crate::cuda::device::{Device, Scratch, View, ViewMut};

/// `sums[c]` = sum over the rows of `xs` (rows, channels): the gradient of a bias.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn column_sums<D: Device, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    xs: View<'_, D, E>,
    sums: ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    let channels = sums.len();
    let rows = rows_of("column_sums", xs.len(), channels)?;
    let vec = width::<E>(channels, [xs.place().1]);
    let grid = Grid::sums(rows, channels, vec);
    let partial = scratch.get::<f32>(device, grid.row_blocks() * channels)?;
    let sizes = (int("column_sums", "rows", rows)?, int("column_sums", "channels", channels)?);
    run(device, source::<E>(Subject::Sums, vec), "column_sums", grid, args![xs, &partial, sizes.0, sizes.1])?;
    finish(device, partial.view(), grid.row_blocks(), channels, sums)
}

/// `sums` (quantities, channels) from partial sums (quantities, blocks, channels).
pub(super) fn finish<D: Device>(
    device: &D,
    partial: View<'_, D, f32>,
    blocks: usize,
    channels: usize,
    sums: ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    let quantities = sums.len() / channels;
    fits("finish_sums", "partial", partial.len(), quantities * blocks * channels)?;
    let args = args![partial, &sums, blocks as u32, channels as u32];
    run(device, source::<f32>(Subject::Sums, 1), "finish_sums", Grid::finish(channels, quantities), args)
}
