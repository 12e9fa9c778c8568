//! Depthwise convolution: one filter a channel, vectors over channels, on a padded copy whose channels fill whole vectors.
#![allow(unsafe_code, reason = "unchecked reads in the innermost loop; the largest indices are checked before it")]

use super::Conv2d;
use super::lanes::Lanes;
use super::padded::PaddedCopy;
use super::prepared::Scratch;
use super::tile::{NARROW, blocks, fill_rows};
use crate::par::{Unit, for_each_unit, units};
use crate::real::Real;
use crate::simd::{mul_add, simd_fn};

/// Elements of input that one task copies.
const UNIT_ELEMENTS: usize = 16 << 10;

/// Rows of a tile of sums: 6 rows of two AVX2 registers leave 4 of 16 for the factors.
const ROWS: usize = 6;

/// The sums of one tile.
type Acc<T, const LANES: usize> = [[T; LANES]; ROWS];

/// The most lanes of a tile. More would not help: every product reads a vector of its own.
fn widest<T: Real>() -> usize {
    if T::IS_F32 { 2 * NARROW } else { NARROW }
}

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

/// The windows of `unit` with a copy of its input, and the buffer for the output's gradient, all in `scratch`.
fn copy_windows<'a, T: Real>(
    conv: &Conv2d,
    unit: &Unit,
    xs: &[T],
    scratch: &'a mut Scratch<T>,
) -> (Windows<'a, T>, &'a mut Vec<T>) {
    let channels = conv.c_in.next_multiple_of(NARROW);
    let copy = PaddedCopy::input(conv, unit, channels);
    let Scratch { xs: copies, d_ys: gradients, offsets: taps, starts: pixels, .. } = scratch;
    let xs = copy.copy(unit, xs, copies);
    taps.clear();
    taps.extend((0..conv.kh * conv.kw).map(|tap| tap / conv.kw * copy.row_step() + tap % conv.kw * channels));
    pixels.clear();
    for image in 0..unit.images.len() {
        for row in 0..unit.rows.len() {
            let first = image * copy.image_step() + row * conv.stride.0 * copy.row_step();
            pixels.extend((0..conv.out_w()).map(|x| first + x * conv.stride.1 * channels));
        }
    }
    (Windows { xs, pixels, taps }, gradients)
}

/// `ys` from `xs` and packed filters.
pub(super) fn forward<T: Real>(conv: &Conv2d, xs: &[T], packed: &[T], ys: &mut [T], scratch: &mut Scratch<T>) {
    let (c, channels) = (conv.c_in, conv.c_in.next_multiple_of(NARROW));
    let row_len = conv.out_w() * conv.stride.0 * conv.stride.1 * channels;
    let units = units(conv.n, conv.out_h(), row_len, UNIT_ELEMENTS);
    for_each_unit(&units, conv.out_w() * c, ys, |unit, ys| {
        let (windows, _) = copy_windows(conv, unit, xs, scratch);
        for (first, lanes) in blocks(channels, widest::<T>()) {
            if lanes == 16 {
                forward_block::<T, 16>(c, &windows, packed, first, ys);
            } else {
                forward_block::<T, 8>(c, &windows, packed, first, ys);
            }
        }
    });
}

/// Offsets with the largest of them, found once.
struct Offsets<'a> {
    list: &'a [usize],
    max: usize,
}

impl<'a> Offsets<'a> {
    fn new(list: &'a [usize]) -> Self {
        Self { list, max: list.iter().fold(0, |max, &offset| max.max(offset)) }
    }
}

/// `acc[row][lane] += a[start[row] + offsets[i] + lane] * b[i * b_step + lane]`, summed over i: vectors against vectors.
#[inline(always)]
fn lanewise<T: Real, const LANES: usize, const FMA: bool>(
    acc: &mut Acc<T, LANES>,
    a: &[T],
    start: [usize; ROWS],
    offsets: &Offsets<'_>,
    b: &[T],
    b_step: usize,
) {
    let last = start.iter().fold(0, |max, &start| max.max(start)) + offsets.max;
    let steps = offsets.list.len().saturating_sub(1);
    assert!(last + LANES <= a.len() && steps * b_step + LANES <= b.len(), "tile outside its operands");
    let mut sums = *acc;
    for (i, offset) in offsets.list.iter().enumerate() {
        // SAFETY: i <= steps, and the assertion covers the vector of b at `steps`.
        let weights: [T; LANES] = unsafe { *b.as_ptr().add(i * b_step).cast() };
        for (sum, start) in sums.iter_mut().zip(start) {
            // SAFETY: start + offset is at most `last`, whose vector the assertion covers.
            let xs: [T; LANES] = unsafe { *a.as_ptr().add(start + offset).cast() };
            for ((sum, &x), &w) in sum.iter_mut().zip(&xs).zip(&weights) {
                *sum = mul_add::<T, FMA>(x, w, *sum);
            }
        }
    }
    *acc = sums;
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
                // SAFETY: arrays need no instructions.
                unsafe { sums.store(&mut y[first..first + valid]) };
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
        let (windows, gradients) = copy_windows(conv, unit, xs, scratch);
        let d_ys = PaddedCopy::output(conv, unit, channels).copy(unit, d_ys, gradients);
        for (first, lanes) in blocks(channels, widest::<T>()) {
            if lanes == 16 {
                weight_block::<T, 16>(channels, &windows, d_ys, first, partial);
            } else {
                weight_block::<T, 8>(channels, &windows, d_ys, first, partial);
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
