//! CIFAR in the hub's parquet layout: a column `img` (struct of encoded `bytes` and `path`) and an integer label. The
//! reading of the two columns serves ImageNet's shards too, that of a string column parallel text.
//!
//! `candle_datasets::vision::cifar` reads the same files, but stops the program on a damaged image and returns height and
//! width exchanged, which changes what crops and flips mean; so this crate has its own reader.

use crate::dataset::{IMAGE_BYTES, SIDE};
use crate::error::one_line;
use crate::{DataError, Dataset, Images};
use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use rayon::prelude::*;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Name of the column of CIFAR's encoded images.
const BYTES: &str = "img.bytes";
/// Records asked for at a time.
const BATCH: usize = 1 << 14;

/// Name of the label column; for CIFAR-100 the fine one.
const fn label_column(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::Cifar10 | Dataset::ImageNet => "label",
        Dataset::Cifar100 => "fine_label",
    }
}

/// Reads one split to (n, 32, 32, 3), decoding on all cores.
///
/// # Errors
/// Not a whole parquet file, a column that is missing or of another type, an empty value, a label outside the classes,
/// an image that does not decode to 32x32 RGB.
pub(crate) fn read(path: &Path, dataset: Dataset) -> Result<Images, DataError> {
    guarded(path, || read_checked(path, dataset))
}

/// Calls `read`; a panic is a damaged file: the `parquet` crate asserts some of what it reads in damaged metadata instead of
/// returning an error.
pub(crate) fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, DataError>) -> Result<T, DataError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(DataError::Parquet { path: path.to_path_buf(), detail: "its metadata contradicts itself".into() })
    })
}

fn read_checked(path: &Path, dataset: Dataset) -> Result<Images, DataError> {
    let reader = open(path)?;
    let columns = Columns::find(&reader, path, [BYTES, label_column(dataset)])?;
    columns.check_metadata(&reader, path)?;
    let groups = reader.metadata().row_groups();
    // Where each group begins, for messages; the metadata of a damaged file may say anything.
    let first_rows: Vec<usize> = groups
        .iter()
        .scan(0_usize, |next, group| {
            let first = *next;
            *next = next.saturating_add(usize::try_from(group.num_rows()).unwrap_or(0));
            Some(first)
        })
        .collect();
    let parts: Vec<Result<Part, DataError>> = first_rows
        .par_iter()
        .enumerate()
        .map(|(group, first_row)| {
            // Each job opens the file itself: readers of one file move one shared position.
            let reader = open(path)?;
            let group = reader.get_row_group(group).map_err(|e| broken(path, &e))?;
            read_group(group.as_ref(), &columns, path, dataset, *first_row)
        })
        .collect();
    let mut images = Images { pixels: Vec::new(), labels: Vec::new(), h: SIDE, w: SIDE, classes: dataset.classes() };
    for part in parts {
        let (labels, pixels) = part?;
        images.labels.extend(labels);
        images.pixels.extend(pixels);
    }
    Ok(images)
}

/// Opens a file and reads its metadata.
pub(crate) fn open(path: &Path) -> Result<SerializedFileReader<File>, DataError> {
    let file = File::open(path).map_err(|e| DataError::io(path, &e))?;
    SerializedFileReader::new(file).map_err(|e| broken(path, &e))
}

/// Labels and decoded pixels of one row group.
type Part = (Vec<u16>, Vec<u8>);

fn read_group(
    group: &dyn RowGroupReader,
    columns: &Columns,
    path: &Path,
    dataset: Dataset,
    first_row: usize,
) -> Result<Part, DataError> {
    let labels = columns.labels(group, path, first_row, dataset.classes())?;
    let encoded = columns.encoded(group, path, first_row)?;
    if labels.len() != encoded.len() {
        let detail = format!("{} images for {} labels in one row group", encoded.len(), labels.len());
        return Err(DataError::Column { path: path.to_path_buf(), column: columns.bytes_name, detail });
    }
    let pixels = decode_all(&encoded).map_err(|(row, detail)| DataError::Image {
        path: path.to_path_buf(),
        row: first_row + row,
        detail,
    })?;
    Ok((labels, pixels))
}

/// The two columns that are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    bytes: usize,
    bytes_name: &'static str,
    label: usize,
    label_name: &'static str,
}

impl Columns {
    /// Finds the columns of these names: encoded images and labels.
    pub(crate) fn find(
        reader: &SerializedFileReader<File>,
        path: &Path,
        [bytes_name, label_name]: [&'static str; 2],
    ) -> Result<Self, DataError> {
        let schema = reader.metadata().file_metadata().schema_descr();
        let names: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
        let find = |column: &'static str| {
            names.iter().position(|name| name == column).ok_or_else(|| DataError::Column {
                path: path.to_path_buf(),
                column,
                detail: format!("missing; found {}", names.join(", ")),
            })
        };
        Ok(Self { bytes: find(bytes_name)?, bytes_name, label: find(label_name)?, label_name })
    }

