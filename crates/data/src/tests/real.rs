//! The real data, where it lies beside the repository.
#![allow(clippy::unwrap_used)]

use super::support::{from_dir, shared};
use crate::fetch::{check_genuine, fetch_with};
use crate::hub::Hub;
use crate::{DataOptions, Dataset, Images, load};
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::path::Path;
use std::time::Instant;

/// Mean and standard deviation of each channel, 0 to 1.
fn moments(images: &Images) -> [(f64, f64); 3] {
    let count = (images.pixels.len() / 3) as f64;
    std::array::from_fn(|c| {
        let (sum, squares) = images.pixels.iter().skip(c).step_by(3).fold((0u64, 0u64), |(sum, squares), byte| {
            (sum + u64::from(*byte), squares + u64::from(*byte) * u64::from(*byte))
        });
        let mean = sum as f64 / count / 255.0;
        (mean, (squares as f64 / count / 255.0 / 255.0 - mean * mean).sqrt())
    })
}

/// The planes of image i, as the binary batches hold them.
fn planes(images: &Images, i: usize) -> Vec<u8> {
    (0..3).flat_map(|c| images.image(i).iter().skip(c).step_by(3).copied().collect::<Vec<_>>()).collect()
}

fn write_batches(images: &Images, dir: &Path, names: &[&str]) {
    let each = images.len() / names.len();
    for (k, name) in names.iter().enumerate() {
        let records: Vec<u8> = (k * each..(k + 1) * each)
            .flat_map(|i| [vec![images.labels[i] as u8], planes(images, i)].concat())
            .collect();
        std::fs::write(dir.join(name), records).unwrap();
    }
}

#[test]
fn cifar10_is_cifar10_in_every_form() {
    let Some(shared) = shared() else { return };
    let temporary = tempfile::tempdir().unwrap();
    let options = DataOptions { cache: temporary.path().join("cache"), ..from_dir(&shared) };
    let start = Instant::now();
    let data = load(Dataset::Cifar10, &options).unwrap();
    eprintln!("decoded in {:?}", start.elapsed());
    assert!(data.note.ends_with("50000 training and 10000 test images"), "{}", data.note);
    assert_eq!(data.train.class_counts(), [5000; 10]);
    assert_eq!(data.test.class_counts(), [1000; 10]);
    // The published values of the training set.
    for ((mean, std), expected) in
        moments(&data.train).into_iter().zip([(0.49140, 0.24703), (0.48216, 0.24349), (0.44653, 0.26159)])
    {
        assert!((mean - expected.0).abs() < 6e-6 && (std - expected.1).abs() < 6e-6, "{mean} {std}");
    }
    check_genuine(Dataset::Cifar10, &["train".into(), "test".into()], [&data.train, &data.test]).unwrap();

    let start = Instant::now();
    let again = load(Dataset::Cifar10, &options).unwrap();
    eprintln!("from the cache in {:?}", start.elapsed());
    assert!(again.version == data.version && again.train == data.train && again.test == data.test);

    // The binary form, written here from the parquet form, read by this crate and by candle-datasets.
    let (train, test) = crate::binary::file_names(Dataset::Cifar10);
    write_batches(&data.train, temporary.path(), train);
    write_batches(&data.test, temporary.path(), test);
    let binary = load(Dataset::Cifar10, &from_dir(temporary.path())).unwrap();
    assert!(binary.note.contains("binary batches") && binary.version == data.version);
    assert!(binary.train == data.train && binary.test == data.test);
    let candle = candle_datasets::vision::cifar::load_dir(temporary.path()).unwrap();
    let labels: Vec<u8> = candle.train_labels.to_vec1().unwrap();
    assert!(labels.iter().zip(&data.train.labels).all(|(theirs, ours)| u16::from(*theirs) == *ours));
    let nhwc = candle.test_images.permute((0, 2, 3, 1)).unwrap().flatten_all().unwrap();
    let theirs: Vec<f32> = nhwc.to_vec1().unwrap();
    assert_eq!(theirs.len(), data.test.pixels.len());
    assert!(theirs.iter().zip(&data.test.pixels).all(|(theirs, ours)| (theirs * 255.0).round() == f32::from(*ours)));
}

#[test]
fn cifar100_is_fetched_whole_and_has_all_its_classes() {
    let Some(shared) = shared() else { return };
    let temporary = tempfile::tempdir().unwrap();
    // The hub's cache as other programs leave it, so that nothing is downloaded.
    let (_, _, files) = crate::hub::place(Dataset::Cifar100);
    let repository = temporary.path().join("hub/datasets--uoft-cs--cifar100");
    let commit = "0123456789".repeat(4);
    std::fs::create_dir_all(repository.join("refs")).unwrap();
    std::fs::write(repository.join("refs/main"), &commit).unwrap();
    for file in files {
        let place = repository.join("snapshots").join(&commit).join(file);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(shared.join("cifar100").join(file), place).unwrap();
    }
    let hub = Hub { offline: true, cache: Some(temporary.path().join("hub")), ..Hub::from_env() };
    let copy = temporary.path().join("copy");
    let fetched = fetch_with(Dataset::Cifar100, Some(&copy), &mut |_, _, _| (), &hub).unwrap();
    assert_eq!(fetched.note, "cifar100: 50000 training and 10000 test images decoded, classes balanced");
    assert_eq!(fetched.files[1], copy.join("cifar100/cifar100/test-00000-of-00001.parquet"));

    let data = load(Dataset::Cifar100, &from_dir(&copy)).unwrap();
    assert_eq!(data.train.class_counts(), [500; 100]);
    assert_eq!(data.test.class_counts(), [100; 100]);
    // The published means of CIFAR-100; this copy is JPEG, so they are near, not equal.
    for ((mean, _), expected) in moments(&data.train).into_iter().zip([0.50707, 0.48654, 0.44091]) {
        assert!((mean - expected).abs() < 1e-3, "{mean} {expected}");
    }
}

#[test]
fn class_names_are_those_in_the_files() {
    let Some(shared) = shared() else { return };
    for (dataset, file) in [
        (Dataset::Cifar10, "cifar10/plain_text/test-00000-of-00001.parquet"),
        (Dataset::Cifar100, "cifar100/cifar100/test-00000-of-00001.parquet"),
    ] {
        let reader = SerializedFileReader::new(std::fs::File::open(shared.join(file)).unwrap()).unwrap();
        let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
        let card = pairs.into_iter().find(|pair| pair.key == "huggingface").unwrap().value.unwrap();
        let names =
            dataset.class_names(crate::DataSource::Hub).iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>();
        assert!(card.contains(&format!("\"names\": [{}]", names.join(", "))), "{dataset}: {card}");
    }
}
