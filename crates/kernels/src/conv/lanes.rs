//! What the sums of a tile are made of: arrays, which the compiler turns into whatever vectors there are, or one vector register of the
//! processor, where the compiler must not choose another width or keep sums in memory.
#![allow(
    unsafe_code,
    reason = "vectors are read through pointers that the tile has checked, by instructions that the level grants"
)]

use crate::real::Real;
use crate::simd::mul_add;

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Ymm, Zmm};

/// Some elements that are worked on together.
///
/// Every method but [`Self::available`] may be called only where that one is true.
pub(super) trait Lanes: Copy {
    /// Type of the elements.
    type Element: Real;
    /// Number of elements.
    const LEN: usize;

    /// Whether the processor has the instructions and the type of the elements is the right one.
    fn available() -> bool;

    /// Zeros.
    ///
    /// # Safety
    /// Available.
    unsafe fn zero() -> Self;

    /// The elements at `from`.
    ///
    /// # Safety
    /// Available, and `LEN` elements can be read.
    unsafe fn load(from: *const Self::Element) -> Self;

    /// The first `len` elements at `from`, zeros after them.
    ///
    /// # Safety
    /// Available, and `len` elements can be read, fewer than `LEN`.
    unsafe fn load_some(from: *const Self::Element, len: usize) -> Self;

    /// Adds the products of `xs` and `weights`, lane by lane; `FMA` as in [`mul_add`].
    ///
    /// # Safety
    /// Available.
    unsafe fn add_products<const FMA: bool>(&mut self, xs: &Self, weights: &Self);

    /// Adds `x * weights`; `FMA` as in [`mul_add`].
    ///
    /// # Safety
    /// Available.
    unsafe fn add_product<const FMA: bool>(&mut self, x: Self::Element, weights: &Self);

    /// Adds `other`.
    ///
    /// # Safety
    /// Available.
    unsafe fn add(&mut self, other: &Self);

    /// Writes the first `to.len()` elements, at most all.
    ///
    /// # Safety
    /// Available.
    unsafe fn store(&self, to: &mut [Self::Element]);
}

impl<T: Real, const N: usize> Lanes for [T; N] {
    type Element = T;
    const LEN: usize = N;

