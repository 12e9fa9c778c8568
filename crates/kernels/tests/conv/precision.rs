//! How exact f32 results are, and what becomes of numbers that are not finite.

use swish_kernels::conv::{Conv2d, Operands};

use super::compute;
use super::reference::{for_each_product, noise, reference};
use super::shapes::base;

/// Root mean square of the differences.
fn error(got: &[f32], expected: &[f64]) -> f64 {
    let sum: f64 = got.iter().zip(expected).map(|(&got, expected)| (f64::from(got) - expected).powi(2)).sum();
    (sum / got.len() as f64).sqrt()
}

/// Products of f32 numbers lose nothing beside fused multiply-adds in f32, one after the other.
#[test]
fn exact_operands_are_as_exact_as_f32() {
    for conv in [
        Conv2d { c_in: 64, c_out: 32, h: 12, w: 12, ..base() },
        Conv2d { c_in: 16, c_out: 16, h: 32, w: 32, ..base() },
        Conv2d { c_in: 160, c_out: 48, h: 8, w: 8, stride: (2, 2), ..base() },
    ] {
        let (xs, weight, d_ys) =
            (noise::<f32>(conv.in_len(), 1), noise::<f32>(conv.weight_len(), 2), noise::<f32>(conv.out_len(), 3));
        let expected = reference(&conv, &xs, &weight, &d_ys);
        let mut plain = (vec![0f32; conv.out_len()], vec![0f32; conv.in_len()], vec![0f32; conv.weight_len()]);
        for_each_product(&conv, |y, x, w| {
            plain.0[y] = xs[x].mul_add(weight[w], plain.0[y]);
            plain.1[x] = d_ys[y].mul_add(weight[w], plain.1[x]);
            plain.2[w] = d_ys[y].mul_add(xs[x], plain.2[w]);
        });
        let got = compute(&conv, &xs, &weight, &d_ys);
        for (what, got, plain, expected) in [
            ("ys", &got.ys, &plain.0, &expected.ys),
            ("d_xs", &got.d_xs, &plain.1, &expected.d_xs),
            ("d_weight", &got.d_weight, &plain.2, &expected.d_weight),
        ] {
            let (got, plain) = (error(got, expected), error(plain, expected));
            assert!(got < 1.25 * plain, "{what}: {got:e} against {plain:e}: {conv:?}");
        }
    }
}

/// Whatever depends on a number that is not finite is not finite either.
#[test]
fn infinite_and_undefined_inputs_are_not_hidden() {
    for operands in [Operands::Exact, Operands::Bf16] {
        for (c_in, c_out, stride) in [(3, 5, (1, 1)), (16, 32, (1, 1)), (40, 16, (2, 2))] {
            let conv = Conv2d { c_in, c_out, stride, operands, ..base() };
            for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
                let (mut xs, weight, mut d_ys) = (
                    noise::<f32>(conv.in_len(), 1),
                    noise::<f32>(conv.weight_len(), 2),
                    noise::<f32>(conv.out_len(), 3),
                );
                let (bad_x, bad_y) = (xs.len() / 4, d_ys.len() / 4);
                xs[bad_x] = bad;
                let forward = compute(&conv, &xs, &weight, &d_ys);
                d_ys[bad_y] = bad;
                let backward = compute(&conv, &xs, &weight, &d_ys);
                for_each_product(&conv, |y, x, w| {
                    if x == bad_x {
                        assert!(!forward.ys[y].is_finite() && !forward.d_weight[w].is_finite(), "{conv:?}");
                    }
                    if y == bad_y {
                        assert!(!backward.d_xs[x].is_finite() && !backward.d_weight[w].is_finite(), "{conv:?}");
                    }
                });
            }
        }
    }
}
