//! Run-time choice of the vector instructions: the macro `simd_fn!` compiles one generic body for the baseline processor, for AVX2 with
//! FMA and for AVX-512, and calls the best one that the processor has. On AArch64 NEON with FMA is the baseline.
//!
//! `SWISH_SIMD=scalar|avx2|avx512` lowers the choice (never raises it above what the processor has; other values are ignored). Results may differ in the last
//! bits between levels, because FMA rounds once.
#![allow(
    unsafe_code,
    reason = "calling a function compiled for more instructions than the baseline needs unsafe; `level` checks them first"
)]

use std::sync::OnceLock;

use crate::real::Real;

/// Which vector instructions the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The baseline of the compilation target, without FMA.
    Scalar,
    /// AArch64's baseline: NEON with FMA.
    Neon,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512F, with AVX2 and FMA.
    Avx512,
}

/// The level in use, found once: the processor's, or the lower one that the environment variable `SWISH_SIMD` names.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let wanted = match std::env::var("SWISH_SIMD").as_deref() {
            Ok("scalar") => Level::Scalar,
            Ok("avx2") => Level::Avx2,
            _ => Level::Avx512,
        };
        wanted.min(detected())
    })
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    if avx2 && is_x86_feature_detected!("avx512f") {
        Level::Avx512
    } else if avx2 {
        Level::Avx2
    } else {
        Level::Scalar
    }
}

#[cfg(target_arch = "aarch64")]
fn detected() -> Level {
    Level::Neon
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detected() -> Level {
    Level::Scalar
}

/// `a * b + c`: fused where the body is compiled with FMA instructions, two roundings elsewhere.
#[inline(always)]
pub(crate) fn mul_add<T: Real, const FMA: bool>(a: T, b: T, c: T) -> T {
    if FMA { a.fused_mul_add(b, c) } else { a * b + c }
}

/// Defines a function whose body is compiled once for each [`Level`] and chosen at run time.
///
/// Written as an ordinary generic function inside the macro. The body may use the constant `FMA: bool` (pass it on to [`mul_add`]),
/// and everything it calls in its loops must be `#[inline(always)]` so that it is compiled with the same instructions.
macro_rules! simd_fn {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident<$gen:ident: $bound:path $(, const $cname:ident: $cty:ty)*>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    ) => {
        $(#[$meta])*
        #[allow(unsafe_code, reason = "`level` has checked that the processor has the instructions")]
        $vis fn $name<$gen: $bound $(, const $cname: $cty)*>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, clippy::extra_unused_type_parameters)]
            fn body<$gen: $bound $(, const $cname: $cty)*, const FMA: bool>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            fn avx2<$gen: $bound $(, const $cname: $cty)*>($($arg: $ty),*) $(-> $ret)? {
                body::<$gen $(, $cname)*, true>($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            fn avx512<$gen: $bound $(, const $cname: $cty)*>($($arg: $ty),*) $(-> $ret)? {
                body::<$gen $(, $cname)*, true>($($arg),*)
            }

            match $crate::simd::level() {
                // SAFETY: `level` returns Avx512 only where the processor has avx512f, avx2 and fma.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx512 => unsafe { avx512::<$gen $(, $cname)*>($($arg),*) },
                // SAFETY: `level` returns Avx2 only where the processor has avx2 and fma.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx2 => unsafe { avx2::<$gen $(, $cname)*>($($arg),*) },
                // No other instructions than the baseline's, but fused.
                #[cfg(target_arch = "aarch64")]
                $crate::simd::Level::Neon => body::<$gen $(, $cname)*, true>($($arg),*),
                _ => body::<$gen $(, $cname)*, false>($($arg),*),
            }
        }
    };
}
pub(crate) use simd_fn;

#[cfg(test)]
mod tests {
    use super::{Level, level, mul_add};
    use crate::real::Real;

    simd_fn! {
        /// Sum of products, as an example with a type and a constant parameter.
        fn dot<T: Real, const N: usize>(xs: &[T], ys: &[T]) -> [T; N] {
            let mut sums = [T::ZERO; N];
            for (x, y) in xs.chunks_exact(N).zip(ys.chunks_exact(N)) {
                for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
                    *sum = mul_add::<T, FMA>(x, y, *sum);
                }
            }
            sums
        }
    }

    #[test]
    fn the_chosen_body_computes_the_sum() {
        let xs: Vec<f32> = (0..64).map(|i| i as f32).collect();
        let sums = dot::<f32, 8>(&xs, &xs);
        // Sum of squares of 0..=63 is 63 * 64 * 127 / 6.
        assert_eq!(sums.iter().sum::<f32>(), 85_344.0);
        assert!(level() >= Level::Scalar);
    }
}
