//! Single-precision elementary functions without branches or tables, so that loops over them vectorise.
//!
//! The polynomials are minimax fits (Remez exchange, relative error of the function); every bound is tested against double
//! precision. NaN in gives NaN out. Results below 2^-125 may be flushed to 0.
//!
//! A vector division takes as long as about thirty multiplications, so with FMA reciprocals and square roots are refined from
//! a guess made on the bits.

mod exponential;
mod logarithm;
#[cfg(test)]
mod tests;
mod trigonometric;

pub(super) use exponential::{
    cosh, erf, erf_and_slope, exp, exp_m1, exp_of_negative, sigmoid, sinh, sinh_and_cosh, softplus, softplus_and_slope,
    tanh,
};
pub(super) use logarithm::{asinh, asinh_and_slope, ln};
pub(super) use trigonometric::{TRIG_LIMIT, atan, atan_and_slope, cos, sin, sin_and_cos, sinc, sinc_and_slope};

use crate::simd::mul_add;

#[inline(always)]
fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    mul_add::<f32, FMA>(a, b, c)
}

/// `c[0] + c[1] x + c[2] x^2 + ...`
#[inline(always)]
fn horner<const FMA: bool, const N: usize>(x: f32, c: [f32; N]) -> f32 {
    let mut sum = c[N - 1];
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        sum = fma::<FMA>(sum, x, c[i]);
    }
    sum
}

/// 1/d for d in 2^-125 .. 2^126, within 2 ulp.
#[inline(always)]
fn reciprocal<const FMA: bool>(d: f32) -> f32 {
    if !FMA {
        return 1.0 / d;
    }
    // The bits of a float are nearly its logarithm: their difference from a constant guesses the inverse, with this constant within
    // 5.1 %. With e = 1 - d r, 1/d = r / (1 - e): a step of third order takes e to 1.3e-4, one of second order to 1.7e-8.
    let r = f32::from_bits(0x7ef3_1000_u32.wrapping_sub(d.to_bits()));
    let e = fma::<FMA>(-d, r, 1.0);
    let r = fma::<FMA>(r, fma::<FMA>(e, e, e), r);
    fma::<FMA>(r, fma::<FMA>(-d, r, 1.0), r)
}

/// 1/sqrt(v) for positive v from 2^-120 to 2^126, within 2 ulp.
#[inline(always)]
fn inverse_sqrt<const FMA: bool>(v: f32) -> f32 {
    if !FMA {
        return 1.0 / v.sqrt();
    }
    // As in `reciprocal`: r (1 - e)^(-1/2) = r (1 + e/2 + 3/8 e^2 + ...), e from 0.069 to 2e-4, then to 3e-8.
    let r = f32::from_bits(0x5f37_4800_u32.wrapping_sub(v.to_bits() >> 1));
    let e = fma::<FMA>(-(v * r), r, 1.0);
    let r = fma::<FMA>(r, e * fma::<FMA>(e, 0.375, 0.5), r);
    let e = fma::<FMA>(-(v * r), r, 1.0);
    fma::<FMA>(0.5 * r, e, r)
}

/// The smaller of `x` and a bound; NaN stays.
#[inline(always)]
fn at_most(x: f32, bound: f32) -> f32 {
    if x > bound { bound } else { x }
}

/// The larger of `x` and a bound; NaN stays.
#[inline(always)]
fn at_least(x: f32, bound: f32) -> f32 {
    if x < bound { bound } else { x }
}
