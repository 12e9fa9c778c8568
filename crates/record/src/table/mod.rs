//! Our runs beside the paper's numbers.
//!
//! A [`TableSpec`] says what a table shows, [`Table::build`] fills it from records, and the table
//! writes itself as Markdown (for people) and as CSV (one line a cell).
//!
//! # What merges and what does not
//! A cell is one activation on one model, over seeds. Records of different profile or data source
//! make different [`Section`]s; records of different data version, recipe, steps, batch or precision
//! make different [`Block`]s (columns). The paper's numbers always have a column of their own, and a
//! difference is only given where the run is the paper's: profile `paper`, real data, the same data set and model.
//!
//! Where several learning rates were tried, a second table beside the first has all of them.

mod build;
mod csv_rows;
mod markdown;
mod rates;
mod read;

use std::path::{Path, PathBuf};

use crate::atomic::write_atomic;
use crate::error::Result;
use crate::paper::{Metric, model_key};
use crate::run::{DataSource, Profile, RunRecord};
use crate::stats::Summary;

pub use read::{TableFile, TableRow, read_csv, read_folder};

/// A column of the paper's table, and the model we run for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Data set, as in the paper's numbers: `cifar10`, `imagenet`, `wmt14-en-de/newstest2014` (an evaluation set behind the slash), ...
    pub dataset: String,
    /// Data set as run: the same, or a smaller one that stands for it; with an evaluation set likewise.
    pub dataset_as_run: String,
    /// Model of the paper: `resnet-164`.
    pub model: String,
    /// Model as run: `resnet164`, or a smaller one that stands for it.
    pub model_as_run: String,
    /// What is compared.
    pub metric: Metric,
}

impl Column {
    /// The result of a run in this column.
    fn value(&self, record: &RunRecord) -> Option<f64> {
        match self.dataset_as_run.split_once('/') {
            Some((_, set)) => record.value_on(set, self.metric),
            None => record.value(self.metric),
        }
    }

    /// That of a run that ended well.
    fn finished(&self, record: &RunRecord) -> Option<f64> {
        self.value(record).filter(|value| value.is_finite() && record.err.is_none())
    }

    /// What decides which of the paper's numbers stand beside it.
    pub(crate) fn printed(&self) -> (&str, &str, Metric) {
        (&self.dataset, &self.model, self.metric.printed())
    }

    /// Whether runs of this kind compare with the paper's number: the paper's model and data set, at full size, on real data.
    #[must_use]
    pub fn compares(&self, profile: Profile, data_source: DataSource) -> bool {
        profile == Profile::Paper
            && data_source.is_real()
            && self.dataset == self.dataset_as_run
            && model_key(&self.model) == model_key(&self.model_as_run)
    }
}

/// What a table shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Table of the paper, 1 to 11.
    pub number: u8,
    /// Title, one line.
    pub title: String,
    /// Name of the files without ending: `table_04`.
    pub stem: String,
    /// Activations, in the order of the rows. Further ones found in the records follow them.
    pub rows: Vec<String>,
    /// Columns; several may stand for one model of the paper (one a profile).
    pub columns: Vec<Column>,
}

/// What must be equal for runs of one model to share a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
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
}

impl Setting {
    /// The setting of a run.
    #[must_use]
    pub fn of(record: &RunRecord) -> Self {
        Self {
            data_version: record.data_version.clone(),
            recipe: record.recipe.clone(),
            steps: record.steps,
            batch: record.batch,
            precision: record.precision.clone(),
        }
    }
}

/// One activation on one model, over seeds.
///
/// Where several learning rates were tried, the cell shows one of them, as the paper does ([`crate::rates::best`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Learning rate shown; `None` when no run finished.
    pub lr: Option<f64>,
    /// All learning rates tried, the lowest first.
    pub rates: Vec<TriedRate>,
    /// Seeds of the finished runs, in their order.
    pub seeds: Vec<u64>,
    /// One value a finished run, in the order of the seeds.
    pub values: Vec<f64>,
    /// Median and spread of `values`; `None` when no run finished.
    pub summary: Option<Summary>,
    /// Runs that failed: at the rate shown, or at all rates when none finished.
    pub failed: usize,
    /// Why they failed, each reason once.
    pub reasons: Vec<String>,
    /// The paper's number, the median where it prints several.
    pub paper: Option<f64>,
    /// Our median minus the paper's number; only where the two compare.
    pub difference: Option<f64>,
    /// Commits of the runs.
    pub commits: Vec<String>,
    /// Devices of the runs.
    pub devices: Vec<String>,
    /// Median wall-clock time of the finished runs.
    pub seconds_median: Option<f64>,
}

