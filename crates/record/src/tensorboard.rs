//! The curve of a run for TensorBoard: an event file beside `metrics.csv`.
//!
//! Written by hand: an event needs five fields of protobuf, and a record is a length with two checksums. The crate for it
//! (tensorboard-rs 0.5.9) brings 37 others along, a protobuf library and an old one for images among them, and cannot go on with a file.
//!
//! A record is TensorFlow's (`tsl/lib/io/record_writer.h`): length, masked CRC of it, data, masked CRC of them, all little endian. The
//! data are an `Event` (`tensorflow/core/util/event.proto`).

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::atomic::write_atomic;
use crate::error::{RecordError, Result};
use crate::metrics::Row;

/// Name of the file in a run's folder; TensorBoard looks for `tfevents`.
pub const FILE: &str = "events.out.tfevents.swish";

/// Appends rows to an event file.
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: File,
}

impl EventWriter {
    /// Starts a new file, in place of one that may be there; makes the folder where it is missing.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        write_atomic(&path, record(&version_event(now())))?;
        Self::open(path.as_ref())
    }

    /// Goes on with a run that stands at a step and has these `rows` up to there. Events past it are dropped, so none comes twice; a file
    /// that is missing or torn is made anew from the rows.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn resume(path: impl AsRef<Path>, rows: &[Row]) -> Result<Self> {
        let path = path.as_ref();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(RecordError::io(path, "read", source)),
        };
        // The version, then an event a row, in order: the rows say how many stay.
        let kept = whole_records(&bytes).take(rows.len() + 1).collect::<Vec<_>>();
        let length = kept.iter().map(|record| record.len()).sum::<usize>();
        let mut kept_bytes = bytes[..length].to_vec();
        if kept.is_empty() {
            kept_bytes = record(&version_event(now()));
        }
        for row in rows.iter().skip(kept.len().saturating_sub(1)) {
            kept_bytes.extend(record(&row_event(row, now())));
        }
        write_atomic(path, kept_bytes)?;
        Self::open(path)
    }

    fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(|source| RecordError::io(path, "write", source))?;
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// Appends a row: learning rate, training loss and, where it was evaluated, test loss and accuracy.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&mut self, row: &Row) -> Result<()> {
        let written = self.file.write_all(&record(&row_event(row, now())));
        written.map_err(|source| RecordError::io(&self.path, "write", source))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The scalars of a row, by TensorBoard's tags.
fn scalars(row: &Row) -> impl Iterator<Item = (&'static str, f64)> {
    let all = [
        ("learning_rate", Some(row.lr)),
        ("loss/train", Some(row.train_loss)),
        ("loss/test", row.test_loss),
        ("top1/test", row.test_top1),
        ("bleu/test", row.test_bleu),
    ];
    all.into_iter().filter_map(|(tag, value)| Some((tag, value?)))
}

/// `Event { wall_time, file_version }`, the first of every file.
fn version_event(wall_time: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, wall_time);
    event.bytes(3, b"brain.Event:2");
    event.0
}

/// `Event { wall_time, step, summary { value { tag, simple_value } .. } }`.
fn row_event(row: &Row, wall_time: f64) -> Vec<u8> {
    let mut summary = Message::default();
    for (tag, value) in scalars(row) {
        let mut scalar = Message::default();
        scalar.bytes(1, tag.as_bytes());
        scalar.float(2, value as f32);
        summary.bytes(1, &scalar.0);
    }
    let mut event = Message::default();
    event.double(1, wall_time);
    event.varint(2, row.step);
    event.bytes(5, &summary.0);
    event.0
}

/// A protobuf message: fields of number and wire type.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn raw(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.raw(field << 3);
        self.raw(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.raw(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.raw(field << 3 | 2);
        self.raw(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.raw(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }
}

/// Bytes around the data of a record: length and its CRC before, the data's CRC behind.
const AROUND: usize = 16;

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

/// The records of a file up to the first that is torn or damaged.
fn whole_records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::try_from(u64::from_le_bytes(rest.get(..8)?.try_into().ok()?)).ok()?;
        let (whole, behind) = rest.split_at_checked(length.checked_add(AROUND)?)?;
        rest = behind;
        (record(&whole[12..12 + length]) == whole).then_some(whole)
    })
}

/// CRC-32C rotated and shifted, as TensorFlow stores it: a CRC of data that hold CRCs would be weak.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), a bit at a time: events are small and few.
fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn row(step: u64) -> Row {
        let evaluated = step.is_multiple_of(2);
        Row {
            step,
            epoch: step as f64 / 10.0,
            lr: 0.1,
            train_loss: 2.0 / step as f64,
            test_loss: evaluated.then_some(1.5),
            test_top1: evaluated.then_some(33.5),
            test_bleu: None,
        }
    }

    /// Known values: RFC 3720, appendix B.4, and the check value of the CRC catalogue.
    #[test]
    fn checksums_are_castagnolis() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// The bytes of an event, worked out by hand from the wire format.
    #[test]
    fn an_event_is_the_protobuf_that_it_should_be() {
        let event = row_event(&Row { test_loss: None, test_top1: None, ..row(300) }, 1.0);
        let mut expected = vec![0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02, 0x2a, 41];
        expected.extend([0x0a, 20, 0x0a, 13]);
        expected.extend(b"learning_rate");
        expected.push(0x15);
        expected.extend(0.1_f32.to_le_bytes());
        expected.extend([0x0a, 17, 0x0a, 10]);
        expected.extend(b"loss/train");
        expected.push(0x15);
        expected.extend((2.0_f32 / 300.0).to_le_bytes());
        assert_eq!(event, expected);
    }

    fn steps(path: &Path) -> Vec<u8> {
        // Field 2 lies behind the nine bytes of the wall time, in records of small steps one byte long.
        let bytes = std::fs::read(path).unwrap();
        let records: Vec<&[u8]> = whole_records(&bytes).collect();
        assert_eq!(records.iter().map(|record| record.len()).sum::<usize>(), bytes.len(), "a torn record");
        records[1..].iter().map(|record| record[12 + 10]).collect()
    }

    #[test]
    fn a_resumed_file_has_every_step_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run").join(FILE);
        let mut writer = EventWriter::create(&path).unwrap();
        (1..=5).for_each(|step| writer.write(&row(step)).unwrap());
        drop(writer);
        let first = std::fs::read(&path).unwrap();
        // Killed after step 5, the last checkpoint at step 3.
        let rows: Vec<Row> = (1..=3).map(row).collect();
        let mut writer = EventWriter::resume(&path, &rows).unwrap();
        (4..=6).for_each(|step| writer.write(&row(step)).unwrap());
        assert_eq!(steps(&path), [1, 2, 3, 4, 5, 6]);
        assert!(first.starts_with(&std::fs::read(&path).unwrap()[..100]), "what stays keeps its time");
        // Torn in the middle of a record, damaged, missing: made anew from the rows.
        for damage in [Some(first[..first.len() - 7].to_vec()), Some(vec![7; 40]), None] {
            match damage {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let rows: Vec<Row> = (1..=5).map(row).collect();
            EventWriter::resume(&path, &rows).unwrap().write(&row(6)).unwrap();
            assert_eq!(steps(&path), [1, 2, 3, 4, 5, 6]);
        }
    }
}
