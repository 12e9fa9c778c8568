//! The ImageNet tables: nine activations in one model, each with three learning rates, of which the best is shown.
//!
//! As in the paper, every rate is run once; where the paper has three runs, the best rate of an activation is run again with further seeds.

use crate::args::{ROWS, TableArgs, rows};
use crate::runs::{Runs, curves, dry_run, stem, write_table};
use anyhow::{Result, bail};
use std::num::NonZeroU64;
use swish_core::activation::Activation;
use swish_data::{Data, Dataset};
use swish_record::paper::Metric;
use swish_record::rates::{best, by_rate};
use swish_record::table::{Column, Table, TableSpec};
use swish_record::{RunRecord, RunStore};
use swish_train::cell::Cell;
use swish_train::recipes::{ImageNetModel, RATE_FACTORS};

/// Flags of the ImageNet tables.
#[derive(Clone, Debug, clap::Args)]
pub struct ImageNetArgs {
    /// Those of every table.
    #[command(flatten)]
    pub table: TableArgs,
    /// These learning rates instead of the recipe's three, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "R,R,..")]
    pub rates: Vec<f64>,
    /// Seeds at the best rate of an activation. Default: the paper's runs, 3 or 1
    #[arg(long)]
    pub seeds: Option<NonZeroU64>,
}

/// One table of the paper.
#[derive(Clone, Copy, Debug)]
pub struct ImageNetTable {
    /// Name of the experiment in records, and of the target of `make`.
    pub experiment: &'static str,
    /// Number of the table in the paper.
    pub number: u8,
    /// Its model.
    pub model: ImageNetModel,
    /// The model's name in titles.
    pub title: &'static str,
    /// How many runs the paper prints.
    pub runs: u64,
    /// Number of the figure with the model's training curves, where the paper has one.
    pub curves: Option<u8>,
}

/// What the models are trained on.
const DATASET: Dataset = Dataset::ImageNet;

/// Trains the cells that have no record yet, then writes the table, its learning rates and plots.
///
/// # Errors
/// Bad flags, missing data, files that cannot be written, an activation or model that is unknown.
pub fn run(table: &ImageNetTable, args: &ImageNetArgs) -> Result<()> {
    if let Some(bad) = args.rates.iter().find(|rate| !(rate.is_finite() && **rate > 0.0)) {
        bail!("--rates {bad}: expected positive numbers");
    }
    let data = args.table.load(DATASET)?;
    let activations = args.table.activations(&rows(ROWS)?).to_vec();
    let with_data = |cells: Vec<Cell>| cells.into_iter().map(|cell| (cell, &data)).collect::<Vec<_>>();
    let once = with_data(table.once(args, &activations));
    if args.table.dry_run {
        let store = RunStore::new(&args.table.results);
        let known = once.iter().filter_map(|(cell, data)| store.read(&cell.id(data)).transpose());
        let again = table.again(args, &activations, &known.collect::<Result<Vec<_>, _>>()?);
        return dry_run(&[once, with_data(again)].concat(), &args.table);
    }
    let mut runs = Runs::default();
    runs.train(table.experiment, &once, &args.table)?;
    let again = with_data(table.again(args, &activations, &runs.records));
    runs.train(table.experiment, &again, &args.table)?;
    // What is there is shown, whatever failed.
    table.write(args, &activations, &runs.records, &data)?;
    runs.end()
}

impl ImageNetTable {
    fn cell(&self, args: &ImageNetArgs, activation: &Activation, lr: Option<f64>, seed: u64) -> Cell {
        let (precision, profile) = (args.table.precision, args.table.profile);
        let mut recipe = self.model.recipe(profile);
        recipe.schedule.lr = lr.unwrap_or(recipe.schedule.lr);
        Cell { recipe, activation: activation.clone(), seed, precision, profile }
    }

    /// Every activation once with every rate.
    fn once(&self, args: &ImageNetArgs, activations: &[Activation]) -> Vec<Cell> {
        let base = self.model.recipe(args.table.profile).schedule.lr;
        let rates = match args.rates.is_empty() {
            true => RATE_FACTORS.iter().map(|factor| factor * base).collect(),
            false => args.rates.clone(),
        };
        let of_rate = |lr: f64| activations.iter().map(move |activation| self.cell(args, activation, Some(lr), 1));
        rates.into_iter().flat_map(of_rate).collect()
    }

    /// Every activation with further seeds at its best rate; at the recipe's own while nothing is known of it. One whose runs all failed is
    /// not run again.
    fn again(&self, args: &ImageNetArgs, activations: &[Activation], records: &[RunRecord]) -> Vec<Cell> {
        let seeds = args.seeds.map_or(self.runs, NonZeroU64::get);
        let mut cells = Vec::new();
        for activation in activations {
            let of_it: Vec<_> = records.iter().filter(|run| run.canonical == activation.canonical()).collect();
            let best = best(&by_rate(of_it.iter().copied()), Metric::Top1).map(|rate| rate.lr);
            if best.is_some() || of_it.is_empty() {
                cells.extend((2..=seeds).map(|seed| self.cell(args, activation, best, seed)));
            }
        }
        cells
    }

    /// The table, all of its learning rates, a dot plot, and training curves at the rates that the table shows.
    fn write(&self, args: &ImageNetArgs, activations: &[Activation], records: &[RunRecord], data: &Data) -> Result<()> {
        let rows: Vec<String> = activations.iter().map(ToString::to_string).collect();
        let column = |metric| Column {
            dataset: DATASET.to_string(),
            dataset_as_run: DATASET.to_string(),
            model: self.model.paper_name().into(),
            model_as_run: self.model.recipe(args.table.profile).model,
            metric,
        };
        let partial = args.table.selects() || args.seeds.is_some() || !args.rates.is_empty();
        let stem = stem(self.number, &args.table, data.source(), "", partial);
        let spec = TableSpec {
            number: self.number,
            title: format!("Table {}: {} on ImageNet", self.number, self.title),
            stem: stem.clone(),
            rows: rows.clone(),
            columns: [Metric::Top1, Metric::Top5].map(column).to_vec(),
        };
        let mut written = write_table(&Table::build(spec, records), &args.table)?;
        let (title, file) = match self.curves {
            Some(n) => (
                format!("Figure {n}: training curves of {}", self.title),
                stem.replacen(&format!("table_{:02}", self.number), &format!("figure_{n:02}"), 1),
            ),
            None => (format!("{}: training curves", self.title), format!("{stem}_curves")),
        };
        let curves = curves(&title, &rows, &shown(activations, records), &args.table)?;
        written.extend(curves.write(args.table.results.join("figures").join(file))?);
        for file in written {
            eprintln!("wrote {}", file.display());
        }
        Ok(())
    }
}

/// Of every activation the run at its best rate with the first seed: a line each.
fn shown(activations: &[Activation], records: &[RunRecord]) -> Vec<RunRecord> {
    let mut shown = Vec::new();
    for activation in activations {
        let rates = by_rate(records.iter().filter(|run| run.canonical == activation.canonical()));
        let first = best(&rates, Metric::Top1).and_then(|rate| rate.runs.iter().min_by_key(|run| run.seed));
        shown.extend(first.map(|run| (*run).clone()));
    }
    shown
}
