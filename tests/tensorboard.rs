//! `--tensorboard`: the event file has every row of `metrics.csv` once, also after a kill.

use crate::common::data::{parquet_files, ten_classes};
use crate::common::python::python;
use crate::common::swish;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn train(dir: &Path) -> Command {
    let mut command = swish();
    command.args(["train", "--model", "wrn-10-1", "--activation", "swish", "--steps", "80", "--batch", "4"]);
    command.args(["--eval-every", "20", "--checkpoint-seconds", "0", "--tensorboard"]);
    command.arg("--data-dir").arg(dir.join("data")).arg("--results").arg(dir.join("results"));
    command.env("SWISH_CACHE", dir.join("cache")).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The only run's folder.
fn run_dir(dir: &Path) -> Option<PathBuf> {
    Some(std::fs::read_dir(dir.join("results/runs")).ok()?.next()?.ok()?.path())
}

/// Step, tag and value of every scalar that `metrics.csv` has, in the order of TensorBoard's events.
fn expected(run: &Path) -> Vec<(u64, String, f32)> {
    let text = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
    let mut all = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        for (tag, field) in [("learning_rate", 2), ("loss/train", 3), ("loss/test", 4), ("top1/test", 5)] {
            if let Ok(value) = fields[field].parse::<f64>() {
                all.push((fields[0].parse().unwrap(), tag.to_owned(), value as f32));
            }
        }
    }
    all
}

/// CRC-32C by the table that polynomial division of every byte makes, masked as TensorFlow masks it.
fn masked_crc(data: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256_u32)
        .map(|byte| (0..8).fold(byte, |r, _| if r & 1 == 1 { (r >> 1) ^ 0x82f6_3b78 } else { r >> 1 }))
        .collect();
    let crc = !data.iter().fold(u32::MAX, |crc, b| table[((crc ^ u32::from(*b)) & 0xff) as usize] ^ (crc >> 8));
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Takes a varint off the front.
fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// The fields of a message: number, and payload; of a varint its value as bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                all.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        all.push((key >> 3, bytes[..length].to_vec()));
        bytes = &bytes[length..];
    }
    all
}

/// Every scalar of an event file; checks lengths and checksums.
fn scalars(file: &Path) -> Vec<(u64, String, f32)> {
    let bytes = std::fs::read(file).unwrap();
    let (mut rest, mut all, mut times) = (&bytes[..], Vec::new(), Vec::new());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        let crc = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let data = &rest[12..12 + length];
        assert_eq!((crc(8), crc(12 + length)), (masked_crc(&rest[..8]), masked_crc(data)));
        rest = &rest[16 + length..];
        let event = fields(data);
        let field = |number: u64| event.iter().find(|(n, _)| *n == number).map(|(_, payload)| payload.clone());
        times.push(f64::from_le_bytes(field(1).unwrap().try_into().unwrap()));
        let Some(summary) = field(5) else {
            assert_eq!((field(3).unwrap(), all.len()), (b"brain.Event:2".to_vec(), 0));
            continue;
        };
        let step = u64::from_le_bytes(field(2).unwrap().try_into().unwrap());
        for (_, value) in fields(&summary) {
            let [(1, tag), (2, number)] = &fields(&value)[..] else { panic!("{value:?}") };
            let number = f32::from_le_bytes(number[..].try_into().unwrap());
            all.push((step, String::from_utf8(tag.clone()).unwrap(), number));
        }
    }
    assert!(times.is_sorted() && times[0] > 1.5e9);
    all
}

#[test]
fn every_row_is_there_once_also_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    parquet_files(&dir.path().join("data"), &ten_classes());
    let mut child = train(dir.path()).spawn().unwrap();
    let start = Instant::now();
    let rows = || {
        let run = run_dir(dir.path())?;
        Some(std::fs::read_to_string(run.join("metrics.csv")).ok()?.lines().count())
    };
    while rows().is_none_or(|rows| rows < 12) {
        assert!(start.elapsed() < Duration::from_secs(120), "no rows in two minutes");
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let out = train(dir.path()).output().unwrap();
    let talk = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && talk.contains("going on from step"), "{talk}");

    let run = run_dir(dir.path()).unwrap();
    let file = run.join("events.out.tfevents.swish");
    let expected = expected(&run);
    assert!(expected.len() > 80, "{expected:?}");
    assert_eq!(scalars(&file), expected);
    if let Some(text) = python("TensorBoard's reader", "events.py", &[file.to_str().unwrap()]) {
        let read: Vec<(u64, String, f32)> = text
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split(',').collect();
                (fields[0].parse().unwrap(), fields[1].to_owned(), fields[2].parse::<f64>().unwrap() as f32)
            })
            .collect();
        assert_eq!(read, expected);
    }
}
