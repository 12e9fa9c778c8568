//! Augmentation of images of bytes that lie on the device: flip, pad, crop, normalise.

use super::{Grid, Stored, Subject, args, fits, int, rows_of, run, source};
use crate::cuda::device::{Device, Misfit, View, ViewMut};

/// How bytes become numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalise {
    /// (x - mean) / std of each channel, in 0..255 units.
    Channel {
        /// Means of R, G, B.
        mean: [f32; 3],
        /// Standard deviations of R, G, B.
        std: [f32; 3],
    },
    /// (x - mean) / max(std, 1/sqrt(count)) over all values of the cropped image.
    PerImage,
}

/// What is done to every image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augment {
    /// Height of the images.
    pub h: usize,
    /// Width of the images.
    pub w: usize,
    /// Pixels added on each side before the crop.
    pub pad: usize,
    /// Whether they mirror the image (without its edge) and are not zeros.
    pub reflect: bool,
    /// Whether the crop is at a random place.
    pub crop: bool,
    /// Whether every second image, at random, is mirrored.
    pub flip: bool,
    /// Normalisation. Zeros are put after that of channels, before that of images.
    pub normalise: Normalise,
}

/// `ys` (n, h, w, 3): image `indices[i]` of `images` (count, h, w, 3), with the flip and then the place of the crop drawn from the
/// generator [`crate::rng::Rng`] of `seeds[i]`.
///
/// # Errors
/// Lengths that disagree, a reflection beyond the image, and the device's. An index beyond the images is read all the same: check them.
pub fn augment<D: Device, E: Stored>(
    device: &D,
    augment: &Augment,
    images: View<'_, D, u8>,
    indices: View<'_, D, u32>,
    seeds: View<'_, D, u64>,
    ys: ViewMut<'_, D, E>,
) -> Result<(), D::Error> {
    const NAME: &str = "augment";
    let &Augment { h, w, pad, reflect, crop, flip, normalise } = augment;
    let n = indices.len();
    rows_of(NAME, images.len(), h * w * 3)?;
    fits(NAME, "seeds", seeds.len(), n)?;
    fits(NAME, "ys", ys.len(), n * h * w * 3)?;
    if reflect && pad >= h.min(w) {
        let value = pad.to_string();
        let expected = "less than the image's sides, for a reflection";
        return Err(Misfit::Value { function: NAME, what: "pad", value, expected }.into());
    }
    int(NAME, "values of an image", h * w * 3)?;
    let (per_image, mean, std) = match normalise {
        Normalise::Channel { mean, std } => (false, mean, std),
        Normalise::PerImage => (true, [0.0; 3], [1.0; 3]),
    };
    let mut words: Vec<u32> = [h, w, pad].map(|value| value as u32).into();
    words.extend([reflect, crop, flip, per_image].map(u32::from));
    words.extend(mean.into_iter().chain(std).map(f32::to_bits));
    let args = args![images, indices, seeds, &ys, words];
    run(device, source::<E>(Subject::Images, 1), NAME, Grid::blocks(NAME, n)?, args)
}
