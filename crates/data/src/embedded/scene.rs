//! One image: ground, clutter, the shape in its pose, something in front of it, light and noise.

use super::shapes;
use crate::dataset::SIDE;
use swish_kernels::rng::Rng;

/// RGB, 0 to 1.
type Colour = [f32; 3];

/// Samples a pixel along each axis; the edges of shapes are smooth.
const SAMPLES: usize = 2;

/// What an image shows, each a number of `shapes`.
pub(super) struct Subject {
    pub(super) outline: usize,
    pub(super) fill: usize,
    pub(super) palette: usize,
}

/// Draws one image to `out`, (side, side, 3) bytes. Scenes are measured in pixels of the 32; noise is a pixel's own.
pub(super) fn draw(subject: Subject, rng: &mut Rng, side: usize, out: &mut [u8]) {
    let tones = Tones::random(subject.palette, rng);
    let ground = Ground::random(tones.ground, rng);
    let clutter: Vec<Blob> = (0..rng.below(2)).map(|_| Blob::clutter(rng)).collect();
    let shape = Shape::random(&subject, tones.shape, rng);
    let cover = (uniform(rng) < 0.3).then(|| Blob::cover(&shape, rng)).flatten();
    let light = Light::random(rng);
    let scale = SIDE as f32 / side as f32;
    for (position, pixel) in out.chunks_exact_mut(3).enumerate() {
        let (x, y) = ((position % side) as f32, (position / side) as f32);
        let mut sum = [0.0; 3];
        let under = ground.at((x + 0.5) * scale, (y + 0.5) * scale);
        for sample in 0..SAMPLES * SAMPLES {
            let at = |k: usize| (k as f32 + 0.5) / SAMPLES as f32;
            let (x, y) = ((x + at(sample % SAMPLES)) * scale, (y + at(sample / SAMPLES)) * scale);
            let mut colour = under;
            for blob in &clutter {
                colour = blob.over(colour, x, y);
            }
            colour = shape.at(x, y).unwrap_or(colour);
            if let Some(blob) = &cover {
                colour = blob.over(colour, x, y);
            }
            for (total, value) in sum.iter_mut().zip(colour) {
                *total += value / (SAMPLES * SAMPLES) as f32;
            }
        }
        light.develop(sum, rng, pixel);
    }
}

/// Uniform in [0, 1), in single precision.
fn uniform(rng: &mut Rng) -> f32 {
    (rng.next_u64() >> 40) as f32 / (1 << 24) as f32
}

fn between(rng: &mut Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * uniform(rng)
}

fn random_colour(rng: &mut Rng) -> Colour {
    std::array::from_fn(|_| uniform(rng))
}

fn blend(a: Colour, b: Colour, part: f32) -> Colour {
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * part)
}

/// Colours of the ground and of the shape. The shape's are far from the ground's to either side along the palette, and
/// which side is first is a coin's choice: contrast shows the shape, yet the mean colour of a pixel says nothing.
struct Tones {
    ground: Colour,
    shape: [Colour; 2],
}

impl Tones {
    fn random(palette: usize, rng: &mut Rng) -> Self {
        let side = if rng.below(2) == 0 { 1.0 } else { -1.0 };
        let middle = between(rng, -0.1, 0.1);
        let levels = [middle, side * between(rng, 0.25, 0.45), -side * between(rng, 0.25, 0.45)];
        let along = shapes::PALETTES[palette].1;
        let [ground, first, second] = levels.map(|level| along.map(|c| 0.5 + c * level + between(rng, -0.08, 0.08)));
        Self { ground, shape: [first, second] }
    }
}

/// The ground: two colours mixed by smooth noise.
struct Ground {
    colours: [Colour; 2],
    salt: u32,
    scale: f32,
}

impl Ground {
    fn random(first: Colour, rng: &mut Rng) -> Self {
        let second = blend(first, random_colour(rng), between(rng, 0.1, 0.3));
        Self { colours: [first, second], salt: rng.next_u64() as u32, scale: between(rng, 0.08, 0.4) }
    }

    fn at(&self, x: f32, y: f32) -> Colour {
        blend(self.colours[0], self.colours[1], smooth_noise(self.salt, x * self.scale, y * self.scale))
    }
}

/// Values on a lattice, interpolated smoothly; 0 to 1.
fn smooth_noise(salt: u32, x: f32, y: f32) -> f32 {
    let (i, j) = (shapes::floor(x), shapes::floor(y));
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (along_x, along_y) = (ease(x - i as f32), ease(y - j as f32));
    let row = |j: i32| {
        let (left, right) = (shapes::hash(salt, i, j), shapes::hash(salt, i + 1, j));
        left + (right - left) * along_x
    };
    let (upper, lower) = (row(j), row(j + 1));
    upper + (lower - upper) * along_y
}

/// The shape in its pose: `frame` takes (x, y) - centre to the shape's own (u, v), v upwards.
struct Shape {
    outline: usize,
    fill: usize,
    colours: [Colour; 2],
    salt: u32,
    centre: (f32, f32),
    radius: f32,
    frame: [f32; 4],
}

