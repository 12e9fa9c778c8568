//! Forward pass and data gradient: every pixel that is made gathers its window, several pixels of a row at once.
#![allow(unsafe_code, reason = "vectors are read and written through pointers whose ends are checked for each tile")]

use super::axis::Axis;
use crate::conv::lanes::Lanes;
use crate::conv::tile::{NARROW, call_with_lanes};
use crate::real::Real;
use crate::simd::simd_fn;

/// A depthwise convolution, or a part of its adjoint.
pub(super) struct Gather {
    pub(super) vertical: Axis,
    pub(super) horizontal: Axis,
    pub(super) channels: usize,
    pub(super) kernel_width: usize,
}

/// The window that places next to each other share: where it lies in the image and the kernel, and where the sums go.
struct Window {
    /// Taps down and across.
    rows: usize,
    columns: usize,
    /// First elements of the first tap.
    read: usize,
    weight: isize,
    /// First element of the first sum.
    write: usize,
}

impl Gather {
    /// All images: `ys` from `xs` and packed filters. Pixels that are none of the axes' places are left as they are.
    pub(super) fn images<T: Real>(&self, xs: &[T], packed: &[T], ys: &mut [T]) {
        let Self { vertical, horizontal, channels, .. } = self;
        let from = vertical.from * horizontal.from * channels;
        let to = vertical.to * horizontal.to * channels;
        for (xs, ys) in xs.chunks_exact(from).zip(ys.chunks_exact_mut(to)) {
            call_with_lanes!(T, image(self, xs, packed, ys));
        }
    }

    /// The window of the place at (`row`, `column`) and the `n - 1` to its right, which have the same taps.
    #[inline(always)]
    fn window(&self, row: usize, column: usize, n: usize) -> Window {
        let Self { vertical, horizontal, channels, .. } = self;
        let (rows, columns, last) = (vertical.taps_inside(row), horizontal.taps_inside(column), column + n - 1);
        assert!(horizontal.taps_inside(last) == columns, "places with different taps");
        assert!(vertical.writes(row) < vertical.to && horizontal.writes(last) < horizontal.to, "places outside");
        let write = (vertical.writes(row) * horizontal.to + horizontal.writes(column)) * channels;
        if rows.is_empty() || columns.is_empty() {
            return Window { rows: 0, columns: 0, read: 0, weight: 0, write };
        }
        let (i, j) = (rows.start, columns.start);
        Window {
            rows: rows.len(),
            columns: columns.len(),
            read: (vertical.reads(row, i) * horizontal.from + horizontal.reads(column, j)) * channels,
            weight: self.kernel_element(vertical.weight(i), horizontal.weight(j)),
            write,
        }
    }

    /// Where the filters' element at a place of the kernel begins.
    #[inline(always)]
    fn kernel_element(&self, row: isize, column: isize) -> isize {
        (row * self.kernel_width as isize + column) * self.channels.next_multiple_of(NARROW) as isize
    }

    /// `N` places with all channels, `B` vectors of them at a time.
    #[inline(always)]
    fn tile<L: Lanes, const FMA: bool, const N: usize, const B: usize>(
        &self,
        (row, column): (usize, usize),
        xs: &[L::Element],
        packed: &[L::Element],
        ys: &mut [L::Element],
    ) {
        let window = self.window(row, column, N);
        let (full, mut first) = (self.channels / L::LEN * L::LEN, 0);
        while first + B * L::LEN <= full {
            self.vectors::<L, FMA, N, B, true>(&window, first, xs, packed, ys);
            first += B * L::LEN;
        }
        while first < full {
            self.vectors::<L, FMA, N, 1, true>(&window, first, xs, packed, ys);
            first += L::LEN;
        }
        if first < self.channels {
            self.vectors::<L, FMA, N, 1, false>(&window, first, xs, packed, ys);
        }
    }

    /// `B` vectors of channels from `first` on. `FULL`: all of a vector's lanes are channels.
    #[inline(always)]
    fn vectors<L: Lanes, const FMA: bool, const N: usize, const B: usize, const FULL: bool>(
        &self,
        window: &Window,
        first: usize,
        xs: &[L::Element],
        packed: &[L::Element],
        ys: &mut [L::Element],
    ) {
        let Self { vertical, horizontal, channels, .. } = self;
        let lanes = if FULL { L::LEN } else { channels - first };
        let (pixel, row_len) = (horizontal.stride * channels, horizontal.from * channels);
        let down = self.kernel_element(vertical.weight_step, 0);
        let across = self.kernel_element(0, horizontal.weight_step);
        // SAFETY: `image` is called where L is available. `window` has only taps that lie inside the image and the kernel for all N
        // places, and of their channels the vectors end with the last one; pointers beyond are not read.
        let sums = unsafe {
            let load = |from| if FULL { L::load(from) } else { L::load_some(from, lanes) };
            let mut sums = [[L::zero(); N]; B];
            let mut x_row = xs.as_ptr().add(window.read + first);
            let mut w_row = packed.as_ptr().wrapping_offset(window.weight).wrapping_add(first);
            for _ in 0..window.rows {
                let (mut x, mut w) = (x_row, w_row);
                for _ in 0..window.columns {
                    for (b, sums) in sums.iter_mut().enumerate() {
                        let weight = load(w.wrapping_add(b * L::LEN));
                        for (n, sum) in sums.iter_mut().enumerate() {
                            sum.add_products::<FMA>(&load(x.wrapping_add(n * pixel + b * L::LEN)), &weight);
                        }
                    }
                    (x, w) = (x.wrapping_add(*channels), w.wrapping_offset(across));
                }
                (x_row, w_row) = (x_row.wrapping_add(row_len), w_row.wrapping_offset(down));
            }
            sums
        };
        for (b, sums) in sums.iter().enumerate() {
            for (n, sum) in sums.iter().enumerate() {
                let to = window.write + n * horizontal.step * channels + first + b * L::LEN;
                // SAFETY: L is available.
                unsafe { sum.store(&mut ys[to..to + lanes]) };
            }
        }
    }
}

simd_fn! {
    fn image<L: Lanes>(gather: &Gather, xs: &[L::Element], packed: &[L::Element], ys: &mut [L::Element]) {
        assert!(L::available(), "instructions that the processor does not have");
        let Gather { vertical, horizontal, .. } = gather;
        let inside = horizontal.inside();
        for row in 0..vertical.places {
            let mut column = 0;
            while column < horizontal.places {
                let at = (row, column);
                let left = if inside.contains(&column) { inside.end - column } else { 1 };
                column += match left {
                    8.. => { gather.tile::<L, FMA, 8, 1>(at, xs, packed, ys); 8 }
                    4.. => { gather.tile::<L, FMA, 4, 2>(at, xs, packed, ys); 4 }
                    2.. => { gather.tile::<L, FMA, 2, 4>(at, xs, packed, ys); 2 }
                    _ => { gather.tile::<L, FMA, 1, 4>(at, xs, packed, ys); 1 }
                };
            }
        }
    }
}
