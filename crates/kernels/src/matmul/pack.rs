//! Operands of the matrix unit: tiles of 16 rows (or lanes) and 32 factors.
//!
//! A left tile has a vector of 16 pairs of factors for each row; a right tile one of 16 lanes for each pair. Whichever of the two lies
//! contiguous in memory is read as vectors, and what is wanted the other way round is transposed in registers.
#![allow(unsafe_code, reason = "vector instructions; the level is checked before any of them")]

use std::arch::x86_64::{
    __m512i, _mm512_permutex2var_epi32, _mm512_permutexvar_epi16, _mm512_setr_epi32, _mm512_setzero_ps,
};

use super::Mat;
use crate::conv::amx::split::{Pair, load, round, store, subtract};
use crate::conv::amx::tile::{DEPTH, ROWS, TILE};
use crate::conv::amx::weights::interleaving;

/// Which operand a tile is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Packs 16 rows (of a left operand; lanes of a right one) from `first` on, as many as there are below `outer`, in steps of 32 factors
/// from `0..depth`. `mat` is indexed (row or lane, factor). `dst` holds the planes, in each the steps.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) fn pack(
    side: Side,
    (first, outer): (usize, usize),
    depth: usize,
    mat: Mat<'_, f32>,
    planes: usize,
    dst: &mut [u16],
) {
    let plane_len = dst.len() / planes;
    let steps = depth.div_ceil(DEPTH);
    assert!(plane_len >= steps * TILE, "room for every step");
    let outer = ROWS.min(outer - first);
    let order = interleaving();
    for step in 0..steps {
        let from = step * DEPTH;
        let count = DEPTH.min(depth - from);
        let mut pairs: [Pair; ROWS] = [[_mm512_setzero_ps(); 2]; ROWS];
        if mat.cs == 1 {
            for (row, pair) in pairs.iter_mut().enumerate().take(outer) {
                *pair = load(&mat.data[(first + row) * mat.rs + from..][..count]);
            }
        } else {
            assert!(mat.rs == 1, "rows or factors are contiguous");
            for (i, pair) in pairs.iter_mut().enumerate().take(count.div_ceil(2)) {
                let row = |factor: usize| &mat.data[(from + factor) * mat.cs + first..][..outer];
                let odd = if 2 * i + 1 < count { row(2 * i + 1) } else { &[] };
                *pair = [load(row(2 * i))[0], load(odd)[0]];
            }
        }
        for plane in dst.chunks_exact_mut(plane_len) {
            let mut vectors = [round(pairs[0]); ROWS];
            for (vector, pair) in vectors.iter_mut().zip(&mut pairs) {
                let rounded = round(*pair);
                if planes > 1 {
                    *pair = subtract(*pair, rounded);
                }
                *vector = if mat.cs == 1 { rounded } else { _mm512_permutexvar_epi16(order, rounded) };
            }
            if (mat.cs == 1) != (side == Side::Left) {
                vectors = transposed(vectors);
            }
            let tile = plane[step * TILE..][..TILE].chunks_exact_mut(DEPTH);
            tile.zip(vectors).for_each(|(dst, vector)| store(vector, dst));
        }
    }
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