impl Shape {
    fn random(subject: &Subject, colours: [Colour; 2], rng: &mut Rng) -> Self {
        let radius = between(rng, 10.0, 14.5);
        let room = 17.0 - 0.85 * radius;
        let centre = (16.0 + between(rng, -room, room), 16.0 + between(rng, -room, room));
        let (sin, cos) = libm::sincosf(between(rng, -0.5, 0.5));
        let squeeze = between(rng, 0.82, 1.22);
        let (along, across) = (1.0 / (radius * squeeze.sqrt()), squeeze.sqrt() / radius);
        let salt = rng.next_u64() as u32;
        Self {
            outline: subject.outline,
            fill: subject.fill,
            colours,
            salt,
            centre,
            radius,
            frame: [cos * along, sin * along, sin * across, -cos * across],
        }
    }

    fn own(&self, x: f32, y: f32) -> (f32, f32) {
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        let [a, b, c, d] = self.frame;
        (a * dx + b * dy, c * dx + d * dy)
    }

    fn at(&self, x: f32, y: f32) -> Option<Colour> {
        let (u, v) = self.own(x, y);
        let hit = u.abs().max(v.abs()) < 1.25 && shapes::inside(self.outline, u, v);
        hit.then(|| blend(self.colours[0], self.colours[1], shapes::fill(self.fill, u, v, self.salt)))
    }
}

/// A disc or bar of one colour: clutter behind the shape, or the cover in front of it.
struct Blob {
    colour: Colour,
    centre: (f32, f32),
    axis: (f32, f32),
    half: (f32, f32),
    round: bool,
}

impl Blob {
    fn clutter(rng: &mut Rng) -> Self {
        let centre = (between(rng, 0.0, 32.0), between(rng, 0.0, 32.0));
        Self::random(centre, (between(rng, 1.5, 4.0), between(rng, 1.5, 6.0)), rng)
    }

    /// Something in front of a tenth to a third of the shape; `None` when some tries find no such place.
    fn cover(shape: &Shape, rng: &mut Rng) -> Option<Self> {
        let middles = (0..SIDE * SIDE).map(|p| ((p % SIDE) as f32 + 0.5, (p / SIDE) as f32 + 0.5));
        let visible: Vec<(f32, f32)> = middles.filter(|&(x, y)| shape.at(x, y).is_some()).collect();
        for _ in 0..8 {
            let reach = shape.radius * between(rng, 0.2, 0.9);
            let (sin, cos) = libm::sincosf(between(rng, 0.0, std::f32::consts::TAU));
            let centre = (shape.centre.0 + reach * cos, shape.centre.1 + reach * sin);
            let half = (between(rng, 1.5, 4.5), between(rng, 4.0, 16.0));
            let blob = Self::random(centre, half, rng);
            let covered = visible.iter().filter(|&&(x, y)| blob.contains(x, y)).count();
            if covered * 10 > visible.len() && covered * 3 < visible.len() {
                return Some(blob);
            }
        }
        None
    }

    fn random(centre: (f32, f32), half: (f32, f32), rng: &mut Rng) -> Self {
        let (sin, cos) = libm::sincosf(between(rng, 0.0, std::f32::consts::TAU));
        Self { colour: random_colour(rng), centre, axis: (cos, sin), half, round: uniform(rng) < 0.4 }
    }

    fn contains(&self, x: f32, y: f32) -> bool {
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        let along = (dx * self.axis.0 + dy * self.axis.1) / self.half.0;
        let across = (dy * self.axis.0 - dx * self.axis.1) / self.half.1;
        if self.round { along * along + across * across < 1.0 } else { along.abs().max(across.abs()) < 1.0 }
    }

    fn over(&self, under: Colour, x: f32, y: f32) -> Colour {
        if self.contains(x, y) { self.colour } else { under }
    }
}

/// Brightness, colour cast, contrast and noise of the whole image.
struct Light {
    gain: Colour,
    offset: f32,
    noise: f32,
}

impl Light {
    fn random(rng: &mut Rng) -> Self {
        let bright = between(rng, 0.65, 1.15);
        let gain = std::array::from_fn(|_| bright * between(rng, 0.9, 1.1));
        Self { gain, offset: between(rng, -0.06, 0.12), noise: between(rng, 0.02, 0.05) }
    }

    /// Noise is the sum of four uniform numbers of 16 bits, near enough to a bell.
    fn develop(&self, colour: Colour, rng: &mut Rng, pixel: &mut [u8]) {
        for (c, byte) in pixel.iter_mut().enumerate() {
            let bits = rng.next_u64();
            let quarters: u64 = (0..4).map(|k| bits >> (16 * k) & 0xFFFF).sum();
            let bell = quarters as f32 / 65_536.0 - 2.0;
            let value = colour[c] * self.gain[c] + self.offset + self.noise * 1.7 * bell;
            *byte = (value * 255.0 + 0.5).clamp(0.0, 255.0) as u8;
        }
    }
}
