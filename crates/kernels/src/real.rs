//! [`Real`]: the element type of every kernel, `f32` for training and `f64` so that gradients can be checked by finite differences.

use crate::spare::Plain;
use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// A floating-point element: `f32` or `f64`.
pub trait Real:
    Default
    + PartialOrd
    + Debug
    + Display
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
    + Plain
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Negative infinity.
    const NEG_INFINITY: Self;
    /// True for `f32`: lets a kernel choose a single-precision approximation at compile time.
    const IS_F32: bool;

    /// The nearest value of this type.
    fn from_f64(x: f64) -> Self;
    /// The same value in double precision (exact).
    fn to_f64(self) -> f64;
    /// The same value, widened where needed (exact).
    fn from_f32(x: f32) -> Self;
    /// The nearest single-precision value.
    fn to_f32(self) -> f32;
    /// Rounded to the nearest bfloat16 (ties to even); NaN stays NaN.
    fn round_bf16(self) -> Self;
    /// `self * b + c` with one rounding; a library call, and slow, where the code is compiled without FMA instructions.
    fn fused_mul_add(self, b: Self, c: Self) -> Self;

    /// Absolute value.
    fn abs(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// e to the power of `self`.
    fn exp(self) -> Self;
    /// e to the power of `self`, minus 1, accurate near 0.
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Natural logarithm of `1 + self`, accurate near 0.
    fn ln_1p(self) -> Self;
    /// Sine.
    fn sin(self) -> Self;
    /// Cosine.
    fn cos(self) -> Self;
    /// Hyperbolic sine.
    fn sinh(self) -> Self;
    /// Hyperbolic cosine.
    fn cosh(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Inverse hyperbolic sine.
    fn asinh(self) -> Self;
    /// Inverse tangent.
    fn atan(self) -> Self;
    /// Gauss error function.
    fn erf(self) -> Self;

    /// True for NaN.
    #[inline(always)]
    #[expect(clippy::eq_op, reason = "only NaN differs from itself")]
    fn is_nan(self) -> bool {
        self != self
    }

    /// The larger of the two; `self` where they do not compare, so a NaN in `self` stays.
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if other > self { other } else { self }
    }

    /// The smaller of the two; `self` where they do not compare, so a NaN in `self` stays.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        if other < self { other } else { self }
    }
}

macro_rules! std_functions {
    ($t:ty: $($name:ident),*) => {
        $(
            #[inline(always)]
            fn $name(self) -> Self {
                <$t>::$name(self)
            }
        )*
    };
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = f32::NEG_INFINITY;
    const IS_F32: bool = true;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn from_f32(x: f32) -> Self {
        x
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
    #[inline(always)]
    fn round_bf16(self) -> Self {
        round_bits_bf16(self)
    }
    #[inline(always)]
    fn fused_mul_add(self, b: Self, c: Self) -> Self {
        f32::mul_add(self, b, c)
    }
    std_functions!(f32: abs, sqrt, exp, exp_m1, ln, ln_1p, sin, cos, sinh, cosh, tanh, asinh, atan);
    #[inline(always)]
    fn erf(self) -> Self {
        libm::erff(self)
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = f64::NEG_INFINITY;
    const IS_F32: bool = false;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn from_f32(x: f32) -> Self {
        f64::from(x)
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self as f32
    }
    fn round_bf16(self) -> Self {
        round_f64_bf16(self)
    }
    #[inline(always)]
    fn fused_mul_add(self, b: Self, c: Self) -> Self {
        f64::mul_add(self, b, c)
    }
    std_functions!(f64: abs, sqrt, exp, exp_m1, ln, ln_1p, sin, cos, sinh, cosh, tanh, asinh, atan);
    #[inline(always)]
    fn erf(self) -> Self {
        libm::erf(self)
    }
}

/// Round to nearest even on the bits, without a branch, so that loops over it vectorise.
#[inline(always)]
fn round_bits_bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    let half_to_even = 0x7fff + ((bits >> 16) & 1);
    let rounded = f32::from_bits(bits.wrapping_add(half_to_even) & 0xffff_0000);
    if x.is_nan() { x } else { rounded }
}

/// Round to nearest even, once: through f32 it would be rounded twice.
fn round_f64_bf16(x: f64) -> f64 {
    const SMALLEST_NORMAL: f64 = f32::MIN_POSITIVE as f64;
    // 1.5 * 2^(52 - 133): around it the spacing of f64 is 2^-133, that of bfloat16's subnormal numbers.
    const SUBNORMAL_SHIFT: f64 = 1.5 * SMALLEST_NORMAL * (1u64 << 45) as f64;
    const DROPPED: u32 = 52 - 7;
    if x.is_nan() {
        x
    } else if x.abs() < SMALLEST_NORMAL {
        ((x + SUBNORMAL_SHIFT) - SUBNORMAL_SHIFT).copysign(x)
    } else {
        let bits = x.to_bits();
        let half_to_even = (1u64 << (DROPPED - 1)) - 1 + ((bits >> DROPPED) & 1);
        let rounded = f64::from_bits((bits + half_to_even) >> DROPPED << DROPPED);
        // The next number after the largest finite one is 2^128.
        if rounded.abs() > f64::from(f32::MAX) { f64::INFINITY.copysign(x) } else { rounded }
    }
}

#[cfg(test)]
mod tests {
    use super::Real;

    /// The half crate's own conversion is the reference.
    #[test]
    fn bf16_rounding_agrees_with_half() {
        for step in 0..400_000u32 {
            let x = f32::from_bits(step.wrapping_mul(10_737));
            let expected = half::bf16::from_f32(x).to_f32();
            if x.is_nan() {
                assert!(Real::is_nan(x.round_bf16()));
            } else {
                assert_eq!(x.round_bf16(), expected, "{x:e}");
                assert_eq!(f64::from(x).round_bf16(), f64::from(expected), "{x:e}");
            }
        }
        // Ties: 1 + 2^-8 lies between 1 and 1 + 2^-7 and goes to the even one, 1; 1 + 3 * 2^-8 goes up to 1 + 2^-6.
        assert_eq!((1.0f32 + 1.0 / 256.0).round_bf16(), 1.0);
        assert_eq!((1.0f64 + 3.0 / 256.0).round_bf16(), 1.0 + 1.0 / 64.0);
        // Just above a tie, by less than f32 can tell.
        assert_eq!((1.0f64 + 1.0 / 256.0 + 1e-12).round_bf16(), 1.0 + 1.0 / 128.0);
        assert_eq!(1e300f64.round_bf16(), f64::INFINITY);
        assert_eq!(f32::INFINITY.round_bf16(), f32::INFINITY);
    }

    #[test]
    fn nan_in_self_survives_max_and_min() {
        assert!(Real::is_nan(Real::max(f32::NAN, 0.0)));
        assert!(Real::is_nan(Real::min(f64::NAN, 0.0)));
        assert_eq!(Real::max(1.0f32, f32::NAN), 1.0);
        assert_eq!(Real::max(-1.0f64, 2.0), 2.0);
        assert_eq!(Real::min(-1.0f64, 2.0), -1.0);
    }
}
