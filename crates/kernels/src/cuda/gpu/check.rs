//! cuDNN's convolutions and cuBLASLt's products compared with the CPU's in double precision. Sums are as long as a layer's, so f32 is
//! allowed the rounding of some thousand terms, TF32 and bf16 that of their factors.

use super::convolution::{self, Element as ConvElement};
use super::product::{self, Element as ProductElement};
use super::{Gpu, GpuError, Precision};
use crate::conv::{Conv2d, Operands, Pad};
use crate::cuda::check::{Check, Row, convolved, doubled, normal, singles};
use crate::cuda::device::{Slice, Stored};
use crate::linear::{self, LinearGrads};

fn tolerance<E: Stored>(precision: Precision) -> f64 {
    match (E::BF16, precision) {
        // Results are stored in 8 bits, factors are exact.
        (true, _) => 0.01,
        (false, Precision::Tf32) => 0.005,
        (false, Precision::Exact) => 3e-5,
    }
}

/// Runs the comparisons.
///
/// # Errors
/// The GPU's. A difference is no error, but stands in its row.
pub fn run(gpu: &Gpu) -> Result<Vec<Row>, GpuError> {
    let mut check = Check::new(gpu);
    let shape = |[n, h, w]: [usize; 3], [c_in, c_out]: [usize; 2], k, stride, pad, groups| Conv2d {
        n,
        h,
        w,
        c_in,
        c_out,
        kh: k,
        kw: k,
        stride: (stride, stride),
        pad,
        groups,
        operands: Operands::Exact,
    };
    let uneven = Pad { top: 0, bottom: 1, left: 0, right: 1 };
    for conv in [
        shape([4, 32, 32], [16, 16], 3, 1, Pad::all(1), 1),
        shape([2, 15, 13], [32, 64], 3, 2, Pad::all(1), 1),
        shape([2, 14, 14], [64, 8], 1, 1, Pad::default(), 1),
        shape([2, 32, 32], [8, 16], 3, 2, uneven, 1),
        shape([2, 16, 16], [32, 32], 3, 1, Pad::all(1), 4),
        Conv2d { kh: 1, ..shape([2, 17, 17], [64, 64], 7, 1, Pad { left: 3, right: 3, ..Pad::default() }, 1) },
    ] {
        convolve::<f32>(&mut check, &conv, Precision::Exact)?;
        convolve::<f32>(&mut check, &conv, Precision::Tf32)?;
        convolve::<half::bf16>(&mut check, &conv, Precision::Exact)?;
    }
    for sizes in [[8, 64, 16], [32, 640, 104], [128, 512, 2048]] {
        multiply::<f32>(&mut check, sizes, Precision::Exact)?;
        multiply::<f32>(&mut check, sizes, Precision::Tf32)?;
        multiply::<half::bf16>(&mut check, sizes, Precision::Exact)?;
    }
    Ok(check.rows)
}

