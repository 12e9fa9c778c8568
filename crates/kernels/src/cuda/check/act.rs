//! Activations: some by name in many sizes, two hundred at random over a range of x.

use super::{Check, both, doubled, normal, singles, widened};
use crate::act::{self, Binary, Gated, Op, Program, Unary};
use crate::cuda::activation::ActSource;
use crate::cuda::device::{Device, Slice, Stored};
use crate::cuda::launch;
use crate::rng::Rng;

/// Against the CPU's value in double precision, relative.
const TOLERANCE: f64 = 5e-6;

fn program(ops: Vec<Op>, n_params: usize) -> Program {
    Program::new(ops, n_params).unwrap_or_else(|_| Program::identity())
}

/// Functions of no, one and two parameters, which norms are checked with too; then others.
pub(super) fn examples() -> Vec<(&'static str, Program)> {
    let beta_x = || vec![Op::X, Op::Param(0), Op::Binary(Binary::Mul, 1, 0)];
    let with = |ops: &[Op]| [beta_x(), ops.to_vec()].concat();
    vec![
        ("relu", program(vec![Op::X, Op::Unary(Unary::Relu, 0)], 0)),
        ("swish", program(with(&[Op::Unary(Unary::Sigmoid, 2), Op::Binary(Binary::Mul, 0, 3)]), 1)),
        ("mix of two parameters", program(with(&[Op::Param(1), Op::Gated(Gated::Mix, 3, 2, 0)]), 2)),
        ("identity", Program::identity()),
        ("gauss", program(vec![Op::X, Op::Param(0), Op::Const(0.5), Op::Gated(Gated::Gauss, 1, 0, 2)], 1)),
        ("laplace", program(vec![Op::X, Op::Param(0), Op::Const(0.5), Op::Gated(Gated::Laplace, 1, 0, 2)], 1)),
    ]
}

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for (name, program) in examples() {
        both!(sizes(check, name, &program))?;
    }
    random(check)
}

fn sizes<D: Device, E: Stored>(check: &mut Check<'_, D>, name: &str, program: &Program) -> Result<(), D::Error> {
    let act = ActSource::new(program);
    for [rows, channels] in [[1, 1], [7, 3], [50, 8], [300, 24], [1, 2048], [6000, 8]] {
        let (n, case) = (rows * channels, format!("{name} {rows} x {channels}"));
        let (xs, d_ys) = (normal::<E>(1, n), normal::<E>(2, n));
        let params: Vec<f32> = normal(3, program.n_params() * channels);
        let (xs64, params64) = (doubled(&xs), doubled(&params));
        let (mut want, mut want_d) = (vec![0.0; n], vec![0.0; n]);
        let mut want_params = vec![0.0; params.len()];
        act::forward(program, channels, &xs64, &params64, &mut want);
        act::backward(program, channels, &xs64, &params64, &doubled(&d_ys), &mut want_d, &mut want_params);
        let device = check.device;
        let (xs, d_ys, params) = (check.slice(&xs)?, check.slice(&d_ys)?, check.slice(&params)?);
        let (mut ys, mut d_xs) = (Slice::<D, E>::new(device, n)?, Slice::<D, E>::new(device, n)?);
        let mut d_params = Slice::new(device, want_params.len())?;
        launch::act::forward(device, &act, channels, xs.view(), params.view(), ys.view_mut())?;
        launch::act::backward(
            device,
            &mut check.scratch,
            &act,
            channels,
            xs.view(),
            params.view(),
            d_ys.view(),
            d_xs.view_mut(),
            d_params.view_mut(),
        )?;
        check.map("act::forward", &case, &ys, &singles(&want), TOLERANCE)?;
        check.map("act::backward d_xs", &case, &d_xs, &singles(&want_d), TOLERANCE)?;
        if program.n_params() > 0 {
            let got = d_params.to_vec(device)?;
            check.add("act::backward d_params", &case, E::NAME, &got, &singles(&want_params), 2e-5);
        }
    }
    Ok(())
}

/// Programs of each set, which are compiled together.
const SET: usize = 50;

/// A function of up to seven operations.
fn draw(rng: &mut Rng) -> Program {
    const BINARY: [Binary; 7] =
        [Binary::Add, Binary::Mul, Binary::Sub, Binary::Div, Binary::Max, Binary::Min, Binary::SigmoidMul];
    const GATED: [Gated; 3] = [Gated::Gauss, Gated::Laplace, Gated::Mix];
    let mut ops = vec![Op::X, Op::Param(0), Op::Const([0.5, 1.0, 2.0, -1.0][rng.below(4) as usize])];
    for _ in 0..1 + rng.below(5) {
        // An earlier operation, x most often.
        let operand = |rng: &mut Rng, len: usize| match rng.below(3) {
            0 => 0,
            _ => rng.below(len as u64) as u16,
        };
        let [a, b] = [operand(rng, ops.len()), operand(rng, ops.len())];
        ops.push(match rng.below(8) {
            0..=3 => Op::Unary(Unary::ALL[rng.below(22) as usize], a),
            4..=6 => Op::Binary(BINARY[rng.below(7) as usize], a, b),
            _ => Op::Gated(GATED[rng.below(3) as usize], 1, a, b),
        });
    }
    program(ops, 1)
}

