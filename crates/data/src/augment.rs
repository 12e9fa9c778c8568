//! Normalisation and augmentation of one image, as each recipe's authors wrote them (pure, given a generator).

use crate::{DataError, Dataset};
use serde::{Deserialize, Serialize};
use swish_kernels::rng::Rng;

/// How bytes become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// (x - mean) / std of each channel; mean and std in 0..255 units.
    Channel {
        /// Means of R, G, B.
        mean: [f32; 3],
        /// Standard deviations of R, G, B.
        std: [f32; 3],
    },
    /// `tf.image.per_image_standardization`: (x - mean) / max(std, 1/sqrt(count)) over all values of the cropped image.
    PerImage,
}

impl Normalise {
    /// fb.resnet.torch `datasets/cifar10.lua`, `cifar100.lua` and `imagenet.lua`; DenseNet uses the same files.
    pub const fn fb_resnet(dataset: Dataset) -> Self {
        match dataset {
            Dataset::Cifar10 => Self::Channel { mean: [125.3, 123.0, 113.9], std: [63.0, 62.1, 66.7] },
            Dataset::Cifar100 => Self::Channel { mean: [129.3, 124.1, 112.4], std: [68.2, 65.4, 70.4] },
            Dataset::ImageNet => Self::Channel { mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] },
        }
    }

    /// wide-residual-networks: CIFAR-10's numbers for both data sets.
    pub const fn wide_resnet() -> Self {
        Self::fb_resnet(Dataset::Cifar10)
    }

    /// The TensorFlow ResNet's `cifar_input.py`.
    pub const fn tf_resnet() -> Self {
        Self::PerImage
    }
}

/// What lies outside the image when it is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadMode {
    /// Zeros. With [`Normalise::Channel`] they are put after normalising (fb.resnet.torch pads its float image), so they
    /// stand for the mean colour; with [`Normalise::PerImage`] they are black pixels and take part in the statistics
    /// (TensorFlow pads first).
    Zero,
    /// The image mirrored without repeating its edge (Torch's SpatialReflectionPadding).
    Reflect,
}

/// Augmentation of a training image: flip, pad, crop back to its size at a random place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Augment {
    /// Normalisation.
    pub normalise: Normalise,
    /// Pixels added on each side before the crop.
    pub pad: usize,
    /// What is added.
    pub pad_mode: PadMode,
    /// Crop at a random place of the padded image; without it the padding has no effect.
    pub crop: bool,
    /// Mirror left to right with probability one half.
    pub flip: bool,
}

impl Augment {
    /// Normalisation only, for evaluation.
    pub const fn none(normalise: Normalise) -> Self {
        Self { normalise, pad: 0, pad_mode: PadMode::Zero, crop: false, flip: false }
    }

    /// fb.resnet.torch and DenseNet: flip, 4 zero pixels after normalising, crop.
    pub const fn fb_resnet(dataset: Dataset) -> Self {
        Self { normalise: Normalise::fb_resnet(dataset), pad: 4, pad_mode: PadMode::Zero, crop: true, flip: true }
    }

    /// wide-residual-networks: flip, 4 reflected pixels, crop.
    pub const fn wide_resnet() -> Self {
        Self { normalise: Normalise::wide_resnet(), pad: 4, pad_mode: PadMode::Reflect, crop: true, flip: true }
    }

    /// The TensorFlow ResNet: padded to 36x36 (2 black pixels on each side), crop, flip, per-image standardisation.
    pub const fn tf_resnet() -> Self {
        Self { normalise: Normalise::tf_resnet(), pad: 2, pad_mode: PadMode::Zero, crop: true, flip: true }
    }

    /// Errs when an image of (h, w) cannot be treated so: a reflection reaches at most to the far edge.
    pub(crate) fn check(&self, h: usize, w: usize) -> Result<(), DataError> {
        if self.pad_mode == PadMode::Reflect && self.pad >= h.min(w) {
            let expected = format!("a reflection pad below the image's side {}", h.min(w));
            return Err(DataError::Argument { what: "pad", value: self.pad.to_string(), expected });
        }
        Ok(())
    }

    /// Augments one (h, w, 3) image of bytes to (h, w, 3) floats, drawing the flip and then the crop from `rng`.
    ///
    /// # Panics
    /// If `pixels` and `out` are not h * w * 3 long.
    pub fn apply(&self, pixels: &[u8], h: usize, w: usize, rng: &mut Rng, out: &mut [f32]) {
        let flip = self.flip && rng.below(2) == 1;
        let places = 2 * self.pad as u64 + 1;
        let (y, x) =
            if self.crop { (rng.below(places) as usize, rng.below(places) as usize) } else { (self.pad, self.pad) };
        self.apply_at(pixels, [h, w], [y, x], flip, out);
    }

    /// The crop whose corner is `corner` = (y, x) of the padded image.
    fn apply_at(&self, pixels: &[u8], [h, w]: [usize; 2], corner: [usize; 2], flip: bool, out: &mut [f32]) {
        assert!(pixels.len() == h * w * 3 && out.len() == h * w * 3, "an image of {h}x{w}x3 and a place for it");
        let columns: Vec<Option<usize>> = (0..w)
            .map(|x| self.source(x + corner[1], w))
            .map(|column| column.map(|x| if flip { w - 1 - x } else { x }))
            .collect();
        for (y, row) in out.chunks_exact_mut(w * 3).enumerate() {
            let source = self.source(y + corner[0], h);
            for (column, pixel) in columns.iter().zip(row.chunks_exact_mut(3)) {
                match (source, column) {
                    (Some(y), Some(x)) => self.pixel(&pixels[(y * w + x) * 3..][..3], pixel),
                    _ => pixel.fill(0.0),
                }
            }
        }
        if self.normalise == Normalise::PerImage {
            standardise(out);
        }
    }

    /// The index in an axis of length n that position `padded` of the padded axis shows; `None` is a zero.
    fn source(&self, padded: usize, n: usize) -> Option<usize> {
        match (padded.checked_sub(self.pad), self.pad_mode) {
            (Some(i), _) if i < n => Some(i),
            (_, PadMode::Zero) => None,
            (None, PadMode::Reflect) => Some(self.pad - padded),
            (Some(i), PadMode::Reflect) => Some(2 * (n - 1) - i),
        }
    }

    fn pixel(&self, bytes: &[u8], out: &mut [f32]) {
        for (channel, (value, byte)) in out.iter_mut().zip(bytes).enumerate() {
            *value = match &self.normalise {
                Normalise::Channel { mean, std } => (f32::from(*byte) - mean[channel]) / std[channel],
                Normalise::PerImage => f32::from(*byte),
            };
        }
    }
}

fn standardise(values: &mut [f32]) {
    let count = values.len() as f64;
    let (mut sum, mut squares) = (0.0_f64, 0.0_f64);
    for value in values.iter().map(|value| f64::from(*value)) {
        sum += value;
        squares += value * value;
    }
    let mean = sum / count;
    let std = (squares / count - mean * mean).max(0.0).sqrt().max(1.0 / count.sqrt());
    for value in values {
        *value = ((f64::from(*value) - mean) / std) as f32;
    }
}

#[cfg(test)]
#[path = "tests/augment.rs"]
mod tests;
