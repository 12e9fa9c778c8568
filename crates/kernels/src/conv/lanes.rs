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
        __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps,
        _mm256_storeu_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
        _mm512_storeu_ps,
    };
    use std::marker::PhantomData;

    use super::Lanes;
    use crate::real::Real;
    use crate::simd::{Level, level};

    /// Copies as many elements as `to` has. Not a part of the loops that call it, which are to be unrolled.
    #[cold]
    #[inline(never)]
    fn copy_some<T: Real>(from: &[f32], to: &mut [T]) {
        for (to, &x) in to.iter_mut().zip(from) {
            *to = T::from_f32(x);
        }
    }

    macro_rules! register {
        (
            $(#[$meta:meta])*
            $name:ident($inner:ident), $len:literal, $level:ident,
            $zero:ident, $load:ident, $store:ident, $splat:ident, $fused:ident, $add:ident
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
                        let mut all = [0f32; $len];
                        // SAFETY: available, says the caller; the array has the register's length.
                        unsafe { $store(all.as_mut_ptr(), self.0) };
                        copy_some(&all, to);
                    }
                }
            }
        };
    }

    register! {
        /// A register of AVX2, for f32.
        Ymm(__m256), 8, Avx2,
        _mm256_setzero_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps
    }

    register! {
        /// A register of AVX-512, for f32.
        Zmm(__m512), 16, Avx512,
        _mm512_setzero_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps
    }
}
