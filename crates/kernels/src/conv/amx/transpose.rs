//! From pixels of channels to what the weight gradient multiplies: channels of pixels on the left, pairs of pixels on the right.

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_loadu_si128, _mm256_loadu_si256, _mm256_setzero_si256, _mm512_castsi128_si512,
    _mm512_castsi256_si512, _mm512_inserti32x4, _mm512_inserti64x4, _mm512_permutexvar_epi16, _mm512_storeu_si512,
    _mm512_unpackhi_epi16, _mm512_unpacklo_epi16,
};

use super::tile::{DEPTH, ROWS};
use super::weights::interleaving;

/// Channels transposed together.
const CHANNELS: usize = 8;

/// Writes channel `c` of pixel `p`, read at `src[p * pixel_step + c]`, to `dst[c * channel_step + p]`, for `pixels` pixels, and zeros to
/// the next multiple of 32. Channels are filled up to a multiple of 8 with what lies behind them in `src`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) fn channels_of_pixels(
    src: &[u16],
    pixel_step: usize,
    (pixels, channels): (usize, usize),
    channel_step: usize,
    dst: &mut [u16],
) {
    let blocks = pixels.div_ceil(DEPTH);
    let groups = channels.div_ceil(CHANNELS);
    assert!(
        ((blocks * DEPTH).max(1) - 1) * pixel_step + groups * CHANNELS <= src.len()
            && blocks * DEPTH <= channel_step
            && groups * CHANNELS * channel_step <= dst.len(),
        "transposition outside its slices"
    );
    for group in 0..groups {
        for block in 0..blocks {
            // SAFETY: the assertion covers the last pixel of the last block and the last channel of the last group, on both sides.
            unsafe {
                let src = src.as_ptr().add(block * DEPTH * pixel_step + group * CHANNELS);
                let dst = dst.as_mut_ptr().add(group * CHANNELS * channel_step + block * DEPTH);
                for (channel, values) in transpose(src, pixel_step).into_iter().enumerate() {
                    _mm512_storeu_si512(dst.add(channel * channel_step).cast(), values);
                }
            }
        }
    }
    for channel in dst.chunks_exact_mut(channel_step).take(groups * CHANNELS) {
        channel[pixels..blocks * DEPTH].fill(0);
    }
}

/// 32 pixels of 8 channels as 8 channels of 32 pixels.
///
/// # Safety
/// 16 bytes must be readable at each of the 32 pixels.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn transpose(src: *const u16, pixel_step: usize) -> [__m512i; CHANNELS] {
    // SAFETY: the caller vouches for every pixel.
    let load = |pixel: usize| -> __m128i { unsafe { _mm_loadu_si128(src.add(pixel * pixel_step).cast()) } };
    let mut rows: [__m512i; CHANNELS] = std::array::from_fn(|i| {
        let row = _mm512_castsi128_si512(load(i));
        let row = _mm512_inserti32x4::<1>(row, load(i + 8));
        let row = _mm512_inserti32x4::<2>(row, load(i + 16));
        _mm512_inserti32x4::<3>(row, load(i + 24))
    });
    // Each round interleaves the first half of the rows with the second; three rounds exchange the three bits of a row's number with
    // those of a lane's.
    for _ in 0..3 {
        rows = std::array::from_fn(|i| {
            let (first, second) = (rows[i / 2], rows[i / 2 + CHANNELS / 2]);
            if i % 2 == 0 { _mm512_unpacklo_epi16(first, second) } else { _mm512_unpackhi_epi16(first, second) }
        });
    }
    rows
}

/// Packs 16 channels of `pixels` pixels as a right operand: `src[p * pixel_step]` is the first channel of pixel `p`. Zeros follow to the
/// end of `dst`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) fn pairs_of_pixels(src: &[u16], pixel_step: usize, pixels: usize, dst: &mut [u16]) {
    let pairs = pixels.div_ceil(2);
    assert!(
        pairs > 0 && (pixels - 1) * pixel_step + ROWS <= src.len() && pairs * DEPTH <= dst.len(),
        "packing outside its slices"
    );
    let order = interleaving();
    let (dst, rest) = dst.split_at_mut(pairs * DEPTH);
    for (pair, dst) in dst.chunks_exact_mut(DEPTH).enumerate() {
        // SAFETY: the assertion covers the last pixel, and a pair is 64 bytes long.
        unsafe {
            let src = src.as_ptr().add(2 * pair * pixel_step);
            let even: __m256i = _mm256_loadu_si256(src.cast());
            let odd = if 2 * pair + 1 < pixels {
                _mm256_loadu_si256(src.add(pixel_step).cast())
            } else {
                _mm256_setzero_si256()
            };
            let both = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(even), odd);
            _mm512_storeu_si512(dst.as_mut_ptr().cast(), _mm512_permutexvar_epi16(order, both));
        }
    }
    rest.fill(0);
}
