#![allow(clippy::unwrap_used)]
use super::*;

/// Mean area, and share of areas below 0.3, of boxes whose aspect is uniform and whose height is uniform between those of
/// 5 % and of the largest box that fits, given that they have 10 %: integrated over the aspect, without rounding.
fn expected(h: f64, w: f64) -> (f64, f64) {
    let (mut area, mut small, mut total) = (0.0, 0.0, 0.0);
    let steps = 10_000;
    for k in 0..steps {
        let aspect = 0.75 + 0.58 * (f64::from(k) + 0.5) / f64::from(steps);
        let height = |share: f64| (share * h * w / aspect).sqrt();
        let (lowest, accepted, highest) = (height(0.05), height(0.1), height(1.0).min(h).min(w / aspect));
        let weight = (highest - accepted) / (highest - lowest);
        let squares = (highest * highest + highest * accepted + accepted * accepted) / 3.0;
        area += weight * squares * aspect / (h * w);
        small += weight * ((height(0.3).min(highest) - accepted) / (highest - accepted));
        total += weight;
    }
    (area / total, small / total)
}

#[test]
fn boxes_are_distributed_as_the_kernel_draws_them() {
    for (h, w) in [(375, 500), (500, 333), (224, 224)] {
        let mut rng = Rng::new(1);
        let n = 10_000;
        let (mut area, mut small, mut aspects, mut edges) = (0.0, 0.0, Vec::new(), [false; 2]);
        for _ in 0..n {
            let region = distorted(h, w, &mut rng);
            assert!(region.h > 0 && region.y + region.h <= h && region.x + region.w <= w, "{region:?}");
            let share = (region.h * region.w) as f64 / (h * w) as f64;
            assert!((0.1 - 1e-6..=1.0).contains(&share), "{region:?}");
            area += share / f64::from(n);
            small += f64::from(u8::from(share < 0.3)) / f64::from(n);
            let aspect = region.w as f64 / region.h as f64;
            // Rounding of the width.
            assert!((0.75 - 0.6 / region.h as f64..1.33 + 0.6 / region.h as f64).contains(&aspect), "{region:?}");
            aspects.push(aspect);
            edges[0] |= region.y == 0;
            edges[1] |= region.x == 0;
        }
        let (expected_area, expected_small) = expected(h as f64, w as f64);
        // The standard deviation of the area is about 0.2, so five standard errors are 0.01; rounding to whole rows adds less.
        assert!((area - expected_area).abs() < 0.01, "{h}x{w}: {area} {expected_area}");
        assert!((small - expected_small).abs() < 0.025, "{h}x{w}: {small} {expected_small}");
        aspects.sort_by(f64::total_cmp);
        // Nearly uniform between the bounds: no aspect is accepted more than a little more often than another.
        let middle = aspects[aspects.len() / 2];
        assert!((middle - 1.04).abs() < 0.03, "{middle}");
        assert_eq!(edges, [true; 2]);
    }
}

#[test]
fn where_no_box_fits_the_whole_image_is_taken() {
    let mut rng = Rng::new(2);
    for (h, w) in [(1, 40), (30, 1), (1, 1)] {
        assert_eq!(distorted(h, w, &mut rng), Region { y: 0, x: 0, h, w });
    }
}

#[test]
fn the_middle_is_cut_as_tensorflow_cuts_it() {
    assert_eq!(central(224, 224), Region { y: 14, x: 14, h: 196, w: 196 });
    // 375 / 16 = 23.4 and 500 / 16 = 31.25, rounded down.
    assert_eq!(central(375, 500), Region { y: 23, x: 31, h: 329, w: 438 });
    assert_eq!(central(1, 15), Region { y: 0, x: 0, h: 1, w: 15 });
}
