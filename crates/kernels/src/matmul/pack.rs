//! Operands of the matrix unit: tiles of 16 rows (or lanes) and 32 factors.
//!
//! A left tile has a vector of 16 pairs of factors for each row; a right tile one of 16 lanes for each pair. Whichever of the two lies
//! contiguous in memory is read as vectors, and what is wanted the other way round is transposed in registers.
#![allow(unsafe_code, reason = "vector instructions; the level is checked before any of them")]

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_loadu_ps, _mm512_maskz_loadu_ps, _mm512_permutex2var_epi32,
    _mm512_permutexvar_epi16, _mm512_setr_epi32, _mm512_setzero_ps, _mm512_setzero_si512,
};
use std::ops::Range;

use super::Mat;
use crate::conv::amx::split::{Pair, lanes, load, round, store, subtract};
use crate::conv::amx::tile::{DEPTH, ROWS, TILE};
use crate::conv::amx::weights::interleaving;

/// Which operand a tile is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Packs rows of a left operand, or lanes of a right one, in tiles of 16 and steps of 32 factors. `mat` is indexed (row or lane, factor).
/// `dst` holds a tile after the other, in each the planes, in each the steps.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) fn pack(side: Side, outer: Range<usize>, depth: usize, mat: Mat<'_, f32>, planes: usize, dst: &mut [u16]) {
    let (tiles, steps) = (outer.len().div_ceil(ROWS), depth.div_ceil(DEPTH));
    let tile_len = planes * steps * TILE;
    assert!(dst.len() == tiles * tile_len, "room for every step of every tile");
    let job = Job { side, outer, depth, mat, planes };
    if mat.cs == 1 {
        for (tile, dst) in dst.chunks_exact_mut(tile_len).enumerate() {
            (0..steps).for_each(|step| job.tile(tile, step, dst));
        }
    } else {
        assert!(mat.rs == 1, "rows or factors are contiguous");
        // In the order of the memory: all that is read of a factor lies side by side.
        for step in 0..steps {
            job.prefetch(step + 1);
            for (tile, dst) in dst.chunks_exact_mut(tile_len).enumerate() {
                job.tile(tile, step, dst);
            }
        }
    }
}

/// What all tiles share.
struct Job<'a> {
    side: Side,
    outer: Range<usize>,
    depth: usize,
    mat: Mat<'a, f32>,
    planes: usize,
}

impl Job<'_> {
    /// Asks the memory for the factors of a step, each of which is a row of its own: no stream that the processor would follow.
    fn prefetch(&self, step: usize) {
        const LINE: usize = 16;
        for factor in step * DEPTH..self.depth.min((step + 1) * DEPTH) {
            let first = factor * self.mat.cs + self.outer.start;
            for line in (first..first + self.outer.len()).step_by(LINE) {
                let address = self.mat.data.as_ptr().wrapping_add(line).cast::<i8>();
                // SAFETY: a prefetch reads nothing that the program sees, whatever the address.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn tile(&self, tile: usize, step: usize, dst: &mut [u16]) {
        let Self { side, outer, depth, mat, planes } = self;
        let (first, from) = (outer.start + tile * ROWS, step * DEPTH);
        let (rows, count) = (ROWS.min(outer.end - first), DEPTH.min(depth - from));
        let zero = [_mm512_setzero_ps(); 2];
        let mut pairs: [Pair; ROWS] = [zero; ROWS];
        if mat.cs == 1 {
            for (row, pair) in pairs.iter_mut().enumerate().take(rows) {
                *pair = load(&mat.data[(first + row) * mat.rs + from..][..count]);
            }
        } else {
            for (i, pair) in pairs.iter_mut().enumerate().take(count.div_ceil(2)) {
                let factor = |i: usize| &mat.data[(from + i) * mat.cs + first..][..rows];
                let odd = if 2 * i + 1 < count { factor(2 * i + 1) } else { &[] };
                *pair = [load_half(factor(2 * i)), load_half(odd)];
            }
        }
        let order = interleaving();
        let plane_len = dst.len() / planes;
        for plane in dst.chunks_exact_mut(plane_len) {
            let mut vectors = [_mm512_setzero_si512(); ROWS];
            for (vector, pair) in vectors.iter_mut().zip(&mut pairs) {
                let rounded = round(*pair);
                if *planes > 1 {
                    *pair = subtract(*pair, rounded);
                }
                *vector = if mat.cs == 1 { rounded } else { _mm512_permutexvar_epi16(order, rounded) };
            }
            if (mat.cs == 1) != (*side == Side::Left) {
                vectors = transposed(vectors);
            }
            let tile = plane[step * TILE..][..TILE].chunks_exact_mut(DEPTH);
            tile.zip(vectors).for_each(|(dst, vector)| store(vector, dst));
        }
    }
}

/// Up to 16 numbers, zeros after them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn load_half(src: &[f32]) -> __m512 {
    if let Some(src) = src.first_chunk::<16>() {
        // SAFETY: 16 numbers.
        return unsafe { _mm512_loadu_ps(src.as_ptr()) };
    }
    // SAFETY: the mask selects only lanes inside `src`.
    unsafe { _mm512_maskz_loadu_ps(lanes(src.len()) as u16, src.as_ptr()) }
}

/// 16 vectors of 16 pairs, pair i of vector j as pair j of vector i. Each of four rounds interleaves the first half of the vectors with
/// the second: it moves one bit of a vector's number into a lane's.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn transposed(mut vectors: [__m512i; ROWS]) -> [__m512i; ROWS] {
    let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    for _ in 0..4 {
        let mut next = vectors;
        for i in 0..ROWS / 2 {
            let (a, b) = (vectors[i], vectors[i + ROWS / 2]);
            next[2 * i] = _mm512_permutex2var_epi32(a, low, b);
            next[2 * i + 1] = _mm512_permutex2var_epi32(a, high, b);
        }
        vectors = next;
    }
    vectors
}
