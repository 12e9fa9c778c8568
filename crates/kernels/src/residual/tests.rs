#![allow(clippy::unwrap_used)]
use super::{Grads, Kept, Made, Residual};
use crate::act::{Binary, Op, Program, Unary};
use crate::conv::Operands;
use crate::dropout::Dropout;
use crate::layer_norm::{Affine, RowStats};
use crate::real::Real;
use crate::rng::Rng;

const ROWS: usize = 35;
const C_IN: usize = 6;
const WIDTH: usize = 4;

/// x sigmoid(beta x).
fn swish() -> Program {
    let ops = vec![
        Op::X,
        Op::Param(0),
        Op::Binary(Binary::Mul, 0, 1),
        Op::Unary(Unary::Sigmoid, 2),
        Op::Binary(Binary::Mul, 0, 3),
    ];
    Program::new(ops, 1).unwrap()
}

/// Everything that the layer reads, one behind the other: hs, xs, parameters of the activation, weight, bias, gamma, beta.
struct Values<T> {
    all: Vec<T>,
}

const LENGTHS: [usize; 7] = [ROWS * C_IN, ROWS * WIDTH, C_IN, WIDTH * C_IN, WIDTH, WIDTH, WIDTH];

impl<T: Real> Values<T> {
    fn parts(&self) -> [&[T]; 7] {
        let mut rest = &self.all[..];
        LENGTHS.map(|len| {
            let (part, behind) = rest.split_at(len);
            rest = behind;
            part
        })
    }

    fn layer<'a>(&'a self, program: Option<&'a Program>, dropout: Option<Dropout>) -> Residual<'a, T> {
        let [_, _, params, weight, bias, gamma, beta] = self.parts();
        Residual {
            act: program.map(|program| (program, params)),
            weight,
            bias: program.map(|_| bias),
            dropout,
            epsilon: 1e-6,
            affine: Affine { gamma, beta },
            operands: Operands::Exact,
        }
    }

    /// The result, and the gradient of everything for these of the result.
    fn run(&self, program: Option<&Program>, dropout: Option<Dropout>, d_ys: &[T]) -> (Vec<T>, Vec<T>) {
        let [hs, xs, ..] = self.parts();
        let layer = self.layer(program, dropout);
        let zero = |len: usize| vec![T::from_f64(9.0); len];
        let (mut zs, mut ys, mut mean, mut inv_std) = (zero(xs.len()), zero(xs.len()), zero(ROWS), zero(ROWS));
        let stats = RowStats { mean: &mut mean, inv_std: &mut inv_std };
        layer.forward(hs, xs, Made { zs: &mut zs, ys: &mut ys, stats });
        let mut d: Vec<Vec<T>> = LENGTHS.map(zero).into();
        let [d_hs, d_xs, d_params, d_weight, d_bias, d_gamma, d_beta] = &mut d[..] else { unreachable!() };
        let params = if program.is_some() { d_params.len() } else { 0 };
        let grads = Grads {
            d_xs,
            d_hs,
            d_params: &mut d_params[..params],
            d_weight,
            d_bias: program.map(|_| &mut d_bias[..]),
            d_gamma,
            d_beta,
        };
        layer.backward(&Kept { hs, zs: &zs, mean: &mean, inv_std: &inv_std }, d_ys, grads);
        (ys, d.concat())
    }
}

fn drawn(seed: u64, len: usize) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| rng.normal()).collect()
}

#[test]
fn gradients_by_finite_differences() {
    let swish = swish();
    let d_ys = drawn(2, ROWS * WIDTH);
    let dropout = Some(Dropout { p: 0.3, seed: 5 });
    for (program, dropout) in [(None, None), (Some(&swish), dropout), (Some(&swish), None), (None, dropout)] {
        let mut values = Values { all: drawn(1, LENGTHS.iter().sum()) };
        let (ys, d) = values.run(program, dropout, &d_ys);
        let used = |place: usize| program.is_some() || !(350..356).contains(&place) && !(380..384).contains(&place);
        assert_eq!((LENGTHS[..2].iter().sum::<usize>(), LENGTHS[..4].iter().sum::<usize>()), (350, 380));
        for place in (0..values.all.len()).filter(|&place| place % 7 == 0 || place >= 350).filter(|&place| used(place))
        {
            let mut at = |h: f64| {
                values.all[place] += h;
                let sum: f64 = values.run(program, dropout, &d_ys).0.iter().zip(&d_ys).map(|(y, d)| y * d).sum();
                values.all[place] -= h;
                sum
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!(
                (d[place] - difference).abs() < 1e-7 * (1.0 + difference.abs()),
                "{place}: {} {difference}",
                d[place]
            );
        }
        // A row by hand, where nothing is drawn.
        if let (None, None) = (program, dropout) {
            let [hs, xs, _, weight, _, gamma, beta] = values.parts();
            let z: Vec<f64> =
                (0..WIDTH).map(|o| xs[o] + (0..C_IN).map(|i| hs[i] * weight[o * C_IN + i]).sum::<f64>()).collect();
            let mean = z.iter().sum::<f64>() / WIDTH as f64;
            let variance = z.iter().map(|z| (z - mean) * (z - mean)).sum::<f64>() / WIDTH as f64;
            for o in 0..WIDTH {
                let y = gamma[o] * (z[o] - mean) / (variance + 1e-6).sqrt() + beta[o];
                assert!((ys[o] - y).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn single_precision_and_threads() {
    let swish = swish();
    let dropout = Some(Dropout { p: 0.3, seed: 5 });
    let double = Values { all: drawn(1, LENGTHS.iter().sum()) };
    let single = Values { all: double.all.iter().map(|&x| x as f32).collect::<Vec<_>>() };
    let d_ys = drawn(2, ROWS * WIDTH);
    let d_ys_single: Vec<f32> = d_ys.iter().map(|&d| d as f32).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| single.run(Some(&swish), dropout, &d_ys_single))
    };
    let (ys, d) = run(1);
    assert!((&ys, &d) == (&run(3).0, &run(3).1));
    let (exact_ys, exact_d) = double.run(Some(&swish), dropout, &d_ys);
    for (single, double) in ys.iter().zip(&exact_ys).chain(d.iter().zip(&exact_d)) {
        assert!((f64::from(*single) - double).abs() < 2e-4 * (1.0 + double.abs()), "{single} {double}");
    }
}
