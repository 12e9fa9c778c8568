//! Softmax with a mask against its definition in double precision, since the CPU has no such function of its own; single queries against
//! the CPU's.

use super::{Check, both, doubled, normal, singles, widened};
use crate::cuda::device::{Device, Slice, Stored};
use crate::cuda::launch::attention::{Places, Scores, single, softmax_backward, softmax_forward};
use crate::rng::Rng;

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for [batch, heads, queries, keys] in [[1, 1, 1, 1], [2, 3, 5, 7], [3, 2, 33, 33], [1, 2, 4, 600]] {
        for (causal, masked) in [(false, false), (true, false), (false, true), (true, true)] {
            let scores = Scores { batch, heads, queries, keys, scale: 0.125, causal };
            both!(sizes(check, &scores, masked))?;
        }
    }
    both!(queries(check))
}

/// Lists of any length, the first one empty, that name a row more than once.
fn queries<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for [count, heads, size, stride, rows] in [[1, 1, 1, 1, 1], [5, 2, 7, 20, 9], [3, 8, 64, 1536, 700]] {
        let (width, mut rng) = (heads * size, Rng::new(3));
        let (q, kv) = (normal::<E>(1, count * stride), normal::<E>(2, rows * 2 * width));
        let list = |i: usize| (0..i * rows / count.max(2)).map(|_| rng.below(rows as u64) as u32).collect();
        let lists: Vec<Vec<u32>> = (0..count).map(list).collect();
        let (wide_q, wide_kv) = (widened(&q), widened(&kv));
        let mut want = vec![0.0; count * width];
        for ((list, q), y) in lists.iter().zip(wide_q.chunks(stride)).zip(want.chunks_mut(width)) {
            let rows: Vec<&[f32]> = list.iter().map(|&row| &wide_kv[row as usize * 2 * width..][..2 * width]).collect();
            crate::attention::single(heads, &q[..width], &rows, E::OPERANDS, y);
        }
        let (q, kv, mut places) = (check.slice(&q)?, check.slice(&kv)?, Places::new(check.device)?);
        places.set(check.device, &lists)?;
        let mut ys = Slice::<D, E>::new(check.device, want.len())?;
        let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
        let mut weights = Slice::new(check.device, count * heads * longest)?;
        let (device, weights) = (check.device, weights.view_mut());
        single(device, [heads, size, stride], q.view(), kv.view(), &places, weights, ys.view_mut())?;
        let case = format!("{count} queries, {heads} heads of {size}, {rows} rows");
        // In bf16 a weight may be rounded to the one number or the other.
        let tolerance = if E::BF16 { 0.02 } else { 1e-5 };
        check.map("attention::single", &case, &ys, &want, tolerance)?;
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
