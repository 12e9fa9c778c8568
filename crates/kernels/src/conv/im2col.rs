//! The general route: the windows of some output rows are copied into the rows of a matrix ("columns"), one group of channels at a
//! time, and multiplied with the weights.

use super::prepared::Scratch;
use super::{Conv2d, Operands};
use crate::gemm::{Mat, MatMut, product};
use crate::par::{Unit, for_each_unit, units};
use crate::real::Real;

/// Elements of columns made at once.
const UNIT_ELEMENTS: usize = 64 << 10;

/// Sizes of one group's matrices.
struct Shape {
    /// Input channels of a group.
    c_in: usize,
    /// Output channels of a group.
    c_out: usize,
    /// Elements of a window: (row, column, input channel).
    depth: usize,
    /// Columns of one output row, for [`units`].
    row_len: usize,
}

impl Shape {
    fn of(conv: &Conv2d) -> Self {
        let (c_in, c_out) = (conv.c_in / conv.groups, conv.c_out / conv.groups);
        let depth = conv.kh * conv.kw * c_in;
        Self { c_in, c_out, depth, row_len: conv.out_w() * depth }
    }
}

/// For every cell of every window of `unit` that lies inside its image: the index of its first channel in `columns` and in the images
/// that start with the unit's first one.
fn for_each_cell(conv: &Conv2d, unit: &Unit, channels: usize, mut visit: impl FnMut(usize, usize)) {
    let out_w = conv.out_w();
    for image in 0..unit.images.len() {
        for (row, out_y) in unit.rows.clone().enumerate() {
            for out_x in 0..out_w {
                let window = ((image * unit.rows.len() + row) * out_w + out_x) * conv.kh * conv.kw;
                for ky in 0..conv.kh {
                    let Some(y) = (out_y * conv.stride.0 + ky).checked_sub(conv.pad.top).filter(|&y| y < conv.h) else {
                        continue;
                    };
                    for kx in 0..conv.kw {
                        let Some(x) = (out_x * conv.stride.1 + kx).checked_sub(conv.pad.left).filter(|&x| x < conv.w)
                        else {
                            continue;
                        };
                        visit((window + ky * conv.kw + kx) * channels, ((image * conv.h + y) * conv.w + x) * conv.c_in);
                    }
                }
            }
        }
    }
}

/// The windows of `unit` in group `group`: (pixel, depth).
fn fill_columns<T: Real>(conv: &Conv2d, unit: &Unit, group: usize, xs: &[T], columns: &mut Vec<T>) {
    let shape = Shape::of(conv);
    columns.clear();
    columns.resize(unit.row_count() * shape.row_len, T::ZERO);
    let xs = &xs[unit.images.start * conv.h * conv.w * conv.c_in + group * shape.c_in..];
    for_each_cell(conv, unit, shape.c_in, |column, cell| {
        for (column, &x) in columns[column..][..shape.c_in].iter_mut().zip(&xs[cell..]) {
            *column = conv.operands.round(x);
        }
    });
}

/// Weights as (group, depth, output channel).
pub(super) fn pack<T: Real>(conv: &Conv2d, weight: &[T]) -> Vec<T> {
    let shape = Shape::of(conv);
    let taps = conv.kh * conv.kw;
    let mut packed = vec![T::ZERO; weight.len()];
    for (group, packed) in packed.chunks_exact_mut(shape.depth * shape.c_out).enumerate() {
        for (i, packed) in packed.iter_mut().enumerate() {
            let (depth, c_out) = (i / shape.c_out, i % shape.c_out);
            let (tap, c_in) = (depth / shape.c_in, depth % shape.c_in);
            *packed = conv.operands.round(weight[((group * shape.c_out + c_out) * shape.c_in + c_in) * taps + tap]);
        }
    }
    packed
}

/// The output gradient of `unit`, rounded into `rounded` where the operands are.
fn gradients<'a, T: Real>(conv: &Conv2d, unit: &Unit, d_ys: &'a [T], rounded: &'a mut Vec<T>) -> &'a [T] {
    let row_len = conv.out_w() * conv.c_out;
    let d_ys = &d_ys[(unit.images.start * conv.out_h() + unit.rows.start) * row_len..][..unit.row_count() * row_len];
    match conv.operands {
        Operands::Exact => d_ys,
        Operands::Bf16 => {
            rounded.clear();
            rounded.extend(d_ys.iter().map(|d_y| d_y.round_bf16()));
            rounded
        }
    }
}

