//! The inner loop of the ungrouped direct kernels: a tile of sums, rows of lanes (channels), that stays in registers while elements of
//! one operand are multiplied with vectors of the other; and which tile suits the processor.
#![allow(unsafe_code, reason = "unchecked reads in the innermost loop; the largest indices are checked before it")]

use super::lanes::Lanes;
use crate::real::Real;
use crate::simd::{Level, level};

/// One operand, element by element: `data[start[row] + segments[s] + i * step]`, where `start` is the tile's.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a, T> {
    pub(super) data: &'a [T],
    pub(super) segments: &'a [usize],
    pub(super) step: usize,
}

/// The other operand, vectors that begin at `data[s * segment + i * step]`.
#[derive(Clone, Copy)]
pub(super) struct Vectors<'a, T> {
    pub(super) data: &'a [T],
    pub(super) segment: usize,
    pub(super) step: usize,
}

/// Products of elements and vectors that every tile of a block sums: those of `len` steps i in every segment s.
pub(super) struct Products<'a, L: Lanes> {
    elements: Elements<'a, L::Element>,
    vectors: Vectors<'a, L::Element>,
    len: usize,
    /// The largest index of an element, for a row that starts at 0.
    last_element: usize,
    /// Where the last vector begins.
    last_vector: usize,
}

impl<'a, L: Lanes> Products<'a, L> {
    /// `len` steps in each of the elements' segments, of which there is one at least.
    ///
    /// # Panics
    /// Where the processor does not have the instructions of `L`.
    #[inline(always)]
    pub(super) fn new(elements: Elements<'a, L::Element>, vectors: Vectors<'a, L::Element>, len: usize) -> Self {
        assert!(L::available() && len > 0 && !elements.segments.is_empty(), "tile without instructions or steps");
        let last_segment = elements.segments.iter().fold(0, |last, &segment| last.max(segment));
        Self {
            elements,
            vectors,
            len,
            last_element: last_segment + (len - 1) * elements.step,
            last_vector: (elements.segments.len() - 1) * vectors.segment + (len - 1) * vectors.step,
        }
    }

    /// The sums of a tile whose rows start at `start`: `VECTORS` registers a row. `SPLIT` sums of each are in flight, for tiles with
    /// fewer registers than the processor needs to hide how long an addition takes; they are added in the end.
    #[inline(always)]
    pub(super) fn sum<const FMA: bool, const ROWS: usize, const VECTORS: usize, const SPLIT: usize>(
        &self,
        start: [usize; ROWS],
    ) -> [[L; VECTORS]; ROWS] {
        self.check(start.iter().fold(0, |last, &start| last.max(start)), VECTORS);
        // SAFETY: `check` covers the row that starts last.
        unsafe { self.sum_rows::<FMA, ROWS, VECTORS, SPLIT>(start) }
    }

    /// The same for rows that start one after the other from `start` on. One general register then says where all of them are.
    #[inline(always)]
    pub(super) fn sum_consecutive<const FMA: bool, const ROWS: usize, const VECTORS: usize, const SPLIT: usize>(
        &self,
        start: usize,
    ) -> [[L; VECTORS]; ROWS] {
        self.check(start + ROWS - 1, VECTORS);
        // SAFETY: as above.
        unsafe { self.sum_rows::<FMA, ROWS, VECTORS, SPLIT>(std::array::from_fn(|row| start + row)) }
    }

