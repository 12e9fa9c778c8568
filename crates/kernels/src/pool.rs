//! Maximum, average and global average pooling on NHWC images, any kernel, stride and padding.

use rayon::prelude::*;

use crate::conv::{Pad, positions};
use crate::real::Real;
use crate::simd::simd_fn;

/// Shape of a pooling layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// Images.
    pub n: usize,
    /// Height of the input.
    pub h: usize,
    /// Width of the input.
    pub w: usize,
    /// Channels.
    pub c: usize,
    /// Height of the window.
    pub kh: usize,
    /// Width of the window.
    pub kw: usize,
    /// Steps (vertical, horizontal).
    pub stride: (usize, usize),
    /// Cells around the image: minus infinity for the maximum, 0 for the average.
    pub pad: Pad,
    /// Average pooling divides by `kh * kw` where true, by the number of cells inside the image where false.
    pub count_padding: bool,
}

/// `argmax` of a window that holds no cell of the image.
const NO_CELL: u32 = u32::MAX;

impl Pool2d {
    /// Height of the output.
    pub fn out_h(&self) -> usize {
        positions(self.h, self.pad.top, self.pad.bottom, self.kh, self.stride.0)
    }

    /// Width of the output.
    pub fn out_w(&self) -> usize {
        positions(self.w, self.pad.left, self.pad.right, self.kw, self.stride.1)
    }

    /// Elements of the input.
    pub fn in_len(&self) -> usize {
        self.n * self.h * self.w * self.c
    }

    /// Elements of the output.
    pub fn out_len(&self) -> usize {
        self.n * self.out_h() * self.out_w() * self.c
    }

    fn check(&self, x_len: usize, y_len: usize) {
        assert!(
            self.stride.0 > 0 && self.stride.1 > 0 && self.kh > 0 && self.kw > 0 && self.c > 0,
            "pooling with an empty window: {self:?}"
        );
        assert!(self.h * self.w < NO_CELL as usize, "image too large for pooling: {self:?}");
        assert!(
            x_len == self.in_len() && y_len == self.out_len(),
            "lengths of input {x_len} and output {y_len} do not fit {self:?}"
        );
    }

    /// The cells of the image under the window of an output pixel, as rows and columns.
    #[inline(always)]
    fn window(&self, pixel: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let (y, x) = (pixel / self.out_w() * self.stride.0, pixel % self.out_w() * self.stride.1);
        let rows = y.saturating_sub(self.pad.top)..(y + self.kh).saturating_sub(self.pad.top).min(self.h);
        let columns = x.saturating_sub(self.pad.left)..(x + self.kw).saturating_sub(self.pad.left).min(self.w);
        (rows, columns)
    }

    /// The indices, within an image without its channels, of the cells under the window of an output pixel.
    #[inline(always)]
    fn cells(&self, pixel: usize) -> impl Iterator<Item = usize> {
        let (rows, columns) = self.window(pixel);
        let w = self.w;
        rows.flat_map(move |y| columns.clone().map(move |x| y * w + x))
    }

    /// What average pooling divides the sum of a window by, as a factor.
    #[inline(always)]
    fn weight<T: Real>(&self, pixel: usize) -> T {
        let (rows, columns) = self.window(pixel);
        let count = if self.count_padding { self.kh * self.kw } else { (rows.len() * columns.len()).max(1) };
        T::ONE / T::from_f64(count as f64)
    }
}

/// Largest value of every window into `ys`, and into `argmax` the index (row * w + column) of its cell in the image: the first of equal
/// ones, and the first NaN where there is one. A window wholly in the padding gives minus infinity.
pub fn max_forward<T: Real>(pool: &Pool2d, xs: &[T], ys: &mut [T], argmax: &mut [u32]) {
    pool.check(xs.len(), ys.len());
    assert!(argmax.len() == ys.len(), "argmax has {} elements, the output {}", argmax.len(), ys.len());
    if ys.is_empty() {
        return;
    }
    let out_image = ys.len() / pool.n;
    ys.par_chunks_mut(out_image)
        .zip(argmax.par_chunks_mut(out_image))
        .zip(xs.par_chunks(pool.h * pool.w * pool.c))
        .for_each(|((ys, argmax), xs)| max_image(pool, xs, ys, argmax));
}

simd_fn! {
    fn max_image<T: Real>(pool: &Pool2d, xs: &[T], ys: &mut [T], argmax: &mut [u32]) {
        let c = pool.c;
        for (pixel, (ys, argmax)) in ys.chunks_exact_mut(c).zip(argmax.chunks_exact_mut(c)).enumerate() {
            let mut cells = pool.cells(pixel);
            let Some(first) = cells.next() else {
                ys.fill(T::NEG_INFINITY);
                argmax.fill(NO_CELL);
                continue;
            };
            ys.copy_from_slice(&xs[first * c..][..c]);
            argmax.fill(first as u32);
            for cell in cells {
                for ((y, argmax), &x) in ys.iter_mut().zip(argmax.iter_mut()).zip(&xs[cell * c..][..c]) {
                    let take = x > *y || (Real::is_nan(x) && !Real::is_nan(*y));
                    *y = if take { x } else { *y };
                    *argmax = if take { cell as u32 } else { *argmax };
                }
            }
        }
    }
}

