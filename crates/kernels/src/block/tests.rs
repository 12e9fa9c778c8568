//! Against the definitions in double precision and central differences of them.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::act::{Binary, Op, Unary};
use crate::conv::{Conv2d, Operands, Pad, Prepared};
use crate::rng::Rng;
use half::bf16;

/// Two passes in double precision.
fn naive_moments(channels: usize, xs: &[f64]) -> Moments {
    let rows = (xs.len() / channels) as f64;
    let column = |c: usize| xs.iter().skip(c).step_by(channels);
    let mean: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / rows).collect();
    let var = (0..channels).map(|c| column(c).map(|x| (x - mean[c]).powi(2)).sum::<f64>() / rows).collect();
    Moments { mean, var }
}

#[test]
fn moments_survive_a_large_mean() {
    let mut rng = Rng::new(1);
    for (channels, images, pixels) in [(1, 10, 10_000), (3, 8, 5000), (16, 9, 1000), (700, 10, 10), (5, 1, 1)] {
        let rows = images * pixels;
        // Mean 1e4, standard deviation 0.1, different in each channel; as rounded to f32, which is the input of both.
        let xs: Vec<f32> =
            (0..channels * rows).map(|i| (1e4 + (i % channels) as f64 + 0.1 * rng.normal()) as f32).collect();
        let wide: Vec<f64> = xs.iter().map(|&x| x.into()).collect();
        let expected = naive_moments(channels, &wide);
        let narrow = moments(images, pixels, Lanes::all(channels), &xs);
        let double = moments(images, pixels, Lanes::all(channels), &wide);
        for c in 0..channels {
            assert!((narrow.mean[c] - expected.mean[c]).abs() < 1e-6 * expected.mean[c]);
            assert!((narrow.var[c] - expected.var[c]).abs() <= 1e-5 * expected.var[c], "{channels} {c}");
            assert!((double.mean[c] - expected.mean[c]).abs() < 1e-11);
            assert!((double.var[c] - expected.var[c]).abs() <= 1e-9 * expected.var[c]);
        }
    }
}

#[test]
fn moments_survive_an_outlying_first_row() {
    let xs: Vec<f32> = (0..30_000).map(|i| if i == 0 { 1e4 } else { (i % 7) as f32 * 0.1 }).collect();
    let expected = naive_moments(1, &xs.iter().map(|&x| x.into()).collect::<Vec<_>>());
    let found = moments(1, 30_000, Lanes::all(1), &xs);
    assert!((found.var[0] / expected.var[0] - 1.0).abs() < 1e-5, "{:?} {:?}", found.var, expected.var);
}

/// A block whose loss is sum(w * y), as a function of everything that it depends on; statistics are constants.
#[derive(Clone)]
struct Layer {
    conv: Conv2d,
    xs: Vec<f64>,
    residual: Vec<f64>,
    shortcut: Vec<f64>,
    mean: Vec<f64>,
    scale: Vec<f64>,
    beta: Vec<f64>,
    alpha: Vec<f64>,
    weight: Vec<f64>,
    w: Vec<f64>,
    extra: Vec<f64>,
}

/// PReLU with curvature: f(u) = max(u, 0) + alpha min(u, 0) + softplus(u).
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

impl Layer {
    fn new(n: usize, size: usize, c_in: usize, c_out: usize, stride: usize) -> Self {
        let pad = Pad::all(1);
        let (operands, stride) = (Operands::Exact, (stride, stride));
        let conv = Conv2d { n, h: size, w: size, c_in, c_out, kh: 3, kw: 3, stride, pad, groups: 1, operands };
        let mut rng = Rng::new(9);
        let mut around = |n: usize, mean: f64, deviation: f64| -> Vec<f64> {
            (0..n).map(|_| mean + deviation * rng.normal()).collect()
        };
        Self {
            xs: around(conv.in_len(), 2.0, 1.5),
            residual: around(conv.in_len(), 0.0, 1.0),
            shortcut: around(conv.out_len(), 0.0, 1.0),
            mean: around(c_in, 2.0, 0.1),
            scale: around(c_in, 0.7, 0.2),
            beta: around(c_in, 0.1, 0.3),
            alpha: around(c_in, 0.25, 0.1),
            weight: around(conv.weight_len(), 0.0, 0.2),
            w: around(conv.out_len(), 0.0, 1.0),
            extra: around(conv.in_len(), 0.0, 1.0),
            conv,
        }
    }

    fn geometry(&self) -> Geometry {
        let Conv2d { n, h, w, c_in, c_out, .. } = self.conv;
        let out_pixels = self.conv.out_h() * self.conv.out_w();
        Geometry { images: n, in_pixels: h * w, out_pixels, c_in, c_out }
    }

    fn activated(&self) -> Vec<f64> {
        let a = |(i, x): (usize, &f64)| {
            let c = i % self.conv.c_in;
            let u = (x - self.mean[c]) * self.scale[c] + self.beta[c] + self.residual[i];
            u.max(0.0) + self.alpha[c] * u.min(0.0) + u.exp().ln_1p()
        };
        self.xs.iter().enumerate().map(a).collect()
    }

