//! Compound steps: the same values and derivatives as the scalar reference, alone and inside larger programs.

use super::*;

/// Programs `op(g(f(x)), x)` in both orders, alone and inside a tanh and a product with a parameter.
fn folds() -> Vec<Vec<Op>> {
    let mut programs = Vec::new();
    for f in Unary::ALL {
        for square in [false, true] {
            for op in [Binary::Add, Binary::Sub, Binary::Mul, Binary::Max, Binary::Min] {
                for swapped in [false, true] {
                    let mut ops = vec![Op::X, Op::Unary(f, 0)];
                    if square {
                        ops.push(Op::Unary(Unary::Square, 1));
                    }
                    let last = ops.len() as u16 - 1;
                    let (a, b) = if swapped { (0, last) } else { (last, 0) };
                    ops.push(Op::Binary(op, a, b));
                    programs.push(ops.clone());
                    let n = ops.len() as u16;
                    ops.extend([
                        Op::Unary(Unary::Tanh, n - 1),
                        Op::Param(0),
                        Op::Binary(Binary::Mul, n + 1, n),
                        // The input's adjoint has two contributions more, before and after.
                        Op::Binary(Binary::Add, n + 2, 0),
                    ]);
                    programs.push(ops);
                }
            }
        }
    }
    programs
}

/// Gates with and without a slope that is a parameter, a constant or the function of another operation.
fn gates() -> Vec<Vec<Op>> {
    let gate = |p: Op, product_first: bool, gate_first: bool| {
        let (a, b) = if product_first { (0, 1) } else { (1, 0) };
        let (c, d) = if gate_first { (3, 0) } else { (0, 3) };
        vec![Op::X, p, Op::Binary(Binary::Mul, a, b), Op::Unary(Unary::Sigmoid, 2), Op::Binary(Binary::Mul, c, d)]
    };
    let mut programs = vec![
        vec![Op::X, Op::Unary(Unary::Sigmoid, 0), Op::Binary(Binary::Mul, 0, 1)],
        vec![Op::X, Op::Binary(Binary::SigmoidMul, 0, 0)],
        // Of a parameter instead of the input, which only the slope then depends on.
        vec![
            Op::Param(0),
            Op::X,
            Op::Binary(Binary::Mul, 0, 1),
            Op::Unary(Unary::Sigmoid, 2),
            Op::Binary(Binary::Mul, 0, 3),
        ],
    ];
    for p in [Op::Param(0), Op::Const(1.3), Op::Unary(Unary::Cos, 0)] {
        programs.extend([gate(p, false, false), gate(p, true, true)]);
    }
    for i in 0..programs.len() {
        let mut ops = programs[i].clone();
        let n = ops.len() as u16;
        ops.extend([Op::Unary(Unary::Square, n - 1), Op::Param(0), Op::Binary(Binary::Mul, n, n + 1)]);
        // Both operands of the gate have been written to already.
        ops.extend([Op::Binary(Binary::Add, 0, n + 1), Op::Binary(Binary::Sub, n + 3, n + 2)]);
        programs.push(ops);
    }
    programs
}

#[test]
fn derivatives_agree_with_differences() {
    for ops in folds().into_iter().chain(gates()) {
        for x in [-2.3, -0.6, 0.35, 1.7] {
            programs::check_program(&ops, 1, x, &[0.8]);
        }
    }
}

#[test]
fn single_precision_agrees_with_double() {
    let xs: Vec<f64> = (0..999).map(|i| f64::from(i as f32 / 125.0 - 4.0)).collect();
    let narrow: Vec<f32> = xs.iter().map(|&x| x as f32).collect();
    for ops in folds().into_iter().chain(gates()) {
        let program = Program::new(ops.clone(), 1).unwrap();
        let [ys, d_xs, _] = run(&program, 3, &xs, &[0.8, 0.9, 1.1], &vec![1.0; xs.len()]);
        let [ys32, d_xs32, _] = run(&program, 3, &narrow, &[0.8f32, 0.9, 1.1], &vec![1.0; xs.len()]);
        for (i, &x) in xs.iter().enumerate() {
            close(ys32[i].into(), ys[i], 2e-6, &(&ops, x));
            // Where the larger of two nearly equal numbers is chosen, single precision may choose the other.
            if !near_a_tie(&ops, x) {
                // Error of the argument times the second derivative, up to e^8 for the exponentials.
                close(d_xs32[i].into(), d_xs[i], 2e-5, &("derivative", &ops, x));
            }
        }
    }
}

fn near_a_tie(ops: &[Op], x: f64) -> bool {
    ops.iter().any(|&op| match op {
        Op::Binary(Binary::Max | Binary::Min, a, b) => {
            let value = |operand: u16| scalar(&ops[..=usize::from(operand)], x, &[0.0]);
            (value(a) - value(b)).abs() < 1e-4 * x.abs().max(1.0)
        }
        _ => false,
    })
}

#[test]
fn far_away_there_is_no_nan_and_a_nan_stays() {
    for p in [None, Some(1.5f32)] {
        let ops = match p {
            None => vec![Op::X, Op::Binary(Binary::SigmoidMul, 0, 0)],
            Some(_) => programs::swish(),
        };
        let program = Program::new(ops, usize::from(p.is_some())).unwrap();
        let params: Vec<f32> = p.into_iter().collect();
        let xs = [-f32::MAX, -1e30, -100.0, 100.0, 1e30, f32::MAX, f32::NAN];
        let [ys, d_xs, d_params] = run(&program, 1, &xs[..6], &params, &[1.0; 6]);
        assert_eq!(ys, [0.0, 0.0, 0.0, 100.0, 1e30, f32::MAX]);
        assert_eq!(d_xs, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        assert!(d_params.iter().all(|&d| d == 0.0));
        assert!(run(&program, 1, &xs[6..], &params, &[1.0])[0][0].is_nan());
    }
    // e^x overflows where it is not the smaller.
    let min = Program::new(vec![Op::X, Op::Unary(Unary::Exp, 0), Op::Binary(Binary::Min, 0, 1)], 0).unwrap();
    let [ys, d_xs, _] = run(&min, 1, &[100.0f32, f32::NAN], &[], &[1.0; 2]);
    assert_eq!((ys[0], d_xs[0]), (100.0, 1.0));
    assert!(ys[1].is_nan());
    // At a tie each side gets half: max(x, sin x) at 0, where both slopes are 1, and max(x, tanh(x)^2), where they are 1 and 0.
    let sin = Program::new(vec![Op::X, Op::Unary(Unary::Sin, 0), Op::Binary(Binary::Max, 0, 1)], 0).unwrap();
    assert_eq!(run(&sin, 1, &[0.0f32], &[], &[1.0])[1], [1.0]);
    let square = vec![Op::X, Op::Unary(Unary::Tanh, 0), Op::Unary(Unary::Square, 1), Op::Binary(Binary::Max, 2, 0)];
    assert_eq!(run(&Program::new(square, 0).unwrap(), 1, &[0.0f32], &[], &[1.0])[1], [0.5]);
}
