//! Image data as a trainer sees them, whichever they are.

use crate::imagenet::stream::{self, Undecodable};
use crate::imagenet::{ImageNet, ImageNetTransform};
use crate::{
    Augment, Batch, DataError, DataSource, Dataset, Drafts, Images, LoadedData, TrainBatches, eval_batches, split,
};
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

    /// Of [`ImageSource::train_batches`] from `start_step` on one in `every`, that one first. `every` is at least 1.
    ///
    /// # Errors
    /// As [`ImageSource::train_batches`].
    fn some_train_batches(&self, batch: usize, seed: u64, start_step: u64, every: usize) -> Result<Batches, DataError> {
        Ok(Box::new(self.train_batches(batch, seed, start_step)?.step_by(every.max(1))))
    }

    /// Every evaluation image once, in order; the last batch may be smaller.
    ///
    /// # Errors
    /// A batch of 0, threads.
    fn eval_batches(&self, batch: usize) -> Result<Batches, DataError>;

    /// These images where all of them are in memory, for who keeps them elsewhere.
    fn in_memory(&self) -> Option<&InMemory> {
        None
    }

    /// Training images that turned out to be damaged, a line each: what training batches so far showed another image for.
    fn damaged(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Images in memory (CIFAR).
#[derive(Debug, Clone)]
pub struct InMemory {
    dataset: Dataset,
    source: DataSource,
    version: String,
    augment: Augment,
    train: Part,
    eval: Part,
}

/// Some of the images of a split, or all.
#[derive(Debug, Clone)]
struct Part {
    images: Arc<Images>,
    indices: Option<Arc<Vec<u32>>>,
}

impl Part {
    fn len(&self) -> usize {
        self.indices.as_ref().map_or(self.images.len(), |indices| indices.len())
    }
}

impl InMemory {
    /// All training and all test images; or, with `holdout`, so many training images are evaluated on and the rest trained
    /// on, and the test images are left alone.
    ///
    /// # Errors
    /// A holdout that leaves nothing to train on.
    pub fn new(data: &LoadedData, augment: Augment, holdout: Option<usize>) -> Result<Self, DataError> {
        let part = |images: &Arc<Images>, indices| Part { images: images.clone(), indices };
        let (train, eval) = match holdout {
            None => (part(&data.train, None), part(&data.test, None)),
            Some(holdout) => {
                let (rest, held) = split(data.train.len(), holdout, HOLDOUT_SEED)?;
                (part(&data.train, Some(Arc::new(rest))), part(&data.train, Some(Arc::new(held))))
            }
        };
        let (dataset, source, version) = (data.dataset, data.source, data.version.clone());
        Ok(Self { dataset, source, version, augment, train, eval })
    }

    /// The images that [`InMemory::drafts`] speak of, and what is done to them.
    pub fn train_images(&self) -> (&Images, &Augment) {
        (&self.train.images, &self.augment)
    }

    /// The batches of [`ImageSource::train_batches`] before their images are fetched.
    ///
    /// # Errors
    /// A batch of 0 or of more images than there are.
    pub fn drafts(&self, batch: usize, seed: u64, start_step: u64) -> Result<Drafts, DataError> {
        let Part { images, indices } = self.train.clone();
        Drafts::new(images, indices, batch, seed, start_step)
    }
}

impl ImageSource for InMemory {
    fn dataset(&self) -> Dataset {
        self.dataset
    }

    fn source(&self) -> DataSource {
        self.source
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn classes(&self) -> usize {
        self.train.images.classes
    }

    fn image_size(&self) -> (usize, usize) {
        (self.train.images.h, self.train.images.w)
    }

    fn train_len(&self) -> usize {
        self.train.len()
    }

    fn eval_len(&self) -> usize {
        self.eval.len()
    }

    fn train_batches(&self, batch: usize, seed: u64, start_step: u64) -> Result<Batches, DataError> {
        let Part { images, indices } = self.train.clone();
        Ok(Box::new(TrainBatches::new(images, indices, batch, self.augment, seed, start_step)?))
    }

    fn eval_batches(&self, batch: usize) -> Result<Batches, DataError> {
        let Part { images, indices } = self.eval.clone();
        Ok(Box::new(eval_batches(images, indices, batch, self.augment.normalise)?.map(Ok)))
    }

    fn in_memory(&self) -> Option<&InMemory> {
        Some(self)
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
        self.some_train_batches(batch, seed, start_step, 1)
    }

    /// The others are not decoded.
    fn some_train_batches(&self, batch: usize, seed: u64, start_step: u64, every: usize) -> Result<Batches, DataError> {
        let undecodable = self.undecodable.clone();
        Ok(Box::new(stream::train(
            self.data.train.clone(),
            self.train,
            batch,
            seed,
            (start_step, every.max(1) as u64),
            self.workers,
            undecodable,
        )?))
    }

    fn eval_batches(&self, batch: usize) -> Result<Batches, DataError> {
        Ok(Box::new(stream::eval(self.data.val.clone(), self.eval, batch, self.workers)?))
    }

    fn damaged(&self) -> Vec<String> {
        let met = self.undecodable.lock().unwrap_or_else(PoisonError::into_inner);
        met.iter().map(|(i, detail)| format!("{}: {detail}", self.data.train.name(*i))).collect()
    }
}
