//! Random streams: one for each purpose, epoch and position, so that none depends on what was drawn before it.

use swish_kernels::rng::{Rng, at};

/// Purposes of random numbers, so that streams of one seed never coincide.
pub(crate) const SHUFFLE: u64 = 1;
pub(crate) const AUGMENT: u64 = 2;
pub(crate) const SPLIT: u64 = 3;
pub(crate) const PHRASES: u64 = 4;

/// The generator of a seed and a path of numbers, such as (purpose, epoch, position).
pub(crate) fn stream(seed: u64, path: &[u64]) -> Rng {
    Rng::new(stream_seed(seed, path))
}

/// The seed of that generator.
pub(crate) fn stream_seed(seed: u64, path: &[u64]) -> u64 {
    path.iter().fold(seed, |state, part| at(state, *part))
}
