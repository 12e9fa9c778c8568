//! Data gradient of an ungrouped convolution with a stride: the pixels of the input are sorted into phases, by the remainders of their
//! padded positions modulo the strides. Every phase is a convolution with stride 1 of the output's gradient with those positions of the
//! kernel that have the same remainders, flipped and transposed.

use super::direct::{self, Panels};
use super::prepared::Scratch;
use super::{Conv2d, Pad};
use crate::real::Real;

/// One direction of a phase: the pixels `first`, `first + stride`, ... of a row or column of the input.
struct Axis {
    first: usize,
    stride: usize,
    count: usize,
    /// The kernel's positions that belong to the phase: every `stride`th from `remainder` on.
    taps: usize,
    remainder: usize,
    /// Zeros around the gradient of the output.
    before: usize,
    after: usize,
}

impl Axis {
    /// The phase `remainder` of `len` pixels with `pad` zeros before them, under `out` windows of `k`; `None` where the first windows lie
    /// wholly in the zeros, so that the phase would have to leave them out.
    fn new(len: usize, pad: usize, out: usize, k: usize, stride: usize, remainder: usize) -> Option<Self> {
        let taps = k.saturating_sub(remainder).div_ceil(stride);
        // The pixel at the padded position q * stride + remainder lies under the windows q, q - 1, ..., q - taps + 1.
        let first_window = pad.saturating_sub(remainder).div_ceil(stride);
        let first = first_window * stride + remainder - pad;
        let count = len.saturating_sub(first).div_ceil(stride);
        let (before, after) = if taps == 0 || count == 0 {
            (0, 0)
        } else {
            let before = (taps - 1).checked_sub(first_window)?;
            // Where windows reach beyond the last pixel, the convolution has more results than the phase has pixels.
            (before, (count + taps - 1).saturating_sub(out + before))
        };
        Some(Self { first, stride, count, taps, remainder, before, after })
    }

    /// Whether any product belongs to the phase.
    fn is_empty(&self) -> bool {
        self.taps == 0 || self.count == 0
    }

    /// Where the `tap`th position of the flipped kernel is in the whole one.
    fn position(&self, tap: usize) -> usize {
        self.remainder + (self.taps - 1 - tap) * self.stride
    }
}

/// One phase with its weights.
pub(super) struct Phase<T> {
    rows: Axis,
    columns: Axis,
    /// The convolution of one image.
    conv: Conv2d,
    panels: Panels<T>,
}

/// The phases of `conv` that have any weights, or `None` where [`backward_data`] cannot compute its gradient.
pub(super) fn pack<T: Real>(conv: &Conv2d, weight: &[T]) -> Option<Vec<Phase<T>>> {
    let mut phases = Vec::new();
    for row in 0..conv.stride.0 {
        for column in 0..conv.stride.1 {
            let rows = Axis::new(conv.h, conv.pad.top, conv.out_h(), conv.kh, conv.stride.0, row)?;
            let columns = Axis::new(conv.w, conv.pad.left, conv.out_w(), conv.kw, conv.stride.1, column)?;
            if !rows.is_empty() && !columns.is_empty() {
                phases.push(Phase::pack(conv, rows, columns, weight));
            }
        }
    }
    Some(phases)
}

impl<T: Real> Phase<T> {
    fn pack(whole: &Conv2d, rows: Axis, columns: Axis, weight: &[T]) -> Self {
        let conv = Conv2d {
            n: 1,
            h: whole.out_h(),
            w: whole.out_w(),
            c_in: whole.c_out,
            c_out: whole.c_in,
            kh: rows.taps,
            kw: columns.taps,
            stride: (1, 1),
            pad: Pad { top: rows.before, bottom: rows.after, left: columns.before, right: columns.after },
            ..*whole
        };
        let panels = Panels::pack(&conv, conv.c_in, conv.c_out, |from, to, tap| {
            let (ky, kx) = (rows.position(tap / conv.kw), columns.position(tap % conv.kw));
            weight[((from * whole.c_in + to) * whole.kh + ky) * whole.kw + kx]
        });
        Self { rows, columns, conv, panels }
    }

    /// Writes the phase's pixels of one image, whose rows have `row_len` elements.
    fn scatter(&self, pixels: &[T], d_x: &mut [T], row_len: usize) {
        let c = self.conv.c_out;
        let lines = d_x.chunks_exact_mut(row_len).skip(self.rows.first).step_by(self.rows.stride);
        for (line, pixels) in lines.zip(pixels.chunks_exact(self.conv.out_w() * c)) {
            let line = line.chunks_exact_mut(c).skip(self.columns.first).step_by(self.columns.stride);
            for (d_x, pixel) in line.zip(pixels.chunks_exact(c)) {
                d_x.copy_from_slice(pixel);
            }
        }
    }
}

/// `d_xs` from `d_ys` and the phases.
pub(super) fn backward_data<T: Real>(
    conv: &Conv2d,
    d_ys: &[T],
    phases: &[Phase<T>],
    d_xs: &mut [T],
    scratch: &mut Scratch<T>,
) {
    if phases.len() < conv.stride.0 * conv.stride.1 {
        d_xs.fill(T::ZERO);
    }
    let row_len = conv.w * conv.c_in;
    let images = d_ys.chunks_exact(conv.out_h() * conv.out_w() * conv.c_out);
    // The convolutions leave this buffer alone.
    let mut pixels = std::mem::take(&mut scratch.d_ys);
    for (image, d_y) in images.enumerate() {
        let d_x = &mut d_xs[image * conv.h * row_len..][..conv.h * row_len];
        for phase in phases {
            pixels.resize(phase.conv.out_len(), T::ZERO);
            direct::forward(&phase.conv, d_y, &phase.panels, &mut pixels, scratch);
            phase.scatter(&pixels, d_x, row_len);
        }
    }
    scratch.d_ys = pixels;
}
