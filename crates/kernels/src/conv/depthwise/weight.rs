//! Weight gradient: for some taps at a time, the sum over the pixels of a row of input against output gradient.
#![allow(unsafe_code, reason = "vectors are read and written through pointers whose ends are checked for each row")]

use super::axis::Axis;
use super::{Conv2d, axes};
use crate::conv::lanes::Lanes;
use crate::conv::tile::{NARROW, call_with_lanes};
use crate::real::Real;
use crate::simd::simd_fn;

/// Length of the sums: (kernel position, channel), the channels filled up to whole vectors.
pub(in crate::conv) fn partial_len(conv: &Conv2d) -> usize {
    conv.kh * conv.kw * conv.c_in.next_multiple_of(NARROW)
}

/// Adds the gradient from `xs` and `d_ys` to `partial`.
pub(in crate::conv) fn backward_weight<T: Real>(conv: &Conv2d, xs: &[T], d_ys: &[T], partial: &mut [T]) {
    let [vertical, horizontal] = axes(conv);
    let job = Job { vertical, horizontal, channels: conv.c_in };
    let images = xs.chunks_exact(conv.h * conv.w * conv.c_in).zip(d_ys.chunks_exact(job.places() * conv.c_in));
    for (xs, d_ys) in images {
        call_with_lanes!(T, image(&job, xs, d_ys, partial));
    }
}

/// The gradient in its own order, from the sums.
pub(in crate::conv) fn finish<T: Real>(conv: &Conv2d, sums: &[T], d_weight: &mut [T]) {
    let taps = conv.kh * conv.kw;
    let channels = conv.c_in.next_multiple_of(NARROW);
    for (channel, d_weight) in d_weight.chunks_exact_mut(taps).enumerate() {
        for (tap, d_weight) in d_weight.iter_mut().enumerate() {
            *d_weight = sums[tap * channels + channel];
        }
    }
}

struct Job {
    vertical: Axis,
    horizontal: Axis,
    channels: usize,
}

impl Job {
    fn places(&self) -> usize {
        self.vertical.places * self.horizontal.places
    }

    /// Adds one row's part of the taps from (`i`, `j`) on, `R` rows and `C` columns of them. The rows lie inside.
    #[inline(always)]
    fn taps<L: Lanes, const FMA: bool, const R: usize, const C: usize>(
        &self,
        row: usize,
        (i, j): (usize, usize),
        xs: &[L::Element],
        d_ys: &[L::Element],
        partial: &mut [L::Element],
    ) {
        let Self { vertical, horizontal, channels } = self;
        assert!(vertical.reads(row, i + R - 1) < vertical.from && j + C <= horizontal.taps, "taps outside");
        let full = channels / L::LEN * L::LEN;
        for first in (0..full).step_by(L::LEN) {
            self.vector::<L, FMA, R, C, true>(row, (i, j), first, xs, d_ys, partial);
        }
        if full < *channels {
            self.vector::<L, FMA, R, C, false>(row, (i, j), full, xs, d_ys, partial);
        }
    }

    /// One vector of channels from `first` on. `FULL`: all of its lanes are channels.
    #[inline(always)]
    fn vector<L: Lanes, const FMA: bool, const R: usize, const C: usize, const FULL: bool>(
        &self,
        row: usize,
        (i, j): (usize, usize),
        first: usize,
        xs: &[L::Element],
        d_ys: &[L::Element],
        partial: &mut [L::Element],
    ) {
        let Self { vertical, horizontal, channels } = self;
        let padded = channels.next_multiple_of(NARROW);
        let row_len = horizontal.from * channels;
        let kernel_width = horizontal.taps;
        let inside = horizontal.inside();
        let lanes = if FULL { L::LEN } else { channels - first };
        // SAFETY: `image` is called where L is available. Rows are inside, as asserted, and columns as `taps_inside` has them; of a
        // vector the elements up to the last channel are touched.
        unsafe {
            let mut sums = [[L::zero(); C]; R];
            let load = |from| if FULL { L::load(from) } else { L::load_some(from, lanes) };
            let rows: [_; R] = std::array::from_fn(|r| xs.as_ptr().add(vertical.reads(row, i + r) * row_len + first));
            let d_row = d_ys.as_ptr().add(row * horizontal.places * channels + first);
            for column in (0..inside.start).chain(inside.end..horizontal.places) {
                let there = horizontal.taps_inside(column);
                let d_y = load(d_row.add(column * channels));
                for (c, tap) in (j..j + C).enumerate().filter(|(_, tap)| there.contains(tap)) {
                    let from = horizontal.reads(column, tap) * channels;
                    for (sums, row) in sums.iter_mut().zip(rows) {
                        sums[c].add_products::<FMA>(&load(row.add(from)), &d_y);
                    }
                }
            }
            if !inside.is_empty() {
                let mut from = horizontal.reads(inside.start, j) * channels;
                for column in inside.clone() {
                    let d_y = load(d_row.add(column * channels));
                    for (sums, row) in sums.iter_mut().zip(rows) {
                        for (c, sum) in sums.iter_mut().enumerate() {
                            sum.add_products::<FMA>(&load(row.add(from + c * channels)), &d_y);
                        }
                    }
                    from += horizontal.stride * channels;
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                for (c, sum) in sums.iter().enumerate() {
                    let to = &mut partial[((i + r) * kernel_width + j + c) * padded + first..][..lanes];
                    let mut total = load(to.as_ptr());
                    total.add(sum);
                    total.store(to);
                }
            }
        }
    }
}

simd_fn! {
    fn image<L: Lanes>(job: &Job, xs: &[L::Element], d_ys: &[L::Element], partial: &mut [L::Element]) {
        assert!(L::available(), "instructions that the processor does not have");
        let Job { vertical, horizontal, .. } = job;
        for row in 0..vertical.places {
            let mut taps = vertical.taps_inside(row);
            while let left @ 1.. = taps.len() {
                let i = taps.start;
                taps.start += match (horizontal.taps, left) {
                    (3, 3..) => { job.taps::<L, FMA, 3, 3>(row, (i, 0), xs, d_ys, partial); 3 }
                    (3, _) => { job.taps::<L, FMA, 1, 3>(row, (i, 0), xs, d_ys, partial); 1 }
                    (5, 2..) => { job.taps::<L, FMA, 2, 5>(row, (i, 0), xs, d_ys, partial); 2 }
                    (5, _) => { job.taps::<L, FMA, 1, 5>(row, (i, 0), xs, d_ys, partial); 1 }
                    (7, _) => { job.taps::<L, FMA, 1, 7>(row, (i, 0), xs, d_ys, partial); 1 }
                    (width, _) => {
                        for j in 0..width {
                            job.taps::<L, FMA, 1, 1>(row, (i, j), xs, d_ys, partial);
                        }
                        1
                    }
                };
            }
        }
    }
}
