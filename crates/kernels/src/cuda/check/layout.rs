//! What only moves numbers, or keeps and drops them, has to be exact.

use super::{Check, both, normal, rounded, widened};
use crate::conv::Pad;
use crate::cuda::device::{Device, Slice, Stored};
use crate::cuda::launch::dropout::{self, Masks, Seed};
use crate::cuda::launch::layout::{self, Columns};
use crate::layout::{self as cpu, SubsamplePad};
use crate::rng;

pub(super) fn run_dropout<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    both!(masks(check))
}

fn masks<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    let (base, site) = (check.slice(&[77u64])?, 5);
    let (seed, on_device) = (rng::at(77, site), Seed { base: base.view(), site });
    for n in [1, 15, 16, 17, 31, 32, 33, 1000, 40_000] {
        for p in [0.0, 0.1, 0.5, 1.0] {
            let xs = normal::<E>(1, n);
            let mut want = vec![0.0; n];
            crate::dropout::forward(p, seed, &widened(&xs), &mut want);
            let xs = check.slice(&xs)?;
            let mut ys = Slice::<D, E>::new(check.device, n)?;
            dropout::forward(check.device, p, on_device, Masks::One, xs.view(), ys.view_mut())?;
            let got = widened(&ys.to_vec(check.device)?);
            let case = format!("{n} elements p {p}");
            check.add("dropout::forward", &case, E::NAME, &got, &rounded::<E>(&want), 0.0);
        }
    }
    for [rows, n] in [[1, 33], [5, 17], [7, 64], [3, 9001]] {
        let p = 0.3;
        let d_ys = normal::<E>(1, rows * n);
        let mut want = vec![0.0; rows * n];
        for (row, (d_ys, want)) in widened(&d_ys).chunks(n).zip(want.chunks_mut(n)).enumerate() {
            crate::dropout::backward(p, rng::at(seed, row as u64), d_ys, want);
        }
        let d_ys = check.slice(&d_ys)?;
        let mut d_xs = Slice::<D, E>::new(check.device, rows * n)?;
        dropout::backward(check.device, p, on_device, Masks::Seeds(rows), d_ys.view(), d_xs.view_mut())?;
        let case = format!("{rows} parts of {n} elements");
        check.exact("dropout::backward", &case, &d_xs, &rounded::<E>(&want))?;
    }
    for [rows, width] in [[1, 33], [5, 16], [300, 17], [9, 64], [3, 9001]] {
        let dropout = crate::dropout::Dropout { p: 0.3, seed };
        let xs = normal::<E>(1, rows * width);
        let given = widened(&xs);
        let mut want = vec![0.0; rows * width];
        for (row, (xs, want)) in given.chunks(width).zip(want.chunks_mut(width)).enumerate() {
            dropout.row(row, xs, want);
        }
        let (xs, mut ys) = (check.slice(&xs)?, Slice::<D, E>::new(check.device, rows * width)?);
        dropout::forward(check.device, dropout.p, on_device, Masks::Rows(width), xs.view(), ys.view_mut())?;
        let case = format!("{rows} rows of {width} elements");
        check.exact("dropout::forward", &case, &ys, &rounded::<E>(&want))?;
        let (residual, bias, d_ys) = (normal::<f32>(2, rows * width), normal::<f32>(3, width), normal(4, rows * width));
        let rows = dropout::RowDropout { width, p: dropout.p, seed: on_device };
        let (b, r, d) = (check.slice(&bias)?, check.slice(&residual)?, check.slice(&d_ys)?);
        let mut sums = Slice::<D, f32>::new(check.device, want.len())?;
        for with_bias in [true, false] {
            for (row, (x, want)) in given.chunks(width).zip(want.chunks_mut(width)).enumerate() {
                let sum: Vec<f32> = x.iter().zip(&bias).map(|(x, b)| if with_bias { x + b } else { *x }).collect();
                dropout.row(row, &sum, want);
            }
            want.iter_mut().zip(&residual).for_each(|(want, term)| *want += term);
            let b = with_bias.then(|| b.view());
            dropout::residual_forward(check.device, &rows, xs.view(), b, r.view(), sums.view_mut())?;
            check.map("dropout::residual_forward", &format!("{case}, bias {with_bias}"), &sums, &want, 1e-6)?;
        }
        for (row, (d, want)) in d_ys.chunks(width).zip(want.chunks_mut(width)).enumerate() {
            dropout.row(row, d, want);
        }
        dropout::residual_backward(check.device, &rows, d.view(), ys.view_mut())?;
        check.exact("dropout::residual_backward", &case, &ys, &rounded::<E>(&want))?;
    }
    Ok(())
}

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    both!(transposes(check))?;
    both!(sums(check))?;
    both!(channels(check))?;
    both!(subsamples(check))?;
    both!(frames(check))
}

