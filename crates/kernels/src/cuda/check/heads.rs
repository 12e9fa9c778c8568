//! Attention of several heads against the CPU's in double precision.

use super::{Check, doubled, library_tolerance, normal, singles};
use crate::attention::{self, Attention, Inputs, Kept, Lanes};
use crate::conv::Operands;
use crate::cuda::device::{Slice, Stored};
use crate::cuda::engine::{Engine, Precision};
use crate::cuda::launch::heads::{Grads, Heads, means_backward, means_forward, weights_backward, weights_forward};
use crate::cuda::launch::layout::Columns;

pub(super) fn run<D: Engine>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for [batch, heads, size, queries, keys] in [[1, 1, 4, 1, 1], [3, 2, 5, 4, 4], [2, 4, 16, 9, 9], [3, 4, 8, 7, 12]] {
        let causal = Heads { batch, heads, size, queries, keys, causal: true };
        for shape in
            [causal, Heads { causal: false, ..causal }].into_iter().filter(|shape| !shape.causal || queries == keys)
        {
            sizes::<D, f32>(check, &shape, Precision::Exact)?;
            sizes::<D, f32>(check, &shape, Precision::Tf32)?;
            sizes::<D, half::bf16>(check, &shape, Precision::Exact)?;
        }
    }
    Ok(())
}

/// Queries, keys and values in the same rows where there are as many, and else keys and values beside each other.
fn sizes<D: Engine, E: Stored>(check: &mut Check<'_, D>, shape: &Heads, precision: Precision) -> Result<(), D::Error> {
    let &Heads { batch, heads, size, queries, keys, causal } = shape;
    let (width, one, case) = (heads * size, queries == keys, format!("{shape:?} {precision:?}"));
    let tolerance = 2.0 * library_tolerance::<E>(precision);
    let q = normal::<E>(1, batch * queries * if one { 3 * width } else { width });
    let kv = if one { q.clone() } else { normal::<E>(2, batch * keys * 2 * width) };
    let d_ys = normal::<E>(3, batch * queries * width);
    let lengths: Vec<usize> = (0..batch).map(|i| keys - i * keys / (2 * batch)).collect();
    let (strides, first) = ([q.len() / (batch * queries), kv.len() / (batch * keys)], if one { width } else { 0 });

    let kernel = Attention { heads, size, queries, keys, lengths: &lengths, causal, operands: Operands::Exact };
    let (q64, kv64) = (doubled(&q), doubled(&kv));
    let inputs = Inputs {
        q: (&q64, Lanes { stride: strides[0], first: 0 }),
        k: (&kv64, Lanes { stride: strides[1], first }),
        v: (&kv64, Lanes { stride: strides[1], first: first + width }),
    };
    let (mut want, mut log_sums) = (vec![0.0; d_ys.len()], vec![0.0; batch * queries * heads]);
    kernel.forward(&inputs, &mut want, &mut log_sums);
    let (mut want_q, mut want_kv) = (vec![0.0; q.len()], vec![0.0; kv.len()]);
    let grads = attention::Grads { d_q: &mut want_q, d_kv: (!one).then_some(&mut want_kv[..]) };
    kernel.backward(&inputs, &Kept { ys: &want, log_sums: &log_sums }, &doubled(&d_ys), grads);

    let device = check.device;
    let slice = |len| Slice::<D, E>::new(device, len);
    let (of_q, of_kv, d) = (check.slice(&q)?, check.slice(&kv)?, check.slice(&d_ys)?);
    let lengths: Vec<u32> = lengths.into_iter().map(|length| length as u32).collect();
    let lengths = check.slice(&lengths)?;
    let columns = |stride, first| Columns { stride, first };
    let q_rows = (of_q.view(), columns(strides[0], 0));
    let [k_rows, v_rows] = [first, first + width].map(|first| (of_kv.view(), columns(strides[1], first)));
    let all = batch * heads * queries * keys;
    let (mut weights, mut d_weights, mut ys) = (slice(all)?, slice(all)?, slice(d_ys.len())?);
    let (mut d_q, mut d_kv) = (slice(q.len())?, slice(kv.len())?);
    let scratch = &mut check.scratch;
    let seen = Some(lengths.view());
    weights_forward(device, scratch, shape, precision, q_rows, k_rows, seen, weights.view_mut())?;
    means_forward(device, scratch, shape, precision, weights.view(), v_rows, ys.view_mut())?;
    let d_v = if one { d_q.view_mut() } else { d_kv.view_mut() };
    means_backward(device, scratch, shape, precision, weights.view(), v_rows, d.view(), d_weights.view_mut(), d_v)?;
    let grads = Grads { d_q: d_q.view_mut(), d_k: (!one).then(|| d_kv.view_mut()) };
    weights_backward(device, scratch, shape, precision, q_rows, k_rows, weights.view(), d_weights.view(), grads)?;
    check.map("heads::means_forward", &case, &ys, &singles(&want), tolerance)?;
    check.map("heads::weights_backward d_q", &case, &d_q, &singles(&want_q), tolerance)?;
    if !one {
        check.map("heads::means_backward d_kv", &case, &d_kv, &singles(&want_kv), tolerance)?;
    }
    Ok(())
}