/// A set of programs and their source, as the random comparisons have them.
pub fn random_set(set: u64) -> (Vec<Program>, ActSource) {
    let mut rng = Rng::new(100 + set);
    let programs: Vec<Program> = (0..SET).map(|_| draw(&mut rng)).collect();
    let act = ActSource::switched(&programs);
    (programs, act)
}

/// Number of the sets.
pub const SETS: u64 = 4;

/// x rises along the rows; a channel is a program.
fn random<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    let mut points: Vec<f32> = (-40..=40).map(|i| i as f32 * 0.1503).collect();
    points.extend([-30.0, -1e-4, 1e-4, 30.0]);
    points.sort_by(f32::total_cmp);
    for set in 0..SETS {
        let (programs, act) = random_set(set);
        let rows = points.len();
        let mut params = vec![0.0; act.n_params() * SET];
        for (channel, param) in params[..SET].iter_mut().enumerate() {
            *param = channel as f32;
        }
        params[SET..].copy_from_slice(&widened(&normal::<f32>(7, SET)));
        let xs: Vec<f32> = points.iter().flat_map(|&x| [x; SET]).collect();
        let device = check.device;
        let (x, p, ones) = (check.slice(&xs)?, check.slice(&params)?, check.slice(&vec![1.0f32; xs.len()])?);
        let (mut ys, mut d_xs) = (Slice::new(device, xs.len())?, Slice::new(device, xs.len())?);
        let mut d_params = Slice::new(device, params.len())?;
        launch::act::forward::<D, f32>(device, &act, SET, x.view(), p.view(), ys.view_mut())?;
        launch::act::backward(
            device,
            &mut check.scratch,
            &act,
            SET,
            x.view(),
            p.view(),
            ones.view(),
            d_xs.view_mut(),
            d_params.view_mut(),
        )?;
        let (ys, d_xs) = (ys.to_vec(device)?, d_xs.to_vec(device)?);
        for (channel, program) in programs.iter().enumerate() {
            let column = |values: &[f32]| -> Vec<f32> { values.iter().skip(channel).step_by(SET).copied().collect() };
            let param = params[SET + channel];
            let single = both_ways(program, &points, param);
            let double = both_ways(program, &points.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), param.into());
            for (function, got, single, double) in [
                ("act::forward", column(&ys), &single.0, &double.0),
                ("act::backward", column(&d_xs), &single.1, &double.1),
            ] {
                let error = beyond_rounding(&got, single, double);
                let (function, case) = (format!("{function} at random"), format!("{:?}", program.ops()));
                check.rows.push(super::Row { function, case, element: "f32", count: rows, error, tolerance: 1.0 });
            }
        }
    }
    Ok(())
}

/// Values and slopes.
fn both_ways<T: crate::Real>(program: &Program, points: &[T], param: T) -> (Vec<T>, Vec<T>) {
    let n = points.len();
    let (mut ys, mut slopes, ones) = (vec![T::ZERO; n], vec![T::ZERO; n], vec![T::ONE; n]);
    act::forward(program, 1, points, &[param], &mut ys);
    act::backward(program, 1, points, &[param], &ones, &mut slopes, &mut [T::ZERO]);
    (ys, slopes)
}

/// The largest error in units of what single precision loses here, as the CPU's own errors at this and the neighbouring points show.
/// Points beside which it overflows do not count.
fn beyond_rounding(got: &[f32], single: &[f32], double: &[f64]) -> f64 {
    let lost = |i: usize| f64::from(single[i]) - double[i];
    let error = |i: usize| {
        let near = i.saturating_sub(3)..(i + 4).min(got.len());
        if near.clone().any(|k| !lost(k).is_finite()) {
            return 0.0;
        }
        let lost = near.map(|k| lost(k).abs()).fold(0.0, f64::max);
        let error = (f64::from(got[i]) - double[i]).abs() / (1e-5 * double[i].abs() + 1e-6 + 30.0 * lost);
        if error.is_nan() { f64::INFINITY } else { error }
    };
    (0..got.len()).map(error).fold(0.0, f64::max)
}
