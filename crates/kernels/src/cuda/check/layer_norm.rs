//! LayerNorm against the CPU's in double precision.

use super::{Check, both, doubled, normal, singles};
use crate::cuda::device::{Device, Slice, Stored};
use crate::cuda::launch::layer_norm::{Affine, Grads, RowStats, Saved, backward, forward};
use crate::layer_norm as cpu;

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    both!(sizes(check))
}

fn sizes<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for ([rows, width], shift) in [([1, 2], 0.0), ([9, 5], 0.0), ([40, 64], 50.0), ([7, 513], 0.0), ([5000, 8], 0.0)] {
        let (n, case) = (rows * width, format!("{rows} x {width} mean {shift}"));
        let epsilon = 1e-6;
        let xs: Vec<E> = normal::<f32>(1, n).into_iter().map(|x| E::narrow(x + shift)).collect();
        let d_ys = normal::<E>(2, n);
        let (gamma, beta): (Vec<f32>, Vec<f32>) = (normal(3, width), normal(4, width));
        let (xs64, gamma64, beta64) = (doubled(&xs), doubled(&gamma), doubled(&beta));
        let [mut want, mut want_d] = [vec![0.0; n], vec![0.0; n]];
        let [mut mean64, mut inv_std64] = [vec![0.0; rows], vec![0.0; rows]];
        let affine = cpu::Affine { gamma: &gamma64, beta: &beta64 };
        cpu::forward(epsilon, affine, &xs64, &mut want, cpu::RowStats { mean: &mut mean64, inv_std: &mut inv_std64 });
        let mut want_params = vec![0.0; 2 * width];
        let (d_gamma, d_beta) = want_params.split_at_mut(width);
        let saved = cpu::Saved { xs: &xs64, mean: &mean64, inv_std: &inv_std64, gamma: &gamma64 };
        cpu::backward(&saved, &doubled(&d_ys), cpu::Grads { d_xs: &mut want_d, d_gamma, d_beta });

        let device = check.device;
        let (x, d, g, b) = (check.slice(&xs)?, check.slice(&d_ys)?, check.slice(&gamma)?, check.slice(&beta)?);
        let (mut ys, mut d_xs) = (Slice::<D, E>::new(device, n)?, Slice::<D, E>::new(device, n)?);
        let (mut mean, mut inv_std) = (Slice::new(device, rows)?, Slice::new(device, rows)?);
        let mut d_params = Slice::new(device, 2 * width)?;
        let stats = RowStats { mean: mean.view_mut(), inv_std: inv_std.view_mut() };
        forward(device, epsilon, Affine { gamma: g.view(), beta: b.view() }, x.view(), ys.view_mut(), stats)?;
        let saved = Saved { xs: x.view(), mean: mean.view(), inv_std: inv_std.view(), gamma: g.view() };
        let out = Grads { d_xs: d_xs.view_mut(), d_params: d_params.view_mut() };
        backward(device, &mut check.scratch, saved, d.view(), out)?;
        check.map("layer_norm::forward", &case, &ys, &singles(&want), 2e-5)?;
        check.map("layer_norm::backward d_xs", &case, &d_xs, &singles(&want_d), 1e-4)?;
        for (what, got, want) in [
            ("forward inv_std", &inv_std, singles(&inv_std64)),
            ("forward mean", &mean, singles(&mean64)),
            ("backward d_gamma, d_beta", &d_params, singles(&want_params)),
        ] {
            let got = got.to_vec(device)?;
            check.add(&format!("layer_norm::{what}"), &case, E::NAME, &got, &want, 2e-5);
        }
    }
    Ok(())
}
