//! Softmax with a mask against its definition in double precision; the CPU has no such function of its own.

use super::{Check, both, doubled, normal, singles};
use crate::cuda::device::{Device, Slice, Stored};
use crate::cuda::launch::attention::{Scores, softmax_backward, softmax_forward};

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for [batch, heads, queries, keys] in [[1, 1, 1, 1], [2, 3, 5, 7], [3, 2, 33, 33], [1, 2, 4, 600]] {
        for (causal, masked) in [(false, false), (true, false), (false, true), (true, true)] {
            let scores = Scores { batch, heads, queries, keys, scale: 0.125, causal };
            both!(sizes(check, &scores, masked))?;
        }
    }
    Ok(())
}

fn sizes<D: Device, E: Stored>(check: &mut Check<'_, D>, scores: &Scores, masked: bool) -> Result<(), D::Error> {
    let &Scores { batch, heads, queries, keys, scale, causal } = scores;
    let (n, case) = (batch * heads * queries * keys, format!("{scores:?} lengths {masked}"));
    let xs: Vec<E> = normal::<f32>(1, n).into_iter().map(|x| E::narrow(30.0 * x)).collect();
    let d_ys = normal::<E>(2, n);
    // The last sentence is empty.
    let lengths: Vec<u32> = (0..batch).map(|i| (keys * (batch - 1 - i) / batch.max(2)) as u32).collect();
    let (mut want, mut want_d) = (vec![0.0; n], vec![0.0; n]);
    let rows = doubled(&xs).chunks(keys).map(<[f64]>::to_vec).collect::<Vec<_>>();
    for (row, xs) in rows.iter().enumerate() {
        let length = if masked { lengths[row / queries / heads] as usize } else { keys };
        let seen = if causal { length.min(row % queries + 1) } else { length };
        let max = xs[..seen].iter().fold(f64::NEG_INFINITY, |max, &x| max.max(scale * x));
        let exps: Vec<f64> = xs[..seen].iter().map(|x| (scale * x - max).exp()).collect();
        let total: f64 = exps.iter().sum();
        for (y, e) in want[row * keys..].iter_mut().zip(exps) {
            *y = e / total;
        }
    }
    // The way back is from what was stored.
    let device = check.device;
    let (x, d, t) = (check.slice(&xs)?, check.slice(&d_ys)?, check.slice(&lengths)?);
    let (mut ys, mut d_xs) = (Slice::<D, E>::new(device, n)?, Slice::<D, E>::new(device, n)?);
    softmax_forward(device, scores, x.view(), masked.then(|| t.view()), ys.view_mut())?;
    let stored = doubled(&ys.to_vec(device)?);
    let rows = stored.chunks(keys).zip(d_ys.chunks(keys)).zip(want_d.chunks_mut(keys));
    for ((y, d), want) in rows {
        let sum: f64 = y.iter().zip(d).map(|(y, d)| y * f64::from(d.widen())).sum();
        for ((want, y), d) in want.iter_mut().zip(y).zip(d) {
            *want = scale * y * (f64::from(d.widen()) - sum);
        }
    }
    softmax_backward(device, scores, ys.view(), d.view(), d_xs.view_mut())?;
    check.map("attention::softmax_forward", &case, &ys, &singles(&want), 1e-5)?;
    check.map("attention::softmax_backward", &case, &d_xs, &singles(&want_d), 1e-5)
}
