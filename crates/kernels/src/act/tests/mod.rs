//! Values against std's and libm's double precision, derivatives against central differences of those.
#![allow(clippy::unwrap_used)]

mod accuracy;
mod compound;
mod programs;
mod unary;

use super::*;

fn unary(op: Unary, x: f64) -> f64 {
    match op {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Square => x.powi(2),
        Unary::Cube => x.powi(3),
        Unary::Sqrt => x.max(0.0).sqrt(),
        Unary::LogAbs => (x.abs() + 1e-7).ln(),
        Unary::Exp => x.exp(),
        Unary::Expm1 => x.exp_m1(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Sinh => x.sinh(),
        Unary::Cosh => x.cosh(),
        Unary::Tanh => x.tanh(),
        Unary::Asinh => x.asinh(),
        Unary::Atan => x.atan(),
        Unary::Sinc => {
            if x == 0.0 {
                1.0
            } else {
                x.sin() / x
            }
        }
        Unary::Relu => x.max(0.0),
        Unary::MinZero => x.min(0.0),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::Softplus => {
            if x > 40.0 {
                x
            } else {
                x.exp().ln_1p()
            }
        }
        Unary::Gauss => (-x * x).exp(),
        Unary::Erf => libm::erf(x),
    }
}

fn binary(op: Binary, a: f64, b: f64) -> f64 {
    match op {
        Binary::Add => a + b,
        Binary::Mul => a * b,
        Binary::Sub => a - b,
        Binary::Div => a / (b + 1e-7),
        Binary::Max => a.max(b),
        Binary::Min => a.min(b),
        Binary::SigmoidMul => unary(Unary::Sigmoid, a) * b,
    }
}

fn gated(op: Gated, p: f64, a: f64, b: f64) -> f64 {
    match op {
        Gated::Gauss => (-p * (a - b).powi(2)).exp(),
        Gated::Laplace => (-p * (a - b).abs()).exp(),
        Gated::Mix => p * a + (1.0 - p) * b,
    }
}

/// Straight from the operations.
fn scalar(ops: &[Op], x: f64, params: &[f64]) -> f64 {
    let mut values: Vec<f64> = Vec::new();
    for &op in ops {
        let v = |i: u16| values[usize::from(i)];
        let value = match op {
            Op::X => x,
            Op::Const(c) => c,
            Op::Param(k) => params[usize::from(k)],
            Op::Unary(f, a) => unary(f, v(a)),
            Op::Binary(f, a, b) => binary(f, v(a), v(b)),
            Op::Gated(f, p, a, b) => gated(f, v(p), v(a), v(b)),
        };
        values.push(value);
    }
    values[values.len() - 1]
}

fn run<T: Real>(program: &Program, channels: usize, xs: &[T], params: &[T], d_ys: &[T]) -> [Vec<T>; 3] {
    // Filled with a mark, so that what is not overwritten shows.
    let mark = T::from_f64(12_345.0);
    let (mut ys, mut d_xs, mut d_params) = (vec![mark; xs.len()], vec![mark; xs.len()], vec![mark; params.len()]);
    forward(program, channels, xs, params, &mut ys);
    backward(program, channels, xs, params, d_ys, &mut d_xs, &mut d_params);
    check_value_with_derivative(program, channels, xs, params, d_ys, [&ys, &d_xs]);
    [ys, d_xs, d_params]
}

/// The sweep that gives the value too agrees with the two separate computations.
fn check_value_with_derivative<T: Real>(
    program: &Program,
    channels: usize,
    xs: &[T],
    params: &[T],
    d_ys: &[T],
    [ys, d_xs]: [&[T]; 2],
) {
    let tiling = tiling(program, channels);
    let params = tiling.patterns(program.n_params(), params);
    let mut sweep = Sweep::new(program);
    for tile in tiling.tiles(xs.len()) {
        let span = tile.start..tile.start + tile.len;
        let (mut values, mut slopes) = (vec![T::ONE; tile.len], vec![T::ONE; tile.len]);
        let inputs = Inputs { xs: &xs[span.clone()], params: &params, tile };
        sweep.run_with_value(inputs, &d_ys[span.clone()], &mut values, &mut slopes);
        let tolerance = if T::IS_F32 { 1e-6 } else { 1e-14 };
        for (i, ((&y, &d_x), place)) in values.iter().zip(&slopes).zip(span).enumerate() {
            let same = |got: T, expected: T| {
                let (got, expected) = (got.to_f64(), expected.to_f64());
                if !(got.is_nan() && expected.is_nan()) {
                    close(got, expected, tolerance, &("with value", xs[place], i));
                }
            };
            same(y, ys[place]);
            same(d_x, d_xs[place]);
        }
    }
}

fn close(got: f64, expected: f64, tolerance: f64, what: &dyn std::fmt::Debug) {
    let error = (got - expected).abs() / expected.abs().max(1.0);
    assert!(error <= tolerance || got == expected, "{what:?}: {got:e}, expected {expected:e}");
}
