//! The data sets, their class names, and images in memory.

use crate::{DataError, DataSource, embedded};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Height and width of every image of both CIFARs, pixels.
pub const SIDE: usize = 32;
/// Bytes of one image: 32 x 32 x 3.
pub const IMAGE_BYTES: usize = SIDE * SIDE * 3;

/// A data set this crate can load: CIFAR (Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images") whole, by
/// [`load`](crate::load()); ImageNet image by image, by [`imagenet::load`](crate::imagenet::load()).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dataset {
    /// Ten classes, 50,000 training and 10,000 test images.
    Cifar10,
    /// A hundred classes (the fine labels), 50,000 training and 10,000 test images.
    Cifar100,
    /// ILSVRC2012 (Russakovsky et al. 2015): a thousand classes, 1,281,167 training and 50,000 validation images.
    ImageNet,
}

impl Dataset {
    /// Number of classes: 10, 100 or 1000.
    pub const fn classes(self) -> usize {
        match self {
            Self::Cifar10 => 10,
            Self::Cifar100 => 100,
            Self::ImageNet => 1000,
        }
    }

    /// Images of the complete data set: (training, test); for ImageNet (training, validation).
    pub const fn full_counts(self) -> (usize, usize) {
        match self {
            Self::Cifar10 | Self::Cifar100 => (50_000, 10_000),
            Self::ImageNet => (1_281_167, 50_000),
        }
    }

    /// Class names in label order: CIFAR's own, or for embedded data the shapes (and textures) the program draws. Those of
    /// ImageNet's files are not known here; [`ImageNet`](crate::imagenet::ImageNet) has them.
    pub fn class_names(self, source: DataSource) -> Vec<String> {
        match (self, source) {
            (_, DataSource::Embedded) => embedded::class_names(self),
            (Self::Cifar10, _) => CIFAR10.iter().map(|name| (*name).to_owned()).collect(),
            (Self::Cifar100, _) => CIFAR100.split_whitespace().map(str::to_owned).collect(),
            (Self::ImageNet, _) => Vec::new(),
        }
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::ImageNet => "imagenet",
        })
    }
}

impl FromStr for Dataset {
    type Err = DataError;

    /// Case, hyphens and underscores do not matter: `cifar10`, `CIFAR-10`, `cifar_100`.
    fn from_str(name: &str) -> Result<Self, DataError> {
        match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
            "cifar10" => Ok(Self::Cifar10),
            "cifar100" => Ok(Self::Cifar100),
            "imagenet" | "imagenet1k" | "ilsvrc2012" => Ok(Self::ImageNet),
            _ => Err(DataError::Argument {
                what: "data set",
                value: name.to_owned(),
                expected: "cifar10, cifar100 or imagenet".into(),
            }),
        }
    }
}

/// Images and labels of one split, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// (n, h, w, 3) RGB bytes, row-major.
    pub pixels: Vec<u8>,
    /// One label an image, each below `classes`.
    pub labels: Vec<u16>,
    /// Height, pixels.
    pub h: usize,
    /// Width, pixels.
    pub w: usize,
    /// Number of classes.
    pub classes: usize,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Pixels of image `i` as (h, w, 3).
    ///
    /// # Panics
    /// If `i` is not below `len()`.
    pub fn image(&self, i: usize) -> &[u8] {
        let size = self.h * self.w * 3;
        &self.pixels[i * size..(i + 1) * size]
    }

    /// Images of each class, in label order.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for label in &self.labels {
            counts[usize::from(*label)] += 1;
        }
        counts
    }

    /// Errs when a class of the training set has no image; `path` is what the message names.
    pub(crate) fn check_every_class(&self, path: &Path, names: &[String]) -> Result<(), DataError> {
        match self.class_counts().iter().position(|count| *count == 0) {
            None => Ok(()),
            Some(class) => Err(DataError::EmptyClass {
                path: path.to_path_buf(),
                class,
                name: names.get(class).cloned().unwrap_or_default(),
                classes: self.classes,
            }),
        }
    }
}

const CIFAR10: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const CIFAR100: &str = "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly \
    camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin \
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man \
    maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain \
    plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake \
    spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle \
    wardrobe whale willow_tree wolf woman worm";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_parse_and_print() {
        for (name, dataset) in [
            ("cifar10", Dataset::Cifar10),
            ("CIFAR-10", Dataset::Cifar10),
            ("cifar_100", Dataset::Cifar100),
            ("ImageNet-1k", Dataset::ImageNet),
        ] {
            assert_eq!(name.parse::<Dataset>().unwrap(), dataset);
            assert_eq!(dataset.to_string().parse::<Dataset>().unwrap(), dataset);
        }
        let message = "mnist".parse::<Dataset>().unwrap_err().to_string();
        assert_eq!(message, "data set mnist: expected cifar10, cifar100 or imagenet");
    }

    #[test]
    fn every_class_has_one_name() {
        for dataset in [Dataset::Cifar10, Dataset::Cifar100] {
            for source in [DataSource::Dir, DataSource::Embedded] {
                let mut names = dataset.class_names(source);
                names.sort();
                names.dedup();
                assert_eq!(names.len(), dataset.classes());
            }
        }
    }
}
