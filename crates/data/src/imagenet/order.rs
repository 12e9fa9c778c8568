//! The order in which an epoch shows the images: a function of (seed, epoch) alone, so any step can be started at.

use super::set::ImageSet;
use crate::stream::{SHUFFLE, stream};

/// How images may be put in order.
#[derive(Debug)]
pub(crate) enum Order {
    /// Any of n images can be read at any time: all orders are equally likely.
    Any(usize),
    /// Images come in groups (first, number) that are read as a whole: the groups are shuffled, then the images of each
    /// `window` groups in turn. No more than two windows need be held, and an epoch reads every group once.
    Grouped { groups: Vec<(usize, usize)>, window: usize },
}

impl Order {
    pub(crate) fn of(set: &ImageSet) -> Self {
        match set.shards() {
            None => Self::Any(set.len()),
            Some(shards) => Self::Grouped { groups: shards.groups(), window: shards.window() },
        }
    }

    /// Every image once.
    pub(crate) fn epoch(&self, seed: u64, epoch: u64) -> Vec<u32> {
        let mut rng = stream(seed, &[SHUFFLE, epoch]);
        let range = |&(first, n): &(usize, usize)| first as u32..(first + n) as u32;
        match self {
            Self::Any(n) => {
                let mut order: Vec<u32> = range(&(0, *n)).collect();
                rng.shuffle(&mut order);
                order
            }
            Self::Grouped { groups, window } => {
                let mut groups = groups.clone();
                rng.shuffle(&mut groups);
                let mut order = Vec::with_capacity(groups.iter().map(|group| group.1).sum());
                for groups in groups.chunks((*window).max(1)) {
                    let from = order.len();
                    order.extend(groups.iter().flat_map(range));
                    rng.shuffle(&mut order[from..]);
                }
                order
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_once_and_groups_only_within_their_window() {
        let grouped = Order::Grouped { groups: (0..40).map(|g| (10 * g, 10)).collect(), window: 4 };
        for order in [Order::Any(400), Order::Grouped { groups: vec![(0, 300), (300, 100)], window: 1 }, grouped] {
            let first = order.epoch(1, 0);
            let mut sorted = first.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..400).collect::<Vec<_>>());
            assert_eq!(first, order.epoch(1, 0));
            assert_ne!(first, order.epoch(1, 1));
            assert_ne!(first, order.epoch(2, 0));
            if let Order::Grouped { window: 4, .. } = order {
                for window in first.chunks(40) {
                    let groups: std::collections::BTreeSet<u32> = window.iter().map(|i| i / 10).collect();
                    assert_eq!(groups.len(), 4);
                    // Shuffled: not one group after the other.
                    assert!(window.windows(2).filter(|pair| pair[0] / 10 != pair[1] / 10).count() > 10);
                }
            }
        }
    }
}