    /// The sums for [`SHARING_ROWS`] pixels, `pixel` elements apart from `start` on, under three kernel columns, whose vectors are
    /// `column` elements apart: an element that is read once serves up to three pixels. The sums of the columns are added in the end.
    #[inline(always)]
    pub(super) fn sum_columns<const FMA: bool>(
        &self,
        start: usize,
        pixel: usize,
        column: usize,
    ) -> [[L; 1]; SHARING_ROWS] {
        const COLUMNS: usize = 3;
        const INPUTS: usize = SHARING_ROWS + COLUMNS - 1;
        let Self { elements, vectors, len, .. } = *self;
        self.check(start + (INPUTS - 1) * pixel, 1);
        assert!(
            self.last_vector + (COLUMNS - 1) * column + L::LEN <= vectors.data.len(),
            "columns outside the vectors"
        );
        // SAFETY: `new` has found the instructions. The last input and the last column's last vector are checked.
        unsafe {
            let first = elements.data.as_ptr().add(start);
            let inputs: [_; INPUTS] = std::array::from_fn(|input| first.add(input * pixel));
            let zero = L::zero();
            let (mut left, mut middle, mut right) = ([zero; SHARING_ROWS], [zero; SHARING_ROWS], [zero; SHARING_ROWS]);
            for (s, &segment) in elements.segments.iter().enumerate() {
                let mut w = vectors.data.as_ptr().add(s * vectors.segment);
                for x in segment..segment + len {
                    let weights = [L::load(w), L::load(w.add(column)), L::load(w.add(2 * column))];
                    // Written out, since the compiler leaves a loop of this size as one, with its sums in memory.
                    macro_rules! rows {
                        ($($row:literal)*) => {$(
                            left[$row].add_product::<FMA>(*inputs[$row].add(x), &weights[0]);
                            middle[$row].add_product::<FMA>(*inputs[$row + 1].add(x), &weights[1]);
                            right[$row].add_product::<FMA>(*inputs[$row + 2].add(x), &weights[2]);
                        )*};
                    }
                    rows!(0 1 2 3 4 5 6 7);
                    w = w.wrapping_add(vectors.step);
                }
            }
            let mut totals = [[zero; 1]; SHARING_ROWS];
            for (row, [total]) in totals.iter_mut().enumerate() {
                *total = left[row];
                total.add(&middle[row]);
                total.add(&right[row]);
            }
            totals
        }
    }

    /// Panics where a row that starts at `last_row` or `vectors` registers would reach beyond the operands.
    #[inline(always)]
    fn check(&self, last_row: usize, vectors: usize) {
        assert!(
            last_row + self.last_element < self.elements.data.len()
                && self.last_vector + vectors * L::LEN <= self.vectors.data.len(),
            "tile outside its operands"
        );
    }

    /// # Safety
    /// [`Self::check`] has to hold for every row.
    #[inline(always)]
    unsafe fn sum_rows<const FMA: bool, const ROWS: usize, const VECTORS: usize, const SPLIT: usize>(
        &self,
        start: [usize; ROWS],
    ) -> [[L; VECTORS]; ROWS] {
        let Self { elements, vectors, len, .. } = *self;
        // SAFETY: `new` has found the instructions. The caller has checked the step of the segment whose indices are the largest.
        unsafe {
            let rows = start.map(|start| elements.data.as_ptr().add(start));
            let mut sums = [[[L::zero(); VECTORS]; ROWS]; SPLIT];
            for (s, &segment) in elements.segments.iter().enumerate() {
                let (mut x, mut w) = (segment, s * vectors.segment);
                let mut left = len;
                while left >= SPLIT {
                    for sums in &mut sums {
                        step::<L, FMA, ROWS, VECTORS>(sums, &rows, x, vectors.data, w);
                        x += elements.step;
                        w += vectors.step;
                    }
                    left -= SPLIT;
                }
                while left > 0 {
                    step::<L, FMA, ROWS, VECTORS>(&mut sums[0], &rows, x, vectors.data, w);
                    x += elements.step;
                    w += vectors.step;
                    left -= 1;
                }
            }
            // A copy of its own: whatever the caller does with it, the sums in the loops above stay in registers.
            let mut totals = [[L::zero(); VECTORS]; ROWS];
            for (row, totals) in totals.iter_mut().enumerate() {
                for (vector, total) in totals.iter_mut().enumerate() {
                    *total = sums[0][row][vector];
                    for sums in &sums[1..] {
                        total.add(&sums[row][vector]);
                    }
                }
            }
            totals
        }
    }

