//! Moving and adding elements; see [`crate::layout`].

use super::{Grid, MAX_SIDE, Stored, Subject, args, fits, int, rows_of, run, source, width};
use crate::conv::Pad;
use crate::cuda::device::{Device, Misfit, View, ViewMut};
use crate::layout::SubsamplePad;

/// `ys` (n, hw, c) from `xs` (n, c, hw).
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn nchw_to_nhwc<D: Device, E: Stored>(
    device: &D,
    [n, c, hw]: [usize; 3],
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    transpose(device, [n, c, hw], xs, ys)
}

/// `ys` (n, c, hw) from `xs` (n, hw, c).
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn nhwc_to_nchw<D: Device, E: Stored>(
    device: &D,
    [n, c, hw]: [usize; 3],
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    transpose(device, [n, hw, c], xs, ys)
}

fn transpose<D: Device, E: Stored>(
    device: &D,
    [n, rows, columns]: [usize; 3],
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "transpose";
    fits(NAME, "xs", xs.len(), n * rows * columns)?;
    fits(NAME, "ys", ys.len(), xs.len())?;
    let (row_count, column_count) = (int(NAME, "rows", rows)?, int(NAME, "columns", columns)?);
    if n > MAX_SIDE || rows.div_ceil(32) > MAX_SIDE {
        let (value, expected) = (format!("{n} x {rows} x {columns}"), "at most 65535 matrices of at most 2097120 rows");
        return Err(Misfit::Value { function: NAME, what: "shape", value, expected }.into());
    }
    let tiles = [columns.div_ceil(32) as u32, rows.div_ceil(32) as u32, n as u32];
    let grid = Grid { grid: tiles, block: [32, 8] };
    run(device, source::<E>(Subject::Layout, 1), NAME, grid, args![xs, &ys, row_count, column_count])
}

/// `ys = xs`, rounded to what is stored.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn from_float<D: Device, E: Stored>(
    device: &D,
    xs: View<'_, D, f32>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    fits("from_float", "ys", ys.len(), xs.len())?;
    let (grid, n) = (Grid::each("from_float", xs.len())?, xs.len() as u64);
    run(device, source::<E>(Subject::Layout, 1), "from_float", grid, args![xs, &ys, n])
}

/// `ys = xs`, widened.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn to_float<D: Device, E: Stored>(device: &D, xs: View<'_, D, E>, ys: ViewMut<'_, D, f32>) -> Result<(), D::Error> {
    fits("to_float", "ys", ys.len(), xs.len())?;
    let (grid, n) = (Grid::each("to_float", xs.len())?, xs.len() as u64);
    run(device, source::<E>(Subject::Layout, 1), "to_float", grid, args![xs, &ys, n])
}

/// `ys = factor * xs`.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn scaled<D: Device>(
    device: &D,
    factor: f64,
    xs: View<'_, D, f32>,
    ys: ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    const NAME: &str = "scaled";
    fits(NAME, "ys", ys.len(), xs.len())?;
    let vec = width::<f32>(xs.len(), [xs.place().1, ys.view().place().1]);
    let (grid, n) = (Grid::each(NAME, xs.len() / vec)?, xs.len() as u64);
    run(device, source::<f32>(Subject::Layout, vec), NAME, grid, args![xs, &ys, n, factor as f32])
}

/// `ys += xs`.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn add<D: Device, E: Stored>(device: &D, xs: View<'_, D, E>, ys: ViewMut<'_, D, E>) -> Result<(), D::Error> {
    fits("add_to", "ys", ys.len(), xs.len())?;
    let vec = width::<E>(xs.len(), [xs.place().1, ys.view().place().1]);
    let (grid, n) = (Grid::each("add_to", xs.len() / vec)?, xs.len() as u64);
    run(device, source::<E>(Subject::Layout, vec), "add_to", grid, args![xs, &ys, n])
}

/// `ys[row][c] += bias[c]`.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn add_bias<D: Device, E: Stored>(
    device: &D,
    bias: View<'_, D, f32>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "add_bias";
    let channels = bias.len();
    let rows = rows_of(NAME, ys.len(), channels)?;
    let vec = width::<E>(channels, [ys.view().place().1]);
    let args = args![&ys, bias, int(NAME, "rows", rows)?, int(NAME, "channels", channels)?];
    run(device, source::<E>(Subject::Layout, vec), NAME, Grid::channels(rows, channels, vec), args)
}

/// A range of every row's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Elements of a whole row.
    pub stride: usize,
    /// The first column.
    pub first: usize,
}

