//! Ungrouped convolution without columns: for a tile of pixels and a block of output channels, the sum over the kernel's rows of
//! contiguous runs of `kw * c_in` inputs against packed weights.

use super::padded::PaddedCopy;
use super::prepared::Scratch;
use super::tile::{Acc, ROWS, Rows, blocks, broadcast, fill_rows, store};
use super::{Conv2d, Pad};
use crate::par::{for_each_unit, units};
use crate::real::Real;
use crate::simd::simd_fn;

/// Elements of input that one task copies: with its output and a panel of weights it stays in the second-level cache.
const UNIT_ELEMENTS: usize = 16 << 10;

/// Weights packed for [`forward`]: blocks of output channels, in each the kernel's rows, columns and input channels, then the lanes,
/// zero where the last block is wider than the channels left.
pub(super) struct Panels<T> {
    data: Vec<T>,
}

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

    fn pack(conv: &Conv2d, from: usize, to: usize, weight: impl Fn(usize, usize, usize) -> T) -> Self {
        let mut data = Vec::with_capacity(conv.kh * conv.kw * from * to.next_multiple_of(16));
        for (first, lanes) in blocks::<T>(to) {
            for tap in 0..conv.kh * conv.kw {
                for c in 0..from {
                    data.extend(
                        (first..first + lanes)
                            .map(|lane| if lane < to { conv.operands.round(weight(c, lane, tap)) } else { T::ZERO }),
                    );
                }
            }
        }
        Self { data }
    }
}

/// `ys` from `xs` and packed weights.
pub(super) fn forward<T: Real>(conv: &Conv2d, xs: &[T], panels: &Panels<T>, ys: &mut [T], scratch: &mut Scratch<T>) {
    let (out_h, out_w) = (conv.out_h(), conv.out_w());
    let units = units(conv.n, out_h, out_w * conv.stride.0 * conv.stride.1 * conv.c_in, UNIT_ELEMENTS);
    let as_is = conv.pad == Pad::default() && conv.operands == super::Operands::Exact;
    let Scratch { xs: padded, offsets, .. } = scratch;
    for_each_unit(&units, out_w * conv.c_out, ys, |unit, ys| {
        let copy = PaddedCopy::input(conv, unit, conv.c_in);
        let (xs, image_step, row_step) = if as_is {
            let first = (unit.images.start * conv.h + copy.first_row) * conv.w * conv.c_in;
            (&xs[first..], conv.h * conv.w * conv.c_in, conv.w * conv.c_in)
        } else {
            copy.copy(unit, xs, padded);
            (&padded[..], copy.image_step(), copy.row_step())
        };
        offsets.clear();
        for image in 0..unit.images.len() {
            for row in 0..unit.rows.len() {
                let first = image * image_step + row * conv.stride.0 * row_step;
                offsets.extend((0..out_w).map(|x| first + x * conv.stride.1 * conv.c_in));
            }
        }
        let run = Run { xs, offsets, kh: conv.kh, row_step, run: conv.kw * conv.c_in, c_out: conv.c_out };
        let depth = conv.kh * conv.kw * conv.c_in;
        for (first, lanes) in blocks::<T>(conv.c_out) {
            let panel = &panels.data[first * depth..][..lanes * depth];
            if lanes == 16 {
                block::<T, 16>(&run, panel, first, ys);
            } else {
                block::<T, 8>(&run, panel, first, ys);
            }
        }
    });
}

/// The pixels of one task.
struct Run<'a, T> {
    xs: &'a [T],
    /// Where the window of each output pixel starts in `xs`.
    offsets: &'a [usize],
    kh: usize,
    row_step: usize,
    /// Contiguous inputs in one row of a window.
    run: usize,
    c_out: usize,
}

simd_fn! {
    /// One block of output channels for all pixels of a task.
    fn block<T: Real, const LANES: usize>(run: &Run<'_, T>, panel: &[T], first: usize, ys: &mut [T]) {
        let valid = LANES.min(run.c_out - first);
        for (offsets, ys) in run.offsets.chunks(ROWS).zip(ys.chunks_mut(ROWS * run.c_out)) {
            let start = fill_rows(offsets);
            let mut acc: Acc<T, LANES> = [[T::ZERO; LANES]; ROWS];
            for row in 0..run.kh {
                let a = Rows { data: run.xs, start: start.map(|start| start + row * run.row_step), step: 1 };
                broadcast::<T, LANES, FMA>(&mut acc, a, &panel[row * run.run * LANES..], LANES, run.run);
            }
            for (sums, y) in acc.iter().zip(ys.chunks_exact_mut(run.c_out)) {
                store(sums, &mut y[first..first + valid]);
            }
        }
    }
}
