//! What the tests of ImageNet share: small images, folders and archives of their own making.
#![allow(clippy::unwrap_used)]

mod load;
mod real;
mod shards;

use super::ImageNetOptions;
use crate::{DataChoice, DataOptions};
use image::ImageEncoder;
use std::path::Path;

/// Words after the first of the lines of `golden.txt` that begin with `kind`.
pub(super) fn golden(kind: &str) -> Vec<Vec<String>> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let lines = include_str!("golden.txt").lines().map(words);
    lines.filter(|words| words[0] == kind).map(|words| words[1..].to_vec()).collect()
}

pub(super) fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// A JPEG of one colour.
pub(super) fn jpeg(w: u32, h: u32, colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels = colour.repeat((w * h) as usize);
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.write_image(&pixels, w, h, image::ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// Files of a small ImageNet with `classes` classes, each with `n` training images and one for validation: paths and bytes.
/// The first training image of the last class is a PNG that is called JPEG.
pub(super) fn small(classes: usize, n: usize) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for class in 0..classes {
        let colour = [(20 + 9 * class) as u8, (200 - 7 * class) as u8, (class * 40 % 256) as u8];
        for k in 0..n {
            let bytes = match (class + 1 == classes, k) {
                (true, 0) => crate::tests::support::png(&colour.repeat(30 * 20), 30, 20),
                _ => jpeg(30 + k as u32, 24, colour),
            };
            files.push((format!("train/{0}/{0}_{k}.JPEG", wnid(class)), bytes));
        }
        files.push((format!("val/{}/ILSVRC2012_val_{:08}.JPEG", wnid(class), 100 - class), jpeg(25, 35, colour)));
    }
    files
}

pub(super) fn wnid(class: usize) -> String {
    format!("n{:08}", 1000 + 10 * class)
}

pub(super) fn write(dir: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// A tar of these files, names relative to `strip`.
pub(super) fn tar<'a>(files: impl IntoIterator<Item = &'a (String, Vec<u8>)>, strip: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name.strip_prefix(strip).unwrap(), &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// Options that read `dir`, with the cache in `dir`.
pub(super) fn options(dir: &Path) -> ImageNetOptions {
    let data = DataOptions {
        choice: DataChoice::Auto,
        dir: Some(dir.to_path_buf()),
        cache: dir.join("cache"),
        require_real: false,
    };
    ImageNetOptions { data, classes: None, embedded_side: 64 }
}
