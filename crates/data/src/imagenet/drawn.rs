//! ImageNet's stand-in: the ten outlines of the embedded CIFAR-10, drawn larger, each image when it is wanted.

use super::decode::Rgb;
use super::listing::Split;
use crate::digest::Hash;
use crate::{Dataset, embedded};
use sha2::{Digest, Sha256};

/// Drawn images of one split: ten classes in turn.
#[derive(Debug)]
pub(crate) struct Drawn {
    split: Split,
    side: usize,
}

impl Drawn {
    pub(crate) const fn new(split: Split, side: usize) -> Self {
        Self { split, side }
    }

    pub(crate) const fn len(&self) -> usize {
        let (train, val) = embedded::counts(Dataset::ImageNet);
        match self.split {
            Split::Train => train,
            Split::Val => val,
        }
    }

    pub(crate) fn image(&self, i: usize) -> Rgb {
        let split = match self.split {
            Split::Train => 0,
            Split::Val => 1,
        };
        let mut pixels = vec![0; self.side * self.side * 3];
        embedded::draw(Dataset::ImageNet, split, i, self.side, &mut pixels);
        Rgb { h: self.side, w: self.side, pixels }
    }

    /// Hash of the number of images and of the first of each class: whatever changes the drawing shows in these.
    pub(crate) fn version(&self) -> Hash {
        let mut hasher = Sha256::new_with_prefix(format!("{} {}\n", self.len(), self.side));
        for class in 0..embedded::OUTLINE_CLASSES {
            hasher.update(self.image(class).pixels);
        }
        hasher.finalize().into()
    }
}
