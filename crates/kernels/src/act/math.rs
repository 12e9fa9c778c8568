//! The elementary functions of both element types: polynomials for `f32`, std and libm for `f64`.

use super::single;
use crate::real::Real;
use crate::simd::mul_add;

/// `name(x)` by `single::name` for `f32` and by the expression for `f64`.
macro_rules! by_type {
    ($($(#[$meta:meta])* $name:ident($x:ident): $double:expr;)*) => {
        $(
            $(#[$meta])*
            #[inline(always)]
            pub(crate) fn $name<T: Real, const FMA: bool>($x: T) -> T {
                if T::IS_F32 { T::from_f32(single::$name::<FMA>($x.to_f32())) } else { $double }
            }
        )*
    };
}

/// The same for functions that give two values.
macro_rules! pairs_by_type {
    ($($(#[$meta:meta])* $name:ident($x:ident): $double:expr;)*) => {
        $(
            $(#[$meta])*
            #[inline(always)]
            pub(super) fn $name<T: Real, const FMA: bool>($x: T) -> (T, T) {
                if T::IS_F32 {
                    let (a, b) = single::$name::<FMA>($x.to_f32());
                    (T::from_f32(a), T::from_f32(b))
                } else {
                    $double
                }
            }
        )*
    };
}

by_type! {
    /// e^x.
    exp(x): x.exp();
    /// e^x for x <= 0.
    exp_of_negative(x): x.exp();
    /// e^x - 1.
    exp_m1(x): x.exp_m1();
    /// ln x for positive normal x.
    ln(x): x.ln();
    /// sinh x.
    sinh(x): x.sinh();
    /// cosh x.
    cosh(x): x.cosh();
    /// tanh x.
    tanh(x): x.tanh();
    /// Inverse hyperbolic sine.
    asinh(x): x.asinh();
    /// Inverse tangent.
    atan(x): x.atan();
    /// Gauss error function.
    erf(x): x.erf();
    /// sin x where [`trig_is_fast`].
    sin(x): x.sin();
    /// cos x where [`trig_is_fast`].
    cos(x): x.cos();
    /// sin(x) / x, 1 at 0, where [`trig_is_fast`].
    sinc(x): sinc_from(x, x.sin());
    /// 1 / (1 + e^-x) without overflow.
    sigmoid(x): {
        let e = (-x.abs()).exp();
        let s = T::ONE / (T::ONE + e);
        if x < T::ZERO { e * s } else { s }
    };
    /// log(1 + e^x) without overflow.
    softplus(x): relu(x) + (-x.abs()).exp().ln_1p();
}

pairs_by_type! {
    /// sin x and cos x where [`trig_is_fast`].
    sin_and_cos(x): (x.sin(), x.cos());
    /// sinh x and cosh x.
    sinh_and_cosh(x): (x.sinh(), x.cosh());
    /// [`sinc`] and its derivative where [`trig_is_fast`].
    sinc_and_slope(x): far_sinc_and_slope::<T, FMA>(x);
    /// [`asinh`] and its derivative.
    asinh_and_slope(x): (x.asinh(), T::ONE / mul_add::<T, FMA>(x, x, T::ONE).sqrt());
    /// [`atan`] and its derivative.
    atan_and_slope(x): (x.atan(), T::ONE / mul_add::<T, FMA>(x, x, T::ONE));
    /// [`softplus`] and its derivative.
    softplus_and_slope(x): (softplus::<T, FMA>(x), sigmoid::<T, FMA>(x));
    /// [`erf`] and its derivative.
    erf_and_slope(x): (x.erf(), T::from_f64(std::f64::consts::FRAC_2_SQRT_PI) * (-(x * x)).exp());
}

/// May [`sin`], [`cos`] and [`sinc`] be used for x? (Otherwise the methods of [`Real`], which reduce any argument.)
#[inline(always)]
pub(super) fn trig_is_fast<T: Real>(x: T) -> bool {
    // NaN stays NaN in the fast functions.
    !T::IS_F32 || x.abs() <= T::from_f32(single::TRIG_LIMIT) || x.is_nan()
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

/// sin(x) / x from sin x: 1 at 0.
#[inline(always)]
pub(super) fn sinc_from<T: Real>(x: T, sin: T) -> T {
    if x == T::ZERO { T::ONE } else { sin / x }
}

/// [`sinc`] and its derivative for any x. Below 1 the difference of cos and sinc cancels and the Taylor series takes over, whose
/// first term left out is x^17 * 18/19! < 2e-16.
#[inline(always)]
pub(super) fn far_sinc_and_slope<T: Real, const FMA: bool>(x: T) -> (T, T) {
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
    let y = sinc_from(x, x.sin());
    (y, if x.abs() < T::ONE { near * x } else { (x.cos() - y) / x })
}
