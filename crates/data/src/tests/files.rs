//! Layouts, the cache as `load` uses it, and every kind of bad input.
#![allow(clippy::unwrap_used)]

use super::support::{Row, from_dir, pixels, png, rows, write_parquet, write_small};
use crate::{DataChoice, DataError, DataOptions, DataSource, Dataset, load};
use std::path::Path;

/// The one-line message of loading a CIFAR-10 whose training rows are these.
fn message_of(rows: &[Row]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let [train, _] = write_small(dir.path());
    write_parquet(&train, "label", rows);
    fails(dir.path(), Dataset::Cifar10, Some(&train))
}

/// Loading must fail with one line that names `path`; returns what follows the path.
fn fails(dir: &Path, dataset: Dataset, path: Option<&Path>) -> String {
    let message = load(dataset, &from_dir(dir)).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    let prefix = format!("{}: ", path.unwrap_or(dir).display());
    message.strip_prefix(&prefix).unwrap_or_else(|| panic!("{message} does not begin with {prefix}")).to_owned()
}

#[test]
fn reads_every_layout_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    let [train, _] = write_small(root.path());
    for dir in [root.path(), &root.path().join("cifar10"), train.parent().unwrap()] {
        let data = load(Dataset::Cifar10, &from_dir(dir)).unwrap();
        assert_eq!((data.source, data.train.len(), data.test.len()), (DataSource::Dir, 10, 10));
        for k in 0..10 {
            assert_eq!((data.train.labels[k], data.train.image(k)), (k as u16, pixels(k).as_slice()));
        }
        let expected = format!(
            "data: dir cifar10 ({}, parquet), 10 training and 10 test images; warning: not the complete 50000 and 10000",
            dir.display()
        );
        assert_eq!(data.note, expected);
        assert_eq!(data.class_names[9], "truck");
    }
}

#[test]
fn the_cache_serves_the_same_and_follows_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let [train, _] = write_small(dir.path());
    let options = from_dir(dir.path());
    let first = load(Dataset::Cifar10, &options).unwrap();
    let kept: Vec<_> = std::fs::read_dir(&options.cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 2);
    let again = load(Dataset::Cifar10, &options).unwrap();
    assert_eq!((&again.train, &again.test, &again.version), (&first.train, &first.test, &first.version));
    for path in kept {
        std::fs::write(path, b"damaged").unwrap();
    }
    assert_eq!(load(Dataset::Cifar10, &options).unwrap().version, first.version);
    let mut other = rows(Dataset::Cifar10);
    other[3].0 = Some(png(&pixels(99), 32, 32));
    write_parquet(&train, "label", &other);
    let changed = load(Dataset::Cifar10, &options).unwrap();
    assert_ne!(changed.version, first.version);
    assert_eq!(changed.train.image(3), pixels(99));
    let blocked = DataOptions { cache: train.join("no folder"), ..options };
    assert_eq!(load(Dataset::Cifar10, &blocked).unwrap().version, changed.version);
}

#[test]
fn a_folder_that_does_not_hold_the_data_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    assert!(fails(&missing, Dataset::Cifar10, None).starts_with("no such folder; --data-dir (or SWISH_DATA)"));
    assert!(fails(dir.path(), Dataset::Cifar100, None).starts_with("no cifar100 in this folder; expected [cifar100/]"));
    let [_, test] = write_small(dir.path());
    assert!(fails(dir.path(), Dataset::Cifar100, None).starts_with("no cifar100 in this folder"));
    std::fs::remove_file(&test).unwrap();
    let expected = "missing, while train-00000-of-00001.parquet is there; cifar10 needs both";
    assert_eq!(fails(dir.path(), Dataset::Cifar10, Some(&test)), expected);
    let options = DataOptions { choice: DataChoice::Dir, dir: None, ..from_dir(dir.path()) };
    let message = load(Dataset::Cifar10, &options).unwrap_err().to_string();
    assert_eq!(message, "data source dir: expected a folder with it: --data-dir or SWISH_DATA");
}

#[test]
fn a_truncated_parquet_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let [train, _] = write_small(dir.path());
    let whole = std::fs::read(&train).unwrap();
    for length in [0, 3, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&train, &whole[..length]).unwrap();
        let message = fails(dir.path(), Dataset::Cifar10, Some(&train));
        assert!(
            message.starts_with("not a whole parquet file (") && message.ends_with("; fetch it again"),
            "{message}"
        );
    }
}

