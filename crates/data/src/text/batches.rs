//! Batches of sentence pairs by number of tokens, as in tensor2tensor's `data_reader.py`: pairs of like length together, so that
//! little is padding.

use crate::DataError;
use crate::stream::{SHUFFLE, stream};
use crate::text::Encoded;
use std::sync::Arc;
use swish_core::models::transformer::TextBatch;

/// The first bucket's longest pair, and how much longer that of the next is (tensor2tensor `_bucket_boundaries`).
const FIRST_BUCKET: usize = 8;
const BUCKET_STEP: f64 = 1.1;

/// The training stream: an endless iterator over batches of at most `tokens` tokens a side, padding included.
///
/// Pairs lie in buckets by the length of their longer side. An epoch shuffles each bucket, cuts it into batches and shuffles
/// those; every pair comes once, and the last batch of a bucket may be smaller. Everything depends on (seed, epoch) alone, and the
/// number of steps in an epoch is always the same; so the batch of a step is the same whether the run came to it or was resumed at it.
#[derive(Debug)]
pub struct TextBatches {
    pairs: Arc<Encoded>,
    buckets: Vec<Bucket>,
    seed: u64,
    step: u64,
    steps_per_epoch: u64,
    epoch: Option<u64>,
    order: Vec<Vec<u32>>,
}

/// Pairs of like length.
#[derive(Debug)]
struct Bucket {
    pairs: Vec<u32>,
    /// Pairs in a batch.
    n: usize,
}

impl TextBatches {
    /// Starts at `start_step` (0 for a new run).
    ///
    /// # Errors
    /// No pairs; `tokens` less than the longest sentence has.
    pub fn new(pairs: Arc<Encoded>, tokens: usize, seed: u64, start_step: u64) -> Result<Self, DataError> {
        check(&pairs, tokens)?;
        let mut by_length: Vec<Vec<u32>> = Vec::new();
        for i in 0..pairs.len() {
            let bucket = bucket(pairs.longest(i));
            if by_length.len() <= bucket {
                by_length.resize_with(bucket + 1, Vec::new);
            }
            by_length[bucket].push(i as u32);
        }
        let of_members = |members: Vec<u32>| {
            let longest = members.iter().map(|i| pairs.longest(*i as usize)).max().unwrap_or(1);
            Bucket { pairs: members, n: tokens / longest }
        };
        let filled = by_length.into_iter().filter(|members| !members.is_empty());
        let buckets: Vec<Bucket> = filled.map(of_members).collect();
        let steps_per_epoch = buckets.iter().map(|bucket| bucket.pairs.len().div_ceil(bucket.n) as u64).sum();
        Ok(Self { pairs, buckets, seed, step: start_step, steps_per_epoch, epoch: None, order: Vec::new() })
    }

    /// Steps in an epoch.
    pub const fn steps_per_epoch(&self) -> u64 {
        self.steps_per_epoch
    }

    /// The batches of an epoch, as pairs' numbers.
    fn plan(&self, epoch: u64) -> Vec<Vec<u32>> {
        let mut batches = Vec::with_capacity(self.steps_per_epoch as usize);
        for (k, bucket) in self.buckets.iter().enumerate() {
            let mut members = bucket.pairs.clone();
            stream(self.seed, &[SHUFFLE, epoch, k as u64]).shuffle(&mut members);
            batches.extend(members.chunks(bucket.n).map(<[u32]>::to_vec));
        }
        stream(self.seed, &[SHUFFLE, epoch]).shuffle(&mut batches);
        batches
    }
}

impl Iterator for TextBatches {
    type Item = TextBatch;

    /// Never `None`.
    fn next(&mut self) -> Option<TextBatch> {
        let (epoch, step) = (self.step / self.steps_per_epoch, self.step % self.steps_per_epoch);
        if self.epoch != Some(epoch) {
            self.order = self.plan(epoch);
            self.epoch = Some(epoch);
        }
        self.step += 1;
        Some(self.pairs.batch(&self.order[step as usize]))
    }
}

/// Number of the bucket of a length.
fn bucket(length: usize) -> usize {
    let (mut number, mut longest) = (0, FIRST_BUCKET);
    while length > longest {
        longest = (longest + 1).max((longest as f64 * BUCKET_STEP) as usize);
        number += 1;
    }
    number
}

/// Evaluation batches: see [`Encoded::in_order`].
#[derive(Debug)]
pub struct InOrder<'a> {
    pairs: &'a Encoded,
    tokens: usize,
    /// Longest source first.
    order: Vec<u32>,
    done: usize,
}

impl<'a> InOrder<'a> {
    pub(crate) fn new(pairs: &'a Encoded, tokens: usize) -> Result<Self, DataError> {
        check(pairs, tokens)?;
        let mut order: Vec<u32> = (0..pairs.len() as u32).collect();
        order.sort_by_key(|i| (std::cmp::Reverse(pairs.src(*i as usize).len()), *i));
        Ok(Self { pairs, tokens, order, done: 0 })
    }
}

impl Iterator for InOrder<'_> {
    type Item = (Vec<usize>, TextBatch);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.order[self.done..];
        let mut longest = 0;
        let fits = |(n, i): (usize, &u32)| {
            longest = longest.max(self.pairs.longest(*i as usize));
            (n + 1) * longest <= self.tokens
        };
        let n = rest.iter().enumerate().map(fits).take_while(|fits| *fits).count();
        let chosen = &rest[..n];
        self.done += n;
        (n > 0).then(|| (chosen.iter().map(|i| *i as usize).collect(), self.pairs.batch(chosen)))
    }
}

fn check(pairs: &Encoded, tokens: usize) -> Result<(), DataError> {
    let longest = (0..pairs.len()).map(|i| pairs.longest(i)).max();
    let (what, value, expected) = match longest {
        None => ("sentence pairs", "0".into(), "at least 1".into()),
        Some(longest) if tokens < longest => {
            ("tokens in a batch", tokens.to_string(), format!("at least the {longest} of the longest sentence"))
        }
        Some(_) => return Ok(()),
    };
    Err(DataError::Argument { what, value, expected })
}

#[cfg(test)]
#[path = "tests/batches.rs"]
mod tests;
