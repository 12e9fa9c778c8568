//! Vectors of 32 f32 numbers and their bfloat16 parts.

use std::arch::x86_64::{
    __m512, __m512i, _mm512_castsi512_ps, _mm512_castsi512_si256, _mm512_cvtepu16_epi32, _mm512_cvtne2ps_pbh,
    _mm512_extracti64x4_epi64, _mm512_loadu_ps, _mm512_mask_storeu_epi16, _mm512_maskz_loadu_ps, _mm512_slli_epi32,
    _mm512_storeu_si512, _mm512_sub_ps,
};

/// 32 f32 numbers.
pub(crate) type Pair = [__m512; 2];

/// A mask of the first `len` of 32 lanes.
#[inline(always)]
pub(crate) fn lanes(len: usize) -> u32 {
    if len >= 32 { u32::MAX } else { (1 << len) - 1 }
}

/// Up to 32 numbers, zeros after them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn load(src: &[f32]) -> Pair {
    if let Some(src) = src.first_chunk::<32>() {
        // SAFETY: 32 numbers.
        return unsafe { [_mm512_loadu_ps(src.as_ptr()), _mm512_loadu_ps(src.as_ptr().add(16))] };
    }
    let mask = lanes(src.len());
    // SAFETY: the masks select only lanes inside `src`; where the second half lies outside, nothing is read from it.
    unsafe {
        [
            _mm512_maskz_loadu_ps(mask as u16, src.as_ptr()),
            _mm512_maskz_loadu_ps((mask >> 16) as u16, src.as_ptr().wrapping_add(16)),
        ]
    }
}

/// The nearest bfloat16 numbers, ties to even; subnormal numbers become zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn round(values: Pair) -> __m512i {
    let rounded = _mm512_cvtne2ps_pbh(values[1], values[0]);
    // SAFETY: both are 64 bytes without invalid values.
    unsafe { std::mem::transmute(rounded) }
}

/// `values` less their rounded parts, exact.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn subtract(values: Pair, rounded: __m512i) -> Pair {
    let halves = [_mm512_castsi512_si256(rounded), _mm512_extracti64x4_epi64::<1>(rounded)];
    let wide = halves.map(|half| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half))));
    [_mm512_sub_ps(values[0], wide[0]), _mm512_sub_ps(values[1], wide[1])]
}

/// Writes the first `dst.len()` of 32 numbers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) fn store(values: __m512i, dst: &mut [u16]) {
    if let Some(dst) = dst.first_chunk_mut::<32>() {
        // SAFETY: 32 numbers.
        return unsafe { _mm512_storeu_si512(dst.as_mut_ptr().cast(), values) };
    }
    // SAFETY: the mask selects only lanes inside `dst`.
    unsafe { _mm512_mask_storeu_epi16(dst.as_mut_ptr().cast(), lanes(dst.len()), values) };
}