    fn ys(&self) -> Vec<f64> {
        let mut ys = vec![0.0; self.conv.out_len()];
        crate::conv::forward(&self.conv, &self.activated(), &self.weight, &mut ys);
        ys.iter().zip(&self.shortcut).map(|(y, s)| y + s).collect()
    }

    fn loss(&self) -> f64 {
        let from_result: f64 = self.ys().iter().zip(&self.w).map(|(y, w)| y * w).sum();
        from_result + self.activated().iter().zip(&self.extra).map(|(a, e)| a * e).sum::<f64>()
    }

    /// The block's own work on maps that lie among other channels: results, activated input, moments; then d_xs, d_weight, sums.
    fn run<E: Element>(&self, stray: usize) -> Ran {
        let cast = |values: &[f64]| values.iter().map(|&v| E::Real::from_f64(v)).collect::<Vec<E::Real>>();
        let stored = |values: &[f64]| values.iter().map(|&v| E::narrow(E::Real::from_f64(v))).collect::<Vec<E>>();
        let wide = |values: &[E]| values.iter().map(|v| v.widen().to_f64()).collect::<Vec<f64>>();
        let geometry = self.geometry();
        let (c_in, c_out) = (geometry.c_in, geometry.c_out);
        let (pixels_in, pixels_out) = (geometry.images * geometry.in_pixels, geometry.images * geometry.out_pixels);
        let among = |channels: usize| Lanes { stride: channels + stray, first: stray / 2, channels };
        let (from, to) = (among(c_in), among(c_out));
        let mut xs = vec![E::default(); from.len(pixels_in)];
        from.store(&cast(&self.xs), 0, &mut xs);
        let [mean, scale, beta, params, weight] =
            [&self.mean, &self.scale, &self.beta, &self.alpha, &self.weight].map(|values| cast(values));
        let (program, residual, shortcut) = (program(), stored(&self.residual), stored(&self.shortcut));
        let norm = NormAct { program: &program, mean: &mean, scale: &scale, beta: &beta, params: &params };
        let input = Input { xs: Some(&xs[..]), lanes: from, norm: Some(norm), residual: Some(&residual) };
        let prepared = Prepared::new(&Conv2d { operands: E::OPERANDS, ..self.conv }, &weight, true);
        let rubbish = E::narrow(E::Real::from_f64(777.0));
        let mut ys = vec![rubbish; to.len(pixels_out)];
        let mut activated = vec![rubbish; pixels_in * c_in];
        let found = forward(
            &geometry,
            &input,
            Some(&prepared),
            Output {
                ys: &mut ys,
                lanes: to,
                shortcut: Some(&shortcut),
                activated: Some(&mut activated),
                add: false,
                moments: true,
            },
        );
        let mut dense = vec![E::Real::ZERO; pixels_out * c_out];
        to.load(&ys, 0, &mut dense);
        let mut up = vec![E::default(); to.len(pixels_out)];
        to.store(&cast(&self.w), 0, &mut up);
        let mut ds = vec![E::narrow(E::Real::ONE); from.len(pixels_in)];
        let mut d_weight = vec![E::Real::from_f64(777.0); weight.len()];
        let sums = backward(
            &geometry,
            &input,
            Some(Trained { prepared: &prepared, d_weight: &mut d_weight }),
            Upstream { ds: Some(&up), lanes: to, slope: None, correction: None, settled: None },
            Downstream {
                ds: Some(&mut ds),
                lanes: from,
                slope: Some(&scale),
                add: true,
                extra: Some(&stored(&self.extra)),
            },
        );
        let mut d_xs = vec![E::Real::ZERO; pixels_in * c_in];
        from.load(&ds, 0, &mut d_xs);
        let strays = ds.len() - d_xs.len();
        let untouched = wide(&ds).iter().filter(|&&d| d == 1.0).count();
        assert!(untouched >= strays, "channels of others were written");
        Ran {
            ys: dense.iter().map(|y| y.to_f64()).collect(),
            activated: wide(&activated),
            moments: found.unwrap(),
            // What was there before, 1, is taken off again.
            d_xs: d_xs.iter().map(|d| d.to_f64() - 1.0).collect(),
            d_weight: d_weight.iter().map(|d| d.to_f64()).collect(),
            sums: [sums.d_params, sums.d_u, sums.d_u_x].concat(),
        }
    }
}

#[derive(Debug, PartialEq)]
struct Ran {
    ys: Vec<f64>,
    activated: Vec<f64>,
    moments: Moments,
    d_xs: Vec<f64>,
    d_weight: Vec<f64>,
    sums: Vec<f64>,
}

fn assert_close(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(1e-9f64, |m, x| m.max(x.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= tolerance * scale, "{what}[{i}]: {got}, expected {expected}");
    }
}

