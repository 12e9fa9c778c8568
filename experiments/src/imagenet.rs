//! The ImageNet tables: nine activations in one model, each with three learning rates, of which the best is shown.

use crate::args::{ROWS, TableArgs, rows};
use crate::runs::{curves, stem, write_table};
use crate::trials::{Trials, check_rates, shown};
use anyhow::Result;
use std::num::NonZeroU64;
use std::path::PathBuf;
use swish_core::activation::Activation;
use swish_data::{Data, Dataset};
use swish_record::paper::Metric;
use swish_record::table::{Column, Table, TableSpec};
use swish_record::{RunRecord, RunStore};
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

/// Table 6, whose training curves are Figure 8.
pub const MOBILE_NASNET_A: ImageNetTable = ImageNetTable {
    experiment: "imagenet-mobilenasnet",
    number: 6,
    model: ImageNetModel::MobileNasNetA,
    title: "Mobile NASNet-A",
    runs: 3,
    curves: Some(8),
};

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
        written.extend(self.write_curves(&args.table, trials.activations, records, &stem)?);
        for file in written {
            eprintln!("wrote {}", file.display());
        }
        Ok(())
    }

    /// Training curves from the records that are there, without training: the files, none where there are no records.
    ///
    /// # Errors
    /// Records that cannot be read, files that cannot be written.
    pub fn curves_of_records(&self, args: &TableArgs) -> Result<Vec<PathBuf>> {
        let model = self.model.recipe(args.profile).model;
        let mut records = RunStore::new(&args.results).list_experiment(self.experiment)?;
        records.retain(|run| run.profile == args.profile && run.model == model);
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let data = args.load(DATASET)?;
        records.retain(|run| run.data_source.to_string() == data.source().to_string());
        let stem = stem(self.number, args, data.source(), "", args.selects());
        self.write_curves(args, args.activations(&rows(ROWS)?), &records, &stem)
    }

    /// One line an activation, at its best rate.
    fn write_curves(
        &self,
        args: &TableArgs,
        activations: &[Activation],
        records: &[RunRecord],
        stem: &str,
    ) -> Result<Vec<PathBuf>> {
        let rows: Vec<String> = activations.iter().map(ToString::to_string).collect();
        let (title, file) = match self.curves {
            Some(n) => (
                format!("Figure {n}: training curves of {}", self.title),
                stem.replacen(&format!("table_{:02}", self.number), &format!("figure_{n:02}"), 1),
            ),
            None => (format!("{}: training curves", self.title), format!("{stem}_curves")),
        };
        let curves = curves(&title, &rows, &shown(activations, records, Metric::Top1), args)?;
        Ok(curves.write(args.results.join("figures").join(file))?.to_vec())
    }
}
