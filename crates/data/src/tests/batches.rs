#![allow(clippy::unwrap_used)]
use super::*;
use crate::Dataset;
use std::collections::BTreeSet;

/// n images of 4x4; every pixel of image i is i, so a batch shows which images it has.
fn images(n: usize) -> Arc<Images> {
    let pixels = (0..n).flat_map(|i| vec![i as u8; 48]).collect();
    Arc::new(Images { pixels, labels: (0..n).map(|i| (i % 10) as u16).collect(), h: 4, w: 4, classes: 10 })
}

const PLAIN: Normalise = Normalise::Channel { mean: [0.0; 3], std: [1.0; 3] };

fn plain(n: usize, batch: usize, seed: u64, start: u64) -> TrainBatches {
    TrainBatches::new(images(n), None, batch, Augment::none(PLAIN), seed, start).unwrap()
}

fn ids(batch: &Batch) -> Vec<u32> {
    batch.xs.chunks_exact(48).map(|image| image[0] as u32).collect()
}

#[test]
fn an_epoch_shows_every_image_at_most_once_and_the_next_another_order() {
    let stream = plain(23, 5, 1, 0);
    assert_eq!(stream.steps_per_epoch(), 4);
    let steps: Vec<Batch> = stream.take(8).map(Result::unwrap).collect();
    let epochs: Vec<Vec<u32>> = steps.chunks(4).map(|epoch| epoch.iter().flat_map(ids).collect()).collect();
    for epoch in &epochs {
        assert_eq!(epoch.iter().collect::<BTreeSet<_>>().len(), 20);
    }
    assert_ne!(epochs[0], epochs[1]);
    for batch in steps {
        assert_eq!(batch.labels, ids(&batch).iter().map(|id| id % 10).collect::<Vec<_>>());
    }
}

#[test]
fn resuming_at_a_step_gives_the_batch_the_run_would_have_seen() {
    let run = |start: u64| {
        let augment = Augment { pad: 2, ..Augment::fb_resnet(Dataset::Cifar10) };
        TrainBatches::new(images(23), None, 5, augment, 7, start).unwrap()
    };
    let whole: Vec<Batch> = run(0).take(12).map(Result::unwrap).collect();
    for start in [1, 3, 4, 9] {
        assert_eq!(run(start as u64).next().unwrap().unwrap(), whole[start]);
    }
    assert_ne!(whole[0], plain(23, 5, 8, 0).next().unwrap().unwrap());
}

#[test]
fn only_the_chosen_indices_are_used() {
    let chosen = Arc::new(vec![3, 5, 8, 13]);
    let mut stream = TrainBatches::new(images(20), Some(chosen.clone()), 4, Augment::none(PLAIN), 0, 0).unwrap();
    let mut seen = ids(&stream.next().unwrap().unwrap());
    seen.sort_unstable();
    assert_eq!(seen, *chosen);
}

#[test]
fn evaluation_goes_in_order_and_includes_the_rest() {
    let batches: Vec<Batch> = eval_batches(images(11), None, 4, PLAIN).unwrap().collect();
    assert_eq!(batches.iter().map(|batch| batch.n).collect::<Vec<_>>(), [4, 4, 3]);
    assert_eq!(batches.iter().flat_map(ids).collect::<Vec<_>>(), (0..11).collect::<Vec<_>>());
    let some = eval_batches(images(11), Some(Arc::new(vec![9, 2])), 4, PLAIN).unwrap().next().unwrap();
    assert_eq!(ids(&some), [9, 2]);
}

#[test]
fn split_is_a_partition_and_depends_on_the_seed() {
    let (train, valid) = split(50_000, 5_000, 1).unwrap();
    assert_eq!((train.len(), valid.len()), (45_000, 5_000));
    let mut both = [train, valid.clone()].concat();
    both.sort_unstable();
    assert_eq!(both, (0..50_000).collect::<Vec<_>>());
    assert_eq!(split(50_000, 5_000, 1).unwrap().1, valid);
    assert_ne!(split(50_000, 5_000, 2).unwrap().1, valid);
}

#[test]
fn bad_arguments_are_errors() {
    let train = |batch, indices: Option<Vec<u32>>| {
        TrainBatches::new(images(5), indices.map(Arc::new), batch, Augment::none(PLAIN), 0, 0).unwrap_err().to_string()
    };
    assert_eq!(train(6, None), "batch 6: expected at most the 5 images");
    assert_eq!(train(0, None), "batch 0: expected at least 1");
    assert_eq!(train(1, Some(vec![5])), "image index 5: expected below the 5 images");
    assert_eq!(train(1, Some(vec![])), "batch 1: expected at most the 0 images");
    let reflect = Augment { pad: 4, ..Augment::wide_resnet() };
    assert!(TrainBatches::new(images(5), None, 1, reflect, 0, 0).is_err());
    assert_eq!(eval_batches(images(5), None, 0, PLAIN).unwrap_err().to_string(), "batch 0: expected at least 1");
    assert_eq!(split(5, 5, 0).unwrap_err().to_string(), "holdout 5: expected less than the 5 images");
}

#[test]
fn dropping_ends_the_thread() {
    let images = images(20);
    drop(TrainBatches::new(images.clone(), None, 4, Augment::none(PLAIN), 0, 0).unwrap());
    assert_eq!(Arc::strong_count(&images), 1, "the thread still holds the images");
}
