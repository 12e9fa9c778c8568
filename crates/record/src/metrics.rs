//! `metrics.csv`: the curve of a run, one row an epoch or interval, written as training goes on.
//!
//! There is no clock in it: two equal runs give equal files, and a run that was interrupted and
//! resumed gives the file of one that was not.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::atomic::write_atomic;
use crate::error::{RecordError, Result};

/// What the columns of a `metrics.csv` are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Columns {
    /// Those of every run.
    #[default]
    Usual,
    /// These and BLEU.
    Translation,
}

impl Columns {
    /// First line of the file.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Usual => "step,epoch,lr,train_loss,test_loss,test_top1",
            Self::Translation => "step,epoch,lr,train_loss,test_loss,test_top1,test_bleu",
        }
    }

    /// The columns that a first line names.
    fn of(header: &str) -> Option<Self> {
        [Self::Usual, Self::Translation].into_iter().find(|columns| columns.header() == header)
    }
}

/// One row of `metrics.csv`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// Optimizer steps done.
    pub step: u64,
    /// Epochs done; may be a fraction.
    pub epoch: f64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Mean training loss since the row before, in nats.
    pub train_loss: f64,
    /// Loss on the test set, in nats; `None` where it was not evaluated.
    pub test_loss: Option<f64>,
    /// Top-1 accuracy on the test set, of images or of tokens given those before, in percent; `None` where it was not evaluated.
    pub test_top1: Option<f64>,
    /// BLEU, 0 to 100; `None` where nothing was translated.
    pub test_bleu: Option<f64>,
}

impl Row {
    /// The row as a line without its end. `{}` prints the shortest text that reads back as the same number.
    fn line(&self, columns: Columns) -> String {
        let or_empty = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
        let bleu = match columns {
            Columns::Usual => String::new(),
            Columns::Translation => format!(",{}", or_empty(self.test_bleu)),
        };
        format!(
            "{},{},{},{},{},{}{bleu}",
            self.step,
            self.epoch,
            self.lr,
            self.train_loss,
            or_empty(self.test_loss),
            or_empty(self.test_top1)
        )
    }

    /// The row of a line; the error says what is wrong.
    fn parse(line: &str, columns: Columns) -> std::result::Result<Self, String> {
        let header = columns.header();
        let (fields, expected) = (line.split(',').collect::<Vec<&str>>(), header.split(',').count());
        let [step, epoch, lr, train_loss, test_loss, test_top1, ref bleu @ ..] = fields[..] else {
            return Err(format!("{} fields, expected {expected} ({header})", fields.len()));
        };
        if fields.len() != expected {
            return Err(format!("{} fields, expected {expected} ({header})", fields.len()));
        }
        let number = |text: &str| {
            let parsed = text.parse::<f64>();
            parsed.map_err(|_| format!("{text:?} is not a number"))
        };
        let maybe = |text: &str| match text {
            "" => Ok(None),
            _ => number(text).map(Some),
        };
        Ok(Self {
            step: step.parse().map_err(|_| format!("{step:?} is not a step"))?,
            epoch: number(epoch)?,
            lr: number(lr)?,
            train_loss: number(train_loss)?,
            test_loss: maybe(test_loss)?,
            test_top1: maybe(test_top1)?,
            test_bleu: bleu.first().map_or(Ok(None), |bleu| maybe(bleu))?,
        })
    }
}

/// Appends rows to a `metrics.csv`.
#[derive(Debug)]
pub struct MetricsWriter {
    path: PathBuf,
    file: BufWriter<File>,
    columns: Columns,
}

impl MetricsWriter {
    /// Starts a new file with the header, in place of one that may be there; makes the folder where it is missing.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn create(path: impl AsRef<Path>, columns: Columns) -> Result<Self> {
        write_atomic(&path, format!("{}\n", columns.header()))?;
        Self::open(path.as_ref(), columns)
    }

    /// Goes on after `step`: rows past it are dropped ([`truncate_after`]); a missing file is started.
    ///
    /// # Errors
    /// A file that is no `metrics.csv`, or cannot be written.
    pub fn resume(path: impl AsRef<Path>, columns: Columns, step: u64) -> Result<Self> {
        let path = path.as_ref();
        if !path.exists() {
            return Self::create(path, columns);
        }
        truncate_after(path, columns, step)?;
        Self::open(path, columns)
    }

    fn open(path: &Path, columns: Columns) -> Result<Self> {
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(|source| RecordError::io(path, "write", source))?;
        Ok(Self { path: path.to_path_buf(), file: BufWriter::new(file), columns })
    }

    /// Appends a row. It reaches the disk with [`MetricsWriter::sync`], or when the writer is dropped.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&mut self, row: &Row) -> Result<()> {
        let written = writeln!(self.file, "{}", row.line(self.columns));
        written.map_err(|source| RecordError::io(&self.path, "write", source))
    }

    /// Waits until all rows are on the disk; to be called before a checkpoint is written.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn sync(&mut self) -> Result<()> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_data());
        synced.map_err(|source| RecordError::io(&self.path, "write", source))
    }
}

