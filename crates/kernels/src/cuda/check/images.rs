//! Augmentation against a plain version of it with the CPU's generator.

use super::{Check, both};
use crate::cuda::device::{Device, Slice, Stored};
use crate::cuda::launch::images::{Augment, Normalise, augment};
use crate::rng::Rng;

/// One image of bytes (h, w, 3), augmented: the flip is drawn first, then the row and the column of the crop.
pub fn reference(a: &Augment, image: &[u8], rng: &mut Rng) -> Vec<f32> {
    let &Augment { h, w, pad, reflect, .. } = a;
    let flip = a.flip && rng.below(2) == 1;
    let mut place = || if a.crop { rng.below(2 * pad as u64 + 1) as usize } else { pad };
    let (top, left) = (place(), place());
    let source = |padded: usize, n: usize| match padded.checked_sub(pad) {
        Some(i) if i < n => Some(i),
        _ if !reflect => None,
        None => Some(pad - padded),
        Some(i) => Some(2 * (n - 1) - i),
    };
    let byte = |i: usize| {
        let (row, column) = (source(i / 3 / w + top, h)?, source(i / 3 % w + left, w)?);
        let column = if flip { w - 1 - column } else { column };
        Some(image[(row * w + column) * 3 + i % 3])
    };
    let bytes = (0..h * w * 3).map(byte);
    match a.normalise {
        Normalise::Channel { mean, std } => bytes
            .enumerate()
            .map(|(i, byte)| byte.map_or(0.0, |byte| (f32::from(byte) - mean[i % 3]) / std[i % 3]))
            .collect(),
        Normalise::PerImage => {
            let values: Vec<f64> = bytes.map(|byte| f64::from(byte.unwrap_or(0))).collect();
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|x| x * x).sum::<f64>() / count - mean * mean;
            let std = variance.max(0.0).sqrt().max(1.0 / count.sqrt());
            values.iter().map(|x| ((x - mean) / std) as f32).collect()
        }
    }
}

/// Settings that differ in all that matters.
pub fn examples([h, w]: [usize; 2]) -> [Augment; 4] {
    let normalise = Normalise::Channel { mean: [125.3, 123.0, 113.9], std: [63.0, 62.1, 66.7] };
    let plain = Augment { h, w, pad: 0, reflect: false, crop: false, flip: false, normalise };
    [
        plain,
        Augment { pad: 4, crop: true, flip: true, ..plain },
        Augment { pad: 4, reflect: true, crop: true, flip: true, ..plain },
        Augment { pad: 2, crop: true, flip: true, normalise: Normalise::PerImage, ..plain },
    ]
}

pub(super) fn run<D: Device>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    both!(sizes(check))
}

fn sizes<D: Device, E: Stored>(check: &mut Check<'_, D>) -> Result<(), D::Error> {
    for (count, n, size) in [(1, 1, [5, 5]), (7, 20, [9, 6]), (3, 4, [32, 32])] {
        for a in examples(size) {
            let len = a.h * a.w * 3;
            let mut rng = Rng::new(9);
            let images: Vec<u8> = (0..count * len).map(|_| rng.next_u64() as u8).collect();
            let indices: Vec<u32> = (0..n).map(|_| rng.below(count as u64) as u32).collect();
            let seeds: Vec<u64> = (0..n).map(|_| rng.next_u64()).collect();
            let want: Vec<f32> = indices
                .iter()
                .zip(&seeds)
                .flat_map(|(&i, &seed)| reference(&a, &images[i as usize * len..][..len], &mut Rng::new(seed)))
                .collect();
            let (images, indices, seeds) = (check.slice(&images)?, check.slice(&indices)?, check.slice(&seeds)?);
            let mut ys = Slice::<D, E>::new(check.device, want.len())?;
            augment(check.device, &a, images.view(), indices.view(), seeds.view(), ys.view_mut())?;
            check.map("images::augment", &format!("{n} of {count}: {a:?}"), &ys, &want, 2e-7)?;
        }
    }
    Ok(())
}
