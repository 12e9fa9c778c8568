//! The CIFAR tables: from their flags to cells, from records to tables and plots.

use crate::args::TableArgs;
use anyhow::{Context, Result, bail};
use candle_core::Device;
use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};
use swish_core::activation::Activation;
use swish_data::{Dataset, LoadedData};
use swish_record::paper::Metric;
use swish_record::plot::{CurvePlot, DotPlot};
use swish_record::table::{Column, Table, TableSpec};
use swish_record::{Profile, RunRecord, RunStore, metrics};
use swish_train::cell::Cell;
use swish_train::jobs::{run_all, with_threads};
use swish_train::progress::Progress;
use swish_train::recipes::CifarModel;
use swish_train::session::{Session, next};
use swish_train::trainer::RunOptions;

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

/// The functions of a table's rows, written as in the paper.
///
/// # Errors
/// A text that is no activation.
pub fn rows(texts: &[&str]) -> Result<Vec<Activation>> {
    texts.iter().map(|text| text.parse().with_context(|| format!("the row {text}"))).collect()
}

/// Trains the cells of the tables that have no record yet, then writes tables and plots.
///
/// # Errors
/// Bad flags, missing data, files that cannot be written, an activation or model that is unknown.
pub fn run(experiment: &str, tables: &[CifarTable], args: &TableArgs) -> Result<()> {
    let device = args.device()?;
    let models = TableArgs::chosen(&args.models, &CifarModel::ALL, |m| m.paper_name())?;
    let tables: Vec<_> =
        tables.iter().filter(|t| args.datasets.is_empty() || args.datasets.contains(&t.dataset)).collect();
    if tables.is_empty() {
        bail!("--datasets: this experiment has none of them");
    }
    let data = tables.iter().map(|t| args.load(t.dataset)).collect::<Result<Vec<_>>>()?;
    let mut cells = Vec::new();
    for (table, data) in tables.iter().zip(&data) {
        cells.extend(table.cells(args, &models, data)?.into_iter().map(|cell| (cell, data)));
    }
    // Two ways to write one function, asked for together, are one cell.
    let mut seen = HashSet::new();
    cells.retain(|(cell, data)| seen.insert(cell.id(data)));
    let (jobs, threads) = args.jobs(cells.len());
    let store = RunStore::new(&args.results);
    if args.dry_run {
        return dry_run(&cells, &store, jobs, threads, &device);
    }
    let options = RunOptions {
        store,
        experiment: experiment.to_string(),
        device,
        threads,
        checkpoint_every: Duration::from_secs(60),
        keep_weights: false,
        progress: Progress::default(),
    };
    let (records, errors): (Vec<_>, Vec<_>) = run_all(&cells, jobs, &options).into_iter().partition(Result::is_ok);
    let records: Vec<RunRecord> = records.into_iter().flatten().collect();
    // What is there is shown, whatever failed.
    for (table, data) in tables.iter().zip(&data) {
        let ours: Vec<_> = records.iter().filter(|r| r.dataset == data.dataset.to_string()).cloned().collect();
        table.write(args, &models, &ours, data, &options.store)?;
    }
    match errors.into_iter().find_map(Result::err) {
        Some(e) => Err(e.into()),
        None => Ok(()),
    }
}

impl CifarTable {
    fn activations<'a>(&'a self, args: &'a TableArgs) -> &'a [Activation] {
        if args.activations.is_empty() { &self.activations } else { &args.activations }
    }

    fn seeds(&self, args: &TableArgs, data: &LoadedData) -> u64 {
        let real = data.source != swish_data::DataSource::Embedded;
        let default = match args.profile {
            Profile::Paper => 5,
            Profile::Reduced if real && self.dataset == Dataset::Cifar10 => 3,
            Profile::Reduced | Profile::Smoke => 1,
        };
        args.seeds.map_or(default, NonZeroU64::get)
    }

    fn cells(&self, args: &TableArgs, models: &[&CifarModel], data: &LoadedData) -> Result<Vec<Cell>> {
        let mut cells = Vec::new();
        for seed in 1..=self.seeds(args, data) {
            for model in models {
                for activation in self.activations(args) {
                    let activation = activation.clone();
                    let recipe = model.recipe(self.dataset, args.profile);
                    let (precision, profile) = (args.precision, args.profile);
                    cells.push(Cell { recipe, activation, seed, precision, profile });
                }
            }
        }
        Ok(cells)
    }