    /// Writes `lanes` lanes of a tile's rows to `first`, `first + step` and so on in `to`, as many rows as there are in it.
    ///
    /// Like [`Self::add`] in loops of known length, which leave the sums in registers.
    #[inline(always)]
    pub(super) fn store<const ROWS: usize, const VECTORS: usize>(
        &self,
        sums: &[[L; VECTORS]; ROWS],
        to: &mut [L::Element],
        (first, step): (usize, usize),
        lanes: usize,
    ) {
        for (row, sums) in sums.iter().enumerate() {
            if let Some(to) = to.get_mut(row * step + first..row * step + first + lanes) {
                for (vector, sum) in sums.iter().enumerate() {
                    if let Some(to) = to.get_mut(vector * L::LEN..) {
                        // SAFETY: `new` has found the instructions.
                        unsafe { sum.store(to) };
                    }
                }
            }
        }
    }

    /// Adds all lanes of a tile's rows to what is at `first`, `first + step` and so on in `to`, as many rows as there are in it.
    #[inline(always)]
    pub(super) fn add<const ROWS: usize, const VECTORS: usize>(
        &self,
        sums: &[[L; VECTORS]; ROWS],
        to: &mut [L::Element],
        (first, step): (usize, usize),
    ) {
        for (row, sums) in sums.iter().enumerate() {
            if let Some(to) = to.get_mut(row * step + first..row * step + first + VECTORS * L::LEN) {
                for (vector, sum) in sums.iter().enumerate() {
                    let to = &mut to[vector * L::LEN..][..L::LEN];
                    // SAFETY: `new` has found the instructions, and `to` has `LEN` elements.
                    unsafe {
                        let mut total = L::load(to.as_ptr());
                        total.add(sum);
                        total.store(to);
                    }
                }
            }
        }
    }
}

/// `sums[row] += rows[row][x] * vector`, the vector at `w` of `vectors`.
///
/// # Safety
/// `L` is available, and the elements and the vector can be read.
#[inline(always)]
unsafe fn step<L: Lanes, const FMA: bool, const ROWS: usize, const VECTORS: usize>(
    sums: &mut [[L; VECTORS]; ROWS],
    rows: &[*const L::Element; ROWS],
    x: usize,
    vectors: &[L::Element],
    w: usize,
) {
    // SAFETY: as the caller grants.
    unsafe {
        let mut weights = [L::zero(); VECTORS];
        for (vector, weights) in weights.iter_mut().enumerate() {
            *weights = L::load(vectors.as_ptr().add(w + vector * L::LEN));
        }
        for (sums, row) in sums.iter_mut().zip(rows) {
            let x = *row.add(x);
            for (sum, weights) in sums.iter_mut().zip(&weights) {
                sum.add_product::<FMA>(x, weights);
            }
        }
    }
}

/// Up to `ROWS` values, the last repeated to fill the tile.
#[inline(always)]
pub(super) fn fill_rows<const ROWS: usize>(values: &[usize]) -> [usize; ROWS] {
    values.first_chunk().copied().unwrap_or_else(|| std::array::from_fn(|row| values[row.min(values.len() - 1)]))
}

/// Rows of [`Products::sum_columns`].
pub(super) const SHARING_ROWS: usize = 8;

/// Channel counts in the padded copies are multiples of this.
pub(super) const NARROW: usize = 8;

/// The most lanes of a tile: 8 for f64, 16 for f32, and with AVX-512 32.
pub(super) fn widest<T: Real>() -> usize {
    if !T::IS_F32 {
        NARROW
    } else if cfg!(target_arch = "x86_64") && level() >= Level::Avx512 {
        4 * NARROW
    } else {
        2 * NARROW
    }
}

