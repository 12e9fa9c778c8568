//! Image data as a trainer sees them, whichever they are.

use crate::imagenet::stream::{self, Undecodable};
use crate::imagenet::{ImageNet, ImageNetTransform, ImageSet};
use crate::{Augment, Batch, DataError, DataSource, Dataset, Images, LoadedData, TrainBatches, eval_batches, split};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError};

/// Batches in their order.
pub type Batches = Box<dyn Iterator<Item = Result<Batch, DataError>> + Send>;

/// Seed of the choice of held-out images: the same for every run, so that runs compare.
const HOLDOUT_SEED: u64 = 0;

/// Images to train and evaluate on, with the preprocessing of a recipe.
///
/// What a batch holds depends on the data, the preprocessing, `batch`, `seed` and the step alone.
pub trait ImageSource: fmt::Debug + Send + Sync {
    /// Which data set.
    fn dataset(&self) -> Dataset;
    /// Where it came from.
    fn source(&self) -> DataSource;
    /// 12 hexadecimal digits that identify the content.
    fn version(&self) -> &str;
    /// Number of classes; labels are below it.
    fn classes(&self) -> usize;
    /// Height and width of the images in batches, pixels.
    fn image_size(&self) -> (usize, usize);
    /// Number of training images.
    fn train_len(&self) -> usize;
    /// Number of images that an evaluation sees.
    fn eval_len(&self) -> usize;

    /// The endless stream of training batches from step `start_step` on, each of exactly `batch` images.
    ///
    /// # Errors
    /// A batch of 0 or of more images than there are, a preprocessing that the images are too small for, threads.
    fn train_batches(&self, batch: usize, seed: u64, start_step: u64) -> Result<Batches, DataError>;

    /// Every evaluation image once, in order; the last batch may be smaller.
    ///
    /// # Errors
    /// A batch of 0, threads.
    fn eval_batches(&self, batch: usize) -> Result<Batches, DataError>;

    /// Training images that turned out to be damaged, a line each: what training batches so far showed another image for.
    fn damaged(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Images in memory (CIFAR).
#[derive(Debug, Clone)]
pub struct InMemory {
    data: LoadedData,
    augment: Augment,
    /// Indices of training images that are trained on and that are evaluated on; `None`: all, and the test images.
    held: Option<(Arc<Vec<u32>>, Arc<Vec<u32>>)>,
}

impl InMemory {
    /// All training and all test images; or, with `holdout`, so many training images are evaluated on and the rest trained
    /// on, and the test images are left alone.
    ///
    /// # Errors
    /// A holdout that leaves nothing to train on.
    pub fn new(data: &LoadedData, augment: Augment, holdout: Option<usize>) -> Result<Self, DataError> {
        let held = holdout.map(|holdout| split(data.train.len(), holdout, HOLDOUT_SEED)).transpose()?;
        let held = held.map(|(train, eval)| (Arc::new(train), Arc::new(eval)));
        Ok(Self { data: data.clone(), augment, held })
    }

    fn train_part(&self) -> (Arc<Images>, Option<Arc<Vec<u32>>>) {
        (self.data.train.clone(), self.held.as_ref().map(|held| held.0.clone()))
    }

    fn eval_part(&self) -> (Arc<Images>, Option<Arc<Vec<u32>>>) {
        match &self.held {
            None => (self.data.test.clone(), None),
            Some(held) => (self.data.train.clone(), Some(held.1.clone())),
        }
    }
}

impl ImageSource for InMemory {
    fn dataset(&self) -> Dataset {
        self.data.dataset
    }

    fn source(&self) -> DataSource {
        self.data.source
    }

    fn version(&self) -> &str {
        &self.data.version
    }

    fn classes(&self) -> usize {
        self.data.train.classes
    }

    fn image_size(&self) -> (usize, usize) {
        (self.data.train.h, self.data.train.w)
    }

    fn train_len(&self) -> usize {
        let (images, indices) = self.train_part();
        indices.map_or(images.len(), |indices| indices.len())
    }

    fn eval_len(&self) -> usize {
        let (images, indices) = self.eval_part();
        indices.map_or(images.len(), |indices| indices.len())
    }

    fn train_batches(&self, batch: usize, seed: u64, start_step: u64) -> Result<Batches, DataError> {
        let (images, indices) = self.train_part();
        Ok(Box::new(TrainBatches::new(images, indices, batch, self.augment, seed, start_step)?))
    }

    fn eval_batches(&self, batch: usize) -> Result<Batches, DataError> {
        let (images, indices) = self.eval_part();
        Ok(Box::new(eval_batches(images, indices, batch, self.augment.normalise)?.map(Ok)))
    }
}

/// Images read and decoded as they are wanted (ImageNet), by `workers` threads for each stream.
#[derive(Debug, Clone)]
pub struct Streamed {
    data: ImageNet,
    train: ImageNetTransform,
    eval: ImageNetTransform,
    workers: NonZeroUsize,
    undecodable: Undecodable,
}

impl Streamed {
    /// All training and all validation images, of the size that both transforms have.
    ///
    /// # Errors
    /// An impossible size, or transforms of two sizes.
    pub fn new(
        data: &ImageNet,
        train: ImageNetTransform,
        eval: ImageNetTransform,
        workers: NonZeroUsize,
    ) -> Result<Self, DataError> {
        train.check()?;
        if train.size != eval.size {
            let expected = format!("{}, as in training", train.size);
            return Err(DataError::Argument { what: "evaluation size", value: eval.size.to_string(), expected });
        }
        Ok(Self { data: data.clone(), train, eval, workers, undecodable: Undecodable::default() })
    }

    fn set(&self) -> Arc<ImageSet> {
        self.data.train.clone()
    }
}

impl ImageSource for Streamed {
    fn dataset(&self) -> Dataset {
        Dataset::ImageNet
    }

    fn source(&self) -> DataSource {
        self.data.source
    }

    fn version(&self) -> &str {
        &self.data.version
    }

    fn classes(&self) -> usize {
        self.data.train.classes()
    }

    fn image_size(&self) -> (usize, usize) {
        (self.train.size, self.train.size)
    }

    fn train_len(&self) -> usize {
        self.data.train.len()
    }

    fn eval_len(&self) -> usize {
        self.data.val.len()
    }

    fn train_batches(&self, batch: usize, seed: u64, start_step: u64) -> Result<Batches, DataError> {
        let undecodable = self.undecodable.clone();
        Ok(Box::new(stream::train(self.set(), self.train, batch, seed, start_step, self.workers, undecodable)?))
    }

    fn eval_batches(&self, batch: usize) -> Result<Batches, DataError> {
        Ok(Box::new(stream::eval(self.data.val.clone(), self.eval, batch, self.workers)?))
    }

    fn damaged(&self) -> Vec<String> {
        let met = self.undecodable.lock().unwrap_or_else(PoisonError::into_inner);
        met.iter().map(|(i, detail)| format!("{}: {detail}", self.data.train.name(*i))).collect()
    }
}
