//! From a decoded image to the numbers that a model gets.

use super::boxes::{central, distorted};
use super::decode::Rgb;
use super::resize::{Resize, resize_rows};
use crate::DataError;
use serde::{Deserialize, Serialize};
use swish_kernels::rng::Rng;

/// Largest change of brightness, 0 to 1.
const BRIGHTNESS: f32 = 32.0 / 255.0;
/// Bounds of the factor on saturation.
const SATURATION: [f32; 2] = [0.5, 1.5];

/// Preprocessing of the Inception family (slim `preprocessing/inception_preprocessing.py`, `fast_mode`): output is
/// (size, size, 3), -1 to 1.
///
/// Training: a random box of 5 to 100 % of the image (10 % at least in effect) with aspect ratio 3/4 to 4/3, resized;
/// mirrored with probability one half; brightness changed by up to 32/255 and saturation by a factor of 0.5 to 1.5, either
/// first; cut to 0..1. Evaluation: the middle 87.5 % of both sides, resized; the aspect ratio is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageNetTransform {
    /// Height and width of the output, pixels.
    pub size: usize,
    /// How sizes are changed.
    pub resize: Resize,
}

/// What chance decides about the colours of a training image.
struct Colour {
    brightness: f32,
    saturation: f32,
    brightness_first: bool,
}

impl ImageNetTransform {
    /// The authors' own, in training and evaluation, for models of `size` pixels.
    pub const fn slim(size: usize) -> Self {
        Self { size, resize: Resize::Tf1 }
    }

    /// Errs on a size that no image can have.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        match self.size {
            1..=4096 => Ok(()),
            size => {
                let expected = "1 to 4096 pixels".into();
                Err(DataError::Argument { what: "image size", value: size.to_string(), expected })
            }
        }
    }

    /// Numbers in an output image.
    pub(crate) const fn len(&self) -> usize {
        self.size * self.size * 3
    }

    /// A training view to `out`, (size, size, 3).
    pub(crate) fn train(&self, image: &Rgb, rng: &mut Rng, out: &mut [f32]) {
        let region = distorted(image.h, image.w, rng);
        let flip = rng.below(2) == 1;
        let colour = Colour::random(rng);
        resize_rows(image, region, self.size, self.resize, flip, |y, planes| {
            colour.apply(planes);
            store(planes, &mut out[y * 3 * self.size..][..3 * self.size]);
        });
    }

    /// The evaluation view to `out`, (size, size, 3).
    pub(crate) fn eval(&self, image: &Rgb, out: &mut [f32]) {
        let region = central(image.h, image.w);
        resize_rows(image, region, self.size, self.resize, false, |y, planes| {
            planes.iter_mut().for_each(|value| *value *= 1.0 / 255.0);
            store(planes, &mut out[y * 3 * self.size..][..3 * self.size]);
        });
    }
}

/// Three planes of 0..1 to pixels of -1..1.
fn store(planes: &[f32], out: &mut [f32]) {
    let size = planes.len() / 3;
    let (red, rest) = planes.split_at(size);
    let (green, blue) = rest.split_at(size);
    for (((pixel, r), g), b) in out.chunks_exact_mut(3).zip(red).zip(green).zip(blue) {
        (pixel[0], pixel[1], pixel[2]) = ((r - 0.5) * 2.0, (g - 0.5) * 2.0, (b - 0.5) * 2.0);
    }
}

impl Colour {
    fn random(rng: &mut Rng) -> Self {
        let brightness_first = rng.below(2) == 0;
        let brightness = BRIGHTNESS * (2.0 * rng.uniform() - 1.0) as f32;
        let saturation = SATURATION[0] + (SATURATION[1] - SATURATION[0]) * rng.uniform() as f32;
        Self { brightness, saturation, brightness_first }
    }

    /// Three planes of 0..255 to three of 0..1.
    fn apply(&self, planes: &mut [f32]) {
        let (before, after) = if self.brightness_first { (self.brightness, 0.0) } else { (0.0, self.brightness) };
        let size = planes.len() / 3;
        let (red, rest) = planes.split_at_mut(size);
        let (green, blue) = rest.split_at_mut(size);
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let values = [*r, *g, *b].map(|value| value * (1.0 / 255.0) + before);
            [*r, *g, *b] = saturate(values, self.saturation).map(|value| (value + after).clamp(0.0, 1.0));
        }
    }
}

/// Multiplies the saturation of HSV, at most to 1. Value and hue stay: every channel keeps its distance from the largest
/// one, multiplied. Where brightness has left nothing above 0 there is no saturation.
fn saturate([r, g, b]: [f32; 3], factor: f32) -> [f32; 3] {
    let (largest, least) = (max(max(r, g), b), min(min(r, g), b));
    // The saturation is 1 - least / largest. Of grey, any finite factor gives the same: the quotient may be infinite or no number.
    let factor = max(min(largest / (largest - least), factor), 0.0);
    [r, g, b].map(|value| largest - (largest - value) * factor)
}

/// The smaller; the second if the first is no number. Unlike `f32::min` a single instruction.
fn min(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[cfg(test)]
#[path = "tests/transform.rs"]
mod tests;
