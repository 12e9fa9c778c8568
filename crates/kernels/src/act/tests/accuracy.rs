//! The single-precision functions on ten million points each: half of them dense over the useful range, half spread over the bit
//! patterns of all finite numbers. The reference is std's and libm's double precision.

use super::*;

const POINTS: usize = 10_000_000;
const PIECE: usize = 1 << 14;

/// A bound: so many ulp (of 2^-23 of the true value, at most one true ulp), where an absolute error below `floor` counts as none.
struct Bound {
    op: Unary,
    range: [f32; 2],
    ulps: f64,
    floor: f64,
}

/// The documented bounds; what is flushed to 0 is below 2^-125 = 2.4e-38.
const BOUNDS: [Bound; 15] = {
    const fn bound(op: Unary, low: f32, high: f32, ulps: f64, floor: f64) -> Bound {
        Bound { op, range: [low, high], ulps, floor }
    }
    [
        bound(Unary::Exp, -88.0, 89.0, 2.0, 2.4e-38),
        bound(Unary::Expm1, -20.0, 89.0, 3.0, 0.0),
        bound(Unary::LogAbs, -10.0, 10.0, 4.0, 2e-7),
        bound(Unary::Sin, -30.0, 30.0, 0.0, 2e-7),
        bound(Unary::Cos, -30.0, 30.0, 0.0, 2e-7),
        bound(Unary::Sinc, -30.0, 30.0, 0.0, 2e-7),
        bound(Unary::Tanh, -10.0, 10.0, 4.0, 0.0),
        bound(Unary::Sinh, -90.0, 90.0, 4.0, 0.0),
        bound(Unary::Cosh, -90.0, 90.0, 3.0, 0.0),
        bound(Unary::Asinh, -20.0, 20.0, 4.0, 0.0),
        bound(Unary::Atan, -20.0, 20.0, 3.0, 0.0),
        bound(Unary::Erf, -5.0, 5.0, 4.0, 0.0),
        bound(Unary::Sigmoid, -88.0, 40.0, 4.0, 2.4e-38),
        bound(Unary::Softplus, -88.0, 40.0, 4.0, 2.4e-38),
        // The rounding of x^2 costs up to x^2 2^-24 of the value.
        bound(Unary::Gauss, -10.0, 10.0, 2.0, 2e-7),
    ]
};

/// The scalar reference of the other tests, but for ln(1 + e^x), which overflows there.
fn truth(op: Unary, x: f64) -> f64 {
    match op {
        Unary::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        _ => unary(op, x),
    }
}

fn point(bound: &Bound, i: usize) -> f32 {
    let [low, high] = bound.range.map(f64::from);
    if i.is_multiple_of(2) {
        (low + (high - low) * (i as f64 / POINTS as f64)) as f32
    } else {
        // An odd factor visits the patterns evenly; those of infinities and NaN become small numbers.
        let bits = (i as u32 / 2).wrapping_mul(0x9e37_79b1);
        let x = f32::from_bits(bits);
        if x.is_finite() { x } else { f32::from_bits(bits & 0x0fff_ffff) }
    }
}

/// The largest error in ulp and where it is.
fn worst(bound: &Bound) -> (f64, f32) {
    let program = Program::new(vec![Op::X, Op::Unary(bound.op, 0)], 0).unwrap();
    let pieces = (0..POINTS.div_ceil(PIECE)).into_par_iter().map(|piece| {
        let xs: Vec<f32> = (piece * PIECE..POINTS.min((piece + 1) * PIECE)).map(|i| point(bound, i)).collect();
        let mut ys = vec![0.0; xs.len()];
        forward(&program, 1, &xs, &[], &mut ys);
        let mut worst = (0.0, 0.0);
        for (&x, &y) in xs.iter().zip(&ys) {
            let t = truth(bound.op, x.into());
            let error = (f64::from(y) - t).abs();
            let ulp = t.abs().max(f32::MIN_POSITIVE.into()) * f64::from(f32::EPSILON);
            // Beyond the largest finite number infinity is right, and from a few ulp below it.
            let overflow = y.is_infinite() && t.abs() >= f64::from(f32::MAX) * (1.0 - 4.8e-7) && (t > 0.0) == (y > 0.0);
            let error = if overflow || error <= bound.floor { 0.0 } else { error / ulp };
            if error > worst.0 || error.is_nan() {
                worst = (error, x);
            }
        }
        worst
    });
    pieces.reduce(|| (0.0, 0.0), |a, b| if b.0 <= a.0 { a } else { b })
}

#[test]
fn single_precision_keeps_its_bounds() {
    for bound in &BOUNDS {
        let (ulps, x) = worst(bound);
        println!("{:?}: {ulps:.2} ulp at {x:e}", bound.op);
        assert!(ulps <= bound.ulps, "{:?}: {ulps} ulp at {x:e}, expected at most {}", bound.op, bound.ulps);
    }
}
