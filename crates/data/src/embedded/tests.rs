#![allow(clippy::unwrap_used)]

use super::*;
use std::sync::OnceLock;

/// The ten-class data, made once for all tests.
fn ten() -> &'static (Images, Images) {
    static TEN: OnceLock<(Images, Images)> = OnceLock::new();
    TEN.get_or_init(|| generate(Dataset::Cifar10))
}

fn accuracy(predicted: &[usize], images: &Images) -> f64 {
    let right = predicted.iter().zip(&images.labels).filter(|(class, label)| **class == usize::from(**label)).count();
    right as f64 / predicted.len() as f64
}

#[test]
fn sizes_and_balance() {
    let (train, test) = ten();
    assert_eq!((train.len(), test.len(), train.h, train.w, train.classes), (10_000, 2_000, 32, 32, 10));
    assert_eq!(train.class_counts(), [1_000; 10]);
    assert_eq!(test.class_counts(), [200; 10]);
    let hundred = split(Dataset::Cifar100, 0, 300);
    assert_eq!(hundred.class_counts(), [3; 100]);
    assert_eq!(class_names(Dataset::Cifar100)[57], "yellow_blue_cross");
}

/// The digest pins the bytes: a changed drawing is another data set and must be known as one.
#[test]
fn the_same_bytes_on_any_number_of_threads_and_any_machine() {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let some = split(Dataset::Cifar10, 1, 400);
    assert_eq!(one.install(|| split(Dataset::Cifar10, 1, 400)), some);
    assert_eq!(ten().1.pixels[..some.pixels.len()], some.pixels);
    assert_eq!(crate::digest::hex(&crate::digest::ordered(&some), 16), "c1fc50354f22932c");
    assert_ne!(split(Dataset::Cifar10, 0, 10), split(Dataset::Cifar10, 1, 10), "training and test differ");
}

/// The image at half size, -0.5 to 0.5.
fn pooled(image: &[u8]) -> Vec<f32> {
    let mut out = vec![-0.5; 16 * 16 * 3];
    for (p, byte) in image.iter().enumerate() {
        let (y, x, c) = (p / 96, p / 3 % 32, p % 3);
        out[((y / 2) * 16 + x / 2) * 3 + c] += f32::from(*byte) / 1020.0;
    }
    out
}

/// Softmax regression on what `describe` says of each image, by plain gradient descent; its test accuracy.
fn regression(describe: impl Fn(&[u8]) -> Vec<f32>, train: &Images, test: &Images, epochs: u32, rate: f32) -> f64 {
    let inputs: Vec<Vec<f32>> = (0..train.len()).map(|i| describe(train.image(i))).collect();
    let n = inputs[0].len();
    let mut weights = vec![0.0_f32; 10 * (n + 1)];
    let scores = |weights: &[f32], x: &[f32]| -> [f32; 10] {
        std::array::from_fn(|k| {
            let row = &weights[k * (n + 1)..][..=n];
            row[n] + row.iter().zip(x).map(|(w, x)| w * x).sum::<f32>()
        })
    };
    for epoch in 0..epochs {
        let rate = rate / (1.0 + epoch as f32);
        for (x, label) in inputs.iter().zip(&train.labels) {
            let scores = scores(&weights, x);
            let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exps = scores.map(|score| (score - most).exp());
            let total: f32 = exps.iter().sum();
            for (k, exp) in exps.iter().enumerate() {
                let step = rate * (f32::from(usize::from(*label) == k) - exp / total);
                let row = &mut weights[k * (n + 1)..][..=n];
                row[n] += step;
                row.iter_mut().zip(x).for_each(|(w, x)| *w += step * x);
            }
        }
    }
    let predicted: Vec<usize> = (0..test.len())
        .map(|i| {
            let scores = scores(&weights, &describe(test.image(i)));
            (0..10).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap()
        })
        .collect();
    accuracy(&predicted, test)
}

/// The first `n` images.
fn first(images: &Images, n: usize) -> Images {
    let (pixels, labels) = (images.pixels[..n * IMAGE_BYTES].to_vec(), images.labels[..n].to_vec());
    Images { pixels, labels, ..*images }
}

/// 2,000 images of noise with a bright spot at a place of the class's own: what a linear model can learn.
fn spots(seed: u64) -> Images {
    let mut rng = stream(seed, &[]);
    let mut pixels: Vec<u8> = (0..2_000 * IMAGE_BYTES).map(|_| rng.below(256) as u8).collect();
    for (i, image) in pixels.chunks_exact_mut(IMAGE_BYTES).enumerate() {
        let corner = (i % 10 * 3) * 96 + (i % 10 * 2) * 3;
        (0..4).for_each(|row| image[corner + row * 96..][..12].fill(230));
    }
    Images { pixels, labels: (0..2_000).map(|i| i % 10).collect(), h: 32, w: 32, classes: 10 }
}

