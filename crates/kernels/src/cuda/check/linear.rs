//! Products of a device's library, and the fully connected layer of them, against the CPU's in double precision.

use super::{Check, doubled, library_tolerance, normal, singles};
use crate::conv::Operands;
use crate::cuda::device::{Slice, Stored};
use crate::cuda::engine::{Engine, Precision};
use crate::cuda::launch::linear::{Grads, backward, forward};
use crate::linear::{self, LinearGrads};

pub(super) fn run<D: Engine>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for sizes in [[8, 64, 16], [32, 640, 104], [128, 512, 2048]] {
        for add in [false, true] {
            directions::<D, f32>(check, sizes, Precision::Exact, add)?;
            directions::<D, f32>(check, sizes, Precision::Tf32, add)?;
            directions::<D, half::bf16>(check, sizes, Precision::Exact, add)?;
        }
    }
    Ok(())
}

fn directions<D: Engine, E: Stored>(
    check: &mut Check<'_, D>,
    sizes: [usize; 3],
    precision: Precision,
    add: bool,
) -> Result<(), D::Error> {
    let (device, tolerance, [n, c_in, c_out]) = (check.device, library_tolerance::<E>(precision), sizes);
    let case = format!("{n}: {c_in} to {c_out}, {precision:?}, add {add}");
    let (xs, weight, d_ys) = (normal::<E>(1, n * c_in), normal::<E>(2, c_out * c_in), normal::<E>(3, n * c_out));
    let (bias, before) = (normal::<f32>(4, c_out), normal::<E>(5, n * c_in));
    let (xs64, weight64, d_ys64, bias64) = (doubled(&xs), doubled(&weight), doubled(&d_ys), doubled(&bias));
    let (mut want, mut want_d) = (vec![0.0; n * c_out], doubled(&before));
    let [mut want_w, mut want_b] = [vec![0.0; c_out * c_in], vec![0.0; c_out]];
    linear::forward(n, c_in, c_out, &xs64, &weight64, Some(&bias64), &mut want, Operands::Exact);
    let grads = LinearGrads { d_xs: Some(&mut want_d), add, d_weight: &mut want_w, d_bias: Some(&mut want_b) };
    linear::backward(n, c_in, c_out, &xs64, &weight64, &d_ys64, grads, Operands::Exact);
    let (x, f, d, b) = (check.slice(&xs)?, check.slice(&weight)?, check.slice(&d_ys)?, check.slice(&bias)?);
    let (mut ys, mut d_xs) = (Slice::<D, E>::new(device, want.len())?, check.slice(&before)?);
    let (mut d_weight, mut d_bias) = (Slice::<D, E>::new(device, weight.len())?, Slice::<D, f32>::new(device, c_out)?);
    forward(device, sizes, precision, x.view(), f.view(), Some(b.view()), ys.view_mut())?;
    let grads =
        Grads { d_xs: Some(d_xs.view_mut()), add, d_weight: d_weight.view_mut(), d_bias: Some(d_bias.view_mut()) };
    backward(device, &mut check.scratch, sizes, precision, x.view(), f.view(), d.view(), grads)?;
    check.map("linear::forward", &case, &ys, &singles(&want), tolerance)?;
    check.map("linear::backward d_xs", &case, &d_xs, &singles(&want_d), tolerance)?;
    check.map("linear::backward d_weight", &case, &d_weight, &singles(&want_w), tolerance)?;
    let got = d_bias.to_vec(device)?;
    check.add("linear::backward d_bias", &case, E::NAME, &got, &singles(&want_b), 3e-5);
    Ok(())
}
