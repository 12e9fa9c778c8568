//! CIFAR's classic binary batches: records of one label byte (CIFAR-100: coarse, then fine) and the planes R, G, B.

use crate::dataset::{IMAGE_BYTES, SIDE};
use crate::{DataError, Dataset, Images};
use std::path::{Path, PathBuf};

const PLANE: usize = SIDE * SIDE;
const COARSE_CLASSES: usize = 20;

/// File names of (training, test), without the folder.
pub(crate) fn file_names(dataset: Dataset) -> (&'static [&'static str], &'static [&'static str]) {
    match dataset {
        Dataset::Cifar10 => (
            &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
            &["test_batch.bin"],
        ),
        Dataset::Cifar100 => (&["train.bin"], &["test.bin"]),
        Dataset::ImageNet => (&[], &[]),
    }
}

/// Reads the files of one split, in order, to (n, 32, 32, 3).
///
/// # Errors
/// A length that is no multiple of the record, or a label outside the classes.
pub(crate) fn read(paths: &[PathBuf], dataset: Dataset) -> Result<Images, DataError> {
    let mut images = Images { pixels: Vec::new(), labels: Vec::new(), h: SIDE, w: SIDE, classes: dataset.classes() };
    for path in paths {
        append(path, dataset, &mut images)?;
    }
    Ok(images)
}

fn append(path: &Path, dataset: Dataset, images: &mut Images) -> Result<(), DataError> {
    let bytes = std::fs::read(path).map_err(|e| DataError::io(path, &e))?;
    let label_bytes = match dataset {
        Dataset::Cifar10 | Dataset::ImageNet => 1,
        Dataset::Cifar100 => 2,
    };
    let record = label_bytes + IMAGE_BYTES;
    if bytes.is_empty() || bytes.len() % record != 0 {
        return Err(DataError::RecordSize { path: path.to_path_buf(), bytes: bytes.len(), record });
    }
    images.pixels.reserve_exact(bytes.len() / record * IMAGE_BYTES);
    for (row, record) in bytes.chunks_exact(record).enumerate() {
        let (labels, planes) = record.split_at(label_bytes);
        let check = |field, value: u8, classes| match usize::from(value) < classes {
            true => Ok(u16::from(value)),
            false => Err(DataError::Label { path: path.to_path_buf(), row, field, value: value.into(), classes }),
        };
        let label = match *labels {
            [coarse, fine] => {
                check("coarse_label", coarse, COARSE_CLASSES)?;
                check("fine_label", fine, images.classes)?
            }
            _ => check("label", labels[0], images.classes)?,
        };
        images.labels.push(label);
        let (red, rest) = planes.split_at(PLANE);
        let (green, blue) = rest.split_at(PLANE);
        images.pixels.extend(red.iter().zip(green).zip(blue).flat_map(|((r, g), b)| [*r, *g, *b]));
    }
    Ok(())
}