    /// The table as CSV and Markdown, a dot plot a section, and the training curves.
    fn write(
        &self,
        args: &TableArgs,
        models: &[&CifarModel],
        records: &[RunRecord],
        data: &LoadedData,
        store: &RunStore,
    ) -> Result<()> {
        let column = |m: &&CifarModel| Column {
            dataset: self.dataset.to_string(),
            model: m.paper_name().into(),
            model_as_run: m.recipe(self.dataset, args.profile).model,
            metric: Metric::Top1,
        };
        let rows: Vec<String> = self.activations(args).iter().map(ToString::to_string).collect();
        let name = match self.dataset {
            Dataset::Cifar10 => "CIFAR-10",
            Dataset::Cifar100 => "CIFAR-100",
            Dataset::ImageNet => "ImageNet",
        };
        let table = Table::build(
            TableSpec {
                number: self.number,
                title: format!("Table {}: {name} accuracy", self.number),
                stem: stem(self, args, data),
                rows: rows.clone(),
                columns: models.iter().map(column).collect(),
            },
            records,
        );
        let mut written = table.write(&args.results)?.to_vec();
        let figures = args.results.join("figures");
        // One profile and one source of data: one section, one plot.
        for (_, plot) in DotPlot::of_table(&table) {
            written.extend(plot.write(figures.join(&table.spec.stem))?);
        }
        let curves = CurvePlot::of_runs(&format!("{name}: training curves"), &rows, &with_metrics(records, store)?);
        written.extend(curves.write(figures.join(format!("{}_curves", table.spec.stem)))?);
        writeln!(std::io::stdout(), "{}", table.markdown()).context("standard output")?;
        for file in written {
            eprintln!("wrote {}", file.display());
        }
        Ok(())
    }
}

/// Files of different profiles or data never overwrite each other (`table_04-reduced-embedded`), nor does a part of a
/// table the whole of it (`table_04-reduced-embedded-partial`).
fn stem(table: &CifarTable, args: &TableArgs, data: &LoadedData) -> String {
    let partial = if args.selects() { "-partial" } else { "" };
    format!("table_{:02}-{}-{}{}{partial}", table.number, args.profile, data.source, table.ending)
}

fn with_metrics(records: &[RunRecord], store: &RunStore) -> Result<Vec<(RunRecord, Vec<metrics::Row>)>> {
    let read = |r: &RunRecord| Ok((r.clone(), metrics::read(store.run_dir(&r.id).join("metrics.csv"))?));
    records.iter().map(read).collect()
}

/// Lists the cells; estimates the time from two steps of each model.
fn dry_run(
    cells: &[(Cell, &LoadedData)],
    store: &RunStore,
    jobs: usize,
    threads: usize,
    device: &Device,
) -> Result<()> {
    let mut seconds_a_step: BTreeMap<String, f64> = BTreeMap::new();
    let (mut total, mut open) = (0.0, 0);
    let mut out = std::io::stdout();
    for (cell, data) in cells {
        let id = cell.id(data);
        let done = store.read(&id)?.is_some();
        let per_step = match seconds_a_step.get(&cell.recipe.name) {
            Some(&s) => s,
            None => {
                let s = with_threads(threads, || time_step(cell, data, device))??;
                seconds_a_step.insert(cell.recipe.name.clone(), s);
                s
            }
        };
        let seconds = per_step * cell.recipe.steps as f64;
        let state = if done { "done".to_string() } else { format!("about {}", duration(seconds)) };
        writeln!(out, "{id}  {:<52} {:>7} steps  {state}", cell.label(), cell.recipe.steps)?;
        if !done {
            total += seconds / jobs as f64;
            open += 1;
        }
    }
    let n = cells.len();
    writeln!(
        out,
        "{n} cells, {open} to train, about {} with {jobs} at a time ({threads} threads each)",
        duration(total)
    )?;
    Ok(())
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

/// Seconds of the faster of two steps after one to warm up.
fn time_step(cell: &Cell, data: &LoadedData, device: &Device) -> Result<f64> {
    let mut session = Session::new(cell, data, device)?;
    let mut batches = session.batches(0)?;
    let mut fastest = f64::INFINITY;
    for step in 0..3 {
        let batch = next(&mut batches)?;
        let start = Instant::now();
        session.step(batch, step)?;
        if step > 0 {
            fastest = fastest.min(start.elapsed().as_secs_f64());
        }
    }
    Ok(fastest)
}