fn convolve<E: ConvElement>(check: &mut Check<'_, Gpu>, conv: &Conv2d, precision: Precision) -> Result<(), GpuError> {
    let (gpu, tolerance) = (check.device, tolerance::<E>(precision));
    let Conv2d { n, h, w, c_in, c_out, kh, kw, stride, groups, .. } = *conv;
    let case = format!("{n}x{h}x{w}x{c_in} to {c_out}, {kh}x{kw}, stride {}, groups {groups}, {precision:?}", stride.0);
    let (xs, d_ys) = (normal::<E>(1, conv.in_len()), normal::<E>(2, conv.out_len()));
    let weight = normal::<E>(3, conv.weight_len());
    let [want, want_d, want_w] = convolved(conv, &xs, &weight, &d_ys);
    let weight: Vec<f32> = weight.iter().map(|w| w.widen()).collect();
    let (x, d, f) = (check.slice(&xs)?, check.slice(&d_ys)?, check.slice(&weight)?);
    let (mut packed, mut d_packed) =
        (Slice::<Gpu, E>::new(gpu, weight.len())?, Slice::<Gpu, E>::new(gpu, weight.len())?);
    let (mut ys, mut d_xs) = (Slice::<Gpu, E>::new(gpu, want.len())?, Slice::<Gpu, E>::new(gpu, xs.len())?);
    let mut d_weight = Slice::<Gpu, f32>::new(gpu, weight.len())?;
    convolution::pack(gpu, conv, f.view(), packed.view_mut())?;
    convolution::forward(gpu, conv, precision, x.view(), packed.view(), ys.view_mut())?;
    convolution::backward_data(gpu, conv, precision, d.view(), packed.view(), d_xs.view_mut())?;
    convolution::backward_weight(gpu, conv, precision, x.view(), d.view(), d_packed.view_mut())?;
    convolution::unpack(gpu, conv, d_packed.view(), d_weight.view_mut())?;
    check.map("convolution::forward", &case, &ys, &want, tolerance)?;
    check.map("convolution::backward_data", &case, &d_xs, &want_d, tolerance)?;
    let got = d_weight.to_vec(gpu)?;
    check.add("convolution::backward_weight", &case, E::NAME, &got, &want_w, tolerance);
    Ok(())
}

fn multiply<E: ProductElement>(
    check: &mut Check<'_, Gpu>,
    sizes: [usize; 3],
    precision: Precision,
) -> Result<(), GpuError> {
    let (gpu, tolerance, [n, c_in, c_out]) = (check.device, tolerance::<E>(precision), sizes);
    let case = format!("{n}: {c_in} to {c_out}, {precision:?}");
    let (xs, weight, d_ys) = (normal::<E>(1, n * c_in), normal::<E>(2, c_out * c_in), normal::<E>(3, n * c_out));
    let bias = normal::<f32>(4, c_out);
    let (xs64, weight64, d_ys64, bias64) = (doubled(&xs), doubled(&weight), doubled(&d_ys), doubled(&bias));
    let [mut want, mut want_d] = [vec![0.0; n * c_out], vec![0.0; n * c_in]];
    let [mut want_w, mut want_b] = [vec![0.0; c_out * c_in], vec![0.0; c_out]];
    linear::forward(n, c_in, c_out, &xs64, &weight64, Some(&bias64), &mut want, Operands::Exact);
    let grads = LinearGrads { d_xs: Some(&mut want_d), add: false, d_weight: &mut want_w, d_bias: Some(&mut want_b) };
    linear::backward(n, c_in, c_out, &xs64, &weight64, &d_ys64, grads, Operands::Exact);
    let (x, f, d, b) = (check.slice(&xs)?, check.slice(&weight)?, check.slice(&d_ys)?, check.slice(&bias)?);
    let (mut ys, mut d_xs) = (Slice::<Gpu, E>::new(gpu, want.len())?, Slice::<Gpu, E>::new(gpu, xs.len())?);
    let (mut d_weight, mut d_bias) = (Slice::<Gpu, E>::new(gpu, weight.len())?, Slice::<Gpu, f32>::new(gpu, c_out)?);
    product::forward(gpu, sizes, precision, x.view(), f.view(), Some(b.view()), ys.view_mut())?;
    let grads =
        product::Grads { d_xs: Some(d_xs.view_mut()), d_weight: d_weight.view_mut(), d_bias: Some(d_bias.view_mut()) };
    product::backward(gpu, &mut check.scratch, sizes, precision, x.view(), f.view(), d.view(), grads)?;
    check.map("product::forward", &case, &ys, &singles(&want), tolerance)?;
    check.map("product::backward d_xs", &case, &d_xs, &singles(&want_d), tolerance)?;
    check.map("product::backward d_weight", &case, &d_weight, &singles(&want_w), tolerance)?;
    let got = d_bias.to_vec(gpu)?;
    check.add("product::backward d_bias", &case, E::NAME, &got, &singles(&want_b), 3e-5);
    Ok(())
}