#[test]
fn forward_is_the_definition() {
    for stray in [0, 3] {
        for stride in [1, 2] {
            let layer = Layer::new(3, 5, 4, 6, stride);
            let ran = layer.run::<f64>(stray);
            assert_close("activated", &ran.activated, &layer.activated(), 1e-12);
            assert_close("ys", &ran.ys, &layer.ys(), 1e-12);
            let expected = naive_moments(6, &layer.ys());
            assert_close("mean", &ran.moments.mean, &expected.mean, 1e-12);
            assert_close("var", &ran.moments.var, &expected.var, 1e-12);
        }
    }
}

#[test]
fn gradients_are_the_differences() {
    for stray in [0, 5] {
        let mut layer = Layer::new(2, 4, 3, 5, 2);
        let ran = layer.run::<f64>(stray);
        let c = layer.conv.c_in;
        // The sums: by alpha, of du (by beta), of du (x - mean) (by scale).
        let pick: [fn(&mut Layer) -> &mut Vec<f64>; 5] =
            [|l| &mut l.xs, |l| &mut l.weight, |l| &mut l.alpha, |l| &mut l.beta, |l| &mut l.scale];
        let gradients = [&ran.d_xs[..], &ran.d_weight, &ran.sums[..c], &ran.sums[c..2 * c], &ran.sums[2 * c..]];
        for (which, (gradient, pick)) in gradients.into_iter().zip(pick).enumerate() {
            for (i, &got) in gradient.iter().enumerate() {
                let mut loss_at = |h: f64| {
                    pick(&mut layer)[i] += h;
                    let loss = layer.loss();
                    pick(&mut layer)[i] -= h;
                    loss
                };
                let difference = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5;
                assert!((got - difference).abs() < 2e-7, "{which} {i}: {got} {difference}");
            }
        }
    }
}

#[test]
fn narrower_types_and_many_tasks_agree_with_double() {
    for (n, size, c_in, c_out) in [(40, 8, 12, 20), (3, 6, 600, 7)] {
        let layer = Layer::new(n, size, c_in, c_out, 1);
        let wide = layer.run::<f64>(0);
        let parts = |ran: &Ran| [&ran.ys, &ran.moments.var, &ran.d_xs, &ran.d_weight, &ran.sums].map(Vec::clone);
        for (got, expected) in parts(&layer.run::<f32>(2)).iter().zip(parts(&wide)) {
            assert_close("f32", got, &expected, 1e-5);
        }
        // Rounding carries a few values over the kink, so single ones may differ and the whole must not.
        for (got, expected) in parts(&layer.run::<bf16>(0)).iter().zip(parts(&wide)) {
            let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
            let off = norm(&mut got.iter().zip(&expected).map(|(g, e)| g - e)) / norm(&mut expected.iter().copied());
            assert!(off < 5e-2, "{off}");
        }
    }
}

/// `slope d + pull (z - mean) + term`, read by a pass and written out.
#[test]
fn a_gradient_is_settled_with_slope_and_correction() {
    let (images, pixels, lanes) = (5, 7, Lanes { stride: 6, first: 2, channels: 3 });
    let mut rng = Rng::new(3);
    let mut noise = |n: usize| (0..n).map(|_| rng.normal()).collect::<Vec<f64>>();
    let (ds, zs) = (noise(lanes.len(images * pixels)), noise(lanes.len(images * pixels)));
    let [slope, mean, pull, term] = [0; 4].map(|_| noise(3));
    let mut ys = vec![0.0; images * pixels * 3];
    let correction = Some(Correction { zs: &zs[..], lanes, mean: &mean, pull: &pull, term: &term });
    let up = Upstream { ds: Some(&ds[..]), lanes, slope: Some(&slope), correction, settled: None };
    settle(&up, [images, pixels], &mut ys);
    for (i, y) in ys.iter().enumerate() {
        let (at, c) = (i / 3 * 6 + 2 + i % 3, i % 3);
        assert!((y - (slope[c] * ds[at] + pull[c] * (zs[at] - mean[c]) + term[c])).abs() < 1e-12);
    }
}

/// A mean too small to change any of the numbers is taken off all the same, on the whole.
#[test]
fn what_a_correction_takes_off_is_not_lost_in_rounding() {
    let (images, pixels, lanes) = (3, 5000, Lanes::all(2));
    let ds = vec![bf16::from_f32(1.0); lanes.len(images * pixels)];
    let (zs, zeros, term) = (vec![bf16::ZERO; ds.len()], [0.0f32; 2], [1e-3f32, -1e-3]);
    let mut ys = vec![bf16::ZERO; ds.len()];
    let correction = Some(Correction { zs: &zs[..], lanes, mean: &zeros, pull: &zeros, term: &term });
    settle(&Upstream { ds: Some(&ds[..]), lanes, slope: None, correction, settled: None }, [images, pixels], &mut ys);
    for (c, &term) in term.iter().enumerate() {
        let mean = ys.iter().skip(c).step_by(2).map(|y| f64::from(y.to_f32())).sum::<f64>() / 15_000.0;
        assert!((mean - 1.0 - f64::from(term)).abs() < 3e-4, "{c}: {mean}");
    }
}

#[test]
fn threads_do_not_matter() {
    let layer = Layer::new(37, 8, 12, 20, 1);
    let run =
        |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| layer.run::<f32>(0));
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}
