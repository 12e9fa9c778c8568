//! Pooling against the CPU's.

use super::{Check, both, normal, rounded, widened};
use crate::conv::Pad;
use crate::cuda::device::{Device, Slice, Stored};
use crate::cuda::launch;
use crate::pool::{self, Pool2d};

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    let shape = |n, h, w, c, k: usize, stride: usize, pad| Pool2d {
        n,
        h,
        w,
        c,
        kh: k,
        kw: k,
        stride: (stride, stride),
        pad,
        count_padding: false,
    };
    let shapes = [
        shape(2, 8, 8, 16, 2, 2, Pad::default()),
        shape(1, 9, 7, 3, 3, 2, Pad::all(1)),
        Pool2d { count_padding: true, ..shape(3, 5, 6, 8, 3, 1, Pad::all(1)) },
        Pool2d { kh: 2, stride: (1, 3), ..shape(2, 7, 11, 24, 3, 1, Pad { top: 0, bottom: 1, left: 2, right: 0 }) },
        // Gaps between windows, and windows wholly in the padding.
        shape(1, 9, 9, 5, 2, 4, Pad::default()),
        Pool2d { count_padding: true, ..shape(1, 3, 3, 8, 2, 2, Pad::all(3)) },
        shape(2, 35, 33, 8, 3, 2, Pad::default()),
    ];
    for shape in shapes {
        both!(windows(check, &shape))?;
    }
    for shape in [[1, 1, 1], [3, 49, 10], [2, 64, 640], [5, 300, 8]] {
        both!(global(check, shape))?;
    }
    Ok(())
}

fn windows<D: Device, E: Stored>(check: &mut Check<'_, D>, shape: &Pool2d) -> Result<(), D::Error> {
    let device = check.device;
    let Pool2d { n, h, w, c, kh, kw, stride, pad, count_padding } = *shape;
    let case = format!("{n}x{h}x{w}x{c} window {kh}x{kw} stride {stride:?} pad {pad:?} count_padding {count_padding}");
    let (mut xs, d_ys) = (normal::<E>(1, shape.in_len()), normal::<E>(2, shape.out_len()));
    // Ties, and a NaN.
    xs.iter_mut().step_by(3).for_each(|x| *x = E::narrow(0.5));
    let middle = xs.len() / 2;
    xs[middle] = E::narrow(f32::NAN);
    let (x, d) = (check.slice(&xs)?, check.slice(&d_ys)?);
    let (mut ys, mut d_xs) = (Slice::<D, E>::new(device, d_ys.len())?, Slice::<D, E>::new(device, xs.len())?);
    let (mut want, mut want_d) = (vec![0.0; d_ys.len()], vec![0.0; xs.len()]);

    let (mut argmax, mut want_argmax) = (Slice::new(device, d_ys.len())?, vec![0; d_ys.len()]);
    pool::max_forward(shape, &widened(&xs), &mut want, &mut want_argmax);
    pool::max_backward(shape, &want_argmax, &widened(&d_ys), &mut want_d);
    launch::pool::max_forward(device, shape, x.view(), ys.view_mut(), argmax.view_mut())?;
    launch::pool::max_backward(device, shape, argmax.view(), d.view(), d_xs.view_mut())?;
    check.map("pool::max_forward", &case, &ys, &want, 0.0)?;
    check.map("pool::max_backward", &case, &d_xs, &rounded::<E>(&want_d), 0.0)?;
    let places = |places: &[u32]| -> Vec<f32> { places.iter().map(|&place| place as f32).collect() };
    let got = argmax.to_vec(device)?;
    check.add("pool::max_forward argmax", &case, E::NAME, &places(&got), &places(&want_argmax), 0.0);

    pool::avg_forward(shape, &widened(&xs), &mut want);
    pool::avg_backward(shape, &widened(&d_ys), &mut want_d);
    launch::pool::avg_forward(device, shape, x.view(), ys.view_mut())?;
    launch::pool::avg_backward(device, shape, d.view(), d_xs.view_mut())?;
    check.map("pool::avg_forward", &case, &ys, &want, 1e-6)?;
    check.map("pool::avg_backward", &case, &d_xs, &want_d, 1e-6)
}

fn global<D: Device, E: Stored>(check: &mut Check<'_, D>, [n, hw, c]: [usize; 3]) -> Result<(), D::Error> {
    let device = check.device;
    let case = format!("{n}x{hw}x{c}");
    let (xs, d_ys) = (normal::<E>(1, n * hw * c), normal::<f32>(2, n * c));
    let (x, d) = (check.slice(&xs)?, check.slice(&d_ys)?);
    let (mut ys, mut d_xs) = (Slice::<D, f32>::new(device, d_ys.len())?, Slice::<D, E>::new(device, xs.len())?);
    let (mut want, mut want_d) = (vec![0.0; d_ys.len()], vec![0.0; xs.len()]);
    pool::global_avg_forward(n, hw, c, &widened(&xs), &mut want);
    pool::global_avg_backward(n, hw, c, &d_ys, &mut want_d);
    launch::pool::global_avg_forward(device, [n, hw, c], x.view(), ys.view_mut())?;
    launch::pool::global_avg_backward(device, [n, hw, c], d.view(), d_xs.view_mut())?;
    let got = ys.to_vec(device)?;
    check.add("pool::global_avg_forward", &case, E::NAME, &got, &want, 3e-6);
    check.map("pool::global_avg_backward", &case, &d_xs, &want_d, 1e-6)
}
