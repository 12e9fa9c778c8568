//! The ten outlines and ten fills of embedded data, as functions of a point in the shape's own frame (about -1 to 1), and the
//! ten palettes.

/// Names of the outlines, in label order.
pub(super) const OUTLINES: [&str; 10] =
    ["disc", "ring", "square", "triangle", "star", "cross", "crescent", "heart", "arrow", "bow_tie"];

/// Names of the fills; each is the own one of the outline of the same number.
pub(super) const FILLS: [&str; 10] =
    ["plain", "striped", "checked", "dotted", "gridded", "banded", "halved", "shaded", "speckled", "quartered"];

/// Names of the palettes, in label order, and the direction of each in RGB: the two colours of a shape lie to either side
/// of grey.
pub(super) const PALETTES: [(&str, [f32; 3]); 10] = [
    ("grey", [1.0, 1.0, 1.0]),
    ("red", [1.0, 0.0, 0.0]),
    ("green", [0.0, 1.0, 0.0]),
    ("blue", [0.0, 0.0, 1.0]),
    ("red_green", [1.0, -1.0, 0.0]),
    ("red_blue", [1.0, 0.0, -1.0]),
    ("green_blue", [0.0, 1.0, -1.0]),
    ("yellow_blue", [1.0, 1.0, -1.0]),
    ("magenta_green", [1.0, -1.0, 1.0]),
    ("cyan_red", [-1.0, 1.0, 1.0]),
];

const TRIANGLE: [(f32, f32); 3] = [(0.0, 1.0), (-0.95, -0.65), (0.95, -0.65)];

/// Five points at radius 1 and five notches at radius 0.42, every 36 degrees.
const STAR: [(f32, f32); 10] = [
    (0.0, 1.0),
    (-0.246_87, 0.339_79),
    (-0.951_06, 0.309_02),
    (-0.399_45, -0.129_79),
    (-0.587_79, -0.809_02),
    (0.0, -0.42),
    (0.587_79, -0.809_02),
    (0.399_45, -0.129_79),
    (0.951_06, 0.309_02),
    (0.246_87, 0.339_79),
];

const ARROW: [(f32, f32); 7] =
    [(0.0, 1.0), (-0.8, 0.1), (-0.27, 0.1), (-0.27, -0.95), (0.27, -0.95), (0.27, 0.1), (0.8, 0.1)];

/// Whether the point (u, v) lies inside outline number `outline`.
pub(super) fn inside(outline: usize, u: f32, v: f32) -> bool {
    let r2 = u * u + v * v;
    match outline {
        0 => r2 < 0.9 * 0.9,
        1 => r2 < 0.95 * 0.95 && r2 > 0.52 * 0.52,
        2 => u.abs().max(v.abs()) < 0.78,
        3 => in_polygon(&TRIANGLE, u, v),
        4 => in_polygon(&STAR, u, v),
        5 => u.abs().max(v.abs()) < 0.95 && u.abs().min(v.abs()) < 0.29,
        6 => r2 < 0.95 * 0.95 && (u - 0.45) * (u - 0.45) + v * v > 0.72 * 0.72,
        7 => {
            // (x^2 + y^2 - 1)^3 < x^2 y^3, scaled into the frame.
            let (x, y) = (1.2 * u, 1.2 * v + 0.1);
            let k = x * x + y * y - 1.0;
            k * k * k < x * x * y * y * y
        }
        8 => in_polygon(&ARROW, u, v),
        _ => u.abs() < 0.95 && v.abs() < 0.06 + 0.8 * u.abs(),
    }
}

/// Even-odd rule.
fn in_polygon(corners: &[(f32, f32)], u: f32, v: f32) -> bool {
    let mut inside = false;
    let mut previous = corners[corners.len() - 1];
    for &(x, y) in corners {
        let (px, py) = previous;
        if (y > v) != (py > v) && u < (px - x) * (v - y) / (py - y) + x {
            inside = !inside;
        }
        previous = (x, y);
    }
    inside
}

