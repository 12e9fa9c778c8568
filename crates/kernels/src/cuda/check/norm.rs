//! BatchNorm, residual and activation: statistics and both passes against plain formulas in double precision, around the CPU's
//! activations.

use super::{Check, act, both, doubled, normal, singles};
use crate::act::Program;
use crate::cuda::activation::ActSource;
use crate::cuda::device::{Device, Slice, Stored};
use crate::cuda::launch::norm::{self, Constants, Found, Grads, NormAct, Statistics};

/// Small ones are added up in one launch, with one column of blocks or several, the last in two.
const SHAPES: [[usize; 2]; 8] = [[1, 2], [37, 3], [65, 16], [300, 36], [700, 40], [9000, 8], [300, 264], [2600, 264]];

pub(super) fn run_moments<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    both!(statistics(check))
}

/// Of each channel, in double precision.
struct Moments {
    mean: Vec<f64>,
    /// Biased.
    var: Vec<f64>,
}

impl Moments {
    fn of<E: Stored>(xs: &[E], channels: usize) -> Self {
        let rows = (xs.len() / channels) as f64;
        let means = |of: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
            let column = |c| xs[c..].iter().step_by(channels).map(|x| of(c, f64::from(x.widen()))).sum::<f64>() / rows;
            (0..channels).map(column).collect()
        };
        let mean = means(&|_, x| x);
        let var = means(&|c, x| (x - mean[c]) * (x - mean[c]));
        Self { mean, var }
    }
}

fn statistics<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    let constants = Constants { epsilon: 1e-3, momentum: 0.25 };
    for ([rows, channels], shift) in SHAPES.into_iter().flat_map(|shape| [(shape, 0.0), (shape, 100.0)]) {
        let case = format!("{rows} x {channels} mean {shift}");
        let xs: Vec<E> = normal::<f32>(1, rows * channels).into_iter().map(|x| E::narrow(x + shift)).collect();
        let gamma: Vec<f32> = normal(2, channels);
        let (old_mean, old_var): (Vec<f32>, Vec<f32>) = (normal(3, channels), vec![2.0; channels]);
        let found = Moments::of(&xs, channels);
        let unbiased = rows as f64 / (rows as f64 - 1.0).max(1.0);
        let inv_std: Vec<f64> = found.var.iter().map(|var| 1.0 / (var + constants.epsilon).sqrt()).collect();
        let scale: Vec<f64> = inv_std.iter().zip(&gamma).map(|(s, &g)| s * f64::from(g)).collect();
        let mixed = |old: &[f32], new: &[f64], factor: f64| -> Vec<f32> {
            old.iter().zip(new).map(|(&old, new)| (0.75 * f64::from(old) + 0.25 * factor * new) as f32).collect()
        };
        let device = check.device;
        let (xs, gamma) = (check.slice(&xs)?, check.slice(&gamma)?);
        let (mut mean, mut inverse, mut slope) =
            (Slice::new(device, channels)?, Slice::new(device, channels)?, Slice::new(device, channels)?);
        let (mut running_mean, mut running_var) = (check.slice(&old_mean)?, check.slice(&old_var)?);
        let out = Statistics {
            mean: mean.view_mut(),
            inv_std: inverse.view_mut(),
            scale: slope.view_mut(),
            running: Some((running_mean.view_mut(), running_var.view_mut())),
        };
        norm::statistics(device, &mut check.scratch, constants, xs.view(), Some(gamma.view()), out)?;
        for (what, got, want) in [
            ("mean", &mean, singles(&found.mean)),
            ("inv_std", &inverse, singles(&inv_std)),
            ("scale", &slope, singles(&scale)),
            ("running_mean", &running_mean, mixed(&old_mean, &found.mean, 1.0)),
            ("running_var", &running_var, mixed(&old_var, &found.var, unbiased)),
        ] {
            let got = got.to_vec(device)?;
            check.add(&format!("norm::statistics {what}"), &case, E::NAME, &got, &want, 2e-5);
        }
        norm::running(device, 1e-3, running_var.view(), None, inverse.view_mut(), slope.view_mut())?;
        let want: Vec<f32> =
            mixed(&old_var, &found.var, unbiased).iter().map(|var| (var + 1e-3).sqrt().recip()).collect();
        let got = slope.to_vec(device)?;
        check.add("norm::running scale", &case, E::NAME, &got, &want, 2e-6);
    }
    Ok(())
}

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for (name, program) in act::examples().into_iter().take(3) {
        for shape in SHAPES {
            for mode in Mode::ALL {
                let of = Of { name, program: &program, shape, mode };
                both!(passes(check, of))?;
            }
        }
    }
    Ok(())
}

