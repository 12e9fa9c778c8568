//! Writing large results past the caches, and reading ahead for them.
//!
//! An ordinary store first reads the cache line that it will overwrite. For results so large that they leave the caches before
//! anything reads them that is a third of all traffic forward and a quarter backward, so they are written by non-temporal stores.
//! Smaller results stay in the caches for whatever comes next.
#![allow(unsafe_code, reason = "non-temporal stores are intrinsics on raw pointers")]

use crate::real::Real;

/// Bytes of a result from which it is streamed: measured, between 16 MB, where it is slower, and 40 MB, where it is faster.
const MIN_BYTES: usize = 32 << 20;

/// Is a result of `len` elements better written by [`store`]?
pub(crate) fn pays<T: Real>(len: usize) -> bool {
    cfg!(target_arch = "x86_64") && len * size_of::<T>() >= MIN_BYTES
}

/// `to = from` by non-temporal stores where the processor has them; call [`finish`] before another thread may read.
#[inline]
pub(crate) fn store<T: Real>(from: &[T], to: &mut [T]) {
    assert_eq!(from.len(), to.len(), "source and destination are of one length");
    #[cfg(target_arch = "x86_64")]
    {
        // Whole cache lines only; the ends, parts of lines that neighbours share, go through the caches.
        let line = LINE / size_of::<T>();
        let head = to.as_ptr().align_offset(LINE).min(to.len());
        let lines = (to.len() - head) / line;
        let tail = head + lines * line;
        to[..head].copy_from_slice(&from[..head]);
        to[tail..].copy_from_slice(&from[tail..]);
        let (source, destination) = (from[head..tail].as_ptr(), to[head..tail].as_mut_ptr());
        if crate::simd::level() >= crate::simd::Level::Avx512 {
            // SAFETY: the level has AVX-512F; both slices have `lines` cache lines and the destination starts with one.
            unsafe { lines_avx512(source.cast(), destination.cast(), lines) }
        } else {
            // SAFETY: as above; SSE2 is part of x86-64.
            unsafe { lines_sse2(source.cast(), destination.cast(), lines) }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    to.copy_from_slice(from);
}

/// Fetches the next tile, which starts at `start`, while the one before is computed. Pays beside [`store`]: what is in the caches
/// anyway need not be fetched.
#[inline]
pub(crate) fn fetch<T>(xs: &[T], start: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in xs[start.min(xs.len())..xs.len().min(start + super::tile::TILE)].chunks(LINE / size_of::<T>()) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: SSE is part of x86-64; a prefetch changes nothing but the caches.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (xs, start);
}

/// Orders the non-temporal stores of this thread before whatever it does next.
pub(crate) fn finish() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

/// Bytes of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// # Safety
/// `from` and `to` point to `lines` cache lines each, `to` at the start of one; the processor has AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn lines_avx512(from: *const f32, to: *mut f32, lines: usize) {
    use std::arch::x86_64::{_mm512_loadu_ps, _mm512_stream_ps};
    for i in 0..lines {
        // SAFETY: line i is in bounds, and `to` is aligned, by the caller's promise.
        unsafe { _mm512_stream_ps(to.add(16 * i), _mm512_loadu_ps(from.add(16 * i))) }
    }
}

/// # Safety
/// `from` and `to` point to `lines` cache lines each, `to` at the start of one.
#[cfg(target_arch = "x86_64")]
unsafe fn lines_sse2(from: *const f32, to: *mut f32, lines: usize) {
    use std::arch::x86_64::{_mm_loadu_ps, _mm_stream_ps};
    for i in 0..4 * lines {
        // SAFETY: quarter i of the lines is in bounds, and `to` is aligned, by the caller's promise.
        unsafe { _mm_stream_ps(to.add(4 * i), _mm_loadu_ps(from.add(4 * i))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies<T: Real>() {
        let from: Vec<T> = (0..300).map(|i| T::from_f64(f64::from(i))).collect();
        for start in 0..20 {
            for len in [0, 1, 15, 16, 17, 100, 250] {
                let mut to = [T::NEG_INFINITY; 300];
                store(&from[..len], &mut to[start..start + len]);
                finish();
                assert_eq!(to[start..start + len], from[..len]);
                assert!(to[..start].iter().chain(&to[start + len..]).all(|&x| x == T::NEG_INFINITY));
            }
        }
    }

    #[test]
    fn copies_every_element_and_no_more() {
        copies::<f32>();
        copies::<f64>();
        assert_eq!(pays::<f32>(10_000_000), cfg!(target_arch = "x86_64"));
        assert!(!pays::<f32>(2_000_000));
    }
}