    #[inline(always)]
    fn available() -> bool {
        true
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        [T::ZERO; N]
    }

    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller grants N elements, which are aligned as an array of them has to be.
        unsafe { *from.cast() }
    }

    #[inline(always)]
    unsafe fn load_some(from: *const T, len: usize) -> Self {
        let mut some = [T::ZERO; N];
        for (i, x) in some.iter_mut().enumerate().take(len) {
            // SAFETY: the caller grants len elements.
            *x = unsafe { *from.add(i) };
        }
        some
    }

    #[inline(always)]
    unsafe fn add_products<const FMA: bool>(&mut self, xs: &Self, weights: &Self) {
        for ((sum, &x), &w) in self.iter_mut().zip(xs).zip(weights) {
            *sum = mul_add::<T, FMA>(x, w, *sum);
        }
    }

    #[inline(always)]
    unsafe fn add_product<const FMA: bool>(&mut self, x: T, weights: &Self) {
        for (sum, &w) in self.iter_mut().zip(weights) {
            *sum = mul_add::<T, FMA>(x, w, *sum);
        }
    }

    #[inline(always)]
    unsafe fn add(&mut self, other: &Self) {
        for (sum, &x) in self.iter_mut().zip(other) {
            *sum += x;
        }
    }

    #[inline(always)]
    unsafe fn store(&self, to: &mut [T]) {
        if let Ok(to) = <&mut [T; N]>::try_from(&mut *to) {
            *to = *self;
        } else {
            for (to, &x) in to.iter_mut().zip(self) {
                *to = x;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m256i, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
        _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm512_add_ps,
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_ps,
        _mm512_setzero_ps, _mm512_storeu_ps,
    };
    use std::marker::PhantomData;

    use super::Lanes;
    use crate::real::Real;
    use crate::simd::{Level, level};

    /// All bits of the first `len` lanes of eight.
    ///
    /// # Safety
    /// AVX2 is there, and `len` is at most 8.
    #[inline(always)]
    unsafe fn first_of_8(len: usize) -> __m256i {
        const BITS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
        // SAFETY: 8 elements from 8 - len on lie in the array; AVX2, says the caller.
        unsafe { _mm256_loadu_si256(BITS.as_ptr().add(8 - len).cast()) }
    }

    #[inline(always)]
    unsafe fn load_some_of_8(from: *const f32, len: usize) -> __m256 {
        // SAFETY: as the caller grants.
        unsafe { _mm256_maskload_ps(from, first_of_8(len)) }
    }

    #[inline(always)]
    unsafe fn store_some_of_8(to: *mut f32, len: usize, xs: __m256) {
        // SAFETY: as the caller grants.
        unsafe { _mm256_maskstore_ps(to, first_of_8(len), xs) };
    }

    #[inline(always)]
    unsafe fn load_some_of_16(from: *const f32, len: usize) -> __m512 {
        // SAFETY: as the caller grants.
        unsafe { _mm512_maskz_loadu_ps((1 << len) - 1, from) }
    }

    #[inline(always)]
    unsafe fn store_some_of_16(to: *mut f32, len: usize, xs: __m512) {
        // SAFETY: as the caller grants.
        unsafe { _mm512_mask_storeu_ps(to, (1 << len) - 1, xs) };
    }

    macro_rules! register {
        (
            $(#[$meta:meta])*
            $name:ident($inner:ident), $len:literal, $level:ident,
            $zero:ident, $load:ident, $store:ident, $splat:ident, $fused:ident, $add:ident,
            $load_some:ident, $store_some:ident
        ) => {
            $(#[$meta])*
            #[derive(Clone, Copy)]
            pub(in crate::conv) struct $name<T>($inner, PhantomData<T>);

            impl<T: Real> Lanes for $name<T> {
                type Element = T;
                const LEN: usize = $len;

                fn available() -> bool {
                    T::IS_F32 && level() >= Level::$level
                }

                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: available, says the caller.
                    Self(unsafe { $zero() }, PhantomData)
                }

                #[inline(always)]
                unsafe fn load(from: *const T) -> Self {
                    // SAFETY: available, so that T is f32, and the elements can be read, says the caller.
                    Self(unsafe { $load(from.cast()) }, PhantomData)
                }

                #[inline(always)]
                unsafe fn load_some(from: *const T, len: usize) -> Self {
                    // SAFETY: available, so that T is f32, and the elements can be read, says the caller.
                    Self(unsafe { $load_some(from.cast(), len) }, PhantomData)
                }

                #[inline(always)]
                unsafe fn add_products<const FMA: bool>(&mut self, xs: &Self, weights: &Self) {
                    // SAFETY: available, says the caller.
                    self.0 = unsafe { $fused(xs.0, weights.0, self.0) };
                }

                #[inline(always)]
                unsafe fn add_product<const FMA: bool>(&mut self, x: T, weights: &Self) {
                    // SAFETY: available, says the caller.
                    self.0 = unsafe { $fused($splat(x.to_f32()), weights.0, self.0) };
                }

                #[inline(always)]
                unsafe fn add(&mut self, other: &Self) {
                    // SAFETY: available, says the caller.
                    self.0 = unsafe { $add(self.0, other.0) };
                }

                #[inline(always)]
                unsafe fn store(&self, to: &mut [T]) {
                    if to.len() >= $len {
                        // SAFETY: available, so that T is f32, says the caller; the length is checked.
                        unsafe { $store(to.as_mut_ptr().cast(), self.0) };
                    } else {
                        // SAFETY: the same; only the elements of `to` are written.
                        unsafe { $store_some(to.as_mut_ptr().cast(), to.len(), self.0) };
                    }
                }
            }
        };
    }

    register! {
        /// A register of AVX2, for f32.
        Ymm(__m256), 8, Avx2,
        _mm256_setzero_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps,
        load_some_of_8, store_some_of_8
    }

    register! {
        /// A register of AVX-512, for f32.
        Zmm(__m512), 16, Avx512,
        _mm512_setzero_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps,
        load_some_of_16, store_some_of_16
    }
}