/// What stands before the activation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// The batch's statistics.
    Batch,
    /// The same and a residual, whose gradient is wanted; the gradient of the input is added.
    Residual,
    /// The same, where only the residual's gradient is wanted, and added.
    ResidualOnly,
    /// The batch's statistics, where no map's gradient is wanted.
    Tables,
    /// Statistics from elsewhere.
    Running,
    /// Only a factor.
    Plain,
}

impl Mode {
    const ALL: [Self; 6] = [Self::Batch, Self::Residual, Self::ResidualOnly, Self::Tables, Self::Running, Self::Plain];

    fn uses_batch(self) -> bool {
        !matches!(self, Self::Running | Self::Plain)
    }

    fn residual(self) -> bool {
        matches!(self, Self::Residual | Self::ResidualOnly)
    }
}

#[derive(Clone, Copy)]
struct Of<'a> {
    name: &'a str,
    program: &'a Program,
    shape: [usize; 2],
    mode: Mode,
}

/// What the passes should give.
struct Want {
    ys: Vec<f64>,
    d_u: Vec<f64>,
    d_xs: Vec<f64>,
    d_params: Vec<f64>,
    d_gamma: Vec<f64>,
    d_beta: Vec<f64>,
}

/// Inputs in double precision; `tables` are mean, inv_std, scale, beta.
fn want(of: Of<'_>, xs: &[f64], residual: &[f64], d_ys: &[f64], tables: [&[f64]; 4], params: &[f64]) -> Want {
    let Of { program, shape: [rows, channels], mode, .. } = of;
    let [mean, inv_std, scale, beta] = tables;
    let n = xs.len();
    let u: Vec<f64> =
        (0..n).map(|i| (xs[i] - mean[i % channels]) * scale[i % channels] + beta[i % channels] + residual[i]).collect();
    let (mut ys, mut d_u, mut d_params) = (vec![0.0; n], vec![0.0; n], vec![0.0; params.len()]);
    crate::act::forward(program, channels, &u, params, &mut ys);
    crate::act::backward(program, channels, &u, params, d_ys, &mut d_u, &mut d_params);
    let (mut d_gamma, mut d_beta) = (vec![0.0; channels], vec![0.0; channels]);
    for i in 0..n {
        d_beta[i % channels] += d_u[i];
        d_gamma[i % channels] += d_u[i] * (xs[i] - mean[i % channels]) * inv_std[i % channels];
    }
    let from_batch = f64::from(u8::from(mode.uses_batch())) / rows as f64;
    let d_xs = (0..n)
        .map(|i| {
            let c = i % channels;
            let xhat = (xs[i] - mean[c]) * inv_std[c];
            scale[c] * (d_u[i] - from_batch * (d_beta[c] + xhat * d_gamma[c]))
        })
        .collect();
    Want { ys, d_u, d_xs, d_params, d_gamma, d_beta }
}

