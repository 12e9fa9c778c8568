//! Depthwise convolution; see [`crate::conv`]. Weights are (channels, 1, kh, kw) as everywhere; inside they lie as (tap, channel).

use super::{Grid, Part, Source, Stored, Subject, args, fits, int, run, sums, width};
use crate::conv::Conv2d;
use crate::cuda::device::{Device, Misfit, Scratch, View, ViewMut};

/// Checks the shape, then the lengths of input, weight and output; returns the structure `Conv` of `depthwise.cu`.
fn check(function: &'static str, conv: &Conv2d, [x, w, y]: [usize; 3]) -> Result<Vec<u32>, Misfit> {
    let sizes = [conv.kh, conv.kw, conv.c_in, conv.stride.0, conv.stride.1];
    if conv.groups != conv.c_in || conv.groups != conv.c_out || sizes.contains(&0) {
        let value = format!("{conv:?}");
        return Err(Misfit::Value { function, what: "shape", value, expected: "one filter a channel" });
    }
    fits(function, "input", x, conv.in_len())?;
    fits(function, "weight", w, conv.weight_len())?;
    fits(function, "output", y, conv.out_len())?;
    let (strides, pad) = (conv.stride, conv.pad);
    [
        ("n", conv.n),
        ("h", conv.h),
        ("w", conv.w),
        ("channels", conv.c_in),
        ("stride", strides.0),
        ("stride", strides.1),
        ("pad", pad.top),
        ("pad", pad.left),
        ("out_h", conv.out_h()),
        ("out_w", conv.out_w()),
    ]
    .into_iter()
    .map(|(what, value)| Ok(int(function, what, value)? as u32))
    .collect()
}

fn kernels<E: Stored>(conv: &Conv2d, vec: usize) -> Source<'static> {
    Source { subject: Subject::Depthwise, bf16: E::BF16, vec, part: Part::Window(conv.kh, conv.kw) }
}

/// (rows, columns) to (columns, rows).
fn transpose<D: Device>(
    device: &D,
    conv: &Conv2d,
    [rows, columns]: [usize; 2],
    xs: View<'_, D, f32>,
    ys: &ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    let grid = Grid::each("depthwise_transpose", rows * columns)?;
    let args = args![xs, ys, rows as u32, columns as u32];
    run(device, kernels::<f32>(conv, 1), "depthwise_transpose", grid, args)
}

/// `ys` (n, out_h, out_w, c) from `xs` (n, h, w, c).
///
/// # Errors
/// Lengths that disagree, another convolution, and the device's.
pub fn forward<D: Device, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    conv: &Conv2d,
    xs: View<'_, D, E>,
    weight: View<'_, D, f32>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "depthwise_forward";
    let shape = check(NAME, conv, [xs.len(), weight.len(), ys.len()])?;
    let filters = scratch.get::<f32>(device, weight.len())?;
    transpose(device, conv, [conv.c_in, conv.kh * conv.kw], weight, &filters)?;
    let vec = width::<E>(conv.c_in, [xs.place().1, ys.view().place().1]);
    let grid = Grid::each(NAME, ys.len() / vec)?;
    run(device, kernels::<E>(conv, vec), NAME, grid, args![xs, filters.view(), &ys, shape])
}

/// The gradient of the input; overwritten.
///
/// # Errors
/// Lengths that disagree, another convolution, and the device's.
pub fn backward_data<D: Device, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    conv: &Conv2d,
    d_ys: View<'_, D, E>,
    weight: View<'_, D, f32>,
    d_xs: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "depthwise_backward_data";
    let shape = check(NAME, conv, [d_xs.len(), weight.len(), d_ys.len()])?;
    let filters = scratch.get::<f32>(device, weight.len())?;
    transpose(device, conv, [conv.c_in, conv.kh * conv.kw], weight, &filters)?;
    let vec = width::<E>(conv.c_in, [d_ys.place().1, d_xs.view().place().1]);
    let grid = Grid::each(NAME, d_xs.len() / vec)?;
    run(device, kernels::<E>(conv, vec), NAME, grid, args![d_ys, filters.view(), &d_xs, shape])
}

/// The gradient of the weights; overwritten.
///
/// # Errors
/// Lengths that disagree, another convolution, and the device's.
pub fn backward_weight<D: Device, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    conv: &Conv2d,
    xs: View<'_, D, E>,
    d_ys: View<'_, D, E>,
    d_weight: ViewMut<'_, D, f32>,
) -> Result<(), D::Error> {
    const NAME: &str = "depthwise_backward_weight";
    let (channels, taps) = (conv.c_in, conv.kh * conv.kw);
    let shape = check(NAME, conv, [xs.len(), d_weight.len(), d_ys.len()])?;
    let pixels = d_ys.len() / channels;
    int(NAME, "output pixels", pixels)?;
    let vec = width::<E>(channels, [xs.place().1, d_ys.place().1]);
    let grid = Grid::sums(pixels, channels, vec).depth(conv.kh);
    let len = taps * grid.row_blocks() * channels;
    let (partial, mut gradient) = scratch.get::<f32>(device, len + taps * channels)?.split_at(len);
    run(device, kernels::<E>(conv, vec), NAME, grid, args![xs, d_ys, &partial, shape])?;
    sums::finish(device, partial.view(), grid.row_blocks(), channels, gradient.reborrow())?;
    transpose(device, conv, [taps, channels], gradient.view(), &d_weight)
}