/// All rows of a `metrics.csv`. A last line without its end was torn by an interruption and is left out.
///
/// # Errors
/// A file that cannot be read, or a line, named by its number, that is no row.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Row>> {
    let path = path.as_ref();
    let text = fs::read_to_string(path).map_err(|source| RecordError::io(path, "read", source))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    if whole.is_empty() && Columns::Translation.header().starts_with(text.trim_end()) {
        return Ok(Vec::new());
    }
    let bad = |line, reason| RecordError::MetricsCsv { path: path.to_path_buf(), line, reason };
    let mut lines = whole.split('\n').map(str::trim_end).enumerate();
    let header = lines.next().map_or("", |(_, header)| header);
    let columns =
        Columns::of(header).ok_or_else(|| bad(1, format!("{header:?}, expected {}", Columns::Translation.header())))?;
    lines.map(|(n, line)| Row::parse(line, columns).map_err(|reason| bad(n + 1, reason))).collect()
}

/// Drops the rows past `step` and a torn last line, so that a run resumed from a checkpoint at `step` can go on.
///
/// # Errors
/// As [`read`], and a file that cannot be written.
pub fn truncate_after(path: impl AsRef<Path>, columns: Columns, step: u64) -> Result<()> {
    let mut text = format!("{}\n", columns.header());
    for row in read(&path)?.iter().filter(|row| row.step <= step) {
        text.push_str(&row.line(columns));
        text.push('\n');
    }
    write_atomic(path, text)
}

/// As [`read`], with `None` for a file that is not there.
///
/// # Errors
/// As [`read`].
pub fn read_if_there(path: impl AsRef<Path>) -> Result<Option<Vec<Row>>> {
    match read(path) {
        Ok(rows) => Ok(Some(rows)),
        Err(RecordError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const HEADER: &str = "step,epoch,lr,train_loss,test_loss,test_top1";
    const BOTH: [Columns; 2] = [Columns::Usual, Columns::Translation];

    /// Numbers whose decimal text is long, tiny, large or not finite.
    fn rows(columns: Columns) -> Vec<Row> {
        (1..=6_u32)
            .map(|n| Row {
                step: u64::from(n) * 100,
                epoch: f64::from(n) / 3.0,
                lr: 0.1 * 0.3_f64.powi(n as i32 * 7),
                train_loss: if n == 5 { f64::INFINITY } else { 1e20 / f64::from(n).exp() },
                test_loss: (n % 2 == 0).then(|| f64::from(n).ln()),
                test_top1: (n % 2 == 0).then_some(0.1 + 0.2 * f64::from(n)),
                test_bleu: (columns == Columns::Translation && n % 3 == 0).then_some(100.0 / f64::from(n)),
            })
            .collect()
    }

    fn write_all(path: &Path, columns: Columns, rows: &[Row]) {
        let mut writer = MetricsWriter::create(path, columns).unwrap();
        rows.iter().for_each(|row| writer.write(row).unwrap());
        writer.sync().unwrap();
    }

    #[test]
    fn rows_survive_bit_for_bit_and_equal_runs_give_equal_files() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
        for columns in BOTH {
            write_all(&a, columns, &rows(columns));
            write_all(&b, columns, &rows(columns));
            assert_eq!(read(&a).unwrap(), rows(columns));
            assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
            let text = fs::read_to_string(&a).unwrap();
            assert!(text.starts_with(&format!("{}\n100,", columns.header())));
            assert!(text.lines().nth(1).unwrap().ends_with(",,"));
        }
    }

    #[test]
    fn a_resumed_file_equals_that_of_a_run_without_interruption() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, path) = (folder.path().join("whole.csv"), folder.path().join("resumed.csv"));
        for columns in BOTH {
            let rows = rows(columns);
            write_all(&whole, columns, &rows);
            write_all(&path, columns, &rows[..5]);
            let torn = fs::read_to_string(&path).unwrap() + "600,2,0.0";
            fs::write(&path, torn).unwrap();
            assert_eq!(read(&path).unwrap(), rows[..5]);
            let mut writer = MetricsWriter::resume(&path, columns, 300).unwrap();
            assert_eq!(read(&path).unwrap(), rows[..3]);
            rows[3..].iter().for_each(|row| writer.write(row).unwrap());
            drop(writer);
            assert_eq!(fs::read(&path).unwrap(), fs::read(&whole).unwrap());
        }
    }

    #[test]
    fn a_file_torn_in_its_header_or_missing_starts_afresh() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/metrics.csv");
        assert_eq!(read_if_there(&path).unwrap(), None);
        drop(MetricsWriter::resume(&path, Columns::Usual, 0).unwrap());
        for torn in ["", "step,ep", HEADER] {
            fs::write(&path, torn).unwrap();
            assert!(read(&path).unwrap().is_empty(), "{torn:?}");
            truncate_after(&path, Columns::Usual, 10).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}\n"));
        }
    }

    #[test]
    fn the_error_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let message = |text: String| {
            fs::write(&path, text).unwrap();
            read(&path).unwrap_err().to_string()
        };
        assert!(message(format!("{HEADER}\n1,1,1,1,,\nx,1,1,1,,\n")).contains("line 3: \"x\" is not a step"));
        assert!(message(format!("{HEADER}\n1,1\n")).contains("line 2: 2 fields"));
        assert!(message(format!("{HEADER},test_bleu\n1,1,1,1,,\n")).contains("line 2: 6 fields, expected 7"));
        assert!(message("a,b\n".into()).contains("line 1"));
    }
}