/// Gradient of [`max_forward`]: all of it goes to the cell that `argmax` names. `d_xs` is overwritten.
pub fn max_backward<T: Real>(pool: &Pool2d, argmax: &[u32], d_ys: &[T], d_xs: &mut [T]) {
    pool.check(d_xs.len(), d_ys.len());
    assert!(argmax.len() == d_ys.len(), "argmax has {} elements, the output {}", argmax.len(), d_ys.len());
    if d_ys.is_empty() {
        d_xs.fill(T::ZERO);
        return;
    }
    let c = pool.c;
    let out_image = d_ys.len() / pool.n;
    d_xs.par_chunks_mut(pool.h * pool.w * c)
        .zip(argmax.par_chunks(out_image))
        .zip(d_ys.par_chunks(out_image))
        .for_each(|((d_xs, argmax), d_ys)| {
            d_xs.fill(T::ZERO);
            for (argmax, d_ys) in argmax.chunks_exact(c).zip(d_ys.chunks_exact(c)) {
                for (channel, (&cell, &d_y)) in argmax.iter().zip(d_ys).enumerate() {
                    if cell != NO_CELL {
                        d_xs[cell as usize * c + channel] += d_y;
                    }
                }
            }
        });
}

/// Average of every window; see [`Pool2d::count_padding`]. A window wholly in the padding gives 0.
pub fn avg_forward<T: Real>(pool: &Pool2d, xs: &[T], ys: &mut [T]) {
    pool.check(xs.len(), ys.len());
    if ys.is_empty() {
        return;
    }
    let out_image = ys.len() / pool.n;
    ys.par_chunks_mut(out_image)
        .zip(xs.par_chunks(pool.h * pool.w * pool.c))
        .for_each(|(ys, xs)| avg_image(pool, xs, ys));
}

simd_fn! {
    fn avg_image<T: Real>(pool: &Pool2d, xs: &[T], ys: &mut [T]) {
        let c = pool.c;
        for (pixel, ys) in ys.chunks_exact_mut(c).enumerate() {
            ys.fill(T::ZERO);
            for cell in pool.cells(pixel) {
                for (y, &x) in ys.iter_mut().zip(&xs[cell * c..][..c]) {
                    *y += x;
                }
            }
            let weight = pool.weight::<T>(pixel);
            for y in ys.iter_mut() {
                *y *= weight;
            }
        }
    }
}

/// Gradient of [`avg_forward`]. `d_xs` is overwritten.
pub fn avg_backward<T: Real>(pool: &Pool2d, d_ys: &[T], d_xs: &mut [T]) {
    pool.check(d_xs.len(), d_ys.len());
    if d_ys.is_empty() {
        d_xs.fill(T::ZERO);
        return;
    }
    let out_image = d_ys.len() / pool.n;
    d_xs.par_chunks_mut(pool.h * pool.w * pool.c)
        .zip(d_ys.par_chunks(out_image))
        .for_each(|(d_xs, d_ys)| avg_image_backward(pool, d_ys, d_xs));
}

simd_fn! {
    fn avg_image_backward<T: Real>(pool: &Pool2d, d_ys: &[T], d_xs: &mut [T]) {
        let c = pool.c;
        d_xs.fill(T::ZERO);
        for (pixel, d_ys) in d_ys.chunks_exact(c).enumerate() {
            let weight = pool.weight::<T>(pixel);
            for cell in pool.cells(pixel) {
                for (d_x, &d_y) in d_xs[cell * c..][..c].iter_mut().zip(d_ys) {
                    *d_x += d_y * weight;
                }
            }
        }
    }
}

/// Mean over the `hw` pixels of each of `n` images: `ys` (n, c) from `xs` (n, hw, c).
pub fn global_avg_forward<T: Real>(n: usize, hw: usize, c: usize, xs: &[T], ys: &mut [T]) {
    assert!(
        xs.len() == n * hw * c && ys.len() == n * c && hw > 0,
        "global average of {n} images of {hw} pixels and {c} channels"
    );
    let weight = T::ONE / T::from_f64(hw as f64);
    ys.par_chunks_mut(c.max(1)).zip(xs.par_chunks((hw * c).max(1))).for_each(|(ys, xs)| mean_of_rows(xs, weight, ys));
}

simd_fn! {
    fn mean_of_rows<T: Real>(xs: &[T], weight: T, ys: &mut [T]) {
        ys.fill(T::ZERO);
        for xs in xs.chunks_exact(ys.len()) {
            for (y, &x) in ys.iter_mut().zip(xs) {
                *y += x;
            }
        }
        for y in ys.iter_mut() {
            *y *= weight;
        }
    }
}

/// Gradient of [`global_avg_forward`]: `d_xs` (n, hw, c) from `d_ys` (n, c). `d_xs` is overwritten.
pub fn global_avg_backward<T: Real>(n: usize, hw: usize, c: usize, d_ys: &[T], d_xs: &mut [T]) {
    assert!(
        d_xs.len() == n * hw * c && d_ys.len() == n * c && hw > 0,
        "global average of {n} images of {hw} pixels and {c} channels"
    );
    let weight = T::ONE / T::from_f64(hw as f64);
    d_xs.par_chunks_mut((hw * c).max(1)).zip(d_ys.par_chunks(c.max(1))).for_each(|(d_xs, d_ys)| {
        for d_xs in d_xs.chunks_exact_mut(c) {
            for (d_x, &d_y) in d_xs.iter_mut().zip(d_ys) {
                *d_x = d_y * weight;
            }
        }
    });
}
