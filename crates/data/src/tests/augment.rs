//! Expected values are worked out by hand on images of a few pixels.
use super::*;
const ONE: Normalise = Normalise::Channel { mean: [10.0, 20.0, 30.0], std: [2.0, 4.0, 5.0] };

fn augment(pad: usize, pad_mode: PadMode) -> Augment {
    Augment { normalise: ONE, pad, pad_mode, crop: true, flip: true }
}

/// A 3x3 image whose red channel is 10 + 2 * (1 to 9), so that it normalises to 1 to 9; green and blue are at their mean.
fn image() -> Vec<u8> {
    (1..=9).flat_map(|k| [10 + 2 * k, 20, 30]).collect()
}

/// The red channel of the crop at (y, x).
fn red(augment: Augment, corner: [usize; 2], flip: bool) -> Vec<f32> {
    let mut out = vec![f32::NAN; 27];
    augment.apply_at(&image(), [3, 3], corner, flip, &mut out);
    assert!(out.chunks_exact(3).all(|pixel| pixel[1] == 0.0 && pixel[2] == 0.0));
    out.iter().step_by(3).copied().collect()
}

#[test]
fn normalises_each_channel() {
    let mut out = [0.0; 3];
    Augment::none(ONE).apply(&[12, 16, 45], 1, 1, &mut Rng::new(0), &mut out);
    assert_eq!(out, [1.0, -1.0, 3.0]);
}

#[test]
fn crops_and_flips() {
    let zero = augment(1, PadMode::Zero);
    assert_eq!(red(zero, [1, 1], false), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    assert_eq!(red(zero, [1, 1], true), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0, 9.0, 8.0, 7.0]);
    // Black would be -5: the padding is zero after normalising.
    assert_eq!(red(zero, [0, 2], false), [0.0, 0.0, 0.0, 2.0, 3.0, 0.0, 5.0, 6.0, 0.0]);
    // Flipped first, then padded and cropped.
    assert_eq!(red(zero, [2, 0], true), [0.0, 6.0, 5.0, 0.0, 9.0, 8.0, 0.0, 0.0, 0.0]);
}

#[test]
fn reflects_without_repeating_the_edge() {
    let reflect = augment(2, PadMode::Reflect);
    // The padded row of 1 2 3 is 3 2 1 2 3 2 1.
    assert_eq!(red(reflect, [2, 0], false)[..3], [3.0, 2.0, 1.0]);
    assert_eq!(red(reflect, [2, 1], false)[..3], [2.0, 1.0, 2.0]);
    assert_eq!(red(reflect, [2, 4], false)[..3], [3.0, 2.0, 1.0]);
    assert_eq!(red(reflect, [0, 2], false), [7.0, 8.0, 9.0, 4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
    assert_eq!(red(reflect, [4, 2], false), [7.0, 8.0, 9.0, 4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
    assert!(reflect.check(3, 3).is_ok());
    let message = reflect.check(2, 2).err().map(|e| e.to_string());
    assert_eq!(message.as_deref(), Some("pad 2: expected a reflection pad below the image's side 2"));
}

#[test]
fn standardises_each_image_with_its_black_border() {
    // Padded by 1 and cropped at the corner, the only pixel (0, 12, 24) of a 1x1 image is gone: all black, so std is
    // replaced by 1/sqrt(3) and the result is 0.
    let per_image = Augment { normalise: Normalise::PerImage, ..augment(1, PadMode::Zero) };
    let mut out = [f32::NAN; 3];
    per_image.apply_at(&[0, 12, 24], [1, 1], [0, 0], false, &mut out);
    assert_eq!(out, [0.0; 3]);
    // In place: mean 12, variance 96.
    per_image.apply_at(&[0, 12, 24], [1, 1], [1, 1], false, &mut out);
    let expected = 12.0 / 96.0_f32.sqrt();
    assert!((out[0] + expected).abs() < 1e-6 && out[1] == 0.0 && (out[2] - expected).abs() < 1e-6);
    // Half of a 1x2 image in sight: values 6 6 6 0 0 0, mean 3, std 3.
    let mut out = [f32::NAN; 6];
    per_image.apply_at(&[6; 6], [1, 2], [1, 2], false, &mut out);
    assert_eq!(out, [1.0, 1.0, 1.0, -1.0, -1.0, -1.0]);
    // A constant image gives 0, not NaN.
    Augment::none(Normalise::PerImage).apply(&[7; 6], 1, 2, &mut Rng::new(0), &mut out);
    assert_eq!(out, [0.0; 6]);
}

#[test]
fn draws_every_place_and_both_directions_evenly() {
    let zero = augment(1, PadMode::Zero);
    let mut seen = std::collections::BTreeMap::new();
    let mut rng = Rng::new(3);
    for _ in 0..3600 {
        let mut out = vec![0.0; 27];
        zero.apply(&image(), 3, 3, &mut rng, &mut out);
        *seen.entry(out.iter().map(|value| *value as i32).collect::<Vec<_>>()).or_insert(0) += 1;
    }
    // 9 places x 2 directions, 200 each; 5 standard deviations are 69.
    assert_eq!(seen.len(), 18);
    assert!(seen.values().all(|count| (131..270).contains(count)), "{:?}", seen.values());
}

#[test]
fn recipes_are_the_published_ones() {
    // fb.resnet.torch datasets/cifar100.lua; wide-residual-networks uses CIFAR-10's numbers; cifar_input.py pads to 36.
    let Normalise::Channel { mean, std } = Augment::fb_resnet(Dataset::Cifar100).normalise else { unreachable!() };
    assert_eq!((mean, std), ([129.3, 124.1, 112.4], [68.2, 65.4, 70.4]));
    assert_eq!(Augment::wide_resnet().normalise, Normalise::fb_resnet(Dataset::Cifar10));
    assert_eq!(Augment::wide_resnet().pad_mode, PadMode::Reflect);
    assert_eq!(32 + 2 * Augment::tf_resnet().pad, 36);
}

/// The kernels for GPUs are compared with a plain version of the augmentation; it is this one, with the same random numbers.
#[test]
fn devices_are_compared_with_the_same_augmentation() {
    use swish_kernels::cuda::check::images;
    use swish_kernels::cuda::launch::images::Normalise as Device;
    let (h, w) = (9, 6);
    let mut rng = Rng::new(1);
    let pixels: Vec<u8> = (0..h * w * 3).map(|_| rng.next_u64() as u8).collect();
    for settings in images::examples([h, w]) {
        let normalise = match settings.normalise {
            Device::Channel { mean, std } => Normalise::Channel { mean, std },
            Device::PerImage => Normalise::PerImage,
        };
        let pad_mode = if settings.reflect { PadMode::Reflect } else { PadMode::Zero };
        let augment = Augment { normalise, pad: settings.pad, pad_mode, crop: settings.crop, flip: settings.flip };
        for seed in 0..20 {
            let mut out = vec![0.0; pixels.len()];
            augment.apply(&pixels, h, w, &mut Rng::new(seed), &mut out);
            let other = images::reference(&settings, &pixels, &mut Rng::new(seed));
            // Standardisation alone adds up in another order.
            assert!(out.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-6), "{settings:?} {seed}");
        }
    }
}
