//! Bounds of every function against double precision, extremes and NaN.

use std::f32::consts::FRAC_PI_2;

use super::logarithm::ln_1p_of_unit;
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
