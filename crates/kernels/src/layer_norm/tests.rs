//! Values against the definition, gradients against central differences, a large mean, and the number of threads.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::rng::Rng;

const EPSILON: f64 = 1e-5;

struct Example<T> {
    xs: Vec<T>,
    gamma: Vec<T>,
    beta: Vec<T>,
    d_ys: Vec<T>,
}

fn example<T: Real>(rows: usize, width: usize, offset: f64) -> Example<T> {
    let mut rng = Rng::new(5);
    let mut draw = |n: usize, offset: f64| (0..n).map(|_| T::from_f64(offset + rng.normal())).collect::<Vec<_>>();
    Example {
        xs: draw(rows * width, offset),
        gamma: draw(width, 1.0),
        beta: draw(width, 0.0),
        d_ys: draw(rows * width, 0.0),
    }
}

/// `[ys, mean, inv_std]`.
fn run<T: Real>(e: &Example<T>) -> [Vec<T>; 3] {
    let rows = e.xs.len() / e.gamma.len();
    let (mut ys, mut mean, mut inv_std) = (vec![T::ONE; e.xs.len()], vec![T::ONE; rows], vec![T::ONE; rows]);
    let affine = Affine { gamma: &e.gamma, beta: &e.beta };
    forward(EPSILON, affine, &e.xs, &mut ys, RowStats { mean: &mut mean, inv_std: &mut inv_std });
    [ys, mean, inv_std]
}

/// `[d_xs, d_gamma, d_beta]`.
fn gradients<T: Real>(e: &Example<T>) -> [Vec<T>; 3] {
    let [_, mean, inv_std] = run(e);
    let width = e.gamma.len();
    let (mut d_xs, mut d_gamma, mut d_beta) = (vec![T::ONE; e.xs.len()], vec![T::ONE; width], vec![T::ONE; width]);
    let saved = Saved { xs: &e.xs, mean: &mean, inv_std: &inv_std, gamma: &e.gamma };
    backward(&saved, &e.d_ys, Grads { d_xs: &mut d_xs, d_gamma: &mut d_gamma, d_beta: &mut d_beta });
    [d_xs, d_gamma, d_beta]
}

/// sum(d_ys * ys) straight from the definition.
fn naive(e: &Example<f64>) -> f64 {
    let width = e.gamma.len();
    let mut total = 0.0;
    for (xs, d_ys) in e.xs.chunks(width).zip(e.d_ys.chunks(width)) {
        let mean = xs.iter().sum::<f64>() / width as f64;
        let variance = xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        for i in 0..width {
            total += d_ys[i] * (e.gamma[i] * (xs[i] - mean) / (variance + EPSILON).sqrt() + e.beta[i]);
        }
    }
    total
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn values_and_gradients_against_the_definition() {
    for (rows, width) in [(1, 1), (3, 2), (4, 31), (2, 67)] {
        let mut e = example::<f64>(rows, width, 0.3);
        assert!((dot(&run(&e)[0], &e.d_ys) - naive(&e)).abs() < 1e-11);
        let [d_xs, d_gamma, d_beta] = gradients(&e);
        let h = 1e-5;
        let mut check = |got: &[f64], of: fn(&mut Example<f64>) -> &mut Vec<f64>| {
            for (i, &got) in got.iter().enumerate() {
                let mut at = |h: f64| {
                    of(&mut e)[i] += h;
                    let value = naive(&e);
                    of(&mut e)[i] -= h;
                    value
                };
                let difference = (at(h) - at(-h)) / (2.0 * h);
                assert!((got - difference).abs() < 1e-8, "{rows} x {width}, {i}: {got} {difference}");
            }
        };
        check(&d_xs, |e| &mut e.xs);
        check(&d_gamma, |e| &mut e.gamma);
        check(&d_beta, |e| &mut e.beta);
    }
}

/// Over several tasks, against double precision; the mean is a thousand times the deviation.
#[test]
fn single_precision_with_a_large_mean() {
    let (rows, width) = (700, 130);
    let e = example::<f32>(rows, width, 1000.0);
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let e64 = Example { xs: wide(&e.xs), gamma: wide(&e.gamma), beta: wide(&e.beta), d_ys: wide(&e.d_ys) };
    // The mean, of spacing 6e-5, is rounded by up to 3e-5; d_gamma adds 700 such errors of either sign times d_y.
    let got = [run(&e), gradients(&e)].concat();
    let expected = [run(&e64), gradients(&e64)].concat();
    for (quantity, (got, expected)) in got.iter().zip(&expected).enumerate() {
        let tolerance = if quantity == 4 { 3e-3 } else { 3e-4 };
        for (i, (&g, &e)) in got.iter().zip(expected).enumerate() {
            assert!((f64::from(g) - e).abs() < tolerance * e.abs().max(1.0), "{quantity}, {i}: {g} {e}");
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let e = example::<f32>(5000, 48, 0.0);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (run(&e), gradients(&e)))
    };
    assert_eq!(with(1), with(2));
    assert_eq!(with(1), with(3));
}

#[test]
fn no_rows_give_zero_gradients() {
    let e = Example::<f32> { xs: vec![], gamma: vec![1.0; 3], beta: vec![0.0; 3], d_ys: vec![] };
    assert_eq!(gradients(&e), [vec![], vec![0.0; 3], vec![0.0; 3]]);
}