/// What came of one learning rate.
#[derive(Clone, Debug, PartialEq)]
pub struct TriedRate {
    /// Peak learning rate.
    pub lr: f64,
    /// Median and spread over seeds; `None` when no run finished.
    pub summary: Option<Summary>,
    /// Runs that failed.
    pub failed: usize,
    /// Why, each reason once.
    pub reasons: Vec<String>,
    /// Whether this is the rate that the table shows.
    pub chosen: bool,
}

/// One column as run: its cells stand in the order of [`Section::rows`].
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The column it fills.
    pub column: Column,
    /// What its runs have in common.
    pub setting: Setting,
    /// Whether its numbers compare with the paper's.
    pub comparable: bool,
    /// One cell a row.
    pub cells: Vec<Cell>,
}

/// What the runs of a section have been made with; each list sorted, without repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Number of runs.
    pub runs: usize,
    /// How many of them failed.
    pub failed: usize,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Commits.
    pub commits: Vec<String>,
    /// Whether a program was built from changed sources.
    pub dirty: bool,
    /// Devices.
    pub devices: Vec<String>,
    /// Numbers of threads.
    pub threads: Vec<usize>,
    /// Wall-clock time of all runs together, rounded to seconds.
    pub seconds: u64,
}

/// All that was run with one profile on data from one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Size of the runs.
    pub profile: Profile,
    /// Where their data came from.
    pub data_source: DataSource,
    /// Activations, the label of each row.
    pub rows: Vec<String>,
    /// The columns.
    pub blocks: Vec<Block>,
    /// Columns of the paper that no run here fills: their cells have the paper's numbers alone.
    pub unfilled: Vec<Block>,
    /// Where the numbers come from.
    pub provenance: Provenance,
}

/// A table filled from records.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What it shows.
    pub spec: TableSpec,
    /// Its sections: larger profiles first.
    pub sections: Vec<Section>,
}

impl Table {
    /// Fills the table. Records of other models or data sets are left out; records of other
    /// experiments are the caller's to leave out.
    #[must_use]
    pub fn build(spec: TableSpec, records: &[RunRecord]) -> Self {
        let sections = build::sections(&spec, records);
        Self { spec, sections }
    }

    /// The table as Markdown, with a line under each section that says where its numbers come from.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// The table as CSV, one line a cell that has runs.
    ///
    /// # Errors
    /// [`crate::RecordError::TableCsv`] from the CSV writer.
    pub fn csv(&self) -> Result<Vec<u8>> {
        csv_rows::render(self)
    }

    /// Writes `<results_dir>/tables/<stem>.csv` and `.md`, and where several learning rates were tried `<stem>_rates.csv` and `.md`;
    /// returns their paths.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, results_dir: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let folder = results_dir.as_ref().join("tables");
        let mut files = vec![
            (folder.join(format!("{}.csv", self.spec.stem)), self.csv()?),
            (folder.join(format!("{}.md", self.spec.stem)), self.markdown().into_bytes()),
        ];
        if rates::tried(self) {
            files.push((folder.join(format!("{}_rates.csv", self.spec.stem)), rates::csv(self)?));
            files.push((folder.join(format!("{}_rates.md", self.spec.stem)), rates::markdown(self).into_bytes()));
        }
        files.into_iter().map(|(file, text)| write_atomic(&file, text).map(|()| file)).collect()
    }
}

impl Section {
    /// Heading of the column of our runs: model as run, profile, data source; what else tells two columns apart.
    #[must_use]
    pub fn heading(&self, block: &Block, spec: &TableSpec) -> String {
        let column = &block.column;
        let mut parts = vec![column.model_as_run.clone(), self.profile.to_string(), self.data_source.to_string()];
        if column.dataset_as_run != column.dataset {
            parts.push(column.dataset_as_run.clone());
        }
        parts.extend(spec.distinctions(&block.column, |metric| metric));
        let twins = self.blocks.iter().filter(|other| other.column == block.column);
        if twins.count() > 1 {
            let s = &block.setting;
            parts.push(format!(
                "{}, {} steps of {}, {}, data {}",
                s.recipe, s.steps, s.batch, s.precision, s.data_version
            ));
        }
        parts.join(" · ")
    }
}

impl TableSpec {
    /// Heading of a column of the paper's numbers.
    #[must_use]
    pub fn paper_heading(&self, column: &Column) -> String {
        let mut parts = vec![column.model.clone(), "in the paper".to_owned()];
        parts.extend(self.distinctions(column, Metric::printed));
        parts.join(" · ")
    }

    /// Data set and metric of a column, each where the columns of this table differ in it; the metric as `shown`.
    fn distinctions(&self, column: &Column, shown: fn(Metric) -> Metric) -> Vec<String> {
        let mut parts = Vec::new();
        if self.columns.iter().any(|other| other.dataset != column.dataset) {
            parts.push(column.dataset.clone());
        }
        if self.columns.iter().any(|other| shown(other.metric) != shown(column.metric)) {
            parts.push(shown(column.metric).to_string());
        }
        parts
    }
}

#[cfg(test)]
mod tests;
