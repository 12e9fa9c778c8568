//! Against the definitions in double precision and central differences of them.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::act::{Binary, Op, Unary};
use crate::rng::Rng;

fn normals(rng: &mut Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| rng.normal()).collect()
}

/// Two passes in double precision.
fn naive_stats(channels: usize, xs: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let rows = (xs.len() / channels) as f64;
    let column = |c: usize| xs.iter().skip(c).step_by(channels);
    let mean: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / rows).collect();
    let var = (0..channels).map(|c| column(c).map(|x| (x - mean[c]).powi(2)).sum::<f64>() / rows).collect();
    (mean, var)
}

#[test]
fn stats_survive_a_large_mean() {
    let mut rng = Rng::new(1);
    for (channels, rows) in [(1, 100_000), (3, 40_000), (16, 9000), (700, 100), (5, 1)] {
        // Mean 1e4, standard deviation 0.1, different in each channel; as rounded to f32, which is the input of both.
        let xs: Vec<f32> =
            (0..channels * rows).map(|i| (1e4 + (i % channels) as f64 + 0.1 * rng.normal()) as f32).collect();
        let wide: Vec<f64> = xs.iter().map(|&x| x.into()).collect();
        let (expected_mean, expected_var) = naive_stats(channels, &wide);
        let (mut mean, mut var) = (vec![0.0f32; channels], vec![0.0f32; channels]);
        stats(channels, &xs, &mut mean, &mut var);
        let (mut mean64, mut var64) = (vec![0.0; channels], vec![0.0; channels]);
        stats(channels, &wide, &mut mean64, &mut var64);
        for c in 0..channels {
            assert_eq!(mean[c], expected_mean[c] as f32);
            let error = (f64::from(var[c]) - expected_var[c]).abs();
            assert!(error <= 1e-5 * expected_var[c], "{channels} {c}: {} {}", var[c], expected_var[c]);
            assert!((mean64[c] - expected_mean[c]).abs() < 1e-11);
            assert!((var64[c] - expected_var[c]).abs() <= 1e-9 * expected_var[c]);
        }
    }
}

#[test]
fn stats_survive_an_outlying_first_row() {
    let mut xs = vec![0.0f32; 30_000];
    for (i, x) in xs.iter_mut().enumerate() {
        *x = if i == 0 { 1e4 } else { (i % 7) as f32 * 0.1 };
    }
    let (_, expected) = naive_stats(1, &xs.iter().map(|&x| x.into()).collect::<Vec<_>>());
    let (mut mean, mut var) = ([0.0], [0.0]);
    stats(1, &xs, &mut mean, &mut var);
    assert!((f64::from(var[0]) / expected[0] - 1.0).abs() < 1e-5, "{} {}", var[0], expected[0]);
}

/// A layer whose loss is sum(w * y), as a function of everything it depends on.
struct Layer {
    channels: usize,
    batch_stats: bool,
    xs: Vec<f64>,
    residual: Vec<f64>,
    gamma: Vec<f64>,
    beta: Vec<f64>,
    alpha: Vec<f64>,
    w: Vec<f64>,
    running: (Vec<f64>, Vec<f64>),
}

const EPSILON: f64 = 1e-3;

impl Layer {
    fn new(channels: usize, rows: usize, batch_stats: bool) -> Self {
        let mut rng = Rng::new(9);
        let n = channels * rows;
        let mut around = |n: usize, mean: f64, deviation: f64| {
            normals(&mut rng, n).iter().map(|z| mean + deviation * z).collect::<Vec<_>>()
        };
        Self {
            channels,
            batch_stats,
            xs: around(n, 2.0, 1.5),
            residual: around(n, 0.0, 1.0),
            gamma: around(channels, 1.0, 0.3),
            beta: around(channels, 0.1, 0.3),
            alpha: around(channels, 0.25, 0.1),
            w: around(n, 0.0, 1.0),
            running: (around(channels, 2.0, 0.1), vec![2.0; channels]),
        }
    }

    fn mean_inv_std(&self) -> (Vec<f64>, Vec<f64>) {
        let (mean, var) = if self.batch_stats { naive_stats(self.channels, &self.xs) } else { self.running.clone() };
        (mean, var.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect())
    }

    /// PReLU of the definition, scaled by a softplus to have curvature: f(u) = max(u, 0) + alpha min(u, 0) + softplus(u).
    fn ys(&self) -> Vec<f64> {
        let (mean, inv_std) = self.mean_inv_std();
        let y = |(i, x): (usize, &f64)| {
            let c = i % self.channels;
            let u = self.gamma[c] * (x - mean[c]) * inv_std[c] + self.beta[c] + self.residual[i];
            u.max(0.0) + self.alpha[c] * u.min(0.0) + u.exp().ln_1p()
        };
        self.xs.iter().enumerate().map(y).collect()
    }

    fn loss(&self) -> f64 {
        self.ys().iter().zip(&self.w).map(|(y, w)| y * w).sum()
    }

