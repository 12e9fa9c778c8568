//! Batches: an endless, shuffled, augmented stream for training, prepared on a thread beside it, and a plain pass for
//! evaluation.

use crate::ahead::Ahead;
use crate::stream::{AUGMENT, SHUFFLE, SPLIT, stream, stream_seed};
use crate::{Augment, DataError, Images, Normalise};
use std::sync::Arc;
use swish_kernels::rng::Rng;

/// Batches prepared ahead of the consumer.
const AHEAD: usize = 3;

/// Images ready for a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// (n, h, w, 3), normalised.
    pub xs: Vec<f32>,
    /// (n).
    pub labels: Vec<u32>,
    /// Number of images.
    pub n: usize,
}

/// Splits 0..n into (training, validation) indices, each ascending; `holdout` of them, drawn by `seed`, validate.
///
/// # Errors
/// When nothing would be left to train on.
pub fn split(n: usize, holdout: usize, seed: u64) -> Result<(Vec<u32>, Vec<u32>), DataError> {
    if holdout >= n {
        return Err(DataError::Argument {
            what: "holdout",
            value: holdout.to_string(),
            expected: format!("less than the {n} images"),
        });
    }
    let mut order: Vec<u32> = (0..n as u32).collect();
    stream(seed, &[SPLIT]).shuffle(&mut order);
    let mut train = order.split_off(holdout);
    train.sort_unstable();
    order.sort_unstable();
    Ok((train, order))
}

/// The training stream: an endless iterator over batches of exactly `batch` images.
///
/// Each epoch is a new shuffle of all indices, without the last partial batch. The shuffle depends on (seed, epoch), each
/// image's augmentation on (seed, epoch, position); so the batch of a step is the same whether the run came to it or was
/// resumed at it. A thread prepares a few batches ahead and ends when the iterator is dropped.
#[derive(Debug)]
pub struct TrainBatches {
    batches: Ahead,
    steps_per_epoch: u64,
}

impl TrainBatches {
    /// Starts at `start_step` (0 for a new run); `indices` chooses among the images, `None` takes all.
    ///
    /// # Errors
    /// A batch of 0 or of more images than there are, an index outside the images, a pad the images are too small for.
    pub fn new(
        images: Arc<Images>,
        indices: Option<Arc<Vec<u32>>>,
        batch: usize,
        augment: Augment,
        seed: u64,
        start_step: u64,
    ) -> Result<Self, DataError> {
        augment.check(images.h, images.w)?;
        let mut drafts = Drafts::new(images.clone(), indices, batch, seed, start_step)?;
        let steps_per_epoch = drafts.steps_per_epoch();
        let batches = Ahead::start(AHEAD, move || Some(Ok(assemble(&images, drafts.draw(), &augment))))?;
        Ok(Self { batches, steps_per_epoch })
    }

    /// Steps in an epoch.
    pub const fn steps_per_epoch(&self) -> u64 {
        self.steps_per_epoch
    }
}

impl Iterator for TrainBatches {
    type Item = Result<Batch, DataError>;

    /// Never `None` unless an error came before.
    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}

/// Which images a batch has and how they are augmented, for whoever has the images already.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Which of the images.
    pub indices: Vec<u32>,
    /// Of each the seed of the generator that [`Augment::apply`] draws from.
    pub seeds: Vec<u64>,
    /// Their classes.
    pub labels: Vec<u32>,
}

/// The stream of [`TrainBatches`] before its images are fetched: the same batches.
#[derive(Debug)]
pub struct Drafts {
    images: Arc<Images>,
    indices: Arc<Vec<u32>>,
    batch: usize,
    seed: u64,
    step: u64,
    epoch: Option<u64>,
    order: Vec<u32>,
}

impl Drafts {
    /// Starts at `start_step`; `indices` chooses among the images, `None` takes all.
    ///
    /// # Errors
    /// A batch of 0 or of more images than there are, an index outside the images.
    pub fn new(
        images: Arc<Images>,
        indices: Option<Arc<Vec<u32>>>,
        batch: usize,
        seed: u64,
        start_step: u64,
    ) -> Result<Self, DataError> {
        check_batch(&images, indices.as_deref(), batch)?;
        let indices = indices.unwrap_or_else(|| Arc::new(all(&images)));
        check_size(batch, indices.len())?;
        Ok(Self { images, indices, batch, seed, step: start_step, epoch: None, order: Vec::new() })
    }

