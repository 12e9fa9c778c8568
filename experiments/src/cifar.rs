//! The CIFAR tables: from their flags to cells, from records to tables and plots.

use crate::args::{TableArgs, chosen};
use crate::runs::{Runs, curves, dry_run, stem, write_table};
use anyhow::{Result, bail};
use std::num::NonZeroU64;
use swish_core::activation::Activation;
use swish_data::{Data, Dataset};
use swish_record::paper::Metric;
use swish_record::table::{Column, Table, TableSpec};
use swish_record::{Profile, RunRecord};
use swish_train::cell::Cell;
use swish_train::recipes::CifarModel;

/// Flags of the CIFAR tables.
#[derive(Clone, Debug, clap::Args)]
pub struct CifarArgs {
    /// Those of every table.
    #[command(flatten)]
    pub table: TableArgs,
    /// Only these models of the paper, separated by commas, e.g. resnet-164
    #[arg(long, value_delimiter = ',', value_name = "M,M,..")]
    pub models: Vec<String>,
    /// Only these data sets, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "D,D,..")]
    pub datasets: Vec<Dataset>,
    /// Seeds a cell. Default: 5 in the paper profile; reduced: 3 for CIFAR-10 and 1 for CIFAR-100 on real data, 1 on
    /// embedded data
    #[arg(long)]
    pub seeds: Option<NonZeroU64>,
}

/// One table of the paper: a data set and the functions of its rows.
#[derive(Clone, Debug)]
pub struct CifarTable {
    /// Number of the table in the paper.
    pub number: u8,
    /// Its data set.
    pub dataset: Dataset,
    /// Its rows: the paper's, and further ones.
    pub activations: Vec<Activation>,
    /// What the names of its files end in where it has rows that the paper's table has not; else empty.
    pub ending: &'static str,
}

/// Trains the cells of the tables that have no record yet, then writes tables and plots.
///
/// # Errors
/// Bad flags, missing data, files that cannot be written, an activation or model that is unknown.
pub fn run(experiment: &str, tables: &[CifarTable], args: &CifarArgs) -> Result<()> {
    let models = chosen(&args.models, &CifarModel::ALL, |m| m.paper_name())?;
    let tables: Vec<_> =
        tables.iter().filter(|t| args.datasets.is_empty() || args.datasets.contains(&t.dataset)).collect();
    if tables.is_empty() {
        bail!("--datasets: this experiment has none of them");
    }
    let data = tables.iter().map(|t| args.table.load(t.dataset)).collect::<Result<Vec<_>>>()?;
    let mut cells = Vec::new();
    for (table, data) in tables.iter().zip(&data) {
        cells.extend(table.cells(args, &models, data).into_iter().map(|cell| (cell, data)));
    }
    if args.table.dry_run {
        return dry_run(&cells, &args.table);
    }
    let mut runs = Runs::default();
    runs.train(experiment, &cells, &args.table)?;
    // What is there is shown, whatever failed.
    for (table, data) in tables.iter().zip(&data) {
        let ours: Vec<_> = runs.records.iter().filter(|r| r.dataset == data.dataset().to_string()).cloned().collect();
        table.write(args, &models, &ours, data)?;
    }
    runs.end()
}

impl CifarTable {
    fn seeds(&self, args: &CifarArgs, data: &Data) -> u64 {
        let real = data.source() != swish_data::DataSource::Embedded;
        let default = match args.table.profile {
            Profile::Paper => 5,
            Profile::Reduced if real && self.dataset == Dataset::Cifar10 => 3,
            Profile::Reduced | Profile::Smoke => 1,
        };
        args.seeds.map_or(default, NonZeroU64::get)
    }

    fn cells(&self, args: &CifarArgs, models: &[&CifarModel], data: &Data) -> Vec<Cell> {
        let mut cells = Vec::new();
        for seed in 1..=self.seeds(args, data) {
            for model in models {
                for activation in args.table.activations(&self.activations) {
                    let activation = activation.clone();
                    let recipe = model.recipe(self.dataset, args.table.profile);
                    let (precision, profile) = (args.table.precision, args.table.profile);
                    cells.push(Cell { recipe, activation, seed, precision, profile });
                }
            }
        }
        cells
    }

    /// The table as CSV and Markdown, a dot plot a section, and the training curves.
    fn write(&self, args: &CifarArgs, models: &[&CifarModel], records: &[RunRecord], data: &Data) -> Result<()> {
        let column = |m: &&CifarModel| Column {
            dataset: self.dataset.to_string(),
            dataset_as_run: self.dataset.to_string(),
            model: m.paper_name().into(),
            model_as_run: m.recipe(self.dataset, args.table.profile).model,
            metric: Metric::Top1,
        };
        let rows: Vec<String> = args.table.activations(&self.activations).iter().map(ToString::to_string).collect();
        let name = match self.dataset {
            Dataset::Cifar10 => "CIFAR-10",
            Dataset::Cifar100 => "CIFAR-100",
            Dataset::ImageNet => "ImageNet",
        };
        let partial = args.table.selects() || !args.models.is_empty() || args.seeds.is_some();
        let table = Table::build(
            TableSpec {
                number: self.number,
                title: format!("Table {}: {name} accuracy", self.number),
                stem: stem(self.number, &args.table, data.source(), self.ending, partial),
                rows: rows.clone(),
                columns: models.iter().map(column).collect(),
            },
            records,
        );
        let mut written = write_table(&table, &args.table)?;
        let curves = curves(&format!("{name}: training curves"), &rows, records, &args.table)?;
        let file = args.table.results.join("figures").join(format!("{}_curves", table.spec.stem));
        written.extend(curves.write(file)?);
        for file in written {
            eprintln!("wrote {}", file.display());
        }
        Ok(())
    }
}