/// 3,840 images are what the reduced recipes see; 6 passes over all are 60,000.
#[test]
fn a_linear_model_learns_little() {
    let control = regression(pooled, &spots(1), &spots(2), 6, 0.02);
    assert!(control > 0.9, "the linear model itself must work: {control}");
    let (train, test) = ten();
    let short = regression(pooled, &first(train, 3_840), test, 1, 0.02);
    let long = regression(pooled, train, test, 6, 0.02);
    eprintln!("linear model: {short:.3} after 3,840 images, {long:.3} after 60,000");
    assert!(short < 0.25 && long < 0.25, "{short} {long}");
}

/// The least network there is: one layer of random 5x5 filters, its absolute values summed over the image, and the same
/// regression on top.
#[test]
fn a_small_nonlinear_model_learns_more() {
    let mut rng = stream(5, &[]);
    let filters: Vec<[f32; 25]> = (0..32)
        .map(|_| {
            let filter: [f32; 25] = std::array::from_fn(|_| rng.below(1_000) as f32 / 1_000.0);
            let mean = filter.iter().sum::<f32>() / 25.0;
            filter.map(|w| w - mean)
        })
        .collect();
    let describe = |image: &[u8]| -> Vec<f32> {
        let grey: Vec<f32> =
            image.chunks_exact(3).map(|p| p.iter().map(|b| f32::from(*b)).sum::<f32>() / 765.0).collect();
        let mut out = vec![0.0; 2 * filters.len()];
        for corner in (0..28 * 28).map(|p| p / 28 * 32 + p % 28).step_by(2) {
            for (f, filter) in filters.iter().enumerate() {
                let rows = filter.chunks_exact(5).zip(grey[corner..].chunks(32));
                let response: f32 = rows.flat_map(|(w, x)| w.iter().zip(x)).map(|(w, x)| w * x).sum();
                out[2 * f] += response.abs() / 40.0;
                out[2 * f + 1] += response * response / 40.0;
            }
        }
        out
    };
    let (train, test) = ten();
    let accuracy = regression(describe, &first(train, 3_840), &first(test, 1_000), 8, 0.02);
    eprintln!("random filters: {accuracy:.3}");
    assert!(accuracy > 0.5, "{accuracy}");
}

/// A description of the outline that pose and colour leave alone: how far each pixel is from the border's colour; the
/// spread of that over the distance from its centre, and its angular harmonics in three zones.
fn outline(image: &[u8]) -> Vec<f32> {
    let at = |x: usize, y: usize| -> [f32; 3] { std::array::from_fn(|c| f32::from(image[(y * 32 + x) * 3 + c])) };
    let border: Vec<[f32; 3]> = (0..32).flat_map(|k| [at(k, 0), at(k, 31), at(0, k), at(31, k)]).collect();
    let ground: [f32; 3] = std::array::from_fn(|c| {
        let mut values: Vec<f32> = border.iter().map(|pixel| pixel[c]).collect();
        values.sort_by(f32::total_cmp);
        values[values.len() / 2]
    });
    let points: Vec<(f32, f32, f32)> = (0..1024)
        .map(|p| {
            let far = at(p % 32, p / 32).iter().zip(ground).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
            ((p % 32) as f32, (p / 32) as f32, f32::from(far > 70.0))
        })
        .filter(|point| point.2 > 0.0)
        .collect();
    let count = points.len().max(1) as f32;
    let (cx, cy) = (points.iter().map(|p| p.0).sum::<f32>() / count, points.iter().map(|p| p.1).sum::<f32>() / count);
    let polar: Vec<(f32, f32)> =
        points.iter().map(|p| ((p.0 - cx).hypot(p.1 - cy), (p.1 - cy).atan2(p.0 - cx))).collect();
    let mean = polar.iter().map(|p| p.0).sum::<f32>() / count + 1e-3;
    let mut description = vec![0.0; 8 + 3 * 6];
    for (r, _) in &polar {
        description[((r / mean * 3.5) as usize).min(7)] += 1.0 / count;
    }
    for zone in 0..3 {
        let inside = polar.iter().filter(|p| ((p.0 / mean * 1.6) as usize).min(2) == zone);
        for order in 1..=6 {
            let (sin, cos) = inside
                .clone()
                .fold((0.0, 0.0), |(s, c), p| (s + (order as f32 * p.1).sin(), c + (order as f32 * p.1).cos()));
            description[8 + zone * 6 + order - 1] = f32::hypot(sin, cos) / count;
        }
    }
    description
}

#[test]
fn the_outline_can_be_told_without_a_network() {
    let (train, test) = ten();
    let known: Vec<Vec<f32>> = (0..train.len()).map(|i| outline(train.image(i))).collect();
    let predicted: Vec<usize> = (0..500)
        .map(|i| {
            let own = outline(test.image(i));
            let distance = |other: &Vec<f32>| -> f32 { own.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum() };
            let nearest =
                (0..known.len()).min_by(|a, b| distance(&known[*a]).total_cmp(&distance(&known[*b]))).unwrap();
            usize::from(train.labels[nearest])
        })
        .collect();
    let accuracy = accuracy(&predicted, test);
    eprintln!("nearest outline: {accuracy:.3}");
    // Chance is 0.10.
    assert!(accuracy > 0.6, "{accuracy}");
}