fn passes<D: Device, E: Stored>(check: &mut Check<'_, D>, of: Of<'_>) -> Result<(), D::Error> {
    let Of { name, program, shape: [rows, channels], mode } = of;
    let (n, case) = (rows * channels, format!("{name} {rows} x {channels} {mode:?}"));
    let device = check.device;
    let act = ActSource::new(program);
    let (xs, residual, d_ys) = (normal::<E>(1, n), normal::<E>(2, n), normal::<E>(3, n));
    let (gamma, beta): (Vec<f32>, Vec<f32>) = (normal(4, channels), normal(5, channels));
    let (params, before) = (normal::<f32>(6, program.n_params() * channels), normal::<E>(7, n));
    let (x, r, d, g, b, p) = (
        check.slice(&xs)?,
        check.slice(&residual)?,
        check.slice(&d_ys)?,
        check.slice(&gamma)?,
        check.slice(&beta)?,
        check.slice(&params)?,
    );
    // As the device finds them, so that a rounding of the statistics is no difference of the passes.
    let [mut mean, mut inv_std, mut scale] =
        [Slice::<D, f32>::new(device, channels)?, Slice::new(device, channels)?, Slice::new(device, channels)?];
    let out = Statistics { mean: mean.view_mut(), inv_std: inv_std.view_mut(), scale: scale.view_mut(), running: None };
    let constants = Constants { epsilon: 1e-5, momentum: 0.1 };
    norm::statistics(device, &mut check.scratch, constants, x.view(), Some(g.view()), out)?;
    let mut tables = [&mean, &inv_std, &scale, &b].map(|table| table.to_vec(device));
    let mut values: Vec<Vec<f64>> = Vec::new();
    for table in &mut tables {
        values.push(doubled(&std::mem::replace(table, Ok(Vec::new()))?));
    }
    if mode == Mode::Plain {
        (values[0], values[1], values[3]) = (vec![0.0; channels], vec![1.0; channels], vec![0.0; channels]);
    }
    let with_residual = mode.residual();
    let residual64 = if with_residual { doubled(&residual) } else { vec![0.0; n] };
    let tables = [&values[0][..], &values[1], &values[2], &values[3]];
    let want = want(of, &doubled(&xs), &residual64, &doubled(&d_ys), tables, &doubled(&params));
    let plain = mode == Mode::Plain;
    let norm_act = NormAct {
        act: &act,
        mean: (!plain).then(|| mean.view()),
        scale: Some(scale.view()),
        beta: (!plain).then(|| b.view()),
        params: p.view(),
    };
    let r = with_residual.then(|| r.view());
    let mut ys = Slice::<D, E>::new(device, n)?;
    norm::forward(device, channels, norm_act, x.view(), r, ys.view_mut())?;
    check.map("norm::forward", &case, &ys, &singles(&want.ys), 2e-5)?;
    let (mut d_xs, mut d_residual) = (check.slice(&before)?, check.slice(&before)?);
    let [mut d_params, mut d_gamma, mut d_beta] =
        [Slice::new(device, params.len())?, Slice::new(device, channels)?, Slice::new(device, channels)?];
    let out = Grads {
        d_xs: (!matches!(mode, Mode::ResidualOnly | Mode::Tables)).then(|| d_xs.view_mut()),
        add: mode == Mode::Residual,
        d_residual: with_residual.then(|| d_residual.view_mut()),
        add_residual: mode == Mode::ResidualOnly,
        d_params: d_params.view_mut(),
        d_gamma: Some(d_gamma.view_mut()),
        d_beta: Some(d_beta.view_mut()),
    };
    let found = Found { inv_std: (!plain).then(|| inv_std.view()), from_batch: mode.uses_batch() };
    norm::backward(device, &mut check.scratch, channels, norm_act, found, x.view(), r, d.view(), out)?;
    // What is not wanted stays.
    let before = doubled(&before);
    let added = |d: Vec<f64>| -> Vec<f64> { d.iter().zip(&before).map(|(d, before)| d + before).collect() };
    let (want_d, want_r) = match mode {
        Mode::Residual => (added(want.d_xs), want.d_u),
        Mode::ResidualOnly => (before.clone(), added(want.d_u)),
        Mode::Tables => (before.clone(), before.clone()),
        Mode::Batch | Mode::Running | Mode::Plain => (want.d_xs, before.clone()),
    };
    check.map("norm::backward d_xs", &case, &d_xs, &singles(&want_d), 5e-5)?;
    check.map("norm::backward d_residual", &case, &d_residual, &singles(&want_r), 2e-5)?;
    for (what, got, want) in
        [("d_params", &d_params, want.d_params), ("d_gamma", &d_gamma, want.d_gamma), ("d_beta", &d_beta, want.d_beta)]
    {
        let got = got.to_vec(device)?;
        check.add(&format!("norm::backward {what}"), &case, E::NAME, &got, &singles(&want), 5e-5);
    }
    Ok(())
}
