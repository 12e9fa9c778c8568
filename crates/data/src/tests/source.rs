//! CIFAR as a trainer sees it: the same batches as from its own streams.
#![allow(clippy::unwrap_used)]

use super::support::{from_dir, write_small};
use crate::{Augment, Batch, Dataset, ImageSource, InMemory, Normalise, TrainBatches, eval_batches, load, split};
use std::sync::Arc;

#[test]
fn images_in_memory_are_served_as_by_their_own_streams() {
    let dir = tempfile::tempdir().unwrap();
    write_small(dir.path());
    let data = load(Dataset::Cifar10, &from_dir(dir.path())).unwrap();
    let augment = Augment::fb_resnet(Dataset::Cifar10);
    let all = InMemory::new(&data, augment, None).unwrap();
    assert_eq!((all.train_len(), all.eval_len(), all.classes(), all.image_size()), (10, 10, 10, (32, 32)));
    assert_eq!((all.version(), all.source(), all.dataset()), (data.version.as_str(), data.source, Dataset::Cifar10));
    let expected = TrainBatches::new(data.train.clone(), None, 4, augment, 9, 3).unwrap();
    let found = all.train_batches(4, 9, 3).unwrap();
    for (found, expected) in found.zip(expected).take(5) {
        assert_eq!(found.unwrap(), expected.unwrap());
    }
    let some = all.some_train_batches(4, 9, 3, 2).unwrap();
    let expected = TrainBatches::new(data.train.clone(), None, 4, augment, 9, 3).unwrap().step_by(2);
    assert!(some.zip(expected).take(3).all(|(found, expected)| found.unwrap() == expected.unwrap()));

    let held = InMemory::new(&data, augment, Some(3)).unwrap();
    assert_eq!((held.train_len(), held.eval_len()), (7, 3));
    let (_, indices) = split(10, 3, 0).unwrap();
    let normalise = Normalise::fb_resnet(Dataset::Cifar10);
    let expected: Vec<Batch> =
        eval_batches(data.train.clone(), Some(Arc::new(indices)), 2, normalise).unwrap().collect();
    assert_eq!(held.eval_batches(2).unwrap().map(Result::unwrap).collect::<Vec<_>>(), expected);
    assert!(InMemory::new(&data, augment, Some(10)).is_err());
    assert!(held.train_batches(8, 0, 0).is_err() && held.damaged().is_empty());
}
