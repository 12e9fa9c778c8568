//! The exponential and what is made of it.

use std::f32::consts::LOG2_E;

use super::logarithm::ln_1p_of_unit;
use super::{at_least, at_most, fma, horner, reciprocal};

/// Adding it rounds a number below 2^22 to an integer that then stands in the low bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts; the high one has 14 bits, so that its product with an exponent is exact.
const LN2_HIGH: f32 = 0.693_115_23;
const LN2_LOW: f32 = 3.194_618_3e-5;
/// `(e^r - 1 - r) / r^2` for `|r| <= ln(2)/2`.
const EXP: [f32; 5] = [0.499_999_94, 0.166_665_2, 0.041_668_393, 0.008_368_781, 0.001_381_447_9];

/// `(2^(n + SHIFT), e^r - 1)` with `x = n ln 2 + r`, `|r| <= ln(2)/2`; the power needs `n + SHIFT` in -126..=127.
#[inline(always)]
fn exp_parts<const FMA: bool, const SHIFT: i8>(x: f32) -> (f32, f32) {
    // The exponent's bias is added with ROUND, so that the low bits are those of the power's exponent.
    let round = ROUND + 127.0 + f32::from(SHIFT);
    let shifted = fma::<FMA>(x, LOG2_E, round);
    let n = shifted - round;
    let r = fma::<FMA>(n, -LN2_LOW, fma::<FMA>(n, -LN2_HIGH, x));
    let q = horner::<FMA, 5>(r, EXP);
    (f32::from_bits(shifted.to_bits() << 23), fma::<FMA>(r * r, q, r))
}

/// [`exp_parts`] of -x, without the operation that changes the sign: SHIFT 0.
#[inline(always)]
fn exp_parts_of_minus<const FMA: bool>(x: f32) -> (f32, f32) {
    let round = ROUND + 127.0;
    let shifted = fma::<FMA>(x, -LOG2_E, round);
    let n = shifted - round;
    let minus_r = fma::<FMA>(n, LN2_LOW, fma::<FMA>(n, LN2_HIGH, x));
    let q = horner::<FMA, 5>(minus_r, [EXP[0], -EXP[1], EXP[2], -EXP[3], EXP[4]]);
    (f32::from_bits(shifted.to_bits() << 23), fma::<FMA>(minus_r * minus_r, q, -minus_r))
}

/// e^x, within 2 ulp; 0 below -86.9, infinite above 88.7228.
#[inline(always)]
pub(in super::super) fn exp<const FMA: bool>(x: f32) -> f32 {
    let (half, p) = exp_parts::<FMA, -1>(x);
    let y = fma::<FMA>(half, p, half) * 2.0;
    let y = if x < -86.9 { 0.0 } else { y };
    if x > 88.722_84 { f32::INFINITY } else { y }
}

/// e^x for x <= 88, within 2 ulp; 0 below -86.9.
#[inline(always)]
pub(in super::super) fn exp_of_negative<const FMA: bool>(x: f32) -> f32 {
    let (power, p) = exp_parts::<FMA, 0>(x);
    let y = fma::<FMA>(power, p, power);
    if x < -86.9 { 0.0 } else { y }
}

/// e^x / 2 for x >= 0, within 2 ulp; infinite above 89.4159, where cosh is.
#[inline(always)]
fn half_exp<const FMA: bool>(x: f32) -> f32 {
    let (quarter, p) = exp_parts::<FMA, -2>(x);
    let y = fma::<FMA>(quarter, p, quarter) * 2.0;
    if x > 89.415_985 { f32::INFINITY } else { y }
}

/// e^x - 1, within 3 ulp.
#[inline(always)]
pub(in super::super) fn exp_m1<const FMA: bool>(x: f32) -> f32 {
    let (half, p) = exp_parts::<FMA, -1>(at_least(x, -30.0));
    let y = fma::<FMA>(p, half, half - 0.5) * 2.0;
    if x > 88.722_84 { f32::INFINITY } else { y }
}

