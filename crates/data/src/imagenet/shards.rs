//! Hugging Face's parquet shards (`ILSVRC/imagenet-1k`): a column `image` (struct of encoded `bytes` and `path`) and an int64
//! `label`, in row groups of about a hundred images, each of which can only be read as a whole.

use crate::DataError;
use crate::parquet_file::{Columns, broken, guarded, open};
use parquet::data_type::ByteArray;
use parquet::file::reader::FileReader;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const COLUMNS: [&str; 2] = ["image.bytes", "label"];

/// Bytes of the row groups among which images are shuffled together. Twice as many are held at most.
const WINDOW: u64 = 256 << 20;

/// A row group of some shard.
#[derive(Debug, Clone)]
struct Group {
    shard: usize,
    number: usize,
    /// Row of the split at which it begins.
    first: usize,
    rows: usize,
    bytes: u64,
}

/// Encoded images of one row group.
type Rows = Arc<Vec<ByteArray>>;
/// A place for a group's rows: threads that want the same group wait for one of them to read it.
type Slot = Arc<Mutex<Option<Rows>>>;

/// The shards of one split.
#[derive(Debug)]
pub(crate) struct Shards {
    files: Vec<PathBuf>,
    columns: Vec<Columns>,
    groups: Vec<Group>,
    /// The groups last used, latest last.
    held: Mutex<Vec<(usize, Slot)>>,
    window: usize,
}

impl Shards {
    /// Reads the metadata and labels of the shards, which are in order. Labels must be below `classes`.
    ///
    /// # Errors
    /// A shard that is damaged, lacks a column or has a label outside the classes (the test split has -1).
    pub(crate) fn open(files: Vec<PathBuf>, classes: usize) -> Result<(Self, Vec<u16>), DataError> {
        let parts: Vec<Result<Shard, DataError>> = files
            .par_iter()
            .enumerate()
            .map(|(shard, path)| guarded(path, || read_shard(path, shard, classes)))
            .collect();
        let (mut columns, mut groups, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            let (of_shard, part_groups, part_labels) = part?;
            let first = labels.len();
            columns.push(of_shard);
            groups.extend(part_groups.into_iter().map(|group| Group { first: first + group.first, ..group }));
            labels.extend(part_labels);
        }
        let bytes: u64 = groups.iter().map(|group| group.bytes).sum();
        let mean = (bytes / groups.len().max(1) as u64).max(1);
        let window = (WINDOW / mean).max(1) as usize;
        Ok((Self { files, columns, groups, held: Mutex::default(), window }, labels))
    }

    /// Rows of each group: (first, number).
    pub(crate) fn groups(&self) -> Vec<(usize, usize)> {
        self.groups.iter().map(|group| (group.first, group.rows)).collect()
    }

    /// Groups that are shuffled together.
    pub(crate) const fn window(&self) -> usize {
        self.window
    }

    /// Name of a row, for messages.
    pub(crate) fn name(&self, row: usize) -> String {
        let group = &self.groups[self.group_of(row)];
        let first = self.groups.iter().find(|other| other.shard == group.shard).map_or(0, |other| other.first);
        format!("{} row {}", self.files[group.shard].display(), row - first)
    }

    /// The encoded image of a row; its group is read if it is not among those last used.
    pub(crate) fn read(&self, row: usize) -> Result<ByteArray, DataError> {
        let number = self.group_of(row);
        let slot = self.slot(number);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = match &*slot {
            Some(rows) => rows.clone(),
            None => slot.insert(Arc::new(self.read_group(&self.groups[number])?)).clone(),
        };
        drop(slot);
        // A group has as many images as labels: `read_group` checks it.
        Ok(rows[row - self.groups[number].first].clone())
    }

    fn group_of(&self, row: usize) -> usize {
        self.groups.partition_point(|group| group.first <= row) - 1
    }

    fn slot(&self, number: usize) -> Slot {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = match held.iter().position(|(other, _)| *other == number) {
            Some(at) => held.remove(at).1,
            None => Slot::default(),
        };
        held.push((number, slot.clone()));
        // Two windows: while batches of the next are begun, those of the last are finished.
        if held.len() > 2 * self.window {
            held.remove(0);
        }
        slot
    }

    fn read_group(&self, group: &Group) -> Result<Vec<ByteArray>, DataError> {
        let path = &self.files[group.shard];
        guarded(path, || {
            let reader = open(path)?;
            let row_group = reader.get_row_group(group.number).map_err(|e| broken(path, &e))?;
            let rows = self.columns[group.shard].encoded(row_group.as_ref(), path, group.first)?;
            if rows.len() != group.rows {
                let detail = format!("{} images for {} labels in one row group", rows.len(), group.rows);
                return Err(DataError::Column { path: path.clone(), column: COLUMNS[0], detail });
            }
            Ok(rows)
        })
    }
}

/// The columns, row groups (rows counted within the shard) and labels of a shard.
type Shard = (Columns, Vec<Group>, Vec<u16>);

fn read_shard(path: &Path, shard: usize, classes: usize) -> Result<Shard, DataError> {
    let reader = open(path)?;
    let columns = Columns::find(&reader, path, COLUMNS)?;
    columns.check_metadata(&reader, path)?;
    let (mut groups, mut labels) = (Vec::new(), Vec::new());
    for (number, metadata) in reader.metadata().row_groups().iter().enumerate() {
        let group = reader.get_row_group(number).map_err(|e| broken(path, &e))?;
        let first = labels.len();
        labels.extend(columns.labels(group.as_ref(), path, first, classes)?);
        let bytes = metadata.total_byte_size().max(0).unsigned_abs();
        groups.push(Group { shard, number, first, rows: labels.len() - first, bytes });
    }
    groups.retain(|group| group.rows > 0);
    Ok((columns, groups, labels))
}
