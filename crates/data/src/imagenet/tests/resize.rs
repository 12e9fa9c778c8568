#![allow(clippy::unwrap_used)]
use super::*;

/// One row of grey values, resized along x; the image is repeated downwards, which changes nothing.
fn row(values: &[u8], size: usize, resize: Resize, flip: bool) -> Vec<f32> {
    let pixels: Vec<u8> = values.iter().flat_map(|value| [*value; 3]).collect();
    let image = Rgb { h: 3, w: values.len(), pixels: pixels.repeat(3) };
    let mut rows = Vec::new();
    let whole = Region { y: 0, x: 0, h: 3, w: values.len() };
    resize_rows(&image, whole, size, resize, flip, |_, planes| rows.push(planes[..size].to_vec()));
    assert!(rows.iter().all(|other| other.iter().zip(&rows[0]).all(|(a, b)| (a - b).abs() < 1e-3)));
    rows.swap_remove(0)
}

fn near(found: &[f32], expected: &[f32]) {
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3), "{found:?} {expected:?}");
    assert_eq!(found.len(), expected.len());
}

/// Worked by hand from the definitions.
#[test]
fn small_rows() {
    let values = [0, 30, 60, 90];
    // Source coordinates 0, 2 and 0, 0.5, ..., 3.5, the last beyond the last pixel.
    near(&row(&values, 2, Resize::Tf1, false), &[0.0, 60.0]);
    near(&row(&values, 8, Resize::Tf1, false), &[0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0, 90.0]);
    near(&row(&values, 2, Resize::Tf1, true), &[60.0, 0.0]);
    // Centres at 0.5 and 2.5, triangles of half-width 2: weights 3/8, 3/8, 1/8 (the fourth cut off) and 1/8, 3/8, 3/8, 1/8
    // where all are within; at the edge what is outside is left out.
    let left = (0.0 * 0.75 + 30.0 * 0.75 + 60.0 * 0.25) / 1.75;
    let right = (30.0 * 0.25 + 60.0 * 0.75 + 90.0 * 0.75) / 1.75;
    near(&row(&values, 2, Resize::Antialias, false), &[left, right]);
    near(&row(&values, 8, Resize::Antialias, false), &[0.0, 7.5, 22.5, 37.5, 52.5, 67.5, 82.5, 90.0]);
    for resize in [Resize::Tf1, Resize::Antialias] {
        near(&row(&values, 4, resize, false), &[0.0, 30.0, 60.0, 90.0]);
        near(&row(&values, 4, resize, true), &[90.0, 60.0, 30.0, 0.0]);
        near(&row(&[7], 3, resize, false), &[7.0, 7.0, 7.0]);
        near(&row(&[50; 9], 4, resize, false), &[50.0; 4]);
    }
}

/// Against the definition taken literally, pixel by pixel in f64, for many shapes and a part of the image.
#[test]
fn every_shape_agrees_with_the_definition() {
    let (h, w) = (23, 31);
    let pixels: Vec<u8> = (0..h * w * 3).map(|i| (i * 97 % 251) as u8).collect();
    let image = Rgb { h, w, pixels };
    let region = Region { y: 2, x: 3, h: 19, w: 27 };
    let weight = |k: usize, i: usize, n: usize, size: usize, resize: Resize| -> f64 {
        let scale = n as f64 / size as f64;
        match resize {
            Resize::Tf1 => (1.0 - ((i as f64 * scale).min((n - 1) as f64) - k as f64).abs()).max(0.0),
            Resize::Antialias => (1.0 - ((i as f64 + 0.5) * scale - (k as f64 + 0.5)).abs() / scale.max(1.0)).max(0.0),
        }
    };
    for (size, resize) in [5, 19, 24, 40].into_iter().flat_map(|s| [(s, Resize::Tf1), (s, Resize::Antialias)]) {
        resize_rows(&image, region, size, resize, true, |y, planes| {
            for (position, found) in planes.iter().enumerate() {
                let (c, x) = (position / size, size - 1 - position % size);
                let (mut sum, mut total) = (0.0, 0.0);
                for (v, u) in (0..region.h).flat_map(|v| (0..region.w).map(move |u| (v, u))) {
                    let weight = weight(v, y, region.h, size, resize) * weight(u, x, region.w, size, resize);
                    sum += weight * f64::from(image.pixels[((region.y + v) * w + region.x + u) * 3 + c]);
                    total += weight;
                }
                assert!((f64::from(*found) - sum / total).abs() < 2e-3, "{size} {resize:?} {y} {x} {c}");
            }
        });
    }
}
