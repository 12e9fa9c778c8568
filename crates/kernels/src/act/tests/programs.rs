//! Functions of several operands and whole programs.

use super::*;

const BINARY: [Binary; 7] =
    [Binary::Add, Binary::Mul, Binary::Sub, Binary::Div, Binary::Max, Binary::Min, Binary::SigmoidMul];
const GATED: [Gated; 3] = [Gated::Gauss, Gated::Laplace, Gated::Mix];

/// Every derivative of a program with parameters against central differences of the scalar reference, one row a channel.
pub(super) fn check_program(ops: &[Op], n_params: usize, x: f64, params: &[f64]) {
    let program = Program::new(ops.to_vec(), n_params).unwrap();
    let [ys, d_xs, d_params] = run(&program, 1, &[x], params, &[1.0]);
    close(ys[0], scalar(ops, x, params), 1e-13, &(ops, x));
    let h = 1e-5;
    let slope = |f: &dyn Fn(f64) -> f64| (f(h) - f(-h)) / (2.0 * h);
    close(d_xs[0], slope(&|h| scalar(ops, x + h, params)), 1e-7, &("d_x", ops, x));
    for k in 0..n_params {
        let moved = |h: f64| {
            let mut params = params.to_vec();
            params[k] += h;
            scalar(ops, x, &params)
        };
        close(d_params[k], slope(&moved), 1e-7, &("d_param", k, ops, x));
    }
}

#[test]
fn binary_and_gated_derivatives() {
    for x in [-2.0, -0.6, 0.3, 1.7] {
        for op in BINARY {
            check_program(&[Op::X, Op::Param(0), Op::Binary(op, 0, 1)], 1, x, &[0.9]);
            check_program(&[Op::X, Op::Param(0), Op::Binary(op, 1, 0)], 1, x, &[-0.8]);
            // The same operand twice; max and min of one number have slope 1/2 + 1/2.
            check_program(&[Op::X, Op::Binary(op, 0, 0)], 0, x, &[]);
        }
        for op in GATED {
            for (p, a, b) in [(0, 1, 2), (1, 0, 2), (2, 0, 0), (2, 1, 0)] {
                check_program(&[Op::X, Op::Param(0), Op::Param(1), Op::Gated(op, p, a, b)], 2, x, &[0.7, 1.1]);
            }
        }
    }
}

#[test]
fn ties_and_nan_of_two_operands() {
    for op in [Binary::Max, Binary::Min] {
        let program = Program::new(vec![Op::X, Op::Param(0), Op::Binary(op, 0, 1)], 1).unwrap();
        let [ys, d_xs, d_params] = run(&program, 1, &[2.0], &[2.0], &[3.0]);
        assert_eq!([ys[0], d_xs[0], d_params[0]], [2.0, 1.5, 1.5]);
        for (x, p) in [(f32::NAN, 1.0), (1.0, f32::NAN)] {
            assert!(run(&program, 1, &[x], &[p], &[1.0])[0][0].is_nan());
        }
    }
    // Far apart, and with p = 0, the gates neither overflow nor give NaN.
    for op in [Gated::Gauss, Gated::Laplace] {
        let program = Program::new(vec![Op::Param(0), Op::X, Op::Const(0.0), Op::Gated(op, 0, 1, 2)], 1).unwrap();
        for (p, value) in [(1.0, 0.0), (0.0, 1.0)] {
            let [ys, d_xs, _] = run(&program, 1, &[1e25f32], &[p], &[1.0]);
            assert_eq!([ys[0], d_xs[0]], [value, 0.0]);
        }
    }
}

pub(super) fn swish() -> Vec<Op> {
    vec![
        Op::X,
        Op::Param(0),
        Op::Binary(Binary::Mul, 1, 0),
        Op::Unary(Unary::Sigmoid, 2),
        Op::Binary(Binary::Mul, 0, 3),
    ]
}

#[test]
fn functions_of_the_paper() {
    let max_sin = [Op::X, Op::Unary(Unary::Sin, 0), Op::Binary(Binary::Max, 0, 1)];
    let atan = [Op::X, Op::Unary(Unary::Atan, 0), Op::Unary(Unary::Square, 1), Op::Binary(Binary::Sub, 2, 0)];
    let gate = [Op::X, Op::Param(0), Op::Unary(Unary::Cos, 0), Op::Gated(Gated::Laplace, 1, 0, 2)];
    // Repeated inputs, parameters and constants, an operation that nothing uses, one that does not depend on x.
    let untidy = [
        Op::Const(0.5),
        Op::X,
        Op::Unary(Unary::Exp, 1),
        Op::Unary(Unary::Sin, 0),
        Op::X,
        Op::Param(1),
        Op::Binary(Binary::Mul, 3, 4),
        Op::Param(1),
        Op::Gated(Gated::Mix, 5, 6, 1),
        Op::Const(2.0),
        Op::Binary(Binary::Div, 8, 9),
        Op::Binary(Binary::SigmoidMul, 10, 7),
    ];
    for x in [-30.0, -2.1, -0.4, 0.3, 1.9, 30.0] {
        check_program(&swish(), 1, x, &[1.3]);
        check_program(&max_sin, 0, x, &[]);
        check_program(&atan, 0, x, &[]);
        check_program(&gate, 1, x, &[0.4]);
        check_program(&untidy, 2, x, &[9.0, 0.35]);
        check_program(&[Op::X, Op::Param(0)], 1, x, &[0.35]);
        check_program(&[Op::Const(3.0)], 1, x, &[0.35]);
    }
}

