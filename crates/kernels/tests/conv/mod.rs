//! Convolution against its definition: seven nested loops in f64 over the original weights. Gradients against the same loops, against
//! the adjoint identities and against finite differences. Inputs are seeded noise.

mod levels;
mod precision;
mod reference;
mod shapes;

use reference::{noise, reference};
use shapes::{base, shapes};
use swish_kernels::conv::{Conv2d, Operands, Pad, Prepared, Scratch, backward_data, backward_weight, forward};
use swish_kernels::real::Real;

fn assert_close<T: Real>(what: &str, conv: &Conv2d, got: &[T], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    for (i, (got, &expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (got.to_f64() - expected).abs() <= tolerance * (1.0 + expected.abs()),
            "{what}[{i}] = {got}, expected {expected}: {conv:?}"
        );
    }
}

struct Computed<T> {
    ys: Vec<T>,
    d_xs: Vec<T>,
    d_weight: Vec<T>,
}

/// All three directions, into buffers of rubbish that must be overwritten.
fn compute<T: Real>(conv: &Conv2d, xs: &[T], weight: &[T], d_ys: &[T]) -> Computed<T> {
    let rubbish = T::from_f64(1e3);
    let mut out = Computed {
        ys: vec![rubbish; conv.out_len()],
        d_xs: vec![rubbish; conv.in_len()],
        d_weight: vec![rubbish; conv.weight_len()],
    };
    forward(conv, xs, weight, &mut out.ys);
    backward_data(conv, d_ys, weight, &mut out.d_xs);
    backward_weight(conv, xs, d_ys, &mut out.d_weight);
    out
}

/// The same by packed weights, one image first and then the others, with a scratch that has been used for something else.
fn compute_in_groups<T: Real>(
    conv: &Conv2d,
    xs: &[T],
    weight: &[T],
    d_ys: &[T],
    scratch: &mut Scratch<T>,
) -> Computed<T> {
    let rubbish = T::from_f64(1e3);
    let mut out = Computed {
        ys: vec![rubbish; conv.out_len()],
        d_xs: vec![rubbish; conv.in_len()],
        d_weight: vec![rubbish; conv.weight_len()],
    };
    let prepared = Prepared::new(conv, weight, true);
    let mut sums = vec![T::ZERO; prepared.partial_len()];
    let (x_len, y_len) = (conv.in_len() / conv.n, conv.out_len() / conv.n);
    for (first, end) in [(0, 1), (1, conv.n)] {
        let (x_range, y_range) = (first * x_len..end * x_len, first * y_len..end * y_len);
        prepared.forward(end - first, &xs[x_range.clone()], &mut out.ys[y_range.clone()], scratch);
        prepared.backward_data(end - first, &d_ys[y_range.clone()], &mut out.d_xs[x_range.clone()], scratch);
        prepared.backward_weight(end - first, &xs[x_range], &d_ys[y_range], &mut sums, scratch);
    }
    prepared.finish_weight(&sums, &mut out.d_weight);
    out
}

fn check_all<T: Real>(operands: Operands, tolerance: f64) {
    let mut scratch = Scratch::default();
    for (seed, conv) in shapes().into_iter().enumerate() {
        let conv = Conv2d { operands, ..conv };
        let seed = 10 * seed as u64;
        let (xs, weight, d_ys) = (
            noise::<T>(conv.in_len(), seed + 1),
            noise::<T>(conv.weight_len(), seed + 2),
            noise::<T>(conv.out_len(), seed + 3),
        );
        let expected = reference(&conv, &xs, &weight, &d_ys);
        let batch = compute(&conv, &xs, &weight, &d_ys);
        let groups = compute_in_groups(&conv, &xs, &weight, &d_ys, &mut scratch);
        for got in [batch, groups] {
            assert_close("ys", &conv, &got.ys, &expected.ys, tolerance);
            assert_close("d_xs", &conv, &got.d_xs, &expected.d_xs, tolerance);
            assert_close("d_weight", &conv, &got.d_weight, &expected.d_weight, tolerance);
        }
    }
}

#[test]
fn double_precision_agrees_with_the_definition() {
    check_all::<f64>(Operands::Exact, 1e-12);
}

#[test]
fn single_precision_agrees_with_the_definition() {
    check_all::<f32>(Operands::Exact, 2e-5);
}

/// The products of two bfloat16 numbers are exact in f32 and f64, so only the summation differs from the reference.
#[test]
fn bf16_operands_agree_with_the_definition() {
    check_all::<f64>(Operands::Bf16, 1e-12);
    check_all::<f32>(Operands::Bf16, 2e-5);
}

