//! Data sets of a few images in the layouts that the programs read.

use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn png(side: u32) -> Vec<u8> {
    encoded(&image::RgbImage::from_fn(side, side, |x, y| image::Rgb([x as u8, y as u8, 7])))
}

fn encoded(image: &image::RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
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

/// Name of a class of ImageNet.
pub fn wnid(class: usize) -> String {
    format!("n{:08}", 10 * class)
}

/// `DIR/train/WNID/*.JPEG` with `per_class` images of each class, and `DIR/val` with two; in the form of PNG, for exact values.
pub fn imagenet_folder(dir: &Path, classes: usize, per_class: usize) {
    for (split, n) in [("train", per_class), ("val", 2)] {
        for class in 0..classes {
            let folder = dir.join(split).join(wnid(class));
            std::fs::create_dir_all(&folder).unwrap();
            for i in 0..n {
                // Classes are slopes of grey, each image with a stripe of its own.
                let (slope, place) = (class as u32 + 1, 9 * i as u32 + 5 * n as u32);
                let pixel = |x: u32, y: u32| match x.abs_diff(place) < 4 {
                    true => image::Rgb([255, (20 * i) as u8, 0]),
                    false => image::Rgb([(slope * x) as u8, (slope * y) as u8, (x * y) as u8]),
                };
                let image = image::RgbImage::from_fn(72, 80, pixel);
                std::fs::write(folder.join(format!("{i}.JPEG")), encoded(&image)).unwrap();
            }
        }
    }
}

/// `DIR/train/few.{en,de}` and `DIR/eval/{dev,test}.{en,de}`: what some animals do.
pub fn text_folder(dir: &Path) {
    let (animals, verbs) = (
        [("dog", "Hund"), ("bear", "Bär"), ("frog", "Frosch"), ("fish", "Fisch")],
        [("runs", "läuft"), ("sleeps", "schläft"), ("sings", "singt"), ("waits", "wartet"), ("swims", "schwimmt")],
    );
    let mut pairs: Vec<(String, String)> = Vec::new();
    for place in [("here", "hier"), ("there", "dort"), ("today", "heute")] {
        for (animal, verb) in animals.iter().flat_map(|animal| verbs.iter().map(move |verb| (animal, verb))) {
            let en = format!("A {} {} {}.", animal.0, verb.0, place.0);
            pairs.push((en, format!("Ein {} {} {}.", animal.1, verb.1, place.1)));
        }
    }
    // Every seventh pair is held out, in turn for development and test.
    let part = |i: usize| match (i % 7, i % 2) {
        (3, 0) => "eval/dev",
        (3, _) => "eval/test",
        _ => "train/few",
    };
    for name in ["train/few", "eval/dev", "eval/test"] {
        std::fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
        let chosen = || pairs.iter().enumerate().filter(|(i, _)| part(*i) == name).map(|(_, pair)| pair);
        let en: String = chosen().map(|(en, _)| format!("{en}\n")).collect();
        let de: String = chosen().map(|(_, de)| format!("{de}\n")).collect();
        std::fs::write(dir.join(format!("{name}.en")), en).unwrap();
        std::fs::write(dir.join(format!("{name}.de")), de).unwrap();
    }
}