impl<D: Device> Check<'_, D> {
    /// Compares a map that has to be exact.
    fn exact<E: Stored>(
        &mut self,
        function: &str,
        case: &str,
        got: &Slice<D, E>,
        want: &[f32],
    ) -> Result<(), D::Error> {
        let got = widened(&got.to_vec(self.device)?);
        self.add(function, case, E::NAME, &got, want, 0.0);
        Ok(())
    }
}

fn transposes<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for [n, c, hw] in [[1, 1, 1], [2, 3, 1024], [3, 33, 35], [1, 64, 49]] {
        let case = format!("{n}x{c}x{hw}");
        let xs = normal::<E>(1, n * c * hw);
        let (mut nhwc, mut nchw) = (vec![0.0; xs.len()], vec![0.0; xs.len()]);
        cpu::nchw_to_nhwc(n, c, hw, &widened(&xs), &mut nhwc);
        cpu::nhwc_to_nchw(n, c, hw, &widened(&xs), &mut nchw);
        let x = check.slice(&xs)?;
        let mut ys = Slice::<D, E>::new(check.device, xs.len())?;
        layout::nchw_to_nhwc(check.device, [n, c, hw], x.view(), ys.view_mut())?;
        check.exact("layout::nchw_to_nhwc", &case, &ys, &nhwc)?;
        layout::nhwc_to_nchw(check.device, [n, c, hw], x.view(), ys.view_mut())?;
        check.exact("layout::nhwc_to_nchw", &case, &ys, &nchw)?;
    }
    Ok(())
}

fn sums<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for [rows, channels] in [[1, 1], [5, 7], [100, 24], [700, 8]] {
        let (n, case) = (rows * channels, format!("{rows} x {channels}"));
        let (exact, xs, before) = (normal::<f32>(1, n), normal::<E>(2, n), normal::<E>(3, n));
        let bias: Vec<f32> = normal(4, channels);
        let device = check.device;
        let (from, x, b) = (check.slice(&exact)?, check.slice(&xs)?, check.slice(&bias)?);
        let (mut ys, mut floats) = (Slice::<D, E>::new(device, n)?, Slice::<D, f32>::new(device, n)?);
        layout::from_float(device, from.view(), ys.view_mut())?;
        check.exact("layout::from_float", &case, &ys, &rounded::<E>(&exact))?;
        layout::to_float(device, x.view(), floats.view_mut())?;
        check.exact("layout::to_float", &case, &floats, &widened(&xs))?;
        layout::scaled(device, -0.3, from.view(), floats.view_mut())?;
        let scaled: Vec<f32> = exact.iter().map(|x| -0.3 * x).collect();
        check.exact("layout::scaled", &case, &floats, &scaled)?;
        let mut ys = check.slice(&before)?;
        layout::add(device, x.view(), ys.view_mut())?;
        let sum: Vec<f32> = widened(&xs).iter().zip(widened(&before)).map(|(x, y)| x + y).collect();
        let sum = rounded::<E>(&sum);
        check.exact("layout::add", &case, &ys, &sum)?;
        layout::add_bias(device, b.view(), ys.view_mut())?;
        let with_bias: Vec<f32> = sum.iter().enumerate().map(|(i, y)| y + bias[i % channels]).collect();
        check.exact("layout::add_bias", &case, &ys, &rounded::<E>(&with_bias))?;
    }
    Ok(())
}

