//! Weight gradient of an ungrouped convolution: for a tile of weights (kernel position and input channel) and a block of output
//! channels, the sum over pixels of input against output gradient.

use super::ahead::{Ahead, input_end, output_end};
use super::lanes::Lanes;
use super::padded::PaddedCopy;
use super::prepared::Scratch;
use super::tile::{Elements, NARROW, Products, Vectors, blocks, call_with_tile, widest};
use super::{Conv2d, Operands};
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
    for (i, unit) in units.iter().enumerate() {
        let next = units.get(i + 1).map(|next| {
            let inputs = &xs[input_end(conv, unit)..input_end(conv, next)];
            (inputs, &d_ys[output_end(conv, unit)..output_end(conv, next)])
        });
        accumulate_unit(conv, unit, (xs, d_ys), next.unwrap_or_default(), partial, scratch);
    }
}

/// The gradient in its own order, from the sums.
pub(super) fn finish<T: Real>(conv: &Conv2d, sums: &[T], d_weight: &mut [T]) {
    let channels = conv.c_out.next_multiple_of(NARROW);
    let taps = conv.kh * conv.kw;
    let depth = taps * conv.c_in;
    // A cache line of sums at a time, because those of one output channel lie far apart.
    for (block, d_weight) in d_weight.chunks_mut(2 * NARROW * depth).enumerate() {
        for c_in in 0..conv.c_in {
            for tap in 0..taps {
                let sums = &sums[(tap * conv.c_in + c_in) * channels + block * 2 * NARROW..];
                for (d_weight, &sum) in d_weight.chunks_exact_mut(depth).zip(sums) {
                    d_weight[c_in * taps + tap] = sum;
                }
            }
        }
    }
}

/// Adds the part of `unit`; `next` is what the next one reads of the input and of the output's gradient.
fn accumulate_unit<T: Real>(
    conv: &Conv2d,
    unit: &Unit,
    (xs, d_ys): (&[T], &[T]),
    next: (&[T], &[T]),
    partial: &mut [T],
    scratch: &mut Scratch<T>,
) {
    let channels = conv.c_out.next_multiple_of(NARROW);
    let Scratch { xs: padded, d_ys: gradients, starts, .. } = scratch;
    let input = PaddedCopy::input(conv, unit, conv.c_in);
    let xs = input.copy(unit, xs, padded);
    let d_ys = if channels == conv.c_out && conv.operands == Operands::Exact {
        let row_len = conv.out_w() * channels;
        &d_ys[(unit.images.start * conv.out_h() + unit.rows.start) * row_len..][..unit.row_count() * row_len]
    } else {
        PaddedCopy::output(conv, unit, channels).copy(unit, d_ys, gradients)
    };
    let row_step = input.row_step();
    starts.clear();
    starts.extend(
        (0..unit.images.len())
            .flat_map(|image| (0..unit.rows.len()).map(move |row| (image, row)))
            .map(|(image, row)| image * input.image_step() + row * conv.stride.0 * row_step),
    );
    let run = Run {
        xs,
        d_ys,
        next,
        starts,
        step: conv.stride.1 * conv.c_in,
        channels,
        out_w: conv.out_w(),
        run_len: conv.kw * conv.c_in,
        row_step,
    };
    for (first, lanes) in blocks(channels, widest::<T>()) {
        // The height that leaves fewer rows empty.
        if run.run_len.next_multiple_of(16) <= run.run_len.next_multiple_of(12) {
            call_with_tile!(T, lanes, (16, 1), block(&run, first, partial));
        } else {
            call_with_tile!(T, lanes, (12, 1), block(&run, first, partial));
        }
    }
}

/// The rows of one unit.
struct Run<'a, T> {
    xs: &'a [T],
    d_ys: &'a [T],
    next: (&'a [T], &'a [T]),
    /// Where the window of the first pixel of each output row starts in `xs`.
    starts: &'a [usize],
    /// From the window of one pixel to the next.
    step: usize,
    /// Channels of `d_ys`, padded.
    channels: usize,
    /// Pixels of an output row.
    out_w: usize,
    /// Contiguous inputs in one row of a window.
    run_len: usize,
    /// From one row of a window to the next.
    row_step: usize,
}

simd_fn! {
    /// Adds the unit's part for one block of output channels to `partial` (weights, channels).
    fn block<L: Lanes, const ROWS: usize, const VECTORS: usize, const SPLIT: usize>(
        run: &Run<'_, L::Element>,
        first: usize,
        partial: &mut [L::Element],
    ) {
        let elements = Elements { data: run.xs, segments: run.starts, step: run.step };
        let vectors = Vectors { data: &run.d_ys[first..], segment: run.out_w * run.channels, step: run.channels };
        let products = Products::<L>::new(elements, vectors, run.out_w);
        let tiles = partial.len() / (run.run_len * run.channels) * run.run_len.div_ceil(ROWS);
        let next = if first == 0 { run.next } else { Default::default() };
        let (mut inputs, mut gradients) = (Ahead::new(next.0, tiles), Ahead::new(next.1, tiles));
        for (row, partial) in partial.chunks_exact_mut(run.run_len * run.channels).enumerate() {
            for (tile, partial) in partial.chunks_mut(ROWS * run.channels).enumerate() {
                inputs.fetch();
                gradients.fetch();
                // The last tile of a run may have rows too many, which read whatever follows and are dropped.
                let start = row * run.row_step + tile * ROWS;
                let sums = products.sum_consecutive::<FMA, ROWS, VECTORS, SPLIT>(start);
                products.add(&sums, partial, (first, run.channels));
            }
        }
    }
}
