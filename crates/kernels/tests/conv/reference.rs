//! The definition: seven nested loops in f64 over the original weights, and seeded inputs.

use swish_kernels::conv::{Conv2d, Operands};
use swish_kernels::real::Real;

/// Seeded noise in [-1, 1): a multiplicative generator, so that the tests need nothing of the crate but what they test.
pub fn noise<T: Real>(len: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            T::from_f64((state >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
        })
        .collect()
}

/// Calls `visit(y, x, w)` with the indices of every product of the convolution.
pub fn for_each_product(conv: &Conv2d, mut visit: impl FnMut(usize, usize, usize)) {
    let Conv2d { n, h, w, c_in, c_out, kh, kw, stride, pad, groups, .. } = *conv;
    let (group_in, group_out) = (c_in / groups, c_out / groups);
    for image in 0..n {
        for out_y in 0..conv.out_h() {
            for out_x in 0..conv.out_w() {
                for co in 0..c_out {
                    for ky in 0..kh {
                        for kx in 0..kw {
                            let y = (out_y * stride.0 + ky) as isize - pad.top as isize;
                            let x = (out_x * stride.1 + kx) as isize - pad.left as isize;
                            if y < 0 || x < 0 || y >= h as isize || x >= w as isize {
                                continue;
                            }
                            for ci in 0..group_in {
                                let channel = co / group_out * group_in + ci;
                                visit(
                                    ((image * conv.out_h() + out_y) * conv.out_w() + out_x) * c_out + co,
                                    ((image * h + y as usize) * w + x as usize) * c_in + channel,
                                    ((co * group_in + ci) * kh + ky) * kw + kx,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Rounded to 8 significant bits, ties to even: bfloat16 away from its smallest and largest numbers.
fn bf16(x: f64) -> f64 {
    if x == 0.0 {
        return 0.0;
    }
    let unit = 2f64.powi(x.abs().log2().floor() as i32 - 7);
    (x / unit).round_ties_even() * unit
}

/// All three results of the definition.
pub struct Reference {
    pub ys: Vec<f64>,
    pub d_xs: Vec<f64>,
    pub d_weight: Vec<f64>,
}

pub fn reference<T: Real>(conv: &Conv2d, xs: &[T], weight: &[T], d_ys: &[T]) -> Reference {
    let mut out = Reference {
        ys: vec![0.0; conv.out_len()],
        d_xs: vec![0.0; conv.in_len()],
        d_weight: vec![0.0; conv.weight_len()],
    };
    let values = |values: &[T]| -> Vec<f64> {
        let exact = values.iter().map(|v| v.to_f64());
        let depthwise = conv.groups > 1 && conv.groups == conv.c_in && conv.groups == conv.c_out;
        match conv.operands {
            Operands::Bf16 if !depthwise => exact.map(bf16).collect(),
            _ => exact.collect(),
        }
    };
    let (xs, weight, d_ys) = (values(xs), values(weight), values(d_ys));
    for_each_product(conv, |y, x, w| {
        out.ys[y] += xs[x] * weight[w];
        out.d_xs[x] += d_ys[y] * weight[w];
        out.d_weight[w] += d_ys[y] * xs[x];
    });
    out
}
