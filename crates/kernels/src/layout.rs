//! Moving elements: NCHW to NHWC and back, the parameter-free shortcut of residual networks, joining and splitting channels.

use rayon::prelude::*;

use crate::real::Real;

/// Rows of a matrix copied by one task.
const ROWS: usize = 1024;

/// `ys` (n, hw, c) from `xs` (n, c, hw).
pub fn nchw_to_nhwc<T: Real>(n: usize, c: usize, hw: usize, xs: &[T], ys: &mut [T]) {
    assert!(xs.len() == n * c * hw && ys.len() == xs.len(), "{n} images of {c} channels and {hw} pixels");
    transpose_images(c, hw, xs, ys);
}

/// `ys` (n, c, hw) from `xs` (n, hw, c).
pub fn nhwc_to_nchw<T: Real>(n: usize, c: usize, hw: usize, xs: &[T], ys: &mut [T]) {
    assert!(xs.len() == n * c * hw && ys.len() == xs.len(), "{n} images of {c} channels and {hw} pixels");
    transpose_images(hw, c, xs, ys);
}

/// Transposes every (rows, columns) matrix.
fn transpose_images<T: Real>(rows: usize, columns: usize, xs: &[T], ys: &mut [T]) {
    let len = (rows * columns).max(1);
    ys.par_chunks_mut(len).zip(xs.par_chunks(len)).for_each(|(ys, xs)| {
        for (column, ys) in ys.chunks_exact_mut(rows).enumerate() {
            for (y, xs) in ys.iter_mut().zip(xs.chunks_exact(columns)) {
                *y = xs[column];
            }
        }
    });
}

/// Every `stride`-th pixel in both directions from pixel `offset` on, where those beyond the image are zeros, and zero channels after the
/// first `c_in`: the parameter-free shortcut of residual networks (He et al. 2015, option A), and NASNet's factorised reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubsamplePad {
    /// Images.
    pub n: usize,
    /// Height of the input.
    pub h: usize,
    /// Width of the input.
    pub w: usize,
    /// Channels of the input.
    pub c_in: usize,
    /// Channels of the output, at least `c_in`.
    pub c_out: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Row and column of the first pixel.
    pub offset: usize,
}

impl SubsamplePad {
    /// Height of the output.
    pub fn out_h(&self) -> usize {
        self.h.div_ceil(self.stride)
    }

    /// Width of the output.
    pub fn out_w(&self) -> usize {
        self.w.div_ceil(self.stride)
    }

    fn check(&self, x_len: usize, y_len: usize) {
        assert!(
            self.c_in > 0 && self.c_in <= self.c_out && self.stride > 0,
            "shortcut with fewer channels than its input: {self:?}"
        );
        assert!(
            x_len == self.n * self.h * self.w * self.c_in && y_len == self.n * self.out_h() * self.out_w() * self.c_out,
            "lengths of input {x_len} and output {y_len} do not fit {self:?}"
        );
    }

    /// First element of the input pixel that an output pixel of the same image takes; `None` beyond the image.
    fn source(&self, pixel: usize) -> Option<usize> {
        let at = |i: usize| i * self.stride + self.offset;
        let (y, x) = (at(pixel / self.out_w()), at(pixel % self.out_w()));
        (y < self.h && x < self.w).then_some((y * self.w + x) * self.c_in)
    }
}

/// `ys` (n, out_h, out_w, c_out) from `xs` (n, h, w, c_in).
pub fn subsample_pad_forward<T: Real>(shape: &SubsamplePad, xs: &[T], ys: &mut [T]) {
    shape.check(xs.len(), ys.len());
    let out_image = shape.out_h() * shape.out_w() * shape.c_out;
    let in_image = shape.h * shape.w * shape.c_in;
    ys.par_chunks_mut(out_image.max(1)).zip(xs.par_chunks(in_image.max(1))).for_each(|(ys, xs)| {
        for (pixel, ys) in ys.chunks_exact_mut(shape.c_out).enumerate() {
            let Some(source) = shape.source(pixel) else {
                ys.fill(T::ZERO);
                continue;
            };
            let (copied, zeros) = ys.split_at_mut(shape.c_in);
            copied.copy_from_slice(&xs[source..][..shape.c_in]);
            zeros.fill(T::ZERO);
        }
    });
}

/// Gradient of [`subsample_pad_forward`]. `d_xs` is overwritten.
pub fn subsample_pad_backward<T: Real>(shape: &SubsamplePad, d_ys: &[T], d_xs: &mut [T]) {
    shape.check(d_xs.len(), d_ys.len());
    let out_image = shape.out_h() * shape.out_w() * shape.c_out;
    let in_image = shape.h * shape.w * shape.c_in;
    d_xs.par_chunks_mut(in_image.max(1)).zip(d_ys.par_chunks(out_image.max(1))).for_each(|(d_xs, d_ys)| {
        d_xs.fill(T::ZERO);
        for (pixel, d_ys) in d_ys.chunks_exact(shape.c_out).enumerate() {
            if let Some(source) = shape.source(pixel) {
                d_xs[source..][..shape.c_in].copy_from_slice(&d_ys[..shape.c_in]);
            }
        }
    });
}

/// `ys` (rows, c_a + c_b): in every row first `a` (rows, c_a), then `b` (rows, c_b).
pub fn concat_channels<T: Real>(rows: usize, a: &[T], c_a: usize, b: &[T], c_b: usize, ys: &mut [T]) {
    assert!(c_a > 0 && c_b > 0, "joining no channels: {c_a} and {c_b}");
    assert!(
        a.len() == rows * c_a && b.len() == rows * c_b && ys.len() == rows * (c_a + c_b),
        "joining {c_a} and {c_b} channels of {rows} rows"
    );
    ys.par_chunks_mut(ROWS * (c_a + c_b)).zip(a.par_chunks(ROWS * c_a)).zip(b.par_chunks(ROWS * c_b)).for_each(
        |((ys, a), b)| {
            for ((y, a), b) in ys.chunks_exact_mut(c_a + c_b).zip(a.chunks_exact(c_a)).zip(b.chunks_exact(c_b)) {
                y[..c_a].copy_from_slice(a);
                y[c_a..].copy_from_slice(b);
            }
        },
    );
}

/// The reverse, and the gradient, of [`concat_channels`]: `a` and `b` are overwritten with their parts of `ys`.
pub fn split_channels<T: Real>(rows: usize, ys: &[T], a: &mut [T], c_a: usize, b: &mut [T], c_b: usize) {
    assert!(c_a > 0 && c_b > 0, "splitting no channels: {c_a} and {c_b}");
    assert!(
        a.len() == rows * c_a && b.len() == rows * c_b && ys.len() == rows * (c_a + c_b),
        "splitting {c_a} and {c_b} channels of {rows} rows"
    );
    ys.par_chunks(ROWS * (c_a + c_b)).zip(a.par_chunks_mut(ROWS * c_a)).zip(b.par_chunks_mut(ROWS * c_b)).for_each(
        |((ys, a), b)| {
            for ((y, a), b) in ys.chunks_exact(c_a + c_b).zip(a.chunks_exact_mut(c_a)).zip(b.chunks_exact_mut(c_b)) {
                a.copy_from_slice(&y[..c_a]);
                b.copy_from_slice(&y[c_a..]);
            }
        },
    );
}
