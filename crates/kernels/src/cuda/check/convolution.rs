//! Convolutions of a device's library against the CPU's in double precision. Sums are as long as a layer's.

use super::{Check, convolved, library_tolerance, narrowed, normal, widened};
use crate::conv::{Conv2d, Operands, Pad};
use crate::cuda::device::{Slice, Stored};
use crate::cuda::engine::{Engine, Precision};
use crate::layout::{nchw_to_nhwc, nhwc_to_nchw};

pub(super) fn run<D: Engine>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
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
        directions::<D, f32>(check, &conv, Precision::Exact)?;
        directions::<D, f32>(check, &conv, Precision::Tf32)?;
        directions::<D, half::bf16>(check, &conv, Precision::Exact)?;
    }
    Ok(())
}

fn directions<D: Engine, E: Stored>(
    check: &mut Check<'_, D>,
    conv: &Conv2d,
    precision: Precision,
) -> Result<(), D::Error> {
    let (device, tolerance) = (check.device, library_tolerance::<E>(precision));
    let Conv2d { n, h, w, c_in, c_out, kh, kw, stride, groups, .. } = *conv;
    let case = format!("{n}x{h}x{w}x{c_in} to {c_out}, {kh}x{kw}, stride {}, groups {groups}, {precision:?}", stride.0);
    let (xs, d_ys) = (normal::<E>(1, conv.in_len()), normal::<E>(2, conv.out_len()));
    let (weight, before) = (normal::<E>(3, conv.weight_len()), normal::<E>(4, conv.in_len()));
    let [want, want_d, want_w] = convolved(conv, &xs, &weight, &d_ys);
    let taps = [c_out, c_in / groups, kh * kw];
    let mut packed = vec![0.0; weight.len()];
    nchw_to_nhwc(taps[0], taps[1], taps[2], &widened(&weight), &mut packed);
    let (x, d, f) = (check.slice(&xs)?, check.slice(&d_ys)?, check.slice(&narrowed::<E>(&packed))?);
    let (mut ys, mut d_xs) = (Slice::<D, E>::new(device, want.len())?, Slice::<D, E>::new(device, xs.len())?);
    let mut d_weight = Slice::<D, E>::new(device, weight.len())?;
    device.convolve(conv, precision, x.view(), f.view(), ys.view_mut())?;
    check.map("convolve", &case, &ys, &want, tolerance)?;
    device.convolve_back(conv, precision, d.view(), f.view(), d_xs.view_mut(), false)?;
    check.map("convolve_back", &case, &d_xs, &want_d, tolerance)?;
    let mut d_xs = check.slice(&before)?;
    device.convolve_back(conv, precision, d.view(), f.view(), d_xs.view_mut(), true)?;
    let sum: Vec<f32> = want_d.iter().zip(widened(&before)).map(|(d, before)| d + before).collect();
    check.map("convolve_back, added", &case, &d_xs, &sum, tolerance)?;
    device.convolve_weight(conv, precision, x.view(), d.view(), d_weight.view_mut())?;
    let mut got = vec![0.0; weight.len()];
    nhwc_to_nchw(taps[0], taps[1], taps[2], &widened(&d_weight.to_vec(device)?), &mut got);
    check.add("convolve_weight", &case, E::NAME, &got, &want_w, tolerance);
    Ok(())
}
