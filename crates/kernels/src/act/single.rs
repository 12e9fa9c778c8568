//! Single-precision elementary functions without branches or tables, so that loops over them vectorise.
//!
//! The polynomials are minimax fits (Remez exchange, relative error of the function); every bound below is tested against double
//! precision. NaN in gives NaN out. Results below 2^-125 may be flushed to 0.

use std::f32::consts::{FRAC_2_PI, FRAC_PI_2, LN_2, LOG2_E};

use crate::simd::mul_add;

/// Adding it rounds a number below 2^22 to an integer that then stands in the low bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts; the high one has 14 bits, so that its product with an exponent is exact.
const LN2_HIGH: f32 = 0.693_115_23;
const LN2_LOW: f32 = 3.194_618_3e-5;
/// pi/2 in three parts of at most 11 bits, exact times integers below 2^13; the rest is 3e-12.
const PI_2: [f32; 3] = [1.570_312_5, 4.837_513e-4, 7.549_533_6e-8];
/// Largest magnitude that [`sin`] and [`cos`] reduce accurately.
pub(super) const TRIG_LIMIT: f32 = 8192.0;

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

/// 2^n for n in -126..=127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `(n, e^r - 1)` with `x = n ln 2 + r`, `|r| <= ln(2)/2`.
#[inline(always)]
fn exp_parts<const FMA: bool>(x: f32) -> (i32, f32) {
    let shifted = fma::<FMA>(x, LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<FMA>(n, -LN2_LOW, fma::<FMA>(n, -LN2_HIGH, x));
    let q = horner::<FMA, 5>(r, [0.499_999_94, 0.166_665_2, 0.041_668_393, 0.008_368_781, 0.001_381_447_9]);
    ((shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32), fma::<FMA>(r * r, q, r))
}

/// e^x, within 2 ulp; 0 below -86.9, infinite above 88.7228.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    let (n, p) = exp_parts::<FMA>(x);
    let y = (p + 1.0) * power_of_two(n.wrapping_sub(1)) * 2.0;
    let y = if x < -86.9 { 0.0 } else { y };
    if x > 88.722_84 { f32::INFINITY } else { y }
}

/// e^x for x <= 0, within 2 ulp; 0 below -86.9.
#[inline(always)]
pub(super) fn exp_of_negative<const FMA: bool>(x: f32) -> f32 {
    let (n, p) = exp_parts::<FMA>(x);
    let y = (p + 1.0) * power_of_two(n);
    if x < -86.9 { 0.0 } else { y }
}

/// e^x / 2 for x >= 0, within 2 ulp; infinite above 89.4159, where cosh is.
#[inline(always)]
fn half_exp<const FMA: bool>(x: f32) -> f32 {
    let (n, p) = exp_parts::<FMA>(x);
    let y = (p + 1.0) * power_of_two(n.wrapping_sub(2)) * 2.0;
    if x > 89.415_985 { f32::INFINITY } else { y }
}

/// e^x - 1, within 3 ulp.
#[inline(always)]
pub(super) fn exp_m1<const FMA: bool>(x: f32) -> f32 {
    let (n, p) = exp_parts::<FMA>(if x < -30.0 { -30.0 } else { x });
    let half = power_of_two(n.wrapping_sub(1));
    let y = fma::<FMA>(p, half, half - 0.5) * 2.0;
    if x > 88.722_84 { f32::INFINITY } else { y }
}

/// Hyperbolic tangent, within 4 ulp.
#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let t = exp_m1::<FMA>(-2.0 * x.abs());
    (-t / (t + 2.0)).copysign(x)
}

/// Hyperbolic sine, within 4 ulp.
#[inline(always)]
pub(super) fn sinh<const FMA: bool>(x: f32) -> f32 {
    let a = x.abs();
    let h = half_exp::<FMA>(a);
    let z = x * x;
    let near = fma::<FMA>(a * z, horner::<FMA, 4>(z, [0.166_666_67, 0.008_333_35, 1.983_616e-4, 2.816_951_6e-6]), a);
    let y = if a < 1.0 { near } else { h - 0.25 / h };
    y.copysign(x)
}

