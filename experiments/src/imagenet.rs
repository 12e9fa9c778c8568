//! The ImageNet tables: nine activations in one model, each with three learning rates, of which the best is shown.

use crate::args::{ROWS, TableArgs, rows};
use crate::runs::{curves, stem, write_table};
use crate::trials::{Trials, check_rates};
use anyhow::Result;
use std::num::NonZeroU64;
use swish_core::activation::Activation;
use swish_data::{Data, Dataset};
use swish_record::RunRecord;
use swish_record::paper::Metric;
use swish_record::table::{Column, Table, TableSpec};
use swish_train::Recipe;
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
    check_rates(&args.rates)?;
    let data = args.table.load(DATASET)?;
    let activations = args.table.activations(&rows(ROWS)?).to_vec();
    let base = table.model.recipe(args.table.profile).schedule.lr;
    let trials = Trials {
        experiment: table.experiment,
        activations: &activations,
        rates: match args.rates.is_empty() {
            true => RATE_FACTORS.iter().map(|factor| factor * base).collect(),
            false => args.rates.clone(),
        },
        seeds: args.seeds.map_or(table.runs, NonZeroU64::get),
        metric: Metric::Top1,
        cell: &|activation, lr, seed| table.cell(args, activation, lr, seed),
    };
    let Some(runs) = trials.run(&data, &args.table)? else { return Ok(()) };
    // What is there is shown, whatever failed.
    table.write(args, &trials, &runs.records, &data)?;
    runs.end()
}

impl ImageNetTable {
    fn cell(&self, args: &ImageNetArgs, activation: &Activation, lr: Option<f64>, seed: u64) -> Cell {
        let (precision, profile) = (args.table.precision, args.table.profile);
        let mut recipe = self.model.recipe(profile);
        recipe.schedule.lr = lr.unwrap_or(recipe.schedule.lr);
        Cell { recipe, activation: activation.clone(), seed, precision, profile }
    }

    /// The table, all of its learning rates, a dot plot, and training curves at the rates that the table shows.
    fn write(&self, args: &ImageNetArgs, trials: &Trials<Recipe>, records: &[RunRecord], data: &Data) -> Result<()> {
        let rows: Vec<String> = trials.activations.iter().map(ToString::to_string).collect();
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
        let curves = curves(&title, &rows, &trials.shown(records), &args.table)?;
        written.extend(curves.write(args.table.results.join("figures").join(file))?);
        for file in written {
            eprintln!("wrote {}", file.display());
        }
        Ok(())
    }
}