    fn steps_per_epoch(&self) -> u64 {
        (self.indices.len() / self.batch) as u64
    }

    /// The next batch.
    pub fn draw(&mut self) -> Draft {
        let steps = self.steps_per_epoch();
        let (epoch, step) = (self.step / steps, self.step % steps);
        if self.epoch != Some(epoch) {
            self.order.clone_from(&self.indices);
            stream(self.seed, &[SHUFFLE, epoch]).shuffle(&mut self.order);
            self.epoch = Some(epoch);
        }
        self.step += 1;
        let first = step as usize * self.batch;
        let indices = self.order[first..first + self.batch].to_vec();
        let seeds =
            (first..first + self.batch).map(|place| stream_seed(self.seed, &[AUGMENT, epoch, place as u64])).collect();
        let labels = labels(&self.images, &indices);
        Draft { indices, seeds, labels }
    }
}

impl Iterator for Drafts {
    type Item = Draft;

    /// Never `None`.
    fn next(&mut self) -> Option<Draft> {
        Some(self.draw())
    }
}

fn labels(images: &Images, indices: &[u32]) -> Vec<u32> {
    indices.iter().map(|&index| u32::from(images.labels[index as usize])).collect()
}

fn assemble(images: &Images, draft: Draft, augment: &Augment) -> Batch {
    let Draft { indices, seeds, labels } = draft;
    let size = images.h * images.w * 3;
    let mut xs = vec![0.0; indices.len() * size];
    for ((&index, seed), out) in indices.iter().zip(seeds).zip(xs.chunks_exact_mut(size)) {
        augment.apply(images.image(index as usize), images.h, images.w, &mut Rng::new(seed), out);
    }
    Batch { xs, labels, n: indices.len() }
}

/// The evaluation pass: every chosen image once, in order, only normalised; the last batch may be smaller.
#[derive(Debug)]
pub struct EvalBatches {
    images: Arc<Images>,
    indices: Arc<Vec<u32>>,
    batch: usize,
    augment: Augment,
    done: usize,
}

/// Starts an evaluation pass; `indices` chooses among the images, `None` takes all.
///
/// # Errors
/// A batch of 0, or an index outside the images.
pub fn eval_batches(
    images: Arc<Images>,
    indices: Option<Arc<Vec<u32>>>,
    batch: usize,
    normalise: Normalise,
) -> Result<EvalBatches, DataError> {
    check_batch(&images, indices.as_deref(), batch)?;
    let indices = indices.unwrap_or_else(|| Arc::new(all(&images)));
    Ok(EvalBatches { images, indices, batch, augment: Augment::none(normalise), done: 0 })
}

impl Iterator for EvalBatches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let end = self.indices.len().min(self.done + self.batch);
        let indices = self.indices[self.done..end].to_vec();
        self.done = end;
        // Nothing is drawn.
        let (seeds, labels) = (vec![0; indices.len()], labels(&self.images, &indices));
        (!indices.is_empty()).then(|| assemble(&self.images, Draft { indices, seeds, labels }, &self.augment))
    }
}

fn all(images: &Images) -> Vec<u32> {
    (0..images.len() as u32).collect()
}

/// Errs on a batch of no image, or of more than there are.
pub(crate) fn check_size(batch: usize, images: usize) -> Result<(), DataError> {
    let expected = match batch {
        0 => "at least 1".into(),
        _ if batch > images => format!("at most the {images} images"),
        _ => return Ok(()),
    };
    Err(DataError::Argument { what: "batch", value: batch.to_string(), expected })
}

fn check_batch(images: &Images, indices: Option<&Vec<u32>>, batch: usize) -> Result<(), DataError> {
    check_size(batch, usize::MAX)?;
    match indices.and_then(|indices| indices.iter().find(|index| **index as usize >= images.len())) {
        None => Ok(()),
        Some(index) => Err(DataError::Argument {
            what: "image index",
            value: index.to_string(),
            expected: format!("below the {} images", images.len()),
        }),
    }
}

#[cfg(test)]
#[path = "tests/batches.rs"]
mod tests;
