//! Nanoseconds an element of activation programs, forward alone and forward plus backward, f32: swish and functions of Tables 1
//! and 2 of Ramachandran et al. 2017.
//! `cargo run --release -p swish-kernels --example act_speed [elements]`; `SWISH_SIMD` for other instructions.

use std::time::Instant;

use swish_kernels::act::{Binary, Op, Program, ProgramError, Unary, backward, forward};

const CHANNELS: usize = 16;
const ROUNDS: usize = 15;

/// Name, operations, number of parameters.
type Function = (&'static str, Vec<Op>, usize);

fn functions() -> Vec<Function> {
    let u = |op, a| Op::Unary(op, a);
    let b = |op, a1, a2| Op::Binary(op, a1, a2);
    vec![
        (
            "x*sigmoid(beta*x)",
            vec![Op::X, Op::Param(0), b(Binary::Mul, 1, 0), u(Unary::Sigmoid, 2), b(Binary::Mul, 0, 3)],
            1,
        ),
        (
            "x*sigmoid(1.3*x)",
            vec![Op::X, Op::Const(1.3), b(Binary::Mul, 1, 0), u(Unary::Sigmoid, 2), b(Binary::Mul, 0, 3)],
            0,
        ),
        ("x*sigmoid(x)", vec![Op::X, u(Unary::Sigmoid, 0), b(Binary::Mul, 0, 1)], 0),
        ("max(x, 0)", vec![Op::X, u(Unary::Relu, 0)], 0),
        ("max(x, sin(x))", vec![Op::X, u(Unary::Sin, 0), b(Binary::Max, 0, 1)], 0),
        ("atan(x)^2 - x", vec![Op::X, u(Unary::Atan, 0), u(Unary::Square, 1), b(Binary::Sub, 2, 0)], 0),
        ("cos(x) - x", vec![Op::X, u(Unary::Cos, 0), b(Binary::Sub, 1, 0)], 0),
        ("min(x, sin(x))", vec![Op::X, u(Unary::Sin, 0), b(Binary::Min, 0, 1)], 0),
        ("max(x, tanh(x))", vec![Op::X, u(Unary::Tanh, 0), b(Binary::Max, 0, 1)], 0),
        ("sinc(x) + x", vec![Op::X, u(Unary::Sinc, 0), b(Binary::Add, 1, 0)], 0),
        ("x*asinh(x)^2", vec![Op::X, u(Unary::Asinh, 0), u(Unary::Square, 1), b(Binary::Mul, 0, 2)], 0),
    ]
}

fn seconds(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64()
}

/// Median and least, in ns an element.
fn summary(mut times: Vec<f64>, n: usize) -> String {
    times.sort_by(f64::total_cmp);
    let [median, least] = [times[times.len() / 2], times[0]].map(|time| time / n as f64 * 1e9);
    format!("{median:.2} ({least:.2})")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let n: usize = std::env::args().nth(1).map_or(Ok(10_000_000), |n| n.parse())?;
    let n = n.next_multiple_of(CHANNELS);
    let xs: Vec<f32> = (0..n).map(|i| (i.wrapping_mul(7919) % 10_007) as f32 / 1250.75 - 4.0).collect();
    let d_ys: Vec<f32> = (0..n).map(|i| (i % 251) as f32 / 251.0 - 0.5).collect();
    let (mut ys, mut d_xs) = (vec![1.0f32; n], vec![1.0f32; n]);
    let pools = [1, 2].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build());
    let programs = functions()
        .into_iter()
        .map(|(name, ops, n_params)| Ok((name, Program::new(ops, n_params)?, vec![1.3f32; n_params * CHANNELS])))
        .collect::<Result<Vec<_>, ProgramError>>()?;
    // All functions in turn, several times, so that a busy moment of the machine does not fall on one of them.
    let mut times = vec![[const { Vec::new() }; 4]; programs.len()];
    for _ in 0..ROUNDS {
        for ((_, program, params), times) in programs.iter().zip(&mut times) {
            let mut d_params = params.clone();
            for (pool, times) in pools.iter().zip(times.chunks_exact_mut(2)) {
                let pool = pool.as_ref().map_err(|error| error.to_string())?;
                let f = seconds(|| pool.install(|| forward(program, CHANNELS, &xs, params, &mut ys)));
                let b = seconds(|| {
                    pool.install(|| backward(program, CHANNELS, &xs, params, &d_ys, &mut d_xs, &mut d_params));
                });
                times[0].push(f);
                times[1].push(f + b);
            }
        }
    }
    println!("{:?}, {n} elements, {CHANNELS} channels", swish_kernels::simd::level());
    println!("ns an element, median (least) of {ROUNDS}");
    println!("{:<20} {:>15} {:>15} {:>15} {:>15}", "", "1 thread", "", "2 threads", "");
    println!("{:<20} {:>15} {:>15} {:>15} {:>15}", "f(x)", "forward", "+ backward", "forward", "+ backward");
    for ((name, ..), times) in programs.iter().zip(times) {
        let [f1, b1, f2, b2] = times.map(|times| summary(times, n));
        println!("{name:<20} {f1:>15} {b1:>15} {f2:>15} {b2:>15}");
    }
    Ok(())
}
