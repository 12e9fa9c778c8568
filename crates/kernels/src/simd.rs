//! Run-time choice of the vector instructions: the macro `simd_fn!` compiles one generic body for the baseline processor, for AVX2 with
//! FMA and for AVX-512, and calls the best one that the processor has. On AArch64 NEON with FMA is the baseline.
//!
//! `SWISH_SIMD=scalar|avx2|avx512|amx` lowers the choice (never raises it above what the processor has; other values are ignored).
//! Results may differ in the last bits between levels, because FMA rounds once and the matrix unit sums in another order.
#![allow(
    unsafe_code,
    reason = "calling a function compiled for more instructions than the baseline needs unsafe; `level` checks them first"
)]

#[cfg(test)]
mod levels;

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
    /// The matrix unit for bfloat16 (AMX-TILE, AMX-BF16) and AVX-512 F, BW, VL and BF16, with what is above. Convolutions use the
    /// matrix unit, everything else AVX-512. Found under Linux only, which has to grant its use.
    Amx,
}

/// The level in use, found once: the processor's, or the lower one that the environment variable `SWISH_SIMD` names.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let wanted = match std::env::var("SWISH_SIMD").as_deref() {
            Ok("scalar") => Level::Scalar,
            Ok("avx2") => Level::Avx2,
            Ok("avx512") => Level::Avx512,
            _ => Level::Amx,
        };
        wanted.min(detected())
    })
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    if avx2 && is_x86_feature_detected!("avx512f") {
        if has_amx() { Level::Amx } else { Level::Avx512 }
    } else if avx2 {
        Level::Avx2
    } else {
        Level::Scalar
    }
}

/// Whether the processor has a matrix unit for bfloat16 and the system lets this process use it.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn has_amx() -> bool {
    use std::arch::x86_64::__cpuid_count;
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    let vectors = is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16");
    vectors && __cpuid_count(7, 0).edx & (AMX_BF16 | AMX_TILE) == AMX_BF16 | AMX_TILE && ask_for_tiles()
}

#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn has_amx() -> bool {
    false
}

/// Linux saves the tile registers only for processes that have asked for it: `arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA)`.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn ask_for_tiles() -> bool {
    const ARCH_PRCTL: isize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XTILEDATA: usize = 18;
    let result: isize;
    // SAFETY: this system call reads its two arguments only and changes no memory of the process; it overwrites rcx and r11.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XTILEDATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
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
                // SAFETY: `level` returns Avx512 or Amx only where the processor has avx512f, avx2 and fma.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx512 | $crate::simd::Level::Amx => unsafe { avx512::<$gen $(, $cname)*>($($arg),*) },
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

simd_fn! {
    /// `sums += xs`.
    pub(crate) fn add_to<T: Real>(sums: &mut [T], xs: &[T]) {
        for (sum, &x) in sums.iter_mut().zip(xs) {
            *sum += x;
        }
    }
}

simd_fn! {
    /// `sums += factor xs`.
    pub(crate) fn add_scaled<T: Real>(sums: &mut [T], factor: T, xs: &[T]) {
        for (sum, &x) in sums.iter_mut().zip(xs) {
            *sum = mul_add::<T, FMA>(factor, x, *sum);
        }
    }
}

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