    fn program() -> Program {
        let ops = vec![
            Op::X,
            Op::Unary(Unary::Relu, 0),
            Op::Unary(Unary::MinZero, 0),
            Op::Param(0),
            Op::Binary(Binary::Mul, 3, 2),
            Op::Binary(Binary::Add, 1, 4),
            Op::Unary(Unary::Softplus, 0),
            Op::Binary(Binary::Add, 5, 6),
        ];
        Program::new(ops, 1).unwrap()
    }

    /// d_xs, d_residual, d_gamma, d_beta, d_params.
    fn gradients<T: Real>(&self) -> [Vec<T>; 5] {
        let (mean, inv_std) = self.mean_inv_std();
        let cast = |values: &[f64]| values.iter().map(|&v| T::from_f64(v)).collect::<Vec<T>>();
        let [xs, mean, inv_std, gamma, beta, residual, params, w] =
            [&self.xs, &mean, &inv_std, &self.gamma, &self.beta, &self.residual, &self.alpha, &self.w].map(|v| cast(v));
        let saved = NormSaved {
            xs: &xs,
            mean: &mean,
            inv_std: &inv_std,
            gamma: &gamma,
            beta: &beta,
            residual: Some(&residual),
            params: &params,
        };
        let mark = |n: usize| vec![T::from_f64(777.0); n];
        let mut out = [mark(xs.len()), mark(xs.len()), mark(gamma.len()), mark(gamma.len()), mark(gamma.len())];
        let [d_xs, d_residual, d_gamma, d_beta, d_params] = &mut out;
        let grads = NormGrads { d_xs, d_residual: Some(d_residual), d_gamma, d_beta, d_params };
        backward(&Self::program(), self.channels, &saved, &w, self.batch_stats, grads);
        out
    }
}

#[test]
fn gradients_are_the_differences() {
    for batch_stats in [true, false] {
        let mut layer = Layer::new(3, 8, batch_stats);
        let gradients = layer.gradients::<f64>();
        let pick: [fn(&mut Layer) -> &mut Vec<f64>; 5] =
            [|l| &mut l.xs, |l| &mut l.residual, |l| &mut l.gamma, |l| &mut l.beta, |l| &mut l.alpha];
        for (which, (gradient, pick)) in gradients.iter().zip(pick).enumerate() {
            for (i, &got) in gradient.iter().enumerate() {
                let mut loss_at = |h: f64| {
                    pick(&mut layer)[i] += h;
                    let loss = layer.loss();
                    pick(&mut layer)[i] -= h;
                    loss
                };
                let difference = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5;
                assert!((got - difference).abs() < 1e-7, "{batch_stats} {which} {i}: {got} {difference}");
            }
        }
    }
}

#[test]
fn single_precision_and_many_chunks_agree_with_double() {
    for (channels, rows) in [(12, 6000), (700, 110)] {
        let layer = Layer::new(channels, rows, true);
        let (narrow, wide) = (layer.gradients::<f32>(), layer.gradients::<f64>());
        for (which, (narrow, wide)) in narrow.iter().zip(&wide).enumerate() {
            let scale = wide.iter().fold(0.0f64, |m, x| m.max(x.abs()));
            for (i, (&got, &expected)) in narrow.iter().zip(wide).enumerate() {
                assert!((f64::from(got) - expected).abs() < 5e-6 * scale, "{channels} {which} {i}: {got} {expected}");
            }
        }
    }
}

#[test]
fn apply_is_the_definition() {
    for (channels, rows) in [(3, 8), (12, 6000), (700, 110)] {
        let layer = Layer::new(channels, rows, true);
        let (mean, inv_std) = layer.mean_inv_std();
        let scale: Vec<f64> = (0..channels).map(|c| layer.gamma[c] * inv_std[c]).collect();
        let shift: Vec<f64> = (0..channels).map(|c| layer.beta[c] - mean[c] * scale[c]).collect();
        let mut ys = vec![0.0; layer.xs.len()];
        let affine = Affine { scale: &scale, shift: &shift };
        apply(&Layer::program(), channels, &layer.xs, affine, Some(&layer.residual), &layer.alpha, &mut ys);
        for (got, expected) in ys.iter().zip(layer.ys()) {
            assert!((got - expected).abs() < 1e-12);
        }
        // Without a residual and with the identity: the affine map alone.
        apply(&Program::identity(), channels, &layer.xs, affine, None, &[], &mut ys);
        for (i, &y) in ys.iter().enumerate() {
            assert!((y - (layer.xs[i] * scale[i % channels] + shift[i % channels])).abs() < 1e-12);
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let layer = Layer::new(12, 20_000, true);
    let xs: Vec<f32> = layer.xs.iter().map(|&x| x as f32).collect();
    let run = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let (mut mean, mut var) = (vec![0.0; 12], vec![0.0; 12]);
            stats(12, &xs, &mut mean, &mut var);
            (layer.gradients::<f32>(), mean, var)
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}
