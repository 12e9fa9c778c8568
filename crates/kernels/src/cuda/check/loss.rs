//! Softmax cross-entropy against the CPU's.

use super::{Check, both, doubled, normal, singles};
use crate::cuda::device::{Device, Slice, Stored};
use crate::cuda::launch::loss::{IGNORED, Totals, softmax_cross_entropy};
use crate::rng::Rng;

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    totals(check)?;
    both!(sizes(check))
}

fn totals<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    const ROOM: usize = 3;
    let (device, mut totals) = (check.device, Totals::new(check.device, ROOM)?);
    // Losses one after the other, each with the weight of the second and what is taken off; whether the flag is set then. What was taken
    // makes room, and leaves the flag until it is cleared.
    for (passes, stop) in [
        (vec![([2.5, f32::INFINITY], 0.4, 0.0), ([2.5, 1.5], 0.4, 0.0)], 1),
        (vec![([f32::NAN, 1.0], 0.4, 0.0)], 1),
        // The last has no room.
        (
            vec![([2.5, f32::NAN], 0.0, 0.25), ([2.5, 1.5], 0.4, 0.0), ([7.0, -1.0], 2.0, 0.5), ([8.0, 0.0], 1.0, 0.0)],
            0,
        ),
    ] {
        totals.clear(device)?;
        for _ in 0..2 {
            let mut want = Vec::new();
            for &(losses, aux_weight, least) in &passes {
                let [main, aux] = losses.map(f64::from);
                want.push((main - least + if aux_weight == 0.0 { 0.0 } else { aux_weight * aux }) as f32);
                totals.add(device, check.slice(&losses)?.view(), aux_weight, least)?;
            }
            want.truncate(ROOM);
            let (got, flag) = (totals.take(device, want.len())?, totals.stop().to_vec(device)?);
            let case = format!("{want:?}");
            check.add("total_loss", &case, "f32", &got, &want, 1e-6);
            check.add("total_loss stop", &case, "u32", &[flag[0] as f32], &[stop as f32], 0.0);
        }
    }
    Ok(())
}

fn sizes<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for [n, classes] in [[1, 1], [7, 10], [300, 100], [5, 1000], [3, 3001]] {
        for (smoothing, ignore, weight) in [(0.0, false, 1.0), (0.1, false, 0.4), (0.1, true, 1.0), (1.0, false, -2.0)]
        {
            let case = format!("{n} x {classes} smoothing {smoothing} ignore {ignore} weight {weight}");
            let mut rng = Rng::new(3);
            let mut targets: Vec<u32> = (0..n).map(|_| rng.below(classes as u64) as u32).collect();
            // Large numbers of either sign: nothing may overflow.
            let logits: Vec<E> =
                normal::<f32>(1, n * classes).into_iter().map(|z| E::narrow(20.0 * z + 300.0)).collect();
            let kept: Vec<usize> = (0..n).filter(|row| !(ignore && row % 3 == 1)).collect();
            let rows = |values: &[f64]| -> Vec<f64> {
                kept.iter().flat_map(|row| values[row * classes..][..classes].to_vec()).collect()
            };
            let kept_targets: Vec<u32> = kept.iter().map(|&row| targets[row]).collect();
            let mut d_kept = vec![0.0; kept.len() * classes];
            let logits64 = rows(&doubled(&logits));
            let loss =
                crate::loss::softmax_cross_entropy(classes, &logits64, &kept_targets, smoothing, Some(&mut d_kept));
            let mut want_d = vec![0.0; n * classes];
            for (row, d) in kept.iter().zip(d_kept.chunks(classes)) {
                want_d[row * classes..][..classes].iter_mut().zip(d).for_each(|(to, d)| *to = weight * d);
            }
            (0..n).filter(|row| !kept.contains(row)).for_each(|row| targets[row] = IGNORED);
            let device = check.device;
            let (z, t, count) = (check.slice(&logits)?, check.slice(&targets)?, check.slice(&[kept.len() as f32])?);
            let (mut d_logits, mut got) = (Slice::<D, E>::new(device, logits.len())?, Slice::new(device, 1)?);
            for d_logits in [None, Some(d_logits.view_mut())] {
                let (scratch, count) = (&mut check.scratch, count.view());
                let (z, t, to) = (z.view(), t.view(), got.view_mut());
                softmax_cross_entropy(device, scratch, z, t, smoothing, count, weight, to, d_logits)?;
                let got = got.to_vec(device)?;
                let loss = loss.clone().unwrap_or(f64::NAN) as f32;
                check.add("softmax_cross_entropy", &case, E::NAME, &got, &[loss], 2e-6);
            }
            check.map("softmax_cross_entropy d_logits", &case, &d_logits, &singles(&want_d), 2e-5)?;
        }
    }
    Ok(())
}
