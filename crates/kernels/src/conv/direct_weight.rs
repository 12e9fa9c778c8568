//! Weight gradient of an ungrouped convolution: for a tile of weights (kernel position and input channel) and a block of output
//! channels, the sum over pixels of input against output gradient.

use super::Conv2d;
use super::padded::PaddedCopy;
use super::prepared::Scratch;
use super::tile::{Acc, NARROW, ROWS, Rows, blocks, broadcast, fill_rows, store};
use crate::par::{Unit, units};
use crate::real::Real;
use crate::simd::simd_fn;

/// Elements of input and output gradient that are worked on together: both stay in the first-level cache.
const UNIT_ELEMENTS: usize = 6 << 10;

/// Pixels worked on together at least, so that the sums are not read and written too often.
const UNIT_PIXELS: usize = 64;

/// Length of the sums: (kernel position, input channel, output channel), the last filled up to whole vectors.
pub(super) fn partial_len(conv: &Conv2d) -> usize {
    conv.kh * conv.kw * conv.c_in * conv.c_out.next_multiple_of(NARROW)
}

/// Adds the gradient from `xs` and `d_ys` to `partial`.
pub(super) fn backward_weight<T: Real>(
    conv: &Conv2d,
    xs: &[T],
    d_ys: &[T],
    partial: &mut [T],
    scratch: &mut Scratch<T>,
) {
    let (out_h, out_w) = (conv.out_h(), conv.out_w());
    let channels = conv.c_out.next_multiple_of(NARROW);
    let pixel_len = conv.stride.0 * conv.stride.1 * conv.c_in + channels;
    let units = units(conv.n, out_h, out_w * pixel_len, UNIT_ELEMENTS.max(UNIT_PIXELS * pixel_len));
    for unit in &units {
        accumulate_unit(conv, unit, xs, d_ys, channels, partial, scratch);
    }
}

/// The gradient in its own order, from the sums.
pub(super) fn finish<T: Real>(conv: &Conv2d, sums: &[T], d_weight: &mut [T]) {
    let channels = conv.c_out.next_multiple_of(NARROW);
    let taps = conv.kh * conv.kw;
    let depth = taps * conv.c_in;
    for (c_out, d_weight) in d_weight.chunks_exact_mut(depth).enumerate() {
        for (c_in, d_weight) in d_weight.chunks_exact_mut(taps).enumerate() {
            for (tap, d_weight) in d_weight.iter_mut().enumerate() {
                *d_weight = sums[(tap * conv.c_in + c_in) * channels + c_out];
            }
        }
    }
}

fn accumulate_unit<T: Real>(
    conv: &Conv2d,
    unit: &Unit,
    xs: &[T],
    d_ys: &[T],
    channels: usize,
    partial: &mut [T],
    scratch: &mut Scratch<T>,
) {
    let Scratch { xs: padded, d_ys: gradients, offsets, starts, .. } = scratch;
    let input = PaddedCopy::input(conv, unit, conv.c_in);
    input.copy(unit, xs, padded);
    PaddedCopy::output(conv, unit, channels).copy(unit, d_ys, gradients);
    let row_step = input.row_step();
    offsets.clear();
    offsets.extend((0..conv.kh).flat_map(|row| (0..conv.kw * conv.c_in).map(move |column| row * row_step + column)));
    starts.clear();
    starts.extend(
        (0..unit.images.len())
            .flat_map(|image| (0..unit.rows.len()).map(move |row| (image, row)))
            .map(|(image, row)| image * input.image_step() + row * conv.stride.0 * row_step),
    );
    let run = Run { xs: padded, d_ys: gradients, starts, step: conv.stride.1 * conv.c_in, channels, offsets };
    for (first, lanes) in blocks::<T>(channels) {
        if lanes == 16 {
            block::<T, 16>(&run, first, partial);
        } else {
            block::<T, 8>(&run, first, partial);
        }
    }
}

/// The rows of one unit.
struct Run<'a, T> {
    xs: &'a [T],
    d_ys: &'a [T],
    /// Where the window of the first pixel of each output row starts in `xs`.
    starts: &'a [usize],
    /// From the window of one pixel to the next.
    step: usize,
    /// Channels of `d_ys`, padded.
    channels: usize,
    /// Where each weight's input lies in a window.
    offsets: &'a [usize],
}

simd_fn! {
    /// Adds the unit's part for one block of output channels to `partial` (weights, channels).
    fn block<T: Real, const LANES: usize>(run: &Run<'_, T>, first: usize, partial: &mut [T]) {
        let row_len = run.d_ys.len() / run.starts.len();
        let out_w = row_len / run.channels;
        for (offsets, partial) in run.offsets.chunks(ROWS).zip(partial.chunks_mut(ROWS * run.channels)) {
            let tile = fill_rows(offsets);
            let mut acc: Acc<T, LANES> = [[T::ZERO; LANES]; ROWS];
            for (&start, d_ys) in run.starts.iter().zip(run.d_ys.chunks_exact(row_len)) {
                let a = Rows { data: run.xs, start: tile.map(|offset| offset + start), step: run.step };
                broadcast::<T, LANES, FMA>(&mut acc, a, &d_ys[first..], run.channels, out_w);
            }
            for (sums, partial) in acc.iter_mut().zip(partial.chunks_exact_mut(run.channels)) {
                let partial = &mut partial[first..first + LANES];
                for (sum, &before) in sums.iter_mut().zip(&*partial) {
                    *sum += before;
                }
                store(sums, partial);
            }
        }
    }
}
