//! Depthwise convolution: one filter a channel, vectors over channels, on a padded copy whose channels fill whole vectors.

use super::Conv2d;
use super::padded::PaddedCopy;
use super::prepared::Scratch;
use super::tile::{Acc, NARROW, Offsets, ROWS, blocks, fill_rows, lanewise, store};
use crate::par::{Unit, for_each_unit, units};
use crate::real::Real;
use crate::simd::{mul_add, simd_fn};

/// Elements of input that one task copies.
const UNIT_ELEMENTS: usize = 16 << 10;

/// The filters as (position, channel), the channels filled up with zeros to whole vectors; `flipped` in both directions for the
/// data gradient.
pub(super) fn pack<T: Real>(conv: &Conv2d, weight: &[T], flipped: bool) -> Vec<T> {
    let taps = conv.kh * conv.kw;
    let channels = conv.c_in.next_multiple_of(NARROW);
    let mut packed = vec![T::ZERO; taps * channels];
    for (tap, filters) in packed.chunks_exact_mut(channels).enumerate() {
        let tap = if flipped { taps - 1 - tap } else { tap };
        for (packed, weight) in filters.iter_mut().zip(weight.chunks_exact(taps)) {
            *packed = conv.operands.round(weight[tap]);
        }
    }
    packed
}

/// The padded input of one task and where its windows and their cells lie in it, first channel each.
struct Windows<'a, T> {
    xs: &'a [T],
    /// First cell of the window of every output pixel.
    pixels: &'a [usize],
    /// Cells of a window, from its first one.
    taps: &'a [usize],
}

/// Fills the scratch's `xs`, `starts` (of pixels) and `offsets` (of taps) for [`Windows`].
fn copy_windows<T: Real>(conv: &Conv2d, unit: &Unit, xs: &[T], scratch: &mut Scratch<T>) {
    let channels = conv.c_in.next_multiple_of(NARROW);
    let copy = PaddedCopy::input(conv, unit, channels);
    copy.copy(unit, xs, &mut scratch.xs);
    let Scratch { offsets: taps, starts: pixels, .. } = scratch;
    taps.clear();
    taps.extend((0..conv.kh * conv.kw).map(|tap| tap / conv.kw * copy.row_step() + tap % conv.kw * channels));
    pixels.clear();
    for image in 0..unit.images.len() {
        for row in 0..unit.rows.len() {
            let first = image * copy.image_step() + row * conv.stride.0 * copy.row_step();
            pixels.extend((0..conv.out_w()).map(|x| first + x * conv.stride.1 * channels));
        }
    }
}

/// `ys` from `xs` and packed filters.
pub(super) fn forward<T: Real>(conv: &Conv2d, xs: &[T], packed: &[T], ys: &mut [T], scratch: &mut Scratch<T>) {
    let (c, channels) = (conv.c_in, conv.c_in.next_multiple_of(NARROW));
    let row_len = conv.out_w() * conv.stride.0 * conv.stride.1 * channels;
    let units = units(conv.n, conv.out_h(), row_len, UNIT_ELEMENTS);
    for_each_unit(&units, conv.out_w() * c, ys, |unit, ys| {
        copy_windows(conv, unit, xs, scratch);
        let windows = Windows { xs: &scratch.xs, pixels: &scratch.starts, taps: &scratch.offsets };
        for (first, lanes) in blocks::<T>(channels) {
            if lanes == 16 {
                forward_block::<T, 16>(c, &windows, packed, first, ys);
            } else {
                forward_block::<T, 8>(c, &windows, packed, first, ys);
            }
        }
    });
}

simd_fn! {
    /// One block of channels for all pixels of a task.
    fn forward_block<T: Real, const LANES: usize>(c: usize, windows: &Windows<'_, T>, packed: &[T], first: usize, ys: &mut [T]) {
        let channels = c.next_multiple_of(NARROW);
        let valid = LANES.min(c - first);
        let taps = Offsets::new(windows.taps);
        for (pixels, ys) in windows.pixels.chunks(ROWS).zip(ys.chunks_mut(ROWS * c)) {
            let start = fill_rows(pixels).map(|pixel| pixel + first);
            let mut acc: Acc<T, LANES> = [[T::ZERO; LANES]; ROWS];
            lanewise::<T, LANES, FMA>(&mut acc, windows.xs, start, &taps, &packed[first..], channels);
            for (sums, y) in acc.iter().zip(ys.chunks_exact_mut(c)) {
                store(sums, &mut y[first..first + valid]);
            }
        }
    }
}