/// Of every row `channels` elements of `xs` to `ys`; other columns stay. Joins maps along their channels, and takes them apart.
///
/// # Errors
/// Lengths that disagree, columns beyond a row, and the device's.
pub fn copy_channels<D: Device, E: Stored>(
    device: &D,
    channels: usize,
    (xs, from): (View<'_, D, E>, Columns),
    (ys, to): (ViewMut<'_, D, E>, Columns),
) -> Result<(), D::Error> {
    const NAME: &str = "copy_channels";
    let rows = rows_of(NAME, xs.len(), from.stride)?;
    fits(NAME, "ys", ys.len(), rows * to.stride)?;
    for columns in [from, to] {
        if columns.first + channels > columns.stride {
            let value = format!("{}..{} of {}", columns.first, columns.first + channels, columns.stride);
            return Err(Misfit::Value { function: NAME, what: "columns", value, expected: "columns of a row" }.into());
        }
    }
    let starts = [from.stride, from.first, to.stride, to.first, xs.place().1, ys.view().place().1];
    let vec = width::<E>(channels, starts);
    let place = |columns: Columns| -> Result<_, Misfit> {
        Ok((int(NAME, "stride", columns.stride)?, int(NAME, "first column", columns.first)?))
    };
    let (from, to) = (place(from)?, place(to)?);
    let args = args![xs, from.0, from.1, &ys, to.0, to.1, int(NAME, "rows", rows)?, int(NAME, "channels", channels)?];
    run(device, source::<E>(Subject::Layout, vec), NAME, Grid::channels(rows, channels, vec), args)
}

/// The structure `Subsample` of `layout.cu`.
fn words(function: &'static str, shape: &SubsamplePad, x_len: usize, y_len: usize) -> Result<Vec<u32>, Misfit> {
    let &SubsamplePad { n, h, w, c_in, c_out, stride, offset } = shape;
    if c_in == 0 || c_in > c_out || stride == 0 {
        let value = format!("{shape:?}");
        return Err(Misfit::Value {
            function,
            what: "shape",
            value,
            expected: "at least the input's channels, a stride",
        });
    }
    fits(function, "input", x_len, n * h * w * c_in)?;
    fits(function, "output", y_len, n * shape.out_h() * shape.out_w() * c_out)?;
    let sizes = [n, h, w, c_in, c_out, stride, offset, shape.out_h(), shape.out_w()];
    sizes.into_iter().map(|size| Ok(int(function, "size", size)? as u32)).collect()
}

/// `ys` (n, out_h, out_w, c_out) from `xs` (n, h, w, c_in).
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn subsample_pad_forward<D: Device, E: Stored>(
    device: &D,
    shape: &SubsamplePad,
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "subsample_pad_forward";
    let words = words(NAME, shape, xs.len(), ys.len())?;
    run(device, source::<E>(Subject::Layout, 1), NAME, Grid::each(NAME, ys.len())?, args![xs, &ys, words])
}

/// Gradient of [`subsample_pad_forward`]; `d_xs` is overwritten.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn subsample_pad_backward<D: Device, E: Stored>(
    device: &D,
    shape: &SubsamplePad,
    d_ys: View<'_, D, E>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "subsample_pad_backward";
    let words = words(NAME, shape, d_xs.len(), d_ys.len())?;
    run(device, source::<E>(Subject::Layout, 1), NAME, Grid::each(NAME, d_xs.len())?, args![d_ys, &d_xs, words])
}

/// Checks lengths; returns the structure `Frame` of `layout.cu`.
fn frame(function: &'static str, [n, h, w, c]: [usize; 4], pad: Pad, lens: [usize; 2]) -> Result<Vec<u32>, Misfit> {
    let (out_h, out_w) = (h + pad.top + pad.bottom, w + pad.left + pad.right);
    fits(function, "image", lens[0], n * h * w * c)?;
    fits(function, "framed image", lens[1], n * out_h * out_w * c)?;
    let sizes = [n, h, w, c, pad.top, pad.left, out_h, out_w];
    sizes.into_iter().map(|size| Ok(int(function, "size", size)? as u32)).collect()
}

/// `ys` = images (n, h, w, c) in a frame of zeros.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn pad_forward<D: Device, E: Stored>(
    device: &D,
    shape: [usize; 4],
    pad: Pad,
    xs: View<'_, D, E>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "pad_forward";
    let words = frame(NAME, shape, pad, [xs.len(), ys.len()])?;
    run(device, source::<E>(Subject::Layout, 1), NAME, Grid::each(NAME, ys.len())?, args![xs, &ys, words])
}

/// Gradient of [`pad_forward`]; `d_xs` is overwritten.
///
/// # Errors
/// Lengths that disagree, and the device's.
pub fn pad_backward<D: Device, E: Stored>(
    device: &D,
    shape: [usize; 4],
    pad: Pad,
    d_ys: View<'_, D, E>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "pad_backward";
    let words = frame(NAME, shape, pad, [d_xs.len(), d_ys.len()])?;
    run(device, source::<E>(Subject::Layout, 1), NAME, Grid::each(NAME, d_xs.len())?, args![d_ys, &d_xs, words])
}
