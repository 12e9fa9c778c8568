#![allow(clippy::unwrap_used)]
use super::*;
use crate::imagenet::tests::{options, small, wnid, write};
use crate::imagenet::{ImageNet, load};
use std::collections::BTreeSet;

const WORKERS: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// 23 classes of one training image: labels tell images apart.
fn data(change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> (tempfile::TempDir, ImageNet) {
    let folder = tempfile::tempdir().unwrap();
    let mut files = small(23, 1);
    change(&mut files);
    write(folder.path(), &files);
    let data = load(&options(folder.path())).unwrap();
    (folder, data)
}

fn batches(data: &ImageNet, seed: u64, start: u64, workers: usize) -> Ahead {
    some_batches(data, seed, (start, 1), workers)
}

/// From a step on, one in so many.
fn some_batches(data: &ImageNet, seed: u64, steps: (u64, u64), workers: usize) -> Ahead {
    let workers = NonZeroUsize::new(workers).unwrap();
    train(data.train.clone(), ImageNetTransform::slim(9), 5, seed, steps, workers, Undecodable::default()).unwrap()
}

#[test]
fn an_epoch_shows_every_image_at_most_once_and_the_next_another_order() {
    let (_folder, data) = data(|_| ());
    let steps: Vec<Batch> = batches(&data, 1, 0, 2).take(8).map(Result::unwrap).collect();
    let epochs: Vec<Vec<u32>> =
        steps.chunks(4).map(|epoch| epoch.iter().flat_map(|b| b.labels.clone()).collect()).collect();
    for epoch in &epochs {
        assert_eq!(epoch.iter().collect::<BTreeSet<_>>().len(), 20);
    }
    assert_ne!(epochs[0], epochs[1]);
    // With a batch that divides their number, every image.
    let one = train(data.train, ImageNetTransform::slim(9), 23, 1, (0, 1), WORKERS, Undecodable::default());
    let labels = one.unwrap().next().unwrap().unwrap().labels;
    assert_eq!(labels.into_iter().collect::<BTreeSet<_>>(), (0..23).collect());
}

#[test]
fn resuming_and_workers_change_no_batch() {
    let (_folder, data) = data(|_| ());
    let whole: Vec<Batch> = batches(&data, 7, 0, 1).take(10).map(Result::unwrap).collect();
    assert!(whole.iter().all(|b| b.xs.len() == 5 * 9 * 9 * 3 && b.n == 5));
    for (start, workers) in [(1, 1), (3, 2), (4, 5), (9, 3)] {
        assert_eq!(batches(&data, 7, start as u64, workers).next().unwrap().unwrap(), whole[start]);
    }
    // Dealt out to several, within an epoch of four steps and beyond it.
    for (start, every) in [(0, 2), (1, 3), (2, 4)] {
        let some = some_batches(&data, 7, (start, every), 2).take(3).map(Result::unwrap);
        let expected = whole.iter().skip(start as usize).step_by(every as usize);
        assert!(some.zip(expected).all(|(found, expected)| found == *expected), "{start}, one in {every}");
    }
    assert_ne!(whole[0], batches(&data, 8, 0, 1).next().unwrap().unwrap());
    let eval_with = |workers| {
        let workers = NonZeroUsize::new(workers).unwrap();
        let all = eval(data.val.clone(), ImageNetTransform::slim(9), 10, workers).unwrap();
        all.map(Result::unwrap).collect::<Vec<Batch>>()
    };
    let all = eval_with(1);
    assert_eq!(all.iter().map(|b| b.n).collect::<Vec<_>>(), [10, 10, 3]);
    assert_eq!(all.iter().flat_map(|b| b.labels.clone()).collect::<Vec<_>>(), (0..23).collect::<Vec<_>>());
    assert_eq!(all, eval_with(4));
}

#[test]
fn a_damaged_training_image_is_replaced_by_the_next_and_noted() {
    let damage = |k: usize| {
        move |files: &mut Vec<(String, Vec<u8>)>| {
            for class in 0..k {
                files[4 * class].1.truncate(100);
            }
        }
    };
    let (_folder, damaged) = data(damage(1));
    let noted = Undecodable::default();
    let all = |data: &ImageNet, noted: &Undecodable, workers| {
        let workers = NonZeroUsize::new(workers).unwrap();
        train(data.train.clone(), ImageNetTransform::slim(9), 23, 1, (0, 1), workers, noted.clone())
            .unwrap()
            .next()
            .unwrap()
    };
    let batch = all(&damaged, &noted, 2).unwrap();
    let mut labels = batch.labels.clone();
    labels.sort_unstable();
    assert_eq!(labels, [vec![1, 1], (2..23).collect()].concat());
    assert_eq!(noted.lock().unwrap().clone().into_iter().collect::<Vec<_>>(), [(0, "JPEG is truncated".to_owned())]);
    assert_eq!(all(&damaged, &Undecodable::default(), 3).unwrap(), batch);

    // Two in 23 are too many.
    let (_folder, damaged) = data(damage(2));
    let message = all(&damaged, &Undecodable::default(), 2).unwrap_err().to_string();
    let name = format!("{0}/{0}_0.JPEG: JPEG is truncated", wnid(0));
    assert!(
        message.starts_with("2 training images do not decode, more than one in a thousand; the first: "),
        "{message}"
    );
    assert!(message.ends_with(&name), "{message}");
}

#[test]
fn an_evaluation_stops_at_a_damaged_image_and_at_a_missing_one() {
    let run = |data: &ImageNet| {
        let results: Vec<_> = eval(data.val.clone(), ImageNetTransform::slim(9), 10, WORKERS).unwrap().collect();
        let (last, before) = results.split_last().unwrap();
        assert!(before.iter().all(Result::is_ok));
        (before.len(), last.as_ref().unwrap_err().to_string())
    };
    let (folder, data) = data(|files| files[2 * 12 + 1].1.truncate(200));
    let name = format!("val/{}/ILSVRC2012_val_00000088.JPEG", wnid(12));
    let (n, message) = run(&data);
    assert!(n == 1 && message.contains(&name), "{message}");
    assert!(message.ends_with(": JPEG is truncated; an accuracy over fewer images would not compare"), "{message}");
    std::fs::remove_file(folder.path().join("val").join(wnid(0)).join("ILSVRC2012_val_00000100.JPEG")).unwrap();
    let (n, message) = run(&data);
    assert!(n == 0 && message.contains("ILSVRC2012_val_00000100.JPEG: "), "{message}");
}

#[test]
fn bad_arguments_are_errors_and_dropping_ends_the_threads() {
    let (_folder, data) = data(|_| ());
    let message = |batch, size| {
        let transform = ImageNetTransform::slim(size);
        train(data.train.clone(), transform, batch, 0, (0, 1), WORKERS, Undecodable::default()).unwrap_err().to_string()
    };
    assert_eq!(message(0, 9), "batch 0: expected at least 1");
    assert_eq!(message(24, 9), "batch 24: expected at most the 23 images");
    assert_eq!(message(1, 0), "image size 0: expected 1 to 4096 pixels");
    drop(batches(&data, 0, 0, 2));
    assert_eq!(Arc::strong_count(&data.train), 1, "a thread still holds the images");
}
