//! Asking the memory for the next unit's operands while a unit is computed: copying them would wait for every line otherwise.
#![allow(unsafe_code, reason = "a prefetch is an intrinsic on a raw pointer")]

use super::Conv2d;
use crate::par::Unit;

/// Bytes of a cache line.
const LINE: usize = 64;

/// What the next unit reads and this one does not, given out in equal parts to the tiles of this one.
pub(super) struct Ahead<'a, T> {
    rest: &'a [T],
    part: usize,
}

impl<'a, T> Ahead<'a, T> {
    /// `next` in `tiles` parts.
    pub(super) fn new(next: &'a [T], tiles: usize) -> Self {
        Self { rest: next, part: next.len().div_ceil(tiles.max(1)) }
    }

    /// Asks for one part, to be there in the second-level cache.
    #[inline(always)]
    pub(super) fn fetch(&mut self) {
        let (part, rest) = self.rest.split_at(self.part.min(self.rest.len()));
        self.rest = rest;
        for line in part.chunks(LINE / size_of::<T>()) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: SSE is part of x86-64; a prefetch changes nothing but the caches.
            unsafe {
                use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
                _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast());
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = line;
        }
    }
}

/// Elements of the input before the end of what `unit` reads.
pub(super) fn input_end(conv: &Conv2d, unit: &Unit) -> usize {
    let rows = ((unit.rows.end - 1) * conv.stride.0 + conv.kh).saturating_sub(conv.pad.top).min(conv.h);
    ((unit.images.end - 1) * conv.h + rows) * conv.w * conv.c_in
}

/// Elements of the output before the end of `unit`.
pub(super) fn output_end(conv: &Conv2d, unit: &Unit) -> usize {
    ((unit.images.end - 1) * conv.out_h() + unit.rows.end) * conv.out_w() * conv.c_out
}
