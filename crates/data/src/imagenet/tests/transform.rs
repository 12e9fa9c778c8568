#![allow(clippy::unwrap_used)]
use super::*;

/// HSV by its textbook definition, saturation multiplied and cut to 1, and back.
fn by_hsv([r, g, b]: [f64; 3], factor: f64) -> [f64; 3] {
    let value = r.max(g).max(b);
    let range = value - r.min(g).min(b);
    let hue = match () {
        () if range == 0.0 => 0.0,
        () if value == r => ((g - b) / range).rem_euclid(6.0),
        () if value == g => (b - r) / range + 2.0,
        () => (r - g) / range + 4.0,
    };
    let saturation = if value > 0.0 { (range / value * factor).clamp(0.0, 1.0) } else { 0.0 };
    [5.0, 3.0, 1.0].map(|n| {
        let k: f64 = (n + hue) % 6.0;
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    })
}

#[test]
fn saturation_is_that_of_hsv() {
    let mut rng = Rng::new(3);
    for _ in 0..20_000 {
        let colour = [0; 3].map(|_| rng.uniform());
        let factor = 0.5 + rng.uniform();
        let found = saturate(colour.map(|value| value as f32), factor as f32);
        for (found, expected) in found.into_iter().zip(by_hsv(colour, factor)) {
            assert!((f64::from(found) - expected).abs() < 1e-5, "{colour:?} {factor}");
        }
    }
    // Grey, and what brightness has pushed below 0, stay finite.
    for grey in [-0.1, 0.0, 0.4, 1.0] {
        assert_eq!(saturate([grey; 3], 1.5), [grey; 3]);
    }
    assert_eq!(saturate([-0.1, -0.05, -0.12], 0.5), [-0.05; 3]);
}

#[test]
fn colours_in_either_order_stay_within_bounds() {
    let planes: Vec<f32> = [[0.0, 255.0, 200.0], [10.0, 255.0, 30.0], [4.0, 0.0, 90.0]].concat();
    let apply = |brightness, saturation, brightness_first| {
        let mut planes = planes.clone();
        Colour { brightness, saturation, brightness_first }.apply(&mut planes);
        assert!(planes.iter().all(|value| (0.0..=1.0).contains(value)), "{planes:?}");
        planes
    };
    // A third pixel of 200, 30, 90: saturated after 0.1 was added, and before.
    let expected =
        |before: f64, after: f64| by_hsv([200.0, 30.0, 90.0].map(|v| v / 255.0 + before), 1.2).map(|v| v + after);
    for (first, expected) in [(true, expected(0.1, 0.0)), (false, expected(0.0, 0.1))] {
        let found = apply(0.1, 1.2, first);
        for c in 0..3 {
            assert!((f64::from(found[3 * c + 2]) - expected[c]).abs() < 1e-5, "{found:?} {expected:?}");
        }
    }
    // The first pixel, dark, made darker: no light, no colour, either way.
    for first in [true, false] {
        let found = apply(-0.125, 1.5, first);
        assert_eq!([found[0], found[3], found[6]], [0.0; 3]);
    }
}

#[test]
fn chance_keeps_to_its_bounds_and_uses_them() {
    let mut rng = Rng::new(4);
    let drawn: Vec<Colour> = (0..10_000).map(|_| Colour::random(&mut rng)).collect();
    let bounds = |of: fn(&Colour) -> f32| {
        let values: Vec<f32> = drawn.iter().map(of).collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let least = values.iter().copied().fold(f32::MAX, f32::min);
        (least, mean, values.into_iter().fold(f32::MIN, f32::max))
    };
    let near = |(a, b, c): (f32, f32, f32), expected: [f32; 3], within: f32| {
        assert!([a, b, c].iter().zip(expected).all(|(x, e)| (x - e).abs() < within), "{a} {b} {c}");
    };
    near(bounds(|c| c.brightness), [-32.0 / 255.0, 0.0, 32.0 / 255.0], 0.005);
    near(bounds(|c| c.saturation), [0.5, 1.0, 1.5], 0.02);
    near(bounds(|c| f32::from(u8::from(c.brightness_first))), [0.0, 0.5, 1.0], 0.03);
}

/// An image whose every colour is one value comes out as that value, in evaluation and, without colour changes to see, in
/// place: (size, size, 3), -1 to 1.
#[test]
fn evaluation_of_a_plain_image() {
    let image = Rgb { h: 40, w: 60, pixels: [51, 102, 255].repeat(40 * 60) };
    let transform = ImageNetTransform::slim(12);
    let mut out = vec![9.0; transform.len()];
    transform.eval(&image, &mut out);
    assert!(out.chunks_exact(3).all(|p| p.iter().zip([-0.6, -0.2, 1.0]).all(|(a, b)| (a - b).abs() < 1e-5)));
    assert!(ImageNetTransform::slim(0).check().is_err() && ImageNetTransform::slim(5000).check().is_err());
}

#[test]
fn training_mirrors_half_of_the_images_and_keeps_to_the_range() {
    // Dark left, bright right: mirrored or not shows, whatever the crop and the colours.
    let pixels = (0..50 * 50).flat_map(|i| [if i % 50 < 25 { 60 } else { 180 }; 3]).collect();
    let image = Rgb { h: 50, w: 50, pixels };
    let transform = ImageNetTransform { size: 16, resize: Resize::Antialias };
    let mut out = vec![0.0; transform.len()];
    let (mut mirrored, mut plain) = (0, 0);
    for seed in 0..400 {
        transform.train(&image, &mut Rng::new(seed), &mut out);
        assert!(out.iter().all(|value| (-1.0..=1.0).contains(value)));
        let difference = out[15 * 3] - out[0];
        mirrored += i32::from(difference < -0.1);
        plain += i32::from(difference > 0.1);
    }
    // Some crops lie on one side only. Five standard deviations of a fair coin's 400 throws are 50.
    assert!(mirrored + plain > 150 && (mirrored - plain).abs() < 100, "{mirrored} {plain}");
}