fn channels<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for [rows, c_a, c_b] in [[1, 1, 2], [9, 5, 3], [70, 16, 8], [400, 8, 24]] {
        let case = format!("{rows} rows of {c_a} + {c_b}");
        let (a, b) = (normal::<E>(1, rows * c_a), normal::<E>(2, rows * c_b));
        let stride = c_a + c_b;
        let mut want = vec![0.0; rows * stride];
        cpu::concat_channels(rows, &widened(&a), c_a, &widened(&b), c_b, &mut want);
        let device = check.device;
        let (from_a, from_b) = (check.slice(&a)?, check.slice(&b)?);
        let mut ys = Slice::<D, E>::new(device, want.len())?;
        for (from, c, first) in [(&from_a, c_a, 0), (&from_b, c_b, c_a)] {
            let (whole, part) = (Columns { stride: c, first: 0 }, Columns { stride, first });
            layout::copy_channels(device, c, (from.view(), whole), (ys.view_mut(), part))?;
        }
        check.exact("layout::copy_channels, joining", &case, &ys, &want)?;
        let mut back = Slice::<D, E>::new(device, b.len())?;
        let (part, whole) = (Columns { stride, first: c_a }, Columns { stride: c_b, first: 0 });
        layout::copy_channels(device, c_b, (ys.view(), part), (back.view_mut(), whole))?;
        check.exact("layout::copy_channels, splitting", &case, &back, &widened(&b))?;
    }
    Ok(())
}

fn subsamples<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for (n, h, w, c_in, c_out, stride, offset) in
        [(1, 1, 1, 1, 1, 1, 0), (2, 8, 8, 16, 32, 2, 0), (3, 7, 5, 3, 3, 2, 1), (1, 9, 10, 4, 7, 3, 0)]
    {
        let shape = SubsamplePad { n, h, w, c_in, c_out, stride, offset };
        let case = format!("{shape:?}");
        let (xs, d_ys) = (normal::<E>(1, n * h * w * c_in), normal::<E>(2, n * shape.out_h() * shape.out_w() * c_out));
        let (mut want, mut want_d) = (vec![0.0; d_ys.len()], vec![0.0; xs.len()]);
        cpu::subsample_pad_forward(&shape, &widened(&xs), &mut want);
        cpu::subsample_pad_backward(&shape, &widened(&d_ys), &mut want_d);
        let device = check.device;
        let (x, d) = (check.slice(&xs)?, check.slice(&d_ys)?);
        let (mut ys, mut d_xs) = (Slice::<D, E>::new(device, d_ys.len())?, Slice::<D, E>::new(device, xs.len())?);
        layout::subsample_pad_forward(device, &shape, x.view(), ys.view_mut())?;
        layout::subsample_pad_backward(device, &shape, d.view(), d_xs.view_mut())?;
        check.exact("layout::subsample_pad_forward", &case, &ys, &want)?;
        check.exact("layout::subsample_pad_backward", &case, &d_xs, &want_d)?;
    }
    Ok(())
}

fn frames<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for ([n, h, w, c], pad) in [
        ([1, 1, 1, 1], Pad::all(1)),
        ([2, 7, 5, 3], Pad { top: 0, bottom: 1, left: 0, right: 1 }),
        ([3, 16, 15, 8], Pad { top: 2, bottom: 3, left: 1, right: 0 }),
    ] {
        let case = format!("{n}x{h}x{w}x{c} {pad:?}");
        let (out_h, out_w) = (h + pad.top + pad.bottom, w + pad.left + pad.right);
        let (xs, d_ys) = (normal::<E>(1, n * h * w * c), normal::<E>(2, n * out_h * out_w * c));
        let (mut want, mut want_d) = (vec![0.0; d_ys.len()], vec![0.0; xs.len()]);
        for row in 0..n * h {
            let framed = ((row / h * out_h + row % h + pad.top) * out_w + pad.left) * c;
            want[framed..][..w * c].copy_from_slice(&widened(&xs)[row * w * c..][..w * c]);
            want_d[row * w * c..][..w * c].copy_from_slice(&widened(&d_ys)[framed..][..w * c]);
        }
        let device = check.device;
        let (x, d) = (check.slice(&xs)?, check.slice(&d_ys)?);
        let (mut ys, mut d_xs) = (Slice::<D, E>::new(device, d_ys.len())?, Slice::<D, E>::new(device, xs.len())?);
        layout::pad_forward(device, [n, h, w, c], pad, x.view(), ys.view_mut())?;
        layout::pad_backward(device, [n, h, w, c], pad, d.view(), d_xs.view_mut())?;
        check.exact("layout::pad_forward", &case, &ys, &want)?;
        check.exact("layout::pad_backward", &case, &d_xs, &want_d)?;
    }
    Ok(())
}
