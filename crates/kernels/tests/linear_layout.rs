//! The fully connected layer against its definition in f64, and the layout functions against index arithmetic.

use swish_kernels::conv::Operands;
use swish_kernels::layout::{
    SubsamplePad, concat_channels, nchw_to_nhwc, nhwc_to_nchw, split_channels, subsample_pad_backward,
    subsample_pad_forward,
};
use swish_kernels::linear::{LinearGrads, backward, forward};

/// Rounded to 8 significant bits, ties to even: bfloat16 away from its smallest and largest numbers.
fn bf16(x: f64) -> f64 {
    if x == 0.0 {
        return 0.0;
    }
    let unit = 2f64.powi(x.abs().log2().floor() as i32 - 7);
    (x / unit).round_ties_even() * unit
}

fn waves(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|i| ((i * 37 + seed * 101) as f64).sin()).collect()
}

#[test]
fn linear_layer_agrees_with_the_definition() {
    for (n, c_in, c_out) in [(1, 1, 1), (5, 7, 3), (40, 64, 10), (600, 20, 33)] {
        for operands in [Operands::Exact, Operands::Bf16] {
            let value = |x: f64| {
                if operands == Operands::Bf16 { bf16(x) } else { x }
            };
            let (xs, weight, bias, d_ys) =
                (waves(n * c_in, 1), waves(c_out * c_in, 2), waves(c_out, 3), waves(n * c_out, 4));
            let (mut ys, mut plain) = (vec![9.0; n * c_out], vec![9.0; n * c_out]);
            forward(n, c_in, c_out, &xs, &weight, Some(&bias), &mut ys, operands);
            forward(n, c_in, c_out, &xs, &weight, None, &mut plain, operands);
            let (mut d_xs, mut d_weight, mut d_bias) = (vec![9.0; n * c_in], vec![9.0; c_out * c_in], vec![9.0; c_out]);
            let grads =
                LinearGrads { d_xs: Some(&mut d_xs), add: false, d_weight: &mut d_weight, d_bias: Some(&mut d_bias) };
            backward(n, c_in, c_out, &xs, &weight, &d_ys, grads, operands);
            for row in 0..n {
                for o in 0..c_out {
                    let y: f64 = (0..c_in).map(|i| value(xs[row * c_in + i]) * value(weight[o * c_in + i])).sum();
                    assert!(
                        (plain[row * c_out + o] - y).abs() < 1e-12 && (ys[row * c_out + o] - y - bias[o]).abs() < 1e-12
                    );
                }
                for i in 0..c_in {
                    let d: f64 = (0..c_out).map(|o| value(d_ys[row * c_out + o]) * value(weight[o * c_in + i])).sum();
                    assert!((d_xs[row * c_in + i] - d).abs() < 1e-12);
                }
            }
            for o in 0..c_out {
                let d: f64 = (0..n).map(|row| d_ys[row * c_out + o]).sum();
                assert!((d_bias[o] - d).abs() < 1e-11);
                for i in 0..c_in {
                    let d: f64 = (0..n).map(|row| value(d_ys[row * c_out + o]) * value(xs[row * c_in + i])).sum();
                    assert!((d_weight[o * c_in + i] - d).abs() < 1e-11);
                }
            }
        }
    }
}

#[test]
fn linear_layer_does_not_depend_on_the_threads() {
    let (n, c_in, c_out) = (300, 65, 70);
    let narrow = |xs: Vec<f64>| xs.into_iter().map(|x| x as f32).collect::<Vec<_>>();
    let (xs, weight, d_ys) = (narrow(waves(n * c_in, 1)), narrow(waves(c_out * c_in, 2)), narrow(waves(n * c_out, 4)));
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let (mut ys, mut d_xs, mut d_weight) = (vec![0.0; n * c_out], vec![0.0; n * c_in], vec![0.0; c_out * c_in]);
            forward(n, c_in, c_out, &xs, &weight, None, &mut ys, Operands::Exact);
            let grads = LinearGrads { d_xs: Some(&mut d_xs), add: false, d_weight: &mut d_weight, d_bias: None };
            backward(n, c_in, c_out, &xs, &weight, &d_ys, grads, Operands::Exact);
            (ys, d_xs, d_weight)
        })
    };
    let first = run(1);
    for threads in [1, 2, 3] {
        assert!(run(threads) == first);
    }
}

#[test]
fn layouts_are_each_others_inverse() {
    let (n, c, hw) = (2, 3, 20);
    let xs = waves(n * c * hw, 1);
    let (mut nhwc, mut back) = (vec![0.0; xs.len()], vec![0.0; xs.len()]);
    nchw_to_nhwc(n, c, hw, &xs, &mut nhwc);
    for (i, &x) in xs.iter().enumerate() {
        let (image, channel, pixel) = (i / (c * hw), i / hw % c, i % hw);
        assert_eq!(nhwc[(image * hw + pixel) * c + channel], x);
    }
    nhwc_to_nchw(n, c, hw, &nhwc, &mut back);
    assert_eq!(back, xs);
}

#[test]
fn shortcut_takes_every_second_pixel_and_appends_zeros() {
    for offset in [0, 1] {
        check_subsampling(offset);
    }
}

fn check_subsampling(offset: usize) {
    let shape = SubsamplePad { n: 2, h: 5, w: 4, c_in: 3, c_out: 6, stride: 2, offset };
    assert_eq!((shape.out_h(), shape.out_w()), (3, 2));
    let xs = waves(2 * 5 * 4 * 3, 1);
    let mut ys = vec![9.0; 2 * 3 * 2 * 6];
    subsample_pad_forward(&shape, &xs, &mut ys);
    for (i, &y) in ys.iter().enumerate() {
        let (image, row, column, channel) = (i / 36, i / 12 % 3, i / 6 % 2, i % 6);
        let (from, to) = (2 * row + offset, 2 * column + offset);
        let inside = channel < 3 && from < 5;
        assert_eq!(y, if inside { xs[((image * 5 + from) * 4 + to) * 3 + channel] } else { 0.0 });
    }
    // The adjoint identity fixes the gradient of a linear map.
    let d_ys = waves(ys.len(), 2);
    let mut d_xs = vec![9.0; xs.len()];
    subsample_pad_backward(&shape, &d_ys, &mut d_xs);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    assert!((dot(&ys, &d_ys) - dot(&xs, &d_xs)).abs() < 1e-12);
    // With an offset the last of the three rows lies beyond the image.
    assert_eq!(d_xs.iter().filter(|&&d| d != 0.0).count(), 2 * (3 - offset) * 2 * 3);
}

#[test]
fn joined_channels_split_again() {
    let (rows, c_a, c_b) = (2_500, 3, 2);
    let (a, b) = (waves(rows * c_a, 1), waves(rows * c_b, 2));
    let mut ys = vec![9.0; rows * (c_a + c_b)];
    concat_channels(rows, &a, c_a, &b, c_b, &mut ys);
    for (i, &y) in ys.iter().enumerate() {
        let (row, channel) = (i / 5, i % 5);
        assert_eq!(y, if channel < 3 { a[row * 3 + channel] } else { b[row * 2 + channel - 3] });
    }
    let (mut a_again, mut b_again) = (vec![9.0; a.len()], vec![9.0; b.len()]);
    split_channels(rows, &ys, &mut a_again, c_a, &mut b_again, c_b);
    assert!(a_again == a && b_again == b);
}