/// `d_xs` where the stride is not 1: every output pixel adds to the inputs of its window.
pub(super) fn backward_data<T: Real>(conv: &Conv2d, d_ys: &[T], packed: &[T], d_xs: &mut [T]) {
    let c = conv.c_in;
    let images = d_xs.chunks_exact_mut(conv.h * conv.w * c).zip(d_ys.chunks_exact(conv.out_h() * conv.out_w() * c));
    for (d_xs, d_ys) in images {
        scatter(conv, d_ys, packed, d_xs);
    }
}

simd_fn! {
    fn scatter<T: Real>(conv: &Conv2d, d_ys: &[T], packed: &[T], d_xs: &mut [T]) {
        let c = conv.c_in;
        let channels = c.next_multiple_of(NARROW);
        d_xs.fill(T::ZERO);
        for (pixel, d_y) in d_ys.chunks_exact(c).enumerate() {
            let (y, x) = (pixel / conv.out_w() * conv.stride.0, pixel % conv.out_w() * conv.stride.1);
            for row in 0..conv.kh {
                let Some(y) = (y + row).checked_sub(conv.pad.top).filter(|&y| y < conv.h) else { continue };
                for column in 0..conv.kw {
                    let Some(x) = (x + column).checked_sub(conv.pad.left).filter(|&x| x < conv.w) else { continue };
                    let filter = &packed[(row * conv.kw + column) * channels..][..c];
                    for ((d_x, &d_y), &f) in d_xs[(y * conv.w + x) * c..][..c].iter_mut().zip(d_y).zip(filter) {
                        *d_x = mul_add::<T, FMA>(conv.operands.round(d_y), f, *d_x);
                    }
                }
            }
        }
    }
}

/// Length of the sums: (kernel position, channel), the channels filled up to whole vectors.
pub(super) fn partial_len(conv: &Conv2d) -> usize {
    conv.kh * conv.kw * conv.c_in.next_multiple_of(NARROW)
}

/// Adds the gradient from `xs` and `d_ys` to `partial`.
pub(super) fn backward_weight<T: Real>(
    conv: &Conv2d,
    xs: &[T],
    d_ys: &[T],
    partial: &mut [T],
    scratch: &mut Scratch<T>,
) {
    let channels = conv.c_in.next_multiple_of(NARROW);
    let row_len = conv.out_w() * (conv.stride.0 * conv.stride.1 + 1) * channels;
    let units = units(conv.n, conv.out_h(), row_len, UNIT_ELEMENTS);
    for unit in &units {
        copy_windows(conv, unit, xs, scratch);
        PaddedCopy::output(conv, unit, channels).copy(unit, d_ys, &mut scratch.d_ys);
        let windows = Windows { xs: &scratch.xs, pixels: &scratch.starts, taps: &scratch.offsets };
        for (first, lanes) in blocks::<T>(channels) {
            if lanes == 16 {
                weight_block::<T, 16>(channels, &windows, &scratch.d_ys, first, partial);
            } else {
                weight_block::<T, 8>(channels, &windows, &scratch.d_ys, first, partial);
            }
        }
    }
}

/// The gradient in its own order, from the sums.
pub(super) fn finish<T: Real>(conv: &Conv2d, sums: &[T], d_weight: &mut [T]) {
    let taps = conv.kh * conv.kw;
    let channels = conv.c_in.next_multiple_of(NARROW);
    for (channel, d_weight) in d_weight.chunks_exact_mut(taps).enumerate() {
        for (tap, d_weight) in d_weight.iter_mut().enumerate() {
            *d_weight = sums[tap * channels + channel];
        }
    }
}

simd_fn! {
    /// Adds a task's part for one block of channels to `partial` (position, channel).
    fn weight_block<T: Real, const LANES: usize>(channels: usize, windows: &Windows<'_, T>, d_ys: &[T], first: usize, partial: &mut [T]) {
        let pixels = Offsets::new(windows.pixels);
        for (taps, partial) in windows.taps.chunks(ROWS).zip(partial.chunks_mut(ROWS * channels)) {
            let start = fill_rows(taps).map(|tap| tap + first);
            let mut acc: Acc<T, LANES> = [[T::ZERO; LANES]; ROWS];
            lanewise::<T, LANES, FMA>(&mut acc, windows.xs, start, &pixels, &d_ys[first..], channels);
            for (sums, partial) in acc.iter().zip(partial.chunks_exact_mut(channels)) {
                for (total, &sum) in partial[first..first + LANES].iter_mut().zip(sums) {
                    *total += sum;
                }
            }
        }
    }
}
