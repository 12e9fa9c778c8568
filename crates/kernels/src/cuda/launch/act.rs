//! Activations on their own; see [`super::norm`] for those behind a norm.

use super::{Grid, Part, Source, Stored, Subject, args, fits, int, rows_of, run, sums, width};
use crate::cuda::activation::ActSource;
use crate::cuda::device::{Device, Misfit, Scratch, View, ViewMut};

/// Channels and rows to work with: without parameters the channels do not matter.
fn shape<E: Stored>(
    function: &'static str,
    act: &ActSource,
    channels: usize,
    len: usize,
    params: usize,
    starts: [usize; 3],
) -> Result<(usize, usize, usize), Misfit> {
    let rows = rows_of(function, len, channels)?;
    fits(function, "params", params, act.n_params() * channels)?;
    if act.n_params() == 0 {
        let vec = width::<E>(len, starts);
        return Ok((len / vec, vec, vec));
    }
    Ok((rows, channels, width::<E>(channels, starts)))
}

/// `ys = f(xs)`, both (rows, channels); parameter k of channel c is `params[k * channels + c]`.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn forward<D: Device, E: Stored>(
    device: &D,
    act: &ActSource,
    channels: usize,
    xs: View<'_, D, E>,
    params: View<'_, D, f32>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    fits("act_forward", "ys", ys.len(), xs.len())?;
    let starts = [xs.place().1, ys.view().place().1, 0];
    let (rows, channels, vec) = shape::<E>("act_forward", act, channels, xs.len(), params.len(), starts)?;
    let source = Source { subject: Subject::Activation, bf16: E::BF16, vec, part: Part::Act(act) };
    let args = args![xs, params, &ys, int("act_forward", "rows", rows)?, int("act_forward", "channels", channels)?];
    run(device, source, "act_forward", Grid::channels(rows, channels, vec), args)
}

/// `d_xs = d_ys f'(xs)` and the parameters' derivatives summed over the rows; both are overwritten.
///
/// # Errors
/// Lengths that disagree, and the device's.
#[expect(clippy::too_many_arguments, reason = "the tensors of one function")]
pub fn backward<D: Device, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    act: &ActSource,
    channels: usize,
    xs: View<'_, D, E>,
    params: View<'_, D, f32>,
    d_ys: View<'_, D, E>,
    d_xs: ViewMut<'_, D, E>,
    d_params: ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    const NAME: &str = "act_backward";
    fits(NAME, "d_ys", d_ys.len(), xs.len())?;
    fits(NAME, "d_xs", d_xs.len(), xs.len())?;
    fits(NAME, "d_params", d_params.len(), params.len())?;
    let starts = [xs.place().1, d_ys.place().1, d_xs.view().place().1];
    let (rows, channels, vec) = shape::<E>(NAME, act, channels, xs.len(), params.len(), starts)?;
    let source = Source { subject: Subject::Activation, bf16: E::BF16, vec, part: Part::Act(act) };
    let grid = if act.n_params() == 0 { Grid::channels } else { Grid::sums }(rows, channels, vec);
    let partial = scratch.get::<f32>(device, act.n_params() * grid.row_blocks() * channels)?;
    let sizes = (int(NAME, "rows", rows)?, int(NAME, "channels", channels)?);
    run(device, source, NAME, grid, args![xs, params, d_ys, &d_xs, &partial, sizes.0, sizes.1])?;
    if act.n_params() == 0 {
        return Ok(());
    }
    sums::finish(device, partial.view(), grid.row_blocks(), channels, d_params)
}