/// Damage of any byte may go unseen (plain pages carry no checksum) but must never stop the program.
#[test]
fn a_damaged_parquet_never_stops_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let [train, _] = write_small(dir.path());
    let whole = std::fs::read(&train).unwrap();
    let mut errors = 0;
    for position in (0..whole.len()).rev().take(600).chain((0..whole.len()).step_by(211)) {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x55;
        std::fs::write(&train, &damaged).unwrap();
        errors += usize::from(crate::parquet_file::read(&train, Dataset::Cifar10).is_err());
    }
    assert!(errors > 100, "{errors}");
}

#[test]
fn bad_rows_are_named() {
    let good = || rows(Dataset::Cifar10);
    let with = |row: usize, image: Option<Vec<u8>>, label: Option<i64>| {
        let mut rows = good();
        rows[row] = (image, label);
        message_of(&rows)
    };
    let image = || good()[0].0.clone();
    assert_eq!(with(7, image(), Some(10)), "row 7: label is 10; expected 0 to 9");
    assert_eq!(with(2, image(), Some(-1)), "row 2: label is -1; expected 0 to 9");
    assert_eq!(with(8, image(), None), "column label: 1 empty values after row 5; expected none");
    assert_eq!(with(1, None, Some(1)), "column img.bytes: 1 empty values after row 0; expected none");
    let small = with(6, Some(png(&[0; 16 * 8 * 3], 16, 8)), Some(6));
    assert_eq!(small, "row 6: image is 16x8 Rgb8; expected a 32x32 RGB image (PNG or JPEG)");
    let noise = with(9, Some(vec![1, 2, 3]), Some(9));
    assert!(noise.starts_with("row 9: image of 3 bytes does not decode ("), "{noise}");
    let cut = image().map(|png| png[..png.len() / 2].to_vec());
    assert!(with(4, cut, Some(4)).starts_with("row 4: image of "));
    let missing = with(3, image(), Some(4));
    assert_eq!(missing, "class 3 (cat) has no image; expected every one of the 10 classes");
}

#[test]
fn a_missing_column_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let [train, _] = write_small(dir.path());
    write_parquet(&train, "category", &rows(Dataset::Cifar10));
    let message = fails(dir.path(), Dataset::Cifar10, Some(&train));
    assert_eq!(message, "column label: missing; found img.bytes, img.path, category");
}

/// Writes binary batches of n records each whose label bytes are `labels(k)`.
fn write_binary(path: &Path, n: usize, labels: impl Fn(usize) -> Vec<u8>) {
    let records: Vec<u8> = (0..n).flat_map(|k| [labels(k), pixels(k)].concat()).collect();
    std::fs::write(path, records).unwrap();
}

#[test]
fn bad_binary_batches_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("cifar-100-binary");
    std::fs::create_dir(&inner).unwrap();
    let (train, test) = (inner.join("train.bin"), inner.join("test.bin"));
    write_binary(&test, 2, |k| vec![0, k as u8]);
    write_binary(&train, 100, |k| vec![19, k as u8]);
    let data = load(Dataset::Cifar100, &from_dir(dir.path())).unwrap();
    assert_eq!((data.train.labels[99], data.test.len()), (99, 2));
    assert!(data.note.contains("binary batches"));

    write_binary(&train, 100, |k| vec![if k == 5 { 20 } else { 0 }, k as u8]);
    assert_eq!(fails(dir.path(), Dataset::Cifar100, Some(&train)), "row 5: coarse_label is 20; expected 0 to 19");
    write_binary(&train, 101, |k| vec![0, k as u8]);
    assert_eq!(fails(dir.path(), Dataset::Cifar100, Some(&train)), "row 100: fine_label is 100; expected 0 to 99");
    write_binary(&train, 99, |k| vec![0, k as u8]);
    assert_eq!(
        fails(dir.path(), Dataset::Cifar100, Some(&train)),
        "class 99 (worm) has no image; expected every one of the 100 classes"
    );
    // CIFAR-10's record in CIFAR-100's file.
    write_binary(&train, 10, |k| vec![k as u8]);
    let expected = "30730 bytes; expected a positive multiple of 3074 (label byte(s) and 3072 of pixels)";
    assert_eq!(fails(dir.path(), Dataset::Cifar100, Some(&train)), expected);
    std::fs::write(&train, b"").unwrap();
    assert!(fails(dir.path(), Dataset::Cifar100, Some(&train)).starts_with("0 bytes; expected"));
}

#[test]
fn embedded_data_is_never_real() {
    let options =
        DataOptions { choice: DataChoice::Embedded, dir: None, cache: "/nonexistent".into(), require_real: true };
    let error = load(Dataset::Cifar10, &options).unwrap_err();
    assert!(matches!(error, DataError::RealRequired { .. }));
    assert_eq!(
        error.to_string(),
        "real cifar10 is needed and was not found (embedded data asked for); get it with `swish data fetch --dataset cifar10`, or give its folder with --data-dir"
    );
}