/// `<conv(x, w), y> == <x, conv_data(y, w)> == <w, conv_weight(x, y)>`.
#[test]
fn gradients_are_the_adjoints_of_the_forward_pass() {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for conv in shapes() {
        let (xs, weight, d_ys) =
            (noise::<f64>(conv.in_len(), 7), noise::<f64>(conv.weight_len(), 8), noise::<f64>(conv.out_len(), 9));
        let got = compute(&conv, &xs, &weight, &d_ys);
        let product = dot(&got.ys, &d_ys);
        assert!((product - dot(&xs, &got.d_xs)).abs() < 1e-9 * (1.0 + product.abs()), "{conv:?}");
        assert!((product - dot(&weight, &got.d_weight)).abs() < 1e-9 * (1.0 + product.abs()), "{conv:?}");
    }
}

/// Central differences of L = sum(y^2) / 2, whose gradient at the output is y itself.
#[test]
fn gradients_agree_with_finite_differences() {
    let conv = Conv2d { n: 1, h: 4, w: 5, c_in: 3, c_out: 4, stride: (2, 1), ..base() };
    let (xs, weight) = (noise::<f64>(conv.in_len(), 1), noise::<f64>(conv.weight_len(), 2));
    let loss = |xs: &[f64], weight: &[f64]| {
        let mut ys = vec![0.0; conv.out_len()];
        forward(&conv, xs, weight, &mut ys);
        ys.iter().map(|y| y * y / 2.0).sum::<f64>()
    };
    let mut ys = vec![0.0; conv.out_len()];
    forward(&conv, &xs, &weight, &mut ys);
    let got = compute(&conv, &xs, &weight, &ys);
    let step = 1e-5;
    let difference = |values: &[f64], i: usize, loss: &dyn Fn(&[f64]) -> f64| {
        let (mut up, mut down) = (values.to_vec(), values.to_vec());
        up[i] += step;
        down[i] -= step;
        (loss(&up) - loss(&down)) / (2.0 * step)
    };
    for (i, &got) in got.d_xs.iter().enumerate() {
        assert!((got - difference(&xs, i, &|xs| loss(xs, &weight))).abs() < 1e-7);
    }
    for (i, &got) in got.d_weight.iter().enumerate() {
        assert!((got - difference(&weight, i, &|weight| loss(&xs, weight))).abs() < 1e-7);
    }
}

/// The same bits a second time and for pools of 1, 2 and 3 threads.
#[test]
fn results_do_not_depend_on_the_threads() {
    let b = base();
    let shapes = [
        Conv2d { n: 16, h: 32, w: 32, c_in: 16, c_out: 16, ..b },
        Conv2d { n: 16, h: 32, w: 32, c_in: 16, c_out: 32, stride: (2, 2), ..b },
        Conv2d { n: 5, h: 19, w: 19, c_in: 12, c_out: 6, groups: 3, ..b },
        Conv2d { n: 5, h: 33, w: 33, c_in: 24, c_out: 24, groups: 24, ..b },
    ];
    for conv in shapes {
        let (xs, weight, d_ys) =
            (noise::<f32>(conv.in_len(), 1), noise::<f32>(conv.weight_len(), 2), noise::<f32>(conv.out_len(), 3));
        let first = compute(&conv, &xs, &weight, &d_ys);
        for threads in [1, 1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let again = pool.install(|| compute(&conv, &xs, &weight, &d_ys));
            assert!(
                first.ys == again.ys && first.d_xs == again.d_xs && first.d_weight == again.d_weight,
                "{threads} threads: {conv:?}"
            );
        }
    }
}

/// No image, or an image smaller than the kernel: empty outputs and zero gradients.
#[test]
fn empty_outputs_have_zero_gradients() {
    for conv in [Conv2d { n: 0, ..base() }, Conv2d { h: 2, pad: Pad::default(), ..base() }] {
        assert_eq!(conv.out_len(), 0);
        let (xs, weight) = (noise::<f32>(conv.in_len(), 1), noise::<f32>(conv.weight_len(), 2));
        let got = compute(&conv, &xs, &weight, &[]);
        assert!(got.d_xs.iter().chain(&got.d_weight).all(|&d| d == 0.0));
    }
}

/// ResNet-20's first and last 3x3 layers: 32 * 32 * 16 * 3 * 9 and 8 * 8 * 64 * 64 * 9 products an image.
#[test]
fn counts_of_operations_and_weights() {
    let stem = Conv2d { h: 32, w: 32, c_in: 3, c_out: 16, ..base() };
    assert_eq!((stem.macs(), stem.weight_len()), (442_368, 432));
    let last = Conv2d { h: 8, w: 8, c_in: 64, c_out: 64, ..base() };
    assert_eq!((last.macs(), last.weight_len()), (2_359_296, 36_864));
}