/// 1 / (1 + e^-x), within 4 ulp; 0 below -86.9.
#[inline(always)]
pub(in super::super) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    let (power, p) = exp_parts_of_minus::<FMA>(at_most(at_least(x, -86.9), 86.9));
    let s = reciprocal::<FMA>(fma::<FMA>(power, p, power) + 1.0);
    if x < -86.9 { 0.0 } else { s }
}

/// Hyperbolic tangent, within 4 ulp.
#[inline(always)]
pub(in super::super) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let (power, p) = exp_parts_of_minus::<FMA>(at_most(2.0 * x.abs(), 30.0));
    let t = fma::<FMA>(p, power, power - 1.0);
    (-t * reciprocal::<FMA>(t + 2.0)).copysign(x)
}

/// Hyperbolic sine, within 4 ulp.
#[inline(always)]
pub(in super::super) fn sinh<const FMA: bool>(x: f32) -> f32 {
    sinh_and_cosh::<FMA>(x).0
}

/// Hyperbolic cosine, within 3 ulp.
#[inline(always)]
pub(in super::super) fn cosh<const FMA: bool>(x: f32) -> f32 {
    sinh_and_cosh::<FMA>(x).1
}

/// `(sinh x, cosh x)`, within 4 and 3 ulp.
#[inline(always)]
pub(in super::super) fn sinh_and_cosh<const FMA: bool>(x: f32) -> (f32, f32) {
    let a = x.abs();
    let h = half_exp::<FMA>(a);
    // e^-a / 2; beyond the bound it does not count.
    let small = 0.25 * reciprocal::<FMA>(at_most(h, 1e30));
    let z = x * x;
    let near = [0.166_666_67, 0.008_333_35, 1.983_616e-4, 2.816_951_6e-6];
    let near = fma::<FMA>(a * z, horner::<FMA, 4>(z, near), a);
    ((if a < 1.0 { near } else { h - small }).copysign(x), h + small)
}

/// ln(1 + e^x), within 4 ulp or 2e-7.
#[inline(always)]
pub(in super::super) fn softplus<const FMA: bool>(x: f32) -> f32 {
    at_least(x, 0.0) + ln_1p_of_unit::<FMA>(exp_of_negative::<FMA>(-x.abs()))
}

/// [`softplus`] and its derivative, the sigmoid.
#[inline(always)]
pub(in super::super) fn softplus_and_slope<const FMA: bool>(x: f32) -> (f32, f32) {
    let e = exp_of_negative::<FMA>(-x.abs());
    let s = reciprocal::<FMA>(1.0 + e);
    (at_least(x, 0.0) + ln_1p_of_unit::<FMA>(e), if x < 0.0 { e * s } else { s })
}

/// Gauss error function, within 4 ulp.
#[inline(always)]
pub(in super::super) fn erf<const FMA: bool>(x: f32) -> f32 {
    let a = x.abs();
    let near =
        [0.128_379_17, -0.376_126_26, 0.112_835_854, -0.026_853_813, 0.005_188_327_8, -8.010_195_5e-4, 7.853_867e-5];
    let near = fma::<FMA>(a, horner::<FMA, 7>(a * a, near), a);
    // ln erfc(a) on [1, 4]; beyond, erf is 1.
    let far = [
        1.880_283_7e-4,
        -1.129_578_4,
        -0.633_22,
        -0.108_418_48,
        0.025_208_198,
        -0.004_204_541,
        4.413_324e-4,
        -2.168_653_2e-5,
    ];
    let (power, p) = exp_parts::<FMA, 0>(horner::<FMA, 8>(at_most(a, 4.0), far));
    let far = 1.0 - fma::<FMA>(power, p, power);
    (if a < 1.0 { near } else { far }).copysign(x)
}

/// [`erf`] and its derivative 2 / sqrt(pi) e^(-x^2).
#[inline(always)]
pub(in super::super) fn erf_and_slope<const FMA: bool>(x: f32) -> (f32, f32) {
    (erf::<FMA>(x), std::f32::consts::FRAC_2_SQRT_PI * exp_of_negative::<FMA>(-(x * x)))
}
