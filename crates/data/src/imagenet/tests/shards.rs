//! Parquet shards.

use super::{jpeg, options};
use crate::hub::Hub;
use crate::imagenet::load::load_with;
use crate::imagenet::{ImageNetOptions, ImageNetTransform, load};
use crate::{DataOptions, DataSource, ImageSource, Streamed};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// Writes rows (colour, label) in row groups of three.
fn write_shard(path: &Path, rows: &[(u8, i64)]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let schema = "message schema { optional group image { optional binary bytes; optional binary path (UTF8); } optional int64 label; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::default()).unwrap();
    for rows in rows.chunks(3) {
        let mut group = writer.next_row_group().unwrap();
        let images: Vec<ByteArray> = rows.iter().map(|row| ByteArray::from(jpeg(16, 16, [row.0; 3]))).collect();
        let labels: Vec<i64> = rows.iter().map(|row| row.1).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&images, Some(&vec![2; rows.len()]), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&[], Some(&vec![1; rows.len()]), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&labels, Some(&vec![1; rows.len()]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// Twenty training images in two shards, five for validation in one; two classes.
fn write_small(dir: &Path) {
    let row = |k: usize| (10 * k as u8, (k % 2) as i64);
    for shard in 0..2 {
        let rows: Vec<_> = (10 * shard..10 * (shard + 1)).map(row).collect();
        write_shard(&dir.join(format!("data/train-{shard:05}-of-00002.parquet")), &rows);
    }
    write_shard(&dir.join("data/validation-00000-of-00001.parquet"), &(0..5).map(row).collect::<Vec<_>>());
}

/// A list of two classes, so that two are enough.
fn of_two(dir: &Path) -> ImageNetOptions {
    let list = dir.join("classes.txt");
    std::fs::write(&list, "n00000001\nn00000002\n").unwrap();
    ImageNetOptions { classes: Some(list), ..options(dir) }
}

#[test]
fn shards_are_read_in_any_order_and_every_image_once_an_epoch() {
    let dir = tempfile::tempdir().unwrap();
    write_small(dir.path());
    let data = load(&of_two(dir.path())).unwrap();
    assert!(data.note.contains("parquet shards), 20 training and 5 validation images, 2 classes"), "{}", data.note);
    assert_eq!(
        data.train.name(13),
        format!("{} row 3", dir.path().join("data/train-00001-of-00002.parquet").display())
    );
    let transform = ImageNetTransform::slim(4);
    let source = |workers| Streamed::new(&data, transform, transform, NonZeroUsize::new(workers).unwrap()).unwrap();
    let eval: Vec<f32> = source(2).eval_batches(2).unwrap().flat_map(|b| b.unwrap().xs).collect();
    let greys: Vec<i32> = eval.chunks_exact(48).map(|image| ((image[0] + 1.0) * 127.5 / 10.0).round() as i32).collect();
    assert_eq!(greys, [0, 1, 2, 3, 4]);
    let train = |workers, start| source(workers).train_batches(4, 3, start).unwrap();
    let epoch: Vec<_> = train(1, 0).take(5).map(Result::unwrap).collect();
    assert_eq!(epoch.iter().flat_map(|b| &b.labels).filter(|label| **label == 1).count(), 10);
    assert_eq!(train(3, 4).next().unwrap().unwrap(), epoch[4]);
}

#[test]
fn the_cache_of_the_hub_is_taken_when_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    // As other programs leave it.
    let repository = dir.path().join("hub/datasets--ILSVRC--imagenet-1k");
    let commit = "0123456789".repeat(4);
    std::fs::create_dir_all(repository.join("refs")).unwrap();
    std::fs::write(repository.join("refs/main"), &commit).unwrap();
    let snapshot = repository.join("snapshots").join(&commit);
    write_small(&snapshot);
    let hub = Hub { offline: true, cache: Some(dir.path().join("hub")), ..Hub::from_env() };
    let options = of_two(dir.path());
    let options = ImageNetOptions { data: DataOptions { dir: None, ..options.data }, ..options };
    let data = load_with(&options, &hub).unwrap();
    assert_eq!((data.source, data.train.len(), data.val.len()), (DataSource::Hub, 20, 5));
    assert!(data.note.starts_with("data: hub imagenet (no --data-dir), 20 training"), "{}", data.note);
    std::fs::remove_file(snapshot.join("data/train-00000-of-00002.parquet")).unwrap();
    let data = load_with(&options, &hub).unwrap();
    assert_eq!(data.source, DataSource::Embedded);
    assert!(data.note.contains("1 of 2 train shards; expected all; `swish data fetch"), "{}", data.note);
}

#[test]
fn what_is_wrong_with_shards_is_said() {
    let check = |change: &dyn Fn(&Path), listed: bool, expected: &str| {
        let dir = tempfile::tempdir().unwrap();
        write_small(dir.path());
        change(&dir.path().join("data"));
        let options = if listed { of_two(dir.path()) } else { options(dir.path()) };
        let message = load(&options).unwrap_err().to_string();
        assert!(message.contains(expected) && !message.contains('\n'), "{message}");
    };
    let train = "train-00001-of-00002.parquet";
    check(&|data| std::fs::remove_file(data.join(train)).unwrap(), true, "data: 1 of 2 train shards; expected all");
    let val = "validation-00000-of-00001.parquet";
    check(
        &|data| std::fs::remove_file(data.join(val)).unwrap(),
        true,
        "no validation images, while train-00000-of-00002.parquet is there",
    );
    let cut = |data: &Path| {
        let bytes = std::fs::read(data.join(train)).unwrap();
        std::fs::write(data.join(train), &bytes[..bytes.len() / 2]).unwrap();
    };
    check(&cut, true, "train-00001-of-00002.parquet: not a whole parquet file");
    check(&|_| (), false, "class 2 (002) has no image; expected every one of the 1000 classes");
    let negative = |data: &Path| write_shard(&data.join(val), &[(0, 0), (1, -1)]);
    check(&negative, true, "validation-00000-of-00001.parquet: row 1: label is -1; expected 0 to 1");
    check(&|data| write_shard(&data.join(val), &[]), true, "no image in these shards");
}
