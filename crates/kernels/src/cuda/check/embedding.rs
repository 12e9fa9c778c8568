//! Rows of a table, and their gradients added up in order.

use super::{Check, both, normal, rounded, widened};
use crate::cuda::device::{Device, Slice, Stored};
use crate::cuda::launch::embedding::{Tokens, backward, forward};
use crate::rng::Rng;

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    both!(sizes(check))
}

fn sizes<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for ([count, vocabulary, width], padding) in
        [([1, 1, 1], None), ([9, 4, 5], Some(0)), ([50, 1000, 512], Some(0)), ([300, 7, 33], None)]
    {
        let (scale, case) = (1.5f32, format!("{count} tokens of {vocabulary} x {width}, padding {padding:?}"));
        let mut rng = Rng::new(5);
        let ids: Vec<u32> = (0..count).map(|_| rng.below(vocabulary as u64) as u32).collect();
        let table: Vec<f32> = normal(1, vocabulary * width);
        let (d_ys, before) = (normal::<E>(2, ids.len() * width), normal::<f32>(3, table.len()));
        // A signal of three positions, where there is padding.
        let signal = padding.map(|_| normal::<f32>(4, 3 * width));
        let mut want: Vec<f32> = vec![0.0; ids.len() * width];
        if let Some(signal) = &signal {
            want.iter_mut().zip(signal.iter().cycle()).for_each(|(y, s)| *y = *s);
        }
        let mut sums = vec![0.0f32; table.len()];
        for ((&id, y), d) in ids.iter().zip(want.chunks_mut(width)).zip(widened(&d_ys).chunks(width)) {
            if Some(id) != padding {
                let row = id as usize * width..(id as usize + 1) * width;
                y.iter_mut().zip(&table[row.clone()]).for_each(|(y, t)| *y = scale.mul_add(*t, *y));
                sums[row].iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
            }
        }
        let want_d: Vec<f32> = before.iter().zip(&sums).map(|(before, sum)| before + scale * sum).collect();
        let device = check.device;
        let tokens = Tokens::new(device, &ids, padding)?;
        let (t, d) = (check.slice(&table)?, check.slice(&d_ys)?);
        let (mut ys, mut d_table) = (Slice::<D, E>::new(device, want.len())?, check.slice(&before)?);
        let signal = signal.map(|signal| check.slice(&signal)).transpose()?;
        let signal = signal.as_ref().map(Slice::view);
        forward(device, width, scale.into(), &tokens, t.view(), signal, ys.view_mut())?;
        backward(device, width, scale.into(), &tokens, d.view(), d_table.view_mut())?;
        check.map("embedding::forward", &case, &ys, &rounded::<E>(&want), 1e-7)?;
        let got = d_table.to_vec(device)?;
        check.add("embedding::backward", &case, E::NAME, &got, &want_d, 1e-6);
    }
    Ok(())
}