/// How much of the second colour fill number `fill` shows at (u, v), 0 to 1; `salt` varies the speckles.
pub(super) fn fill(fill: usize, u: f32, v: f32, salt: u32) -> f32 {
    let odd = |x: f32| f32::from(floor(x) & 1 == 1);
    let frac = |x: f32| x - floor(x) as f32;
    match fill {
        0 => 0.0,
        1 => odd(u * 3.6),
        2 => f32::from((floor(u * 2.4) + floor(v * 2.4)) & 1 == 1),
        3 => {
            let (x, y) = (frac(u * 1.7) - 0.5, frac(v * 1.7) - 0.5);
            f32::from(x * x + y * y < 0.09)
        }
        4 => f32::from(frac(u * 2.0 + 0.15) < 0.3 || frac(v * 2.0 + 0.15) < 0.3),
        5 => odd((u * u + v * v).sqrt() * 5.0),
        6 => f32::from(v > 0.0),
        7 => (0.5 + 0.55 * v).clamp(0.0, 1.0),
        8 => f32::from(hash(salt, floor(u * 7.0), floor(v * 7.0)) < 0.5),
        _ => f32::from(u * v > 0.0),
    }
}

/// The largest whole number not above x, for small x; much cheaper than `f32::floor` on processors without SSE4.1.
pub(super) fn floor(x: f32) -> i32 {
    let whole = x as i32;
    whole - i32::from(whole as f32 > x)
}

/// A value in [0, 1) for each cell of a lattice.
pub(super) fn hash(salt: u32, x: i32, y: i32) -> f32 {
    let mut h = salt ^ (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    ((h ^ (h >> 15)) >> 8) as f32 / (1 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Area by counting a fine grid; the expected values are the outlines' own geometry.
    #[test]
    fn areas() {
        let area = |outline| {
            let n = 400;
            let at = |i: usize| (i as f32 + 0.5) / n as f32 * 2.4 - 1.2;
            let count = (0..n * n).filter(|k| inside(outline, at(k / n), at(k % n))).count();
            count as f32 * 2.4 * 2.4 / (n * n) as f32
        };
        let pi = std::f32::consts::PI;
        // Star: 10 triangles (0,0), outer, inner: 10 * 0.5 * 1 * 0.42 * sin 36 degrees.
        let expected = [
            (0, pi * 0.81),
            (1, pi * (0.95 * 0.95 - 0.52 * 0.52)),
            (2, 1.56 * 1.56),
            (3, 0.5 * 1.9 * 1.65),
            (4, 5.0 * 0.42 * 0.587_785),
            (5, 2.0 * 1.9 * 0.58 - 0.58 * 0.58),
            (8, 0.5 * 1.6 * 0.9 + 0.54 * 1.05),
            (9, 4.0 * (0.06 * 0.95 + 0.4 * 0.95 * 0.95)),
        ];
        for (outline, value) in expected {
            assert!((area(outline) - value).abs() < 0.02, "{}: {} {value}", OUTLINES[outline], area(outline));
        }
        assert!((0.8..2.2).contains(&area(6)) && (1.2..2.6).contains(&area(7)), "{} {}", area(6), area(7));
    }

    #[test]
    fn fills_differ() {
        let points: Vec<(f32, f32)> =
            (0..400).map(|k| ((k / 20) as f32 / 10.0 - 0.97, (k % 20) as f32 / 10.0 - 0.97)).collect();
        for (a, name) in FILLS.iter().enumerate() {
            for (b, other) in FILLS.iter().enumerate().take(a) {
                let difference: f32 = points.iter().map(|&(u, v)| (fill(a, u, v, 1) - fill(b, u, v, 1)).abs()).sum();
                assert!(difference > 60.0, "{name} {other}: {difference}");
            }
        }
    }
}
