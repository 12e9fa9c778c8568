//! Tables read back from their CSV: what a fresh clone has of runs whose records are not in git.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, de::Error as _};

use super::{Column, Setting};
use crate::csv_text::from_csv;
use crate::error::{RecordError, Result};
use crate::paper::Metric;
use crate::run::{DataSource, Profile};

/// A line of a table's CSV: one activation on one model.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct TableRow {
    /// Table of the paper.
    pub table: u8,
    /// Data set of the paper.
    pub dataset: String,
    /// Data set as run.
    pub dataset_as_run: String,
    /// Model of the paper.
    pub model: String,
    /// Model as run.
    pub model_as_run: String,
    /// What is measured.
    #[serde(deserialize_with = "metric")]
    pub metric: Metric,
    /// The activation, by name or formula.
    pub activation: String,
    /// Size of the runs.
    pub profile: Profile,
    /// Where their data came from.
    pub data_source: DataSource,
    /// Version of the data.
    pub data_version: String,
    /// Name of the recipe.
    pub recipe: String,
    /// Optimizer steps.
    pub steps: u64,
    /// Examples a step.
    pub batch: usize,
    /// `f32` or `bf16`.
    pub precision: String,
    /// Learning rate shown; `None` when no run finished.
    pub lr: Option<f64>,
    /// How many learning rates were tried.
    pub lrs_tried: usize,
    /// Runs that finished.
    pub n: usize,
    /// Their median.
    pub median: Option<f64>,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// Runs that failed.
    pub failed: usize,
    /// The paper's number.
    pub paper: Option<f64>,
    /// Ours minus the paper's, where they compare.
    pub difference: Option<f64>,
    /// Commits of the runs, separated by spaces.
    pub commits: String,
    /// Devices of the runs, separated by semicolons.
    pub devices: String,
    /// Median wall-clock time of the finished runs.
    pub seconds_median: Option<f64>,
    /// Seeds of the finished runs, separated by spaces; empty in tables that were written before they were kept.
    #[serde(default)]
    pub seeds: String,
    /// Their results in the order of the seeds; likewise.
    #[serde(default, deserialize_with = "numbers")]
    pub values: Vec<f64>,
}

/// A table as it lies in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct TableFile {
    /// The file.
    pub path: PathBuf,
    /// Its name without ending: `table_04-reduced-dir`.
    pub stem: String,
    /// Its lines.
    pub rows: Vec<TableRow>,
}

impl TableRow {
    /// The column of the table that it stands in.
    #[must_use]
    pub fn column(&self) -> Column {
        Column {
            dataset: self.dataset.clone(),
            dataset_as_run: self.dataset_as_run.clone(),
            model: self.model.clone(),
            model_as_run: self.model_as_run.clone(),
            metric: self.metric,
        }
    }

    /// What the runs of its column have in common.
    #[must_use]
    pub fn setting(&self) -> Setting {
        Setting {
            data_version: self.data_version.clone(),
            recipe: self.recipe.clone(),
            steps: self.steps,
            batch: self.batch,
            precision: self.precision.clone(),
        }
    }

    /// The result of every finished run. Of up to three runs median, smallest and largest are all there is; of more that were
    /// not kept one by one, nothing.
    #[must_use]
    pub fn results(&self) -> Vec<f64> {
        match (self.n, self.min, self.median, self.max) {
            _ if !self.values.is_empty() => self.values.clone(),
            (1, _, Some(median), _) => vec![median],
            (2, Some(min), _, Some(max)) => vec![min, max],
            (3, Some(min), Some(median), Some(max)) => vec![min, median, max],
            _ => Vec::new(),
        }
    }
}

/// The lines of a table's CSV.
///
/// # Errors
/// A file that cannot be read, or a line, named by its number, that is damaged.
pub fn read_csv(path: &Path) -> Result<Vec<TableRow>> {
    let rows: Vec<TableRow> = from_csv(path)?;
    for (n, row) in rows.iter().enumerate() {
        let counted = row.values.len() == row.n || row.values.is_empty();
        let numbers = row.values.iter().chain([&row.median, &row.min, &row.max].into_iter().flatten());
        // A file may say NaN; no run that finished has such a result.
        let finite = numbers.into_iter().all(|value| value.is_finite());
        if !finite || !counted || (row.n > 0) != row.median.is_some() {
            let reason = format!("{} finished runs with median {:?} and values {:?}", row.n, row.median, row.values);
            return Err(RecordError::TableRow { path: path.to_path_buf(), line: n as u64 + 2, reason });
        }
    }
    Ok(rows)
}