/// `ys` from `xs` and packed weights.
pub(super) fn forward<T: Real>(conv: &Conv2d, xs: &[T], packed: &[T], ys: &mut [T], scratch: &mut Scratch<T>) {
    let shape = Shape::of(conv);
    let columns = &mut scratch.xs;
    let units = units(conv.n, conv.out_h(), shape.row_len, UNIT_ELEMENTS);
    for_each_unit(&units, conv.out_w() * conv.c_out, ys, |unit, ys| {
        let pixels = ys.len() / conv.c_out;
        for (group, weights) in packed.chunks_exact(shape.depth * shape.c_out).enumerate() {
            fill_columns(conv, unit, group, xs, columns);
            product(
                (pixels, shape.c_out, shape.depth),
                MatMut { data: &mut ys[group * shape.c_out..], rs: conv.c_out, cs: 1 },
                false,
                Mat { data: columns, rs: shape.depth, cs: 1 },
                Mat { data: weights, rs: shape.c_out, cs: 1 },
            );
        }
    });
}

/// `d_xs` from `d_ys` and packed weights.
pub(super) fn backward_data<T: Real>(
    conv: &Conv2d,
    d_ys: &[T],
    packed: &[T],
    d_xs: &mut [T],
    scratch: &mut Scratch<T>,
) {
    let shape = Shape::of(conv);
    let Scratch { xs: columns, d_ys: rounded, .. } = scratch;
    let bands = units(1, conv.out_h(), shape.row_len, UNIT_ELEMENTS);
    for (image, d_xs) in d_xs.chunks_exact_mut(conv.h * conv.w * conv.c_in).enumerate() {
        d_xs.fill(T::ZERO);
        for band in &bands {
            let unit = Unit { images: image..image + 1, rows: band.rows.clone() };
            let d_ys = gradients(conv, &unit, d_ys, rounded);
            columns.resize(unit.row_count() * shape.row_len, T::ZERO);
            for (group, weights) in packed.chunks_exact(shape.depth * shape.c_out).enumerate() {
                product(
                    (d_ys.len() / conv.c_out, shape.depth, shape.c_out),
                    MatMut { data: columns, rs: shape.depth, cs: 1 },
                    false,
                    Mat { data: &d_ys[group * shape.c_out..], rs: conv.c_out, cs: 1 },
                    Mat { data: weights, rs: 1, cs: shape.c_out },
                );
                let d_xs = &mut d_xs[group * shape.c_in..];
                for_each_cell(conv, &unit, shape.c_in, |column, cell| {
                    for (d_x, &column) in d_xs[cell..].iter_mut().zip(&columns[column..][..shape.c_in]) {
                        *d_x += column;
                    }
                });
            }
        }
    }
}

/// Length of the sums: (group, depth, output channel).
pub(super) fn partial_len(conv: &Conv2d) -> usize {
    conv.weight_len()
}

/// Adds the gradient from `xs` and `d_ys` to `partial`.
pub(super) fn backward_weight<T: Real>(
    conv: &Conv2d,
    xs: &[T],
    d_ys: &[T],
    partial: &mut [T],
    scratch: &mut Scratch<T>,
) {
    let shape = Shape::of(conv);
    let units = units(conv.n, conv.out_h(), shape.row_len, UNIT_ELEMENTS);
    let group_len = shape.depth * shape.c_out;
    let Scratch { xs: columns, d_ys: rounded, .. } = scratch;
    for unit in &units {
        let d_ys = gradients(conv, unit, d_ys, rounded);
        for (group, partial) in partial.chunks_exact_mut(group_len).enumerate() {
            fill_columns(conv, unit, group, xs, columns);
            product(
                (shape.depth, shape.c_out, d_ys.len() / conv.c_out),
                MatMut { data: partial, rs: shape.c_out, cs: 1 },
                true,
                Mat { data: columns, rs: 1, cs: shape.depth },
                Mat { data: &d_ys[group * shape.c_out..], rs: conv.c_out, cs: 1 },
            );
        }
    }
}

/// The gradient in its own order, from the sums.
pub(super) fn finish<T: Real>(conv: &Conv2d, sums: &[T], d_weight: &mut [T]) {
    let shape = Shape::of(conv);
    let group_len = shape.depth * shape.c_out;
    let taps = conv.kh * conv.kw;
    for (row, d_weight) in d_weight.chunks_exact_mut(taps).enumerate() {
        let (c_out, c_in) = (row / shape.c_in, row % shape.c_in);
        let (group, c_out) = (c_out / shape.c_out, c_out % shape.c_out);
        for (tap, d_weight) in d_weight.iter_mut().enumerate() {
            *d_weight = sums[group * group_len + (tap * shape.c_in + c_in) * shape.c_out + c_out];
        }
    }
}
