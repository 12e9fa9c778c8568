//! Ungrouped convolution without columns: for a tile of pixels and a block of output channels, the sum over the kernel's rows of
//! contiguous runs of `kw * c_in` inputs against packed weights.

use super::ahead::{Ahead, input_end};
use super::lanes::Lanes;
use super::padded::PaddedCopy;
use super::prepared::Scratch;
use super::tile::{Elements, NARROW, Products, SHARING_ROWS, Vectors, blocks, call_with_tile, fill_rows, widest};
use super::{Conv2d, Operands, Pad};
use crate::par::{for_each_unit, units};
use crate::real::Real;
use crate::simd::simd_fn;
use crate::spare::Spare;

/// Elements of input that one task copies: with its output and a panel of weights it stays in the second-level cache.
const UNIT_ELEMENTS: usize = 16 << 10;

/// Steps of a pass: their weights, 36 KB at most, stay in the first-level cache while all tiles of a task use them.
const PASS_STEPS: usize = 288;

/// The fewest steps that are worth a segment of their own.
const SEGMENT_STEPS: usize = 32;

/// Weights packed for [`forward`]: blocks of output channels, in each the kernel's rows, columns and input channels, then the lanes,
/// zero where the last block is wider than the channels left.
pub(super) struct Panels<T>(Spare<T>);

impl<T: Real> Panels<T> {
    /// The weights of `conv` for its forward pass.
    pub(super) fn forward(conv: &Conv2d, weight: &[T]) -> Self {
        let taps = conv.kh * conv.kw;
        Self::pack(conv, conv.c_in, conv.c_out, |c_in, c_out, tap| weight[(c_out * conv.c_in + c_in) * taps + tap])
    }

    /// The weights of `conv`, flipped and transposed, for its data gradient.
    pub(super) fn adjoint(conv: &Conv2d, weight: &[T]) -> Self {
        let taps = conv.kh * conv.kw;
        Self::pack(conv, conv.c_out, conv.c_in, |c_out, c_in, tap| {
            weight[(c_out * conv.c_in + c_in) * taps + taps - 1 - tap]
        })
    }

    /// Weights `weight(from, to, tap)` of a kernel of the size of `conv`'s, from `from` to `to` channels.
    pub(super) fn pack(conv: &Conv2d, from: usize, to: usize, weight: impl Fn(usize, usize, usize) -> T) -> Self {
        let taps = conv.kh * conv.kw;
        let depth = taps * from;
        let mut packed = Spare::new(depth * to.next_multiple_of(NARROW));
        for (first, lanes) in blocks(to, widest::<T>()) {
            let panel = &mut packed[first * depth..][..lanes * depth];
            if first + lanes > to {
                panel.fill(T::ZERO);
            }
            // Positions inside, since they lie next to each other in the weights.
            for c in 0..from {
                for tap in 0..taps {
                    for (lane, packed) in (first..to).zip(&mut panel[(tap * from + c) * lanes..][..lanes]) {
                        *packed = conv.operands.round(weight(c, lane, tap));
                    }
                }
            }
        }
        Self(packed)
    }
}

/// `ys` from `xs` and packed weights.
pub(super) fn forward<T: Real>(conv: &Conv2d, xs: &[T], panels: &Panels<T>, ys: &mut [T], scratch: &mut Scratch<T>) {
    let (out_h, out_w) = (conv.out_h(), conv.out_w());
    let units = units(conv.n, out_h, out_w * conv.stride.0 * conv.stride.1 * conv.c_in, UNIT_ELEMENTS);
    let as_is = conv.pad == Pad::default() && conv.operands == Operands::Exact;
    let Scratch { xs: padded, offsets, starts: segments, .. } = scratch;
    let mut following = units.iter().skip(1);
    for_each_unit(&units, out_w * conv.c_out, ys, |unit, ys| {
        let next = following.next().map_or(&[][..], |next| &xs[input_end(conv, unit)..input_end(conv, next)]);
        let copy = PaddedCopy::input(conv, unit, conv.c_in);
        let (xs, image_step, row_step) = if as_is {
            let first = (unit.images.start * conv.h + copy.first_row) * conv.w * conv.c_in;
            (&xs[first..], conv.h * conv.w * conv.c_in, conv.w * conv.c_in)
        } else {
            (copy.copy(unit, xs, padded), copy.image_step(), copy.row_step())
        };
        offsets.clear();
        for image in 0..unit.images.len() {
            for row in 0..unit.rows.len() {
                let first = image * image_step + row * conv.stride.0 * row_step;
                offsets.extend((0..out_w).map(|x| first + x * conv.stride.1 * conv.c_in));
            }
        }
        segments.clear();
        let run_len = conv.kw * conv.c_in;
        let segment_len = segment_len(run_len);
        segments
            .extend((0..conv.kh).flat_map(|row| (0..run_len).step_by(segment_len).map(move |i| row * row_step + i)));
        let run = Run {
            xs,
            next,
            offsets,
            segments,
            len: segment_len,
            c_in: conv.c_in,
            c_out: conv.c_out,
            shares: conv.stride.1 == 1 && conv.kw == 3 && segment_len == run_len,
        };
        let depth = conv.kh * run_len;
        for (first, lanes) in blocks(conv.c_out, widest::<T>()) {
            let panel = &panels.0[first * depth..][..lanes * depth];
            call_with_tile!(T, lanes, (8, 2), block(&run, panel, first, ys));
        }
    });
}

