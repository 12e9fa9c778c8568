//! What a recipe does to images, and the images of a run after it.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use swish_data::imagenet::ImageNetTransform;
use swish_data::{Augment, Data, ImageSource, InMemory, SIDE, Streamed};

/// Normalisation and augmentation. Each kind belongs to one kind of data; recipes carry either without saying which.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Preprocess {
    /// Of small images of one size.
    Cifar(Augment),
    /// Of photographs: crops, resized.
    ImageNet(ImageNetTransform),
}

impl From<Augment> for Preprocess {
    fn from(augment: Augment) -> Self {
        Self::Cifar(augment)
    }
}

impl Preprocess {
    /// Height and width of the images after it, pixels.
    pub fn image_size(self) -> usize {
        match self {
            Self::Cifar(_) => SIDE,
            Self::ImageNet(view) => view.size,
        }
    }

    /// The images of a run, with `holdout` training images held out to evaluate on; `threads` decode them, where they are decoded.
    ///
    /// # Errors
    /// Data of the other kind, a holdout that leaves nothing or that the data do not offer, an impossible size.
    pub fn source(self, data: &Data, holdout: Option<usize>, threads: NonZeroUsize) -> Result<Box<dyn ImageSource>> {
        match (self, data, holdout) {
            (Self::Cifar(augment), Data::InMemory(data), _) => Ok(Box::new(InMemory::new(data, augment, holdout)?)),
            (Self::ImageNet(view), Data::ImageNet(data), None) => {
                Ok(Box::new(Streamed::new(data, view, view, threads)?))
            }
            (_, Data::ImageNet(_), Some(holdout)) => Err(Error::BadValue {
                what: "holdout",
                value: holdout.to_string(),
                expected: "none for ImageNet".into(),
            }),
            (Self::Cifar(_), ..) => Err(other(data, "cifar10 or cifar100, as the recipe's augmentation")),
            (Self::ImageNet(_), ..) => Err(other(data, "imagenet, as the recipe's preprocessing")),
        }
    }
}

fn other(data: &Data, expected: &str) -> Error {
    Error::BadValue { what: "data set", value: data.dataset().to_string(), expected: expected.into() }
}
