//! Data made by the program: patterned shapes, somewhere in the image, tilted, some partly covered, on uneven grounds.
//!
//! Same size and form as CIFAR; for ImageNet the same scenes, drawn larger. Ten classes are ten outlines, each with a fill of its own; one shape in ten wears any
//! fill, so the fill alone does not tell all. A hundred classes are the ten in ten palettes. Place and the sign
//! of every contrast are left to chance, so the mean image of each class is the same and a linear model learns little,
//! while a small convolutional network is well above chance after some thousand images.
//!
//! Image `i` of a split depends on the split and `i` alone: any number of threads makes the same bytes, and the arithmetic
//! (integers, +, -, *, /, sqrt, `libm`) is the same on every machine.

mod scene;
mod shapes;

use crate::dataset::{IMAGE_BYTES, SIDE};
use crate::stream::stream;
use crate::{Dataset, Images};
use rayon::prelude::*;

/// Seed of all embedded data; another value is another data set.
const SEED: u64 = 2017;

/// Classes of the data sets whose classes are the outlines.
pub(crate) const OUTLINE_CLASSES: usize = shapes::OUTLINES.len();

/// Images of (training, test).
pub(crate) const fn counts(dataset: Dataset) -> (usize, usize) {
    match dataset {
        Dataset::Cifar10 | Dataset::ImageNet => (10_000, 2_000),
        Dataset::Cifar100 => (20_000, 4_000),
    }
}

/// Class names in label order: `disc`, `ring`, ..., or `grey_disc`, `red_disc`, ...
pub(crate) fn class_names(dataset: Dataset) -> Vec<String> {
    match dataset {
        Dataset::Cifar10 | Dataset::ImageNet => shapes::OUTLINES.iter().map(|outline| (*outline).to_owned()).collect(),
        Dataset::Cifar100 => shapes::OUTLINES
            .iter()
            .flat_map(|outline| shapes::PALETTES.iter().map(move |(palette, _)| format!("{palette}_{outline}")))
            .collect(),
    }
}

/// Makes (training, test): 10,000 and 2,000 images of ten classes, or 20,000 and 4,000 of a hundred; equally many of each
/// class, classes in turn.
pub(crate) fn generate(dataset: Dataset) -> (Images, Images) {
    let (train, test) = counts(dataset);
    (split(dataset, 0, train), split(dataset, 1, test))
}

fn split(dataset: Dataset, split: u64, n: usize) -> Images {
    let classes = dataset.classes();
    let labels: Vec<u16> = (0..n).map(|i| (i % classes) as u16).collect();
    let mut pixels = vec![0; n * IMAGE_BYTES];
    pixels.par_chunks_exact_mut(IMAGE_BYTES).enumerate().for_each(|(i, out)| draw(dataset, split, i, SIDE, out));
    Images { pixels, labels, h: SIDE, w: SIDE, classes }
}

/// Draws image `i` of a split to `out`, (side, side, 3) bytes; its label is i modulo the number of classes drawn.
pub(crate) fn draw(dataset: Dataset, split: u64, i: usize, side: usize, out: &mut [u8]) {
    let (classes, outline, palette) = match dataset {
        Dataset::Cifar10 | Dataset::ImageNet => (10, i % 10, 0),
        Dataset::Cifar100 => (100, i % 100 / 10, i % 10),
    };
    let mut rng = stream(SEED, &[classes, split, i as u64]);
    let fill = if rng.below(10) == 0 { rng.below(shapes::FILLS.len() as u64) as usize } else { outline };
    scene::draw(scene::Subject { outline, fill, palette }, &mut rng, side, out);
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
