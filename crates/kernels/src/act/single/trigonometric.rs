//! Sine, cosine, sinc and the inverse tangent.

use std::f32::consts::{FRAC_2_PI, FRAC_PI_2};

use super::{at_most, fma, horner, reciprocal};

/// Adding it rounds a number below 2^22 to an integer that then stands in the low bits.
const ROUND: f32 = 12_582_912.0;
/// pi/2 in two parts, for FMA: the high one is the nearest float.
const PI_2_FUSED: [f32; 2] = [FRAC_PI_2, -4.371_139e-8];
/// pi/2 in three parts of at most 11 bits, exact times integers below 2^13; the rest is 3e-12.
const PI_2: [f32; 3] = [1.570_312_5, 4.837_513e-4, 7.549_533_6e-8];
/// Largest magnitude that the reduction of sine and cosine is accurate for.
pub(in super::super) const TRIG_LIMIT: f32 = 8192.0;

/// Sine and cosine of the rest after whole quarter turns, and the number of those in the low bits.
#[inline(always)]
fn reduced<const FMA: bool>(x: f32) -> (f32, f32, u32) {
    let shifted = fma::<FMA>(x, FRAC_2_PI, ROUND);
    let n = shifted - ROUND;
    // With FMA the first difference is exact: both sides are multiples of an ulp of the result.
    let r = if FMA {
        fma::<FMA>(n, -PI_2_FUSED[1], fma::<FMA>(n, -PI_2_FUSED[0], x))
    } else {
        fma::<FMA>(n, -PI_2[2], fma::<FMA>(n, -PI_2[1], fma::<FMA>(n, -PI_2[0], x)))
    };
    let z = r * r;
    let sin = fma::<FMA>(r * z, horner::<FMA, 3>(z, [-0.166_666_55, 0.008_332_158, -1.951_496e-4]), r);
    let cos = [1.0, -0.5, 0.041_666_646, -0.001_388_731_3, 2.443_281_1e-5];
    (sin, horner::<FMA, 5>(z, cos), shifted.to_bits())
}

/// sin(rest + quarters pi/2).
#[inline(always)]
fn turned(sin: f32, cos: f32, quarters: u32) -> f32 {
    let y = if quarters & 1 == 0 { sin } else { cos };
    f32::from_bits(y.to_bits() ^ ((quarters & 2) << 30))
}

/// Sine for `|x| <= TRIG_LIMIT`, within 2e-7.
#[inline(always)]
pub(in super::super) fn sin<const FMA: bool>(x: f32) -> f32 {
    sin_and_cos::<FMA>(x).0
}

/// Cosine for `|x| <= TRIG_LIMIT`, within 2e-7.
#[inline(always)]
pub(in super::super) fn cos<const FMA: bool>(x: f32) -> f32 {
    sin_and_cos::<FMA>(x).1
}

/// [`sin`] and [`cos`].
#[inline(always)]
pub(in super::super) fn sin_and_cos<const FMA: bool>(x: f32) -> (f32, f32) {
    let (sin, cos, quarters) = reduced::<FMA>(x);
    (turned(sin, cos, quarters), turned(sin, cos, quarters.wrapping_add(1)))
}

/// sin(x) / x for `|x| <= TRIG_LIMIT`, within 2e-7.
#[inline(always)]
pub(in super::super) fn sinc<const FMA: bool>(x: f32) -> f32 {
    sinc_and_slope::<FMA>(x).0
}

/// [`sinc`] and its derivative.
#[inline(always)]
pub(in super::super) fn sinc_and_slope<const FMA: bool>(x: f32) -> (f32, f32) {
    let (sin, cos) = sin_and_cos::<FMA>(x);
    // Below it sinc is 1 to single precision.
    let tiny = x.abs() < 1e-4;
    let inverse = reciprocal::<FMA>(if tiny { 1.0 } else { x.abs() }).copysign(x);
    let y = if tiny { 1.0 } else { sin * inverse };
    // Below 1 the difference of cos and sinc cancels and the Taylor series takes over; its first term left out is below 2e-9.
    let series = [-1.0 / 3.0, 1.0 / 30.0, -1.0 / 840.0, 1.0 / 45_360.0, -1.0 / 3_991_680.0];
    let near = x * horner::<FMA, 5>(x * x, series);
    (y, if x.abs() < 1.0 { near } else { (cos - y) * inverse })
}

/// Inverse tangent, within 3 ulp.
#[inline(always)]
pub(in super::super) fn atan<const FMA: bool>(x: f32) -> f32 {
    atan_and_slope::<FMA>(x).0
}

/// [`atan`] and its derivative 1 / (1 + x^2).
#[inline(always)]
pub(in super::super) fn atan_and_slope<const FMA: bool>(x: f32) -> (f32, f32) {
    let a = x.abs();
    let inverted = a > 1.0;
    // Beyond the bound the inverse is 0 to single precision.
    let t = if inverted { reciprocal::<FMA>(at_most(a, 1e18)) } else { a };
    let z = t * t;
    let c = [
        -0.333_333,
        0.199_985_49,
        -0.142_642_42,
        0.109_521_86,
        -0.084_034_495,
        0.057_957_58,
        -0.031_177_83,
        0.010_914_597,
        -0.001_793_619_7,
    ];
    let p = fma::<FMA>(t * z, horner::<FMA, 9>(z, c), t);
    let y = (if inverted { FRAC_PI_2 - p } else { p }).copysign(x);
    // 1 / (1 + x^2) = t^2 / (1 + t^2) for t = 1/x.
    (y, if inverted { z } else { 1.0 } * reciprocal::<FMA>(1.0 + z))
}