    /// Refuses the damage the crate would stop at, so that it is told in one line.
    pub(crate) fn check_metadata(&self, reader: &SerializedFileReader<File>, path: &Path) -> Result<(), DataError> {
        let negative = reader.metadata().row_groups().iter().any(|group| {
            [self.bytes, self.label].into_iter().map(|column| group.column(column)).any(|column| {
                let start = column.dictionary_page_offset().unwrap_or(0);
                start < 0 || column.data_page_offset() < 0 || column.compressed_size() < 0
            })
        });
        if negative {
            let detail = "a column has a negative place or size".into();
            return Err(DataError::Parquet { path: path.to_path_buf(), detail });
        }
        Ok(())
    }

    /// The labels of a row group, each below `classes`.
    pub(crate) fn labels(
        &self,
        group: &dyn RowGroupReader,
        path: &Path,
        first_row: usize,
        classes: usize,
    ) -> Result<Vec<u16>, DataError> {
        let wrong = |detail: String| DataError::Column { path: path.to_path_buf(), column: self.label_name, detail };
        let ColumnReader::Int64ColumnReader(mut reader) =
            group.get_column_reader(self.label).map_err(|e| broken(path, &e))?
        else {
            return Err(wrong("expected type int64".into()));
        };
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let rows = loop_records(|| reader.read_records(BATCH, Some(&mut levels), None, &mut values))
            .map_err(|e| broken(path, &e))?;
        if values.len() != rows {
            return Err(wrong(format!("{} empty values after row {first_row}; expected none", rows - values.len())));
        }
        let in_range = |(row, value): (usize, &i64)| {
            u16::try_from(*value).ok().filter(|label| usize::from(*label) < classes).ok_or_else(|| DataError::Label {
                path: path.to_path_buf(),
                row: first_row + row,
                field: self.label_name,
                value: *value,
                classes,
            })
        };
        values.iter().enumerate().map(in_range).collect()
    }

    /// The encoded images of a row group.
    pub(crate) fn encoded(
        &self,
        group: &dyn RowGroupReader,
        path: &Path,
        first_row: usize,
    ) -> Result<Vec<ByteArray>, DataError> {
        binary(group, (self.bytes, self.bytes_name), path, first_row)
    }
}

/// The values of the string column of this name in a row group, none of them empty.
pub(crate) fn byte_arrays(
    group: &dyn RowGroupReader,
    name: &'static str,
    path: &Path,
    first_row: usize,
) -> Result<Vec<ByteArray>, DataError> {
    let columns = group.metadata().columns();
    let index = columns.iter().position(|column| column.column_path().string() == name).ok_or_else(|| {
        let found: Vec<String> = columns.iter().map(|column| column.column_path().string()).collect();
        let detail = format!("missing; found {}", found.join(", "));
        DataError::Column { path: path.to_path_buf(), column: name, detail }
    })?;
    binary(group, (index, name), path, first_row)
}

/// The values of a binary column (its index and name).
fn binary(
    group: &dyn RowGroupReader,
    (index, name): (usize, &'static str),
    path: &Path,
    first_row: usize,
) -> Result<Vec<ByteArray>, DataError> {
    let wrong = |detail: String| DataError::Column { path: path.to_path_buf(), column: name, detail };
    let ColumnReader::ByteArrayColumnReader(mut reader) =
        group.get_column_reader(index).map_err(|e| broken(path, &e))?
    else {
        return Err(wrong("expected type binary".into()));
    };
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let rows = loop_records(|| reader.read_records(BATCH, Some(&mut levels), None, &mut values))
        .map_err(|e| broken(path, &e))?;
    if values.len() != rows {
        return Err(wrong(format!("{} empty values after row {first_row}; expected none", rows - values.len())));
    }
    Ok(values)
}

/// Calls a column's `read_records` until it has no more and returns the number of records.
fn loop_records(mut read: impl FnMut() -> Result<(usize, usize, usize), ParquetError>) -> Result<usize, ParquetError> {
    let mut total = 0;
    loop {
        match read()? {
            (0, _, _) => return Ok(total),
            (records, _, _) => total += records,
        }
    }
}

/// The decoded images; an error is the first bad row and what is wrong with it.
fn decode_all(encoded: &[ByteArray]) -> Result<Vec<u8>, (usize, String)> {
    let mut pixels = vec![0; encoded.len() * IMAGE_BYTES];
    let jobs = pixels.par_chunks_exact_mut(IMAGE_BYTES).zip(encoded).enumerate();
    let first = jobs.find_map_first(|(row, (out, bytes))| decode(bytes.data(), out).err().map(|detail| (row, detail)));
    first.map_or(Ok(pixels), Err)
}

fn decode(bytes: &[u8], out: &mut [u8]) -> Result<(), String> {
    let image = image::load_from_memory(bytes)
        .map_err(|e| format!("image of {} bytes does not decode ({})", bytes.len(), one_line(&e.to_string())))?;
    match image {
        image::DynamicImage::ImageRgb8(rgb) if rgb.dimensions() == (SIDE as u32, SIDE as u32) => {
            out.copy_from_slice(rgb.as_raw());
            Ok(())
        }
        other => Err(format!("image is {}x{} {:?}", other.width(), other.height(), other.color())),
    }
}

/// An error of the `parquet` crate.
pub(crate) fn broken(path: &Path, error: &ParquetError) -> DataError {
    DataError::Parquet { path: path.to_path_buf(), detail: one_line(&error.to_string()) }
}
