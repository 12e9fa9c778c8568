//! Depthwise convolution against the CPU's in double precision.

use super::{Check, both, convolved, normal};
use crate::conv::{Conv2d, Operands, Pad};
use crate::cuda::device::{Device, Slice, Stored};
use crate::cuda::launch::depthwise;

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    let shape = |[n, h, w, c]: [usize; 4], k, stride, pad| Conv2d {
        n,
        h,
        w,
        c_in: c,
        c_out: c,
        kh: k,
        kw: k,
        stride: (stride, stride),
        pad,
        groups: c,
        operands: Operands::Exact,
    };
    let before = |pad| Pad { top: pad, bottom: pad + 1, left: pad, right: pad + 1 };
    for conv in [
        shape([2, 8, 9, 16], 3, 1, Pad::all(1)),
        shape([1, 7, 7, 3], 3, 2, before(0)),
        shape([3, 9, 8, 8], 5, 1, Pad::all(2)),
        shape([2, 11, 10, 5], 5, 2, before(1)),
        shape([1, 12, 12, 24], 7, 1, Pad::all(3)),
        shape([2, 13, 9, 8], 7, 2, before(2)),
        // Several blocks of pixels.
        shape([6, 30, 31, 8], 3, 1, Pad::all(1)),
    ] {
        both!(directions(check, &conv))?;
    }
    Ok(())
}

fn directions<D: Device, E: Stored>(check: &mut Check<'_, D>, conv: &Conv2d) -> Result<(), D::Error> {
    let device = check.device;
    let Conv2d { n, h, w, c_in, kh, stride, pad, .. } = *conv;
    let case = format!("{n}x{h}x{w}x{c_in} kernel {kh} stride {} pad {pad:?}", stride.0);
    let (xs, d_ys) = (normal::<E>(1, conv.in_len()), normal::<E>(2, conv.out_len()));
    let weight: Vec<f32> = normal(3, conv.weight_len());
    let [want, want_d, want_w] = convolved(conv, &xs, &weight, &d_ys);
    let (x, d, f) = (check.slice(&xs)?, check.slice(&d_ys)?, check.slice(&weight)?);
    let (mut ys, mut d_xs) = (Slice::<D, E>::new(device, want.len())?, Slice::<D, E>::new(device, xs.len())?);
    let mut d_weight = Slice::new(device, weight.len())?;
    let scratch = &mut check.scratch;
    depthwise::forward(device, scratch, conv, x.view(), f.view(), ys.view_mut())?;
    depthwise::backward_data(device, scratch, conv, d.view(), f.view(), d_xs.view_mut())?;
    depthwise::backward_weight(device, scratch, conv, x.view(), d.view(), d_weight.view_mut())?;
    check.map("depthwise::forward", &case, &ys, &want, 2e-6)?;
    check.map("depthwise::backward_data", &case, &d_xs, &want_d, 2e-6)?;
    let got = d_weight.to_vec(device)?;
    check.add("depthwise::backward_weight", &case, E::NAME, &got, &want_w, 5e-6);
    Ok(())
}