#[test]
fn shapes_and_per_channel_parameters() {
    let program = Program::new(swish(), 1).unwrap();
    for (channels, rows) in
        [(1, 70_000), (3, 30_000), (12, 5000), (16, 4100), (300, 150), (512, 70), (700, 90), (2100, 40)]
    {
        let n = channels * rows;
        let xs: Vec<f64> = (0..n).map(|i| 4.0 * ((i * 37 % 1009) as f64 / 1009.0) - 2.0).collect();
        let d_ys: Vec<f64> = (0..n).map(|i| (i * 53 % 211) as f64 / 211.0 - 0.4).collect();
        let betas: Vec<f64> = (0..channels).map(|c| 0.5 + c as f64 / channels as f64).collect();
        let [ys, d_xs, d_betas] = run(&program, channels, &xs, &betas, &d_ys);
        let mut sums = vec![0.0; channels];
        for (i, &x) in xs.iter().enumerate() {
            let beta = betas[i % channels];
            let s = 1.0 / (1.0 + (-beta * x).exp());
            close(ys[i], x * s, 1e-14, &(channels, i));
            close(d_xs[i], d_ys[i] * (s + beta * x * s * (1.0 - s)), 1e-14, &(channels, i));
            sums[i % channels] += d_ys[i] * x * x * s * (1.0 - s);
        }
        for c in 0..channels {
            close(d_betas[c], sums[c], 1e-12, &(channels, c));
        }
        // Single precision: the same within the rounding of some thousand terms.
        let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
        let [ys32, _, d32] = run(&program, channels, &narrow(&xs), &narrow(&betas), &narrow(&d_ys));
        for c in 0..channels {
            close(ys32[c].into(), ys[c], 5e-7, &(channels, c));
            close(d32[c].into(), sums[c], 2e-5, &(channels, c));
        }
    }
}

/// A result so large that it is streamed is the same as its parts, which are not.
#[test]
fn streamed_results() {
    let program = Program::new(swish(), 1).unwrap();
    let (n, channels) = (9_000_009, 3);
    assert!(stream::pays::<f32>(n) == cfg!(target_arch = "x86_64") && !stream::pays::<f32>(n / 3));
    let xs: Vec<f32> = (0..n).map(|i| ((i * 37 % 1009) as f32 / 100.0) - 5.0).collect();
    let params = [0.9, 1.0, 1.1];
    let (mut ys, mut d_xs) = (vec![0.0; n], vec![0.0; n]);
    forward(&program, channels, &xs, &params, &mut ys);
    backward(&program, channels, &xs, &params, &xs, &mut d_xs, &mut [0.0; 3]);
    for part in 0..3 {
        let span = part * (n / 3)..(part + 1) * (n / 3);
        let (mut y, mut d_x) = (vec![0.0; n / 3], vec![0.0; n / 3]);
        forward(&program, channels, &xs[span.clone()], &params, &mut y);
        backward(&program, channels, &xs[span.clone()], &params, &xs[span.clone()], &mut d_x, &mut [0.0; 3]);
        assert!(ys[span.clone()] == y && d_xs[span] == d_x, "part {part}");
    }
}

#[test]
fn threads_do_not_matter() {
    let program = Program::new(swish(), 1).unwrap();
    let channels = 12;
    let xs: Vec<f32> = (0..channels * 20_000).map(|i| ((i * 37 % 1009) as f32 / 100.0) - 5.0).collect();
    let betas = vec![1.1f32; channels];
    let with = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| run(&program, channels, &xs, &betas, &xs))
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(3));
}

#[test]
fn programs_are_checked() {
    assert_eq!(Program::new(vec![], 0), Err(ProgramError::Empty));
    assert_eq!(
        Program::new(vec![Op::X, Op::Unary(Unary::Sin, 1)], 0),
        Err(ProgramError::Operand { op: 1, operand: 1 })
    );
    assert_eq!(Program::new(vec![Op::Param(1)], 1), Err(ProgramError::Param { op: 0, param: 1, n_params: 1 }));
    let program = Program::new(swish(), 2).unwrap();
    assert_eq!((program.ops(), program.n_params(), program.is_identity()), (&swish()[..], 2, false));
    assert!(Program::identity().is_identity());
    let [ys, d_xs, _] = run(&Program::identity(), 3, &[1.0f32, -2.0, 3.0], &[], &[5.0, 6.0, 7.0]);
    assert_eq!((ys, d_xs), (vec![1.0, -2.0, 3.0], vec![5.0, 6.0, 7.0]));
    run::<f32>(&Program::identity(), 3, &[], &[], &[]);
}