/// Hyperbolic cosine, within 3 ulp.
#[inline(always)]
pub(super) fn cosh<const FMA: bool>(x: f32) -> f32 {
    let h = half_exp::<FMA>(x.abs());
    h + 0.25 / h
}

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
pub(super) fn ln<const FMA: bool>(x: f32) -> f32 {
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
pub(super) fn asinh<const FMA: bool>(x: f32) -> f32 {
    let a = x.abs();
    let far = a > 8192.0;
    let z = x * x;
    // asinh a = ln(1 + w), w without cancellation; u - 1 misses the bits of w that the correction restores.
    let w = a + z / (1.0 + (1.0 + z).sqrt());
    let u = 1.0 + w;
    let correction = (w - (u - 1.0)) / u;
    let log = ln::<FMA>(if far { a } else { u });
    (log + if far { LN_2 } else { correction }).copysign(x)
}

/// Inverse tangent, within 3 ulp.
#[inline(always)]
pub(super) fn atan<const FMA: bool>(x: f32) -> f32 {
    let a = x.abs();
    let inverted = a > 1.0;
    let t = if inverted { 1.0 / a } else { a };
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
    (if inverted { FRAC_PI_2 - p } else { p }).copysign(x)
}

/// Gauss error function, within 4 ulp.
#[inline(always)]
pub(super) fn erf<const FMA: bool>(x: f32) -> f32 {
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
    let far = 1.0 - exp_of_negative::<FMA>(horner::<FMA, 8>(if a > 4.0 { 4.0 } else { a }, far));
    (if a < 1.0 { near } else { far }).copysign(x)
}

/// Sine for `|x| <= TRIG_LIMIT`, within 2e-7.
#[inline(always)]
pub(super) fn sin<const FMA: bool>(x: f32) -> f32 {
    quarter_turns::<FMA>(x, 0)
}

/// Cosine for `|x| <= TRIG_LIMIT`, within 2e-7.
#[inline(always)]
pub(super) fn cos<const FMA: bool>(x: f32) -> f32 {
    quarter_turns::<FMA>(x, 1)
}

/// sin(x + turns * pi/2).
#[inline(always)]
fn quarter_turns<const FMA: bool>(x: f32, turns: u32) -> f32 {
    let shifted = fma::<FMA>(x, FRAC_2_PI, ROUND);
    let n = shifted - ROUND;
    let r = fma::<FMA>(n, -PI_2[2], fma::<FMA>(n, -PI_2[1], fma::<FMA>(n, -PI_2[0], x)));
    let z = r * r;
    let sin = fma::<FMA>(r * z, horner::<FMA, 3>(z, [-0.166_666_55, 0.008_332_158, -1.951_496e-4]), r);
    let cos = fma::<FMA>(
        z * z,
        horner::<FMA, 3>(z, [0.041_666_646, -0.001_388_731_3, 2.443_281_1e-5]),
        fma::<FMA>(z, -0.5, 1.0),
    );
    let quadrant = shifted.to_bits().wrapping_add(turns);
    let y = if quadrant & 1 == 0 { sin } else { cos };
    f32::from_bits(y.to_bits() ^ ((quadrant & 2) << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest error over a dense sweep of [low, high] and over magnitudes 2^-30 .. high, both signs where low < 0: in ulp of the
    /// true value, an absolute error below `floor` counting as none.
    fn worst(f: fn(f32) -> f32, truth: fn(f64) -> f64, low: f32, high: f32, floor: f64) -> f64 {
        let mut worst = 0.0f64;
        let mut check = |x: f32| {
            let (y, t) = (f64::from(f(x)), truth(f64::from(x)));
            assert!(y.is_finite(), "f({x:e}) = {y}");
            let ulp = f64::from((t.abs() as f32).max(f32::MIN_POSITIVE)) * f64::from(f32::EPSILON);
            let error = (y - t).abs();
            if error > floor {
                worst = worst.max(error / ulp);
            }
        };
        let n = 150_000;
        for i in 0..=n {
            check(low + (high - low) * (i as f32 / n as f32));
        }
        for i in 0..50_000 {
            let x = 2f32.powf(-30.0 + 30.0 * (i as f32 / 50_000.0)) * high.abs().min(1.0);
            if low <= 0.0 && high > 0.0 {
                check(x);
            }
            if low < 0.0 {
                check(-x);
            }
        }
        worst
    }

    /// Both variants of the arithmetic; the reference is std's and libm's double precision. An ulp here is 2^-23 of the value, at
    /// most one true ulp (half of one for mantissas near 2).
    macro_rules! bound {
        ($name:ident, $truth:expr, $low:expr, $high:expr, $floor:expr, $ulps:expr) => {
            for f in [$name::<true> as fn(f32) -> f32, $name::<false>] {
                let worst = worst(f, $truth, $low, $high, $floor);
                assert!(worst <= $ulps, "{}: {worst} ulp", stringify!($name));
            }
        };
    }

    #[test]
    fn polynomials_keep_their_bounds() {
        bound!(exp, f64::exp, -86.8, 88.7, 0.0, 2.0);
        bound!(exp_of_negative, f64::exp, -86.8, 0.0, 0.0, 2.0);
        bound!(exp_m1, f64::exp_m1, -100.0, 88.7, 0.0, 3.0);
        bound!(tanh, f64::tanh, -20.0, 20.0, 0.0, 4.0);
        bound!(sinh, f64::sinh, -89.41, 89.41, 0.0, 4.0);
        bound!(cosh, f64::cosh, -89.41, 89.41, 0.0, 3.0);
        bound!(ln, f64::ln, 1e-7, 4.0, 0.0, 2.0);
        bound!(ln, f64::ln, 1.0, 1e30, 0.0, 2.0);
        bound!(ln_1p_of_unit, f64::ln_1p, 0.0, 1.0, 0.0, 3.0);
        bound!(asinh, f64::asinh, -20.0, 20.0, 0.0, 4.0);
        bound!(asinh, f64::asinh, -1e30, 1e30, 0.0, 4.0);
        bound!(atan, f64::atan, -5.0, 5.0, 0.0, 3.0);
        bound!(atan, f64::atan, -1e30, 1e30, 0.0, 3.0);
        bound!(erf, libm::erf, -6.0, 6.0, 0.0, 4.0);
        bound!(sin, f64::sin, -10.0, 10.0, 2e-7, 0.0);
        bound!(sin, f64::sin, -TRIG_LIMIT, TRIG_LIMIT, 2e-7, 0.0);
        bound!(cos, f64::cos, -10.0, 10.0, 2e-7, 0.0);
        bound!(cos, f64::cos, -TRIG_LIMIT, TRIG_LIMIT, 2e-7, 0.0);
        // Relative to the value near 0, where sinc divides by x.
        bound!(sin, f64::sin, -0.7, 0.7, 0.0, 3.0);
    }

    #[test]
    fn extremes_and_nan() {
        for f in [
            exp::<true>,
            exp_m1::<true>,
            tanh::<true>,
            sinh::<true>,
            cosh::<true>,
            ln::<true>,
            asinh::<true>,
            atan::<true>,
            erf::<true>,
            sin::<true>,
            cos::<true>,
            exp_of_negative::<true>,
        ] as [fn(f32) -> f32; 12]
        {
            assert!(f(f32::NAN).is_nan());
            assert!(f(-f32::NAN).is_nan());
            assert!(f(f32::from_bits(0x7f80_0001)).is_nan());
        }
        let huge = f32::MAX;
        assert_eq!(
            [exp::<true>(huge), exp::<true>(-huge), exp::<true>(89.0), exp::<true>(f32::NEG_INFINITY)],
            [f32::INFINITY, 0.0, f32::INFINITY, 0.0]
        );
        assert_eq!([exp_m1::<true>(huge), exp_m1::<true>(-huge), exp_m1::<true>(0.0)], [f32::INFINITY, -1.0, 0.0]);
        assert_eq!([tanh::<true>(huge), tanh::<true>(-huge), tanh::<true>(0.0)], [1.0, -1.0, 0.0]);
        assert_eq!([sinh::<true>(-huge), cosh::<true>(-huge)], [f32::NEG_INFINITY, f32::INFINITY]);
        assert_eq!([erf::<true>(huge), erf::<true>(-huge)], [1.0, -1.0]);
        assert_eq!(
            [ln::<true>(f32::INFINITY), atan::<true>(f32::INFINITY), asinh::<true>(f32::NEG_INFINITY)],
            [f32::INFINITY, FRAC_PI_2, f32::NEG_INFINITY]
        );
    }
}
