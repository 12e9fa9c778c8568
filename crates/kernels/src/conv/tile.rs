//! The two inner loops of the direct kernels: a block of accumulators, [`ROWS`] rows of `LANES` channels, that stays in registers.
#![allow(unsafe_code, reason = "unchecked reads in the innermost loops; each function checks the largest index first")]

use crate::real::Real;
use crate::simd::mul_add;

/// Rows of accumulators: 6 rows of two AVX2 registers leave 4 of 16 for the factors.
pub(super) const ROWS: usize = 6;

/// Accumulators of one tile.
pub(super) type Acc<T, const LANES: usize> = [[T; LANES]; ROWS];

/// A slice read at `start[row] + i * step` for i in 0..len.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub(super) data: &'a [T],
    pub(super) start: [usize; ROWS],
    pub(super) step: usize,
}

impl<T> Rows<'_, T> {
    /// The index after the last one read with `len` steps.
    #[inline(always)]
    fn end(&self, len: usize) -> usize {
        self.start.iter().fold(0, |end, &start| end.max(start)) + (len - 1) * self.step + 1
    }
}

/// `acc[row][lane] += a[row, i] * b[i * b_step + lane]`, summed over i in 0..len: one element of `a` against a vector of `b`.
#[inline(always)]
pub(super) fn broadcast<T: Real, const LANES: usize, const FMA: bool>(
    acc: &mut Acc<T, LANES>,
    a: Rows<'_, T>,
    b: &[T],
    b_step: usize,
    len: usize,
) {
    if len == 0 {
        return;
    }
    assert!(a.end(len) <= a.data.len() && (len - 1) * b_step + LANES <= b.len(), "tile outside its operands");
    let mut sums = *acc;
    for i in 0..len {
        // SAFETY: i < len, and the assertion covers i = len - 1 of the vector of b and of every row of a.
        let weights: [T; LANES] = unsafe { *b.as_ptr().add(i * b_step).cast() };
        for (sum, start) in sums.iter_mut().zip(a.start) {
            // SAFETY: as above.
            let x = unsafe { *a.data.get_unchecked(start + i * a.step) };
            for (sum, &w) in sum.iter_mut().zip(&weights) {
                *sum = mul_add::<T, FMA>(x, w, *sum);
            }
        }
    }
    *acc = sums;
}

/// Offsets with the largest of them, found once.
pub(super) struct Offsets<'a> {
    list: &'a [usize],
    max: usize,
}

impl<'a> Offsets<'a> {
    pub(super) fn new(list: &'a [usize]) -> Self {
        Self { list, max: list.iter().fold(0, |max, &offset| max.max(offset)) }
    }
}

/// `acc[row][lane] += a[start[row] + offsets[i] + lane] * b[i * b_step + lane]`, summed over i: vectors against vectors.
#[inline(always)]
pub(super) fn lanewise<T: Real, const LANES: usize, const FMA: bool>(
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

/// Writes the first `dst.len()` lanes.
#[inline(always)]
pub(super) fn store<T: Real, const LANES: usize>(sums: &[T; LANES], dst: &mut [T]) {
    if let Ok(dst) = <&mut [T; LANES]>::try_from(&mut *dst) {
        *dst = *sums;
    } else {
        for (y, &sum) in dst.iter_mut().zip(sums) {
            *y = sum;
        }
    }
}

/// Up to [`ROWS`] values, the last repeated to fill the tile.
#[inline(always)]
pub(super) fn fill_rows(values: &[usize]) -> [usize; ROWS] {
    std::array::from_fn(|row| values[row.min(values.len() - 1)])
}

/// Channel counts in the padded copies are multiples of this.
pub(super) const NARROW: usize = 8;

/// Cuts `channels` into blocks of 16 (f32 only) or 8 lanes: first channel and lanes of each.
pub(super) fn blocks<T: Real>(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let left = channels.checked_sub(first).filter(|&left| left > 0)?;
        let lanes = if T::IS_F32 && left > NARROW { 2 * NARROW } else { NARROW };
        let block = (first, lanes);
        first += lanes;
        Some(block)
    })
}