/// The whole tables of `<results_dir>/tables`, by number, then name: files `table_NN-<profile>-<data source>.csv`, without Table 3,
/// which is counted from them. Parts of tables and lists of learning rates have longer names. No folder is no table.
///
/// # Errors
/// A folder or file that cannot be read, or a line that is damaged.
pub fn read_folder(results_dir: impl AsRef<Path>) -> Result<Vec<TableFile>> {
    let folder = results_dir.as_ref().join("tables");
    let unreadable = |source| RecordError::io(&folder, "read", source);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(unreadable(source)),
    };
    let mut tables = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(stem) = name.strip_suffix(".csv").filter(|stem| is_whole(stem)) {
            tables.push(TableFile { rows: read_csv(&path)?, stem: stem.to_owned(), path });
        }
    }
    tables.sort_by(|a, b| a.stem.cmp(&b.stem));
    Ok(tables)
}

/// Whether a file of this name holds a whole table of runs.
fn is_whole(stem: &str) -> bool {
    let mut parts = stem.split('-');
    let number = parts.next().and_then(|head| head.strip_prefix("table_")).and_then(|n| n.parse::<u8>().ok());
    let kind = |profile: &str, source: &str| profile.parse::<Profile>().is_ok() && source.parse::<DataSource>().is_ok();
    number.is_some_and(|n| n != 3)
        && matches!((parts.next(), parts.next(), parts.next()), (Some(profile), Some(source), None) if kind(profile, source))
}

fn metric<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Metric, D::Error> {
    let name = String::deserialize(deserializer)?;
    Metric::from_name(&name).ok_or_else(|| D::Error::custom(format!("{name:?} is no metric")))
}

fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<f64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let number = |word: &str| word.parse().map_err(|_| D::Error::custom(format!("{word:?} is not a number")));
    text.split_whitespace().map(number).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::run::samples::record;
    use crate::table::{Table, TableSpec};

    fn table() -> Table {
        let column = Column {
            dataset: "cifar10".into(),
            dataset_as_run: "cifar10".into(),
            model: "resnet-164".into(),
            model_as_run: "resnet164".into(),
            metric: Metric::Top1,
        };
        let runs = [(3, 94.0), (1, 93.123_456), (2, 94.5), (4, 91.0)]
            .map(|(seed, top1)| record("resnet164", Profile::Paper, DataSource::Dir, "max(x,0)", seed, top1));
        Table::build(
            TableSpec {
                number: 4,
                title: "Table 4".into(),
                stem: "table_04-paper-dir".into(),
                rows: vec!["relu".into(), "swish".into()],
                columns: vec![column],
            },
            &runs,
        )
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        table().write(folder.path()).unwrap();
        for other in
            ["table_04-paper-dir-partial.csv", "table_03-paper-dir.csv", "table_06-paper-dir_rates.csv", "times.csv"]
        {
            fs::write(folder.path().join("tables").join(other), "not,a,table\n1,2,3\n").unwrap();
        }
        let files = read_folder(folder.path()).unwrap();
        assert_eq!((files.len(), files[0].stem.as_str(), files[0].rows.len()), (1, "table_04-paper-dir", 1));
        let row = &files[0].rows[0];
        assert_eq!((row.seeds.as_str(), row.results()), ("1 2 3 4", vec![93.1235, 94.5, 94.0, 91.0]));
        assert_eq!((row.activation.as_str(), row.paper, row.metric), ("relu", Some(93.8), Metric::Top1));
        assert_eq!((row.column(), row.setting().steps), (table().spec.columns[0].clone(), 1000));
        assert!(read_folder(folder.path().join("none")).unwrap().is_empty());
    }

    #[test]
    fn up_to_three_results_follow_from_their_summary() {
        let folder = tempfile::tempdir().unwrap();
        table().write(folder.path()).unwrap();
        let mut row = read_folder(folder.path()).unwrap()[0].rows[0].clone();
        row.values.clear();
        assert!(row.results().is_empty(), "four results do not follow from three numbers");
        row.n = 3;
        assert_eq!(row.results(), [91.0, row.median.unwrap(), 94.5]);
        row.n = 1;
        assert_eq!(row.results(), [row.median.unwrap()]);
    }

    #[test]
    fn damage_is_named_by_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        table().write(folder.path()).unwrap();
        let path = folder.path().join("tables/table_04-paper-dir.csv");
        let text = fs::read_to_string(&path).unwrap();
        for (from, to, expected) in [
            (",top1,", ",top9,", "\"top9\" is no metric"),
            (",1000,", ",a thousand,", "invalid"),
            ("93.1235 94.5", "93.1235", "4 finished runs"),
            (",dir,", ",the moon,", "unknown variant"),
        ] {
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
            let message = read_folder(folder.path()).unwrap_err().to_string();
            assert!(message.contains("table_04-paper-dir.csv: line 2: ") && message.contains(expected), "{message}");
        }
    }
}