/// Whether the windows at `offsets` are as many as a sharing tile has rows and lie `pixel` elements apart.
fn is_row(offsets: &[usize], pixel: usize) -> bool {
    offsets.len() == SHARING_ROWS && offsets[SHARING_ROWS - 1] - offsets[0] == (SHARING_ROWS - 1) * pixel
}

/// The largest part of `run` that is a part of a pass too, so that all are equally long; `run` itself where that would be tiny.
fn segment_len(run: usize) -> usize {
    (run.div_ceil(PASS_STEPS)..=run / SEGMENT_STEPS)
        .find(|parts| run.is_multiple_of(*parts))
        .map_or(run, |parts| run / parts)
}

/// The pixels of one task.
struct Run<'a, T> {
    xs: &'a [T],
    /// What the next task reads.
    next: &'a [T],
    /// Where the window of each output pixel starts in `xs`.
    offsets: &'a [usize],
    /// Where the segments of a window start, contiguous inputs, from the first one.
    segments: &'a [usize],
    /// Length of a segment.
    len: usize,
    c_in: usize,
    c_out: usize,
    /// Whether a segment is three pixels, of which the next window has two.
    shares: bool,
}

simd_fn! {
    /// One block of output channels for all pixels of a task.
    fn block<L: Lanes, const ROWS: usize, const VECTORS: usize, const SPLIT: usize>(
        run: &Run<'_, L::Element>,
        panel: &[L::Element],
        first: usize,
        ys: &mut [L::Element],
    ) {
        let lanes = VECTORS * L::LEN;
        let valid = lanes.min(run.c_out - first);
        // Sums can be added to whole blocks only.
        let fits = valid < lanes || run.segments.len() * run.len <= PASS_STEPS;
        let pass = if fits { run.segments.len() } else { (PASS_STEPS / run.len).max(1) };
        let mut next = if first == 0 { run.next } else { Default::default() };
        for (segments, panel) in run.segments.chunks(pass).zip(panel.chunks(pass * run.len * lanes)) {
            let elements = Elements { data: run.xs, segments, step: 1 };
            let vectors = Vectors { data: panel, segment: run.len * lanes, step: lanes };
            let products = Products::<L>::new(elements, vectors, run.len);
            let mut ahead = Ahead::new(std::mem::take(&mut next), run.offsets.len().div_ceil(ROWS));
            let is_first = segments[0] == 0;
            // Rows of one register each take a load a product otherwise.
            let shares = run.shares && ROWS == SHARING_ROWS && VECTORS == 1;
            let columns = Products::<L>::new(elements, vectors, run.c_in);
            for (offsets, ys) in run.offsets.chunks(ROWS).zip(ys.chunks_mut(ROWS * run.c_out)) {
                ahead.fetch();
                if shares && is_row(offsets, run.c_in) {
                    let sums = columns.sum_columns::<FMA>(offsets[0], run.c_in, run.c_in * lanes);
                    if is_first {
                        products.store(&sums, ys, (first, run.c_out), valid);
                    } else {
                        products.add(&sums, ys, (first, run.c_out));
                    }
                    continue;
                }
                let sums = products.sum::<FMA, ROWS, VECTORS, SPLIT>(fill_rows(offsets));
                if is_first {
                    products.store(&sums, ys, (first, run.c_out), valid);
                } else {
                    products.add(&sums, ys, (first, run.c_out));
                }
            }
        }
    }
}
