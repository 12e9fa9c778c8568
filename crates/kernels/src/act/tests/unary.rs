//! Functions of one operand: values, derivatives, the rules at 0, extremes and NaN.

use super::*;

fn single_unary(op: Unary) -> Program {
    Program::new(vec![Op::X, Op::Unary(op, 0)], 0).unwrap()
}

/// Value and derivative at each x.
fn at<T: Real>(program: &Program, xs: &[T]) -> [Vec<T>; 2] {
    let [ys, d_xs, _] = run(program, 1, xs, &[], &vec![T::ONE; xs.len()]);
    [ys, d_xs]
}

#[test]
fn unary_in_double_precision() {
    let xs = [-100.0, -30.0, -3.3, -1.3, -0.5, -1e-3, 2e-3, 0.7, 1.0, 2.5, 30.0, 100.0];
    for op in Unary::ALL {
        let [ys, d_xs] = at(&single_unary(op), &xs);
        for (i, &x) in xs.iter().enumerate() {
            close(ys[i], unary(op, x), 1e-14, &(op, x));
            let h = 1e-5 * x.abs();
            // Fourth-order central difference.
            let f = |k: f64| unary(op, x + k * h);
            let slope = (8.0 * (f(1.0) - f(-1.0)) - (f(2.0) - f(-2.0))) / (12.0 * h);
            close(d_xs[i], slope, 1e-7, &("derivative", op, x));
        }
    }
}

#[test]
fn rules_at_zero() {
    // (value, derivative) at 0, from the documentation of each operation.
    let eps = EPS.ln();
    let expected = [
        (Unary::Abs, 0.0, 0.0),
        (Unary::Sqrt, 0.0, 0.0),
        (Unary::LogAbs, eps, 0.0),
        (Unary::Exp, 1.0, 1.0),
        (Unary::Expm1, 0.0, 1.0),
        (Unary::Sin, 0.0, 1.0),
        (Unary::Cos, 1.0, 0.0),
        (Unary::Sinh, 0.0, 1.0),
        (Unary::Cosh, 1.0, 0.0),
        (Unary::Tanh, 0.0, 1.0),
        (Unary::Asinh, 0.0, 1.0),
        (Unary::Atan, 0.0, 1.0),
        (Unary::Sinc, 1.0, 0.0),
        (Unary::Relu, 0.0, 0.0),
        (Unary::MinZero, 0.0, 1.0),
        (Unary::Sigmoid, 0.5, 0.25),
        (Unary::Softplus, std::f64::consts::LN_2, 0.5),
        (Unary::Gauss, 1.0, 0.0),
        (Unary::Erf, 0.0, std::f64::consts::FRAC_2_SQRT_PI),
    ];
    for (op, value, derivative) in expected {
        for zero in [0.0, -0.0] {
            let [ys, d_xs] = at(&single_unary(op), &[zero]);
            close(ys[0], value, 1e-15, &op);
            close(d_xs[0], derivative, 1e-15, &op);
            let [ys, d_xs] = at(&single_unary(op), &[zero as f32]);
            close(ys[0].into(), value, 2e-7, &op);
            close(d_xs[0].into(), derivative, 2e-7, &op);
        }
    }
    let [ys, d_xs] = at(&single_unary(Unary::Sqrt), &[-1.0, 4.0]);
    assert_eq!((ys, d_xs), (vec![0.0, 2.0], vec![0.0, 0.25]));
}

#[test]
fn unary_in_single_precision() {
    let n = 100_000;
    let mut xs: Vec<f32> = (0..n).map(|i| -20.0 + 40.0 * i as f32 / n as f32).collect();
    xs.extend((0..n).map(|i| (-100.0 + 200.0 * i as f32 / n as f32).clamp(-85.0, 85.0)));
    let wide: Vec<f64> = xs.iter().map(|&x| x.into()).collect();
    for op in Unary::ALL {
        let program = single_unary(op);
        let ([ys, d_xs], [_, expected]) = (at(&program, &xs), at(&program, &wide));
        for i in 0..xs.len() {
            // 4 ulp of 2^-23 or 2e-7. Gauss: rounding x^2 costs x^2 2^-24 of the value, which is at most 1/e 2^-24. Others compute in
            // more steps: x.abs() + eps, the slope of sinc, which divides by x, the squares of asinh.
            close(ys[i].into(), unary(op, wide[i]), 4.8e-7, &(op, xs[i]));
            close(d_xs[i].into(), expected[i], 1e-6, &("derivative", op, xs[i]));
        }
    }
}

#[test]
fn no_surprising_nan() {
    let mut xs = vec![0.0f32, -0.0, 1e-45, -1e-45, 1e-38, 8192.5, -8193.0];
    for magnitude in [30.0, 100.0, 1e4, 1e10, 1.9e19, 1e30, f32::MAX] {
        xs.extend([magnitude, -magnitude]);
    }
    let wide: Vec<f64> = xs.iter().map(|&x| x.into()).chain([f64::MAX, f64::MIN]).collect();
    for op in Unary::ALL {
        let program = single_unary(op);
        let [ys, d_xs] = at(&program, &xs);
        for i in 0..xs.len() {
            assert!(!ys[i].is_nan() && !d_xs[i].is_nan(), "{op:?} at {:e}: {} {}", xs[i], ys[i], d_xs[i]);
            let expected = unary(op, wide[i]) as f32;
            close(ys[i].into(), expected.into(), 4.8e-7, &(op, xs[i]));
        }
        let [ys, d_xs] = at(&program, &wide);
        assert!(ys.iter().chain(&d_xs).all(|y| !y.is_nan()), "{op:?}: {ys:?} {d_xs:?}");
        // NaN stays NaN, in the middle of a tile and at its end.
        let mut with_nan = vec![0.5f32; 21];
        with_nan[3] = f32::NAN;
        with_nan[20] = -f32::NAN;
        let [ys, _] = at(&program, &with_nan);
        assert!(ys.iter().enumerate().all(|(i, y)| y.is_nan() == (i == 3 || i == 20)), "{op:?}: {ys:?}");
        assert!(at(&program, &[f64::NAN])[0][0].is_nan());
    }
}
