//! Sums over rows.

use super::{Check, both, normal};
use crate::cuda::device::{Device, Slice, Stored};
use crate::cuda::launch;

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    both!(sizes(check))
}

fn sizes<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for [rows, channels] in [[1, 1], [33, 5], [100, 16], [9000, 3], [20_000, 8], [64, 1000]] {
        let xs = normal::<E>(1, rows * channels);
        let mut want = vec![0.0f64; channels];
        for row in xs.chunks(channels) {
            want.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(x.widen()));
        }
        let xs = check.slice(&xs)?;
        let mut sums = Slice::new(check.device, channels)?;
        launch::sums::column_sums(check.device, &mut check.scratch, xs.view(), sums.view_mut())?;
        let got = sums.to_vec(check.device)?;
        check.add("column_sums", &format!("{rows} x {channels}"), E::NAME, &got, &super::singles(&want), 3e-6);
    }
    Ok(())
}