/// Cuts `channels` into blocks of `widest`, half as many and so on down to [`NARROW`] lanes, so that no block has [`NARROW`] lanes too
/// many: first channel and lanes of each.
pub(super) fn blocks(channels: usize, widest: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let left = channels.checked_sub(first).filter(|&left| left > 0)?;
        let mut lanes = widest;
        while lanes > NARROW && left + NARROW <= lanes {
            lanes /= 2;
        }
        let block = (first, lanes);
        first += lanes;
        Some(block)
    })
}

/// Calls `$block::<L, ROWS, VECTORS, SPLIT>` for a block of `$lanes` lanes of `$t`, from [`blocks`] with [`widest`].
///
/// Two products a cycle that take four cycles each need 8 registers of sums at least. AVX-512 has 32 registers: 16 sums, in rows of two
/// registers where there are channels enough, because both use an element that is read once; not more rows than 8, since each takes a
/// general register to say where it begins (`$rows` rows of one register, with `$split` sums of each). AVX2 has 16 registers: 12 sums,
/// two vectors and an element.
macro_rules! call_with_tile {
    ($t:ty, $lanes:expr, ($rows:literal, $split:literal), $block:ident $args:tt) => {
        if <$t as $crate::real::Real>::IS_F32 {
            match ($lanes, $crate::simd::level()) {
                #[cfg(target_arch = "x86_64")]
                (32, _) => $block::<$crate::conv::lanes::Zmm<$t>, 8, 2, 1> $args,
                #[cfg(target_arch = "x86_64")]
                (16, $crate::simd::Level::Avx512 | $crate::simd::Level::Amx) => {
                    $block::<$crate::conv::lanes::Zmm<$t>, $rows, 1, $split> $args
                }
                #[cfg(target_arch = "x86_64")]
                (16, $crate::simd::Level::Avx2) => $block::<$crate::conv::lanes::Ymm<$t>, 6, 2, 1> $args,
                #[cfg(target_arch = "x86_64")]
                (_, $crate::simd::Level::Avx2 | $crate::simd::Level::Avx512 | $crate::simd::Level::Amx) => {
                    $block::<$crate::conv::lanes::Ymm<$t>, 6, 1, 2> $args
                }
                (16, _) => $block::<[$t; 16], 6, 1, 1> $args,
                _ => $block::<[$t; 8], 6, 1, 1> $args,
            }
        } else {
            $block::<[$t; 8], 6, 1, 1> $args
        }
    };
}
pub(super) use call_with_tile;

/// Calls `$block::<L>` with the processor's widest register of `$t`.
macro_rules! call_with_lanes {
    ($t:ty, $block:ident $args:tt) => {
        match $crate::simd::level() {
            #[cfg(target_arch = "x86_64")]
            $crate::simd::Level::Avx512 | $crate::simd::Level::Amx if <$t as $crate::real::Real>::IS_F32 => {
                $block::<$crate::conv::lanes::Zmm<$t>> $args
            }
            #[cfg(target_arch = "x86_64")]
            $crate::simd::Level::Avx2 if <$t as $crate::real::Real>::IS_F32 => {
                $block::<$crate::conv::lanes::Ymm<$t>> $args
            }
            _ => $block::<[$t; 8]> $args,
        }
    };
}
pub(super) use call_with_lanes;

#[cfg(test)]
mod tests {
    use super::{NARROW, blocks};

    #[test]
    fn blocks_fill_the_channels_up_to_whole_narrow_ones() {
        for widest in [8, 16, 32] {
            for channels in 1..100usize {
                let mut next = 0;
                for (first, lanes) in blocks(channels, widest) {
                    assert_eq!(first, next);
                    assert!(lanes <= widest);
                    next += lanes;
                }
                assert_eq!(next, channels.next_multiple_of(NARROW));
            }
        }
        assert_eq!(blocks(88, 32).collect::<Vec<_>>(), [(0, 32), (32, 32), (64, 16), (80, 8)]);
    }
}
