//! The natural logarithm and the inverse hyperbolic sine.

use std::f32::consts::LN_2;

use super::{at_most, fma, horner, inverse_sqrt};

/// ln 2 in two parts; the high one has 14 bits, so that its product with an exponent is exact.
const LN2_HIGH: f32 = 0.693_115_23;
const LN2_LOW: f32 = 3.194_618_3e-5;
/// `(asinh x - x) / x^3` in x^2, for `|x| < 1/2`.
const NEAR: [f32; 5] = [-0.166_666_65, 0.074_995_83, -0.044_506_51, 0.028_783_606, -0.014_288_508];

/// `ln(1 + f) - f` for f in [sqrt(1/2) - 1, sqrt(2) - 1].
#[inline(always)]
fn ln_1p_rest<const FMA: bool>(f: f32) -> f32 {
    let c = [
        0.333_333_13,
        -0.250_000_1,
        0.200_021_18,
        -0.166_679_95,
        0.142_195_6,
        -0.124_056_04,
        0.118_881_255,
        -0.116_755_59,
        0.067_466_13,
    ];
    let z = f * f;
    fma::<FMA>(f * z, horner::<FMA, 9>(f, c), -0.5 * z)
}

/// ln x for positive normal x (infinity and NaN give themselves), within 2 ulp.
#[inline(always)]
pub(in super::super) fn ln<const FMA: bool>(x: f32) -> f32 {
    // The bits of sqrt(1/2): mantissas are taken from there to sqrt(2), around 1.
    const SQRT_HALF: i32 = 0x3f35_04f3;
    let bits = x.to_bits() as i32;
    let n = bits.wrapping_sub(SQRT_HALF) >> 23;
    let f = f32::from_bits(bits.wrapping_sub(n << 23) as u32) - 1.0;
    let n = n as f32;
    let y = fma::<FMA>(n, LN2_HIGH, f + fma::<FMA>(n, LN2_LOW, ln_1p_rest::<FMA>(f)));
    if x < f32::INFINITY { y } else { x }
}

/// ln(1 + x) for x in [0, 1], within 3 ulp.
#[inline(always)]
pub(super) fn ln_1p_of_unit<const FMA: bool>(x: f32) -> f32 {
    let high = x > 0.414_213_57;
    // (1 + x) / 2 - 1 is exact for x > 1/4.
    let f = if high { 0.5 * x - 0.5 } else { x };
    let n = if high { LN_2 } else { 0.0 };
    n + (f + ln_1p_rest::<FMA>(f))
}

/// Inverse hyperbolic sine, within 4 ulp.
#[inline(always)]
pub(in super::super) fn asinh<const FMA: bool>(x: f32) -> f32 {
    asinh_and_slope::<FMA>(x).0
}

/// [`asinh`] and its derivative 1 / sqrt(1 + x^2).
#[inline(always)]
pub(in super::super) fn asinh_and_slope<const FMA: bool>(x: f32) -> (f32, f32) {
    let a = x.abs();
    // The bound keeps the square finite; the slope beyond it is 0 to single precision.
    let bounded = at_most(a, 1e18);
    let z = bounded * bounded;
    let v = 1.0 + z;
    let slope = inverse_sqrt::<FMA>(v);
    let near = fma::<FMA>(a * z, horner::<FMA, 5>(z, NEAR), a);
    // asinh a = ln(a + sqrt(1 + a^2)), nearly ln(2 a) for large a.
    let far = a > 8192.0;
    let log = ln::<FMA>(if far { a } else { fma::<FMA>(v, slope, a) });
    let log = if far { log + LN_2 } else { log };
    ((if a < 0.5 { near } else { log }).copysign(x), slope)
}
