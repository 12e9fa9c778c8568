//! Batches of ImageNet: workers read, decode and transform the images of one batch after another, ahead of the consumer.
//!
//! What a batch holds does not depend on the number of workers, nor on whether the run came to it or was resumed at it.

use super::decode::Rgb;
use super::order::Order;
use super::set::{Failure, ImageSet};
use super::transform::ImageNetTransform;
use crate::ahead::Ahead;
use crate::batches::check_size;
use crate::stream::{AUGMENT, stream};
use crate::{Batch, DataError};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of batches that wait for the consumer, unless one batch is more.
const AHEAD_BYTES: usize = 256 << 20;
/// Most batches that wait.
const AHEAD: usize = 3;
/// One image in this many may be undecodable in training (and one in any case).
const UNDECODABLE: usize = 1000;

/// Training images that did not decode, by index, with what is wrong.
pub(crate) type Undecodable = Arc<Mutex<BTreeMap<usize, String>>>;

/// What makes batches.
struct Maker {
    set: Arc<ImageSet>,
    transform: ImageNetTransform,
    batch: usize,
    workers: rayon::ThreadPool,
}

impl Maker {
    fn new(
        set: Arc<ImageSet>,
        transform: ImageNetTransform,
        batch: usize,
        workers: NonZeroUsize,
    ) -> Result<Self, DataError> {
        transform.check()?;
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(workers.get())
            .thread_name(|i| format!("images-{i}"))
            .build()
            .map_err(|e| DataError::Worker { detail: e.to_string() })?;
        Ok(Self { set, transform, batch, workers })
    }

    /// Batches that may wait.
    fn ahead(&self) -> usize {
        let bytes = self.batch.saturating_mul(self.transform.len() * size_of::<f32>());
        (AHEAD_BYTES / bytes).clamp(1, AHEAD)
    }

    /// A batch of `n` images: `make` fills the place of number k and returns its label. Of several errors the first
    /// image's is told.
    fn make(
        &self,
        n: usize,
        make: impl Fn(usize, &mut [f32]) -> Result<u32, DataError> + Sync,
    ) -> Result<Batch, DataError> {
        let mut xs = vec![0.0; n * self.transform.len()];
        let results: Vec<Result<u32, DataError>> = self.workers.install(|| {
            let places = xs.par_chunks_exact_mut(self.transform.len()).with_max_len(1);
            places.enumerate().map(|(k, out)| make(k, out)).collect()
        });
        let labels = results.into_iter().collect::<Result<_, _>>()?;
        Ok(Batch { xs, labels, n })
    }
}

/// The training stream, endless, from a step on, one in so many: each epoch shows the images in a new order, without the last
/// partial batch.
///
/// An image that does not decode is replaced by the next one of the set that does, and noted in `undecodable`; more than one
/// in a thousand are an error.
pub(crate) fn train(
    set: Arc<ImageSet>,
    transform: ImageNetTransform,
    batch: usize,
    seed: u64,
    (start_step, every): (u64, u64),
    workers: NonZeroUsize,
    undecodable: Undecodable,
) -> Result<Ahead, DataError> {
    check_size(batch, set.len())?;
    let maker = Maker::new(set, transform, batch, workers)?;
    let order = Order::of(&maker.set);
    let steps = (maker.set.len() / batch) as u64;
    let (mut step, mut epoch, mut shuffled) = (start_step, None, Vec::new());
    Ahead::start(maker.ahead(), move || {
        let (this, within) = (step / steps, (step % steps) as usize);
        if epoch != Some(this) {
            shuffled = order.epoch(seed, this);
            epoch = Some(this);
        }
        step += every;
        let first = within * batch;
        let made = maker.make(batch, |k, out| {
            let (i, image) = decodable(&maker.set, shuffled[first + k] as usize, &undecodable)?;
            maker.transform.train(&image, &mut stream(seed, &[AUGMENT, this, (first + k) as u64]), out);
            Ok(u32::from(maker.set.labels()[i]))
        });
        Some(made.and_then(|made| check_share(&maker.set, &undecodable).map(|()| made)))
    })
}

/// Image `i`, or the next that decodes, and its number.
fn decodable(set: &ImageSet, i: usize, undecodable: &Undecodable) -> Result<(usize, Rgb), DataError> {
    for i in (i..set.len()).chain(0..i) {
        match set.image(i) {
            Ok(image) => return Ok((i, image)),
            Err(Failure::Read(error)) => return Err(error),
            Err(Failure::Decode(detail)) => {
                undecodable.lock().unwrap_or_else(PoisonError::into_inner).entry(i).or_insert(detail);
                check_share(set, undecodable)?;
            }
        }
    }
    Err(DataError::TooManyUndecodable { count: set.len(), first: set.name(i) })
}

/// Errs when too many images have turned out to be undecodable.
fn check_share(set: &ImageSet, undecodable: &Undecodable) -> Result<(), DataError> {
    let met = undecodable.lock().unwrap_or_else(PoisonError::into_inner);
    match met.first_key_value() {
        Some((i, detail)) if met.len() > (set.len() / UNDECODABLE).max(1) => {
            Err(DataError::TooManyUndecodable { count: met.len(), first: format!("{}: {detail}", set.name(*i)) })
        }
        _ => Ok(()),
    }
}

/// The evaluation pass: every image once, in order; the last batch may be smaller. An image that does not decode is an
/// error.
pub(crate) fn eval(
    set: Arc<ImageSet>,
    transform: ImageNetTransform,
    batch: usize,
    workers: NonZeroUsize,
) -> Result<Ahead, DataError> {
    check_size(batch, usize::MAX)?;
    // No batch is larger than the set.
    let maker = Maker::new(set.clone(), transform, batch.min(set.len().max(1)), workers)?;
    let mut done = 0;
    Ahead::start(maker.ahead(), move || {
        let first = done;
        let n = maker.batch.min(set.len() - first);
        done += n;
        (n > 0).then(|| {
            maker.make(n, |k, out| match set.image(first + k) {
                Ok(image) => {
                    maker.transform.eval(&image, out);
                    Ok(u32::from(set.labels()[first + k]))
                }
                Err(Failure::Read(error)) => Err(error),
                Err(Failure::Decode(detail)) => Err(DataError::Undecodable { name: set.name(first + k), detail }),
            })
        })
    })
}

#[cfg(test)]
#[path = "tests/stream.rs"]
mod tests;
