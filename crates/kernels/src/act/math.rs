//! The elementary functions of both element types: polynomials for `f32`, std and libm for `f64`.

use super::single;
use crate::real::Real;
use crate::simd::mul_add;

/// `name(x)` by `single::name` for `f32` and by the method for `f64`.
macro_rules! by_type {
    ($($(#[$meta:meta])* $name:ident: $single:ident, $double:ident;)*) => {
        $(
            $(#[$meta])*
            #[inline(always)]
            pub(crate) fn $name<T: Real, const FMA: bool>(x: T) -> T {
                if T::IS_F32 { T::from_f32(single::$single::<FMA>(x.to_f32())) } else { x.$double() }
            }
        )*
    };
}

by_type! {
    /// e^x.
    exp: exp, exp;
    /// e^x for x <= 0.
    exp_of_negative: exp_of_negative, exp;
    /// e^x - 1.
    exp_m1: exp_m1, exp_m1;
    /// ln x for positive normal x.
    ln: ln, ln;
    /// ln(1 + x) for x in [0, 1].
    ln_1p_of_unit: ln_1p_of_unit, ln_1p;
    /// sinh x.
    sinh: sinh, sinh;
    /// cosh x.
    cosh: cosh, cosh;
    /// tanh x.
    tanh: tanh, tanh;
    /// Inverse hyperbolic sine.
    asinh: asinh, asinh;
    /// Inverse tangent.
    atan: atan, atan;
    /// Gauss error function.
    erf: erf, erf;
    /// sin x where [`trig_is_fast`].
    fast_sin: sin, sin;
    /// cos x where [`trig_is_fast`].
    fast_cos: cos, cos;
}

/// May [`fast_sin`] and [`fast_cos`] be used for all of these? (Otherwise the methods of [`Real`], which reduce any argument.)
#[inline(always)]
pub(super) fn trig_is_fast<T: Real>(xs: &[T]) -> bool {
    let limit = T::from_f32(single::TRIG_LIMIT);
    !T::IS_F32 || !xs.iter().fold(false, |far, x| far | (x.abs() > limit))
}

/// max(x, 0).
#[inline(always)]
pub(super) fn relu<T: Real>(x: T) -> T {
    if x <= T::ZERO { T::ZERO } else { x }
}

/// -1, 0 or 1; 0 for NaN.
#[inline(always)]
pub(super) fn sign<T: Real>(x: T) -> T {
    let positive = if x > T::ZERO { T::ONE } else { T::ZERO };
    if x < T::ZERO { -T::ONE } else { positive }
}

/// 1 / (1 + e^-x) without overflow.
#[inline(always)]
pub(super) fn sigmoid<T: Real, const FMA: bool>(x: T) -> T {
    let e = exp_of_negative::<T, FMA>(-x.abs());
    let s = T::ONE / (T::ONE + e);
    if x < T::ZERO { e * s } else { s }
}

/// log(1 + e^x) without overflow.
#[inline(always)]
pub(super) fn softplus<T: Real, const FMA: bool>(x: T) -> T {
    relu(x) + ln_1p_of_unit::<T, FMA>(exp_of_negative::<T, FMA>(-x.abs()))
}

/// sin(x) / x from sin x: 1 at 0.
#[inline(always)]
pub(super) fn sinc<T: Real>(x: T, sin: T) -> T {
    if x == T::ZERO { T::ONE } else { sin / x }
}

/// The derivative of sin(x) / x from its value and cos x. Below 1 the difference cancels and the Taylor series takes over, whose
/// first term left out is x^17 * 18/19! < 2e-16.
#[inline(always)]
pub(super) fn d_sinc<T: Real, const FMA: bool>(x: T, sinc: T, cos: T) -> T {
    const SERIES: [f64; 8] = [
        -1.0 / 3.0,
        1.0 / 30.0,
        -1.0 / 840.0,
        1.0 / 45_360.0,
        -1.0 / 3_991_680.0,
        1.0 / 518_918_400.0,
        -1.0 / 93_405_312_000.0,
        1.0 / 22_230_464_256_000.0,
    ];
    let z = x * x;
    let mut near = T::ZERO;
    for &c in SERIES.iter().rev() {
        near = mul_add::<T, FMA>(near, z, T::from_f64(c));
    }
    if x.abs() < T::ONE { near * x } else { (cos - sinc) / x }
}
