//! A data set of a few images in the layout that the hub has.

use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn png(side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let image = image::RgbImage::from_fn(side, side, |x, y| image::Rgb([x as u8, y as u8, 7]));
    image.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
    bytes
}

/// `DIR/cifar10/plain_text/{train,test}-00000-of-00001.parquet` with these images and labels in both.
pub fn parquet_files(dir: &Path, rows: &[(Vec<u8>, i64)]) -> PathBuf {
    let folder = dir.join("cifar10/plain_text");
    std::fs::create_dir_all(&folder).unwrap();
    let schema = "message m { required group img { required binary bytes; optional binary path (UTF8); } required int64 label; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    for split in ["train", "test"] {
        let file = std::fs::File::create(folder.join(format!("{split}-00000-of-00001.parquet"))).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema.clone(), Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let images: Vec<ByteArray> = rows.iter().map(|r| r.0.clone().into()).collect();
        let labels: Vec<i64> = rows.iter().map(|r| r.1).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&images, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&[], Some(&vec![0; rows.len()]), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&labels, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
    }
    folder.join("train-00000-of-00001.parquet")
}

/// Twenty images, two a class.
pub fn ten_classes() -> Vec<(Vec<u8>, i64)> {
    (0..20).map(|i| (png(32), i % 10)).collect()
}
