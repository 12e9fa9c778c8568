//! The append-only log of a search: one JSON object a line for every proposal, outcome and update.
//!
//! A search that is resumed is rebuilt from it: the strategy is asked again and must propose what stands here. Nothing is ever
//! changed but the tail that a crash may leave: what comes after the last whole line is cut off, and said.

use crate::error::{Error, Result};
use crate::space::Rejection;
use crate::strategy::Update;
use crate::trial::Outcome;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// The file's name.
const FILE: &str = "journal.jsonl";

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A driver began, for the first time or again.
    Start(Start),
    /// A function was proposed.
    Proposal(Proposal),
    /// A trial came to its end.
    Outcome(Ended),
    /// The strategy learned from a batch.
    Update(Learned),
    /// Every proposal has its reward.
    End {
        /// When, UTC.
        time: String,
    },
}

/// A driver began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// When, UTC.
    pub time: String,
    /// Commit of the program.
    pub commit: String,
    /// Whether its sources differed from the commit.
    pub dirty: bool,
    /// Engine.
    pub engine: String,
    /// Source and version of the data.
    pub data: String,
}

/// A proposal and what became of it at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its number, from 0.
    pub n: u64,
    /// The choices that make it, one for each slot of the space.
    pub choices: Vec<usize>,
    /// The function as proposed.
    pub formula: String,
    /// What was done with it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What was done with a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// A trial with this id.
    Trial(String),
    /// Nothing: it equals an earlier proposal and shares its fate.
    Same(u64),
    /// Nothing: it is hopeless.
    Rejected(Rejection),
}

/// A trial came to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// When the driver heard of it: seconds since 1970.
    pub at: f64,
    /// Its outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The strategy learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// Number of proposals before.
    pub proposals: u64,
    /// What it did.
    #[serde(flatten)]
    pub update: Update,
}

/// A journal open for writing.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the journal in `dir`, a new one if there is none; gives every event in it to `each`, in order. Returns the number of
    /// bytes of a torn last line that were cut off.
    ///
    /// # Errors
    /// A file that cannot be read or written; a line before the last that is no event.
    pub fn open(dir: &Path, each: impl FnMut(Event) -> Result<()>) -> Result<(Self, u64)> {
        let path = dir.join(FILE);
        let whole = scan(&path, each)?;
        let file = OpenOptions::new().append(true).create(true).open(&path).map_err(Error::io(&path, "write"))?;
        let length = file.metadata().map_err(Error::io(&path, "read"))?.len();
        if length > whole {
            file.set_len(whole).and_then(|()| file.sync_all()).map_err(Error::io(&path, "cut"))?;
        }
        Ok((Self { path, file }, length - whole))
    }

    /// Appends events and waits until they are on the disk.
    ///
    /// # Errors
    /// A disk that is full or gone.
    pub fn append(&mut self, events: &[Event]) -> Result<()> {
        let mut text = String::new();
        for event in events {
            text += &serde_json::to_string(event).map_err(|e| Error::bad_file(&self.path, e.to_string()))?;
            text.push('\n');
        }
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(Error::io(&self.path, "write"))
    }
}

/// Gives every event of the journal in `dir` to `each`, in order, without opening it for writing; a torn last line is passed over.
///
/// # Errors
/// As [`Journal::open`].
pub fn read(dir: &Path, each: impl FnMut(Event) -> Result<()>) -> Result<()> {
    scan(&dir.join(FILE), each).map(|_| ())
}

/// Reads whole lines; returns the bytes in them.
fn scan(path: &Path, mut each: impl FnMut(Event) -> Result<()>) -> Result<u64> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(Error::io(path, "read")(e)),
    };
    let (mut lines, mut line, mut whole) = (BufReader::new(file), Vec::new(), 0);
    for number in 1.. {
        line.clear();
        let length = lines.read_until(b'\n', &mut line).map_err(Error::io(path, "read"))?;
        let last = length == 0 || line.last() != Some(&b'\n');
        if last {
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(event) => each(event)?,
            // A crash may leave blocks of zeros where the last lines were to be; in the middle nothing does.
            Err(_) if lines.fill_buf().map_err(Error::io(path, "read"))?.is_empty() => break,
            Err(e) => {
                return Err(Error::bad_file(path, format!("line {number} is no event ({e}); restore it from a copy")));
            }
        }
        whole += length as u64;
    }
    Ok(whole)
}
