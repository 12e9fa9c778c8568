//! Small data sets written by the tests.
#![allow(clippy::unwrap_used)]

use crate::{DataChoice, DataOptions, Dataset, IMAGE_BYTES};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A row of a parquet file; `None` is an empty value.
pub(crate) type Row = (Option<Vec<u8>>, Option<i64>);

/// The pixels of small image number k.
pub(crate) fn pixels(k: usize) -> Vec<u8> {
    (0..IMAGE_BYTES).map(|p| (p * 7 + k * 31) as u8).collect()
}

/// One PNG of each class, label = number.
pub(crate) fn rows(dataset: Dataset) -> Vec<Row> {
    (0..dataset.classes()).map(|k| (Some(png(&pixels(k), 32, 32)), Some(k as i64))).collect()
}

pub(crate) fn png(rgb: &[u8], w: u32, h: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let image = image::RgbImage::from_raw(w, h, rgb.to_vec()).unwrap();
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Writes rows in two row groups.
pub(crate) fn write_parquet(path: &Path, label: &str, rows: &[Row]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let schema = format!(
        "message schema {{ optional group img {{ optional binary bytes; optional binary path (UTF8); }} optional int64 {label}; }}"
    );
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::default()).unwrap();
    for rows in rows.chunks(rows.len().div_ceil(2)) {
        let mut group = writer.next_row_group().unwrap();
        let bytes: Vec<ByteArray> = rows.iter().flat_map(|row| row.0.clone()).map(ByteArray::from).collect();
        let levels: Vec<i16> = rows.iter().map(|row| if row.0.is_some() { 2 } else { 1 }).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&bytes, Some(&levels), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&[], Some(&vec![1; rows.len()]), None).unwrap();
        column.close().unwrap();
        let labels: Vec<i64> = rows.iter().flat_map(|row| row.1).collect();
        let levels: Vec<i16> = rows.iter().map(|row| i16::from(row.1.is_some())).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&labels, Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// Writes a whole small CIFAR-10 in the hub's layout under `dir` and returns the (training, test) paths.
pub(crate) fn write_small(dir: &Path) -> [PathBuf; 2] {
    ["train", "test"].map(|split| {
        let path = dir.join(format!("cifar10/plain_text/{split}-00000-of-00001.parquet"));
        write_parquet(&path, "label", &rows(Dataset::Cifar10));
        path
    })
}

/// Options that read `dir` and keep the decoded copies in it.
pub(crate) fn from_dir(dir: &Path) -> DataOptions {
    DataOptions {
        choice: DataChoice::Auto,
        dir: Some(dir.to_path_buf()),
        cache: dir.join("cache"),
        require_real: false,
    }
}

/// The shared copy of a data set, or `None` with a loud word.
pub(crate) fn shared() -> Option<PathBuf> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if dir.is_dir() {
        return Some(dir);
    }
    eprintln!("SKIPPED: ../shared/data is missing");
    None
}
