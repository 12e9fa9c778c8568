//! What all tables do with their cells: train those that have no record yet, or list them; and where their files go.

use crate::args::TableArgs;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use swish_core::nn::Compute;
use swish_data::DataSource;
use swish_record::plot::{CurvePlot, DotPlot};
use swish_record::table::Table;
use swish_record::{RunRecord, RunStore, metrics};
use swish_train::cell::Cell;
use swish_train::jobs::{run_all, with_threads};
use swish_train::progress::Progress;
use swish_train::task::{Outline, Task, Training};
use swish_train::trainer::RunOptions;

/// The runs of an experiment as far as they have come.
#[derive(Debug, Default)]
pub struct Runs {
    /// Records, in the order of their cells.
    pub records: Vec<RunRecord>,
    /// What kept cells from having one.
    errors: Vec<swish_train::Error>,
}

impl Runs {
    /// Trains the cells that have no record yet. A cell that cannot be trained does not keep the others from it.
    ///
    /// # Errors
    /// An unknown device.
    pub fn train<R: Task>(&mut self, experiment: &str, cells: &[(Cell<R>, &R::Data)], args: &TableArgs) -> Result<()> {
        let cells = distinct(cells);
        let (jobs, threads) = args.jobs(cells.len());
        let options = RunOptions {
            store: RunStore::new(&args.results),
            experiment: experiment.to_string(),
            device: args.device.into(),
            threads,
            checkpoint_every: Duration::from_secs(60),
            keep_weights: false,
            tensorboard: args.tensorboard,
            progress: Progress::default(),
            begun: None,
        };
        for result in run_all(&cells, jobs, &options) {
            match result {
                Ok(record) => self.records.push(record),
                Err(e) => self.errors.push(e),
            }
        }
        Ok(())
    }

    /// The first error, after what is there has been shown.
    ///
    /// # Errors
    /// That one.
    pub fn end(self) -> Result<()> {
        self.errors.into_iter().next().map_or(Ok(()), |e| Err(e.into()))
    }
}

/// Every cell once: two ways to write one function, asked for together, are one cell.
fn distinct<'a, R: Task>(cells: &[(Cell<R>, &'a R::Data)]) -> Vec<(Cell<R>, &'a R::Data)> {
    let mut seen = HashSet::new();
    cells.iter().filter(|(cell, data)| seen.insert(cell.id(data))).cloned().collect()
}

/// Files of different profiles or data never overwrite each other (`table_04-reduced-embedded`), nor does a part of a
/// table the whole of it (`table_04-reduced-embedded-partial`).
pub fn stem(number: u8, args: &TableArgs, source: DataSource, ending: &str, partial: bool) -> String {
    let partial = if partial { "-partial" } else { "" };
    format!("table_{number:02}-{}-{source}{ending}{partial}", args.profile)
}

/// Writes a table as CSV, Markdown and dot plots and prints it; returns the files.
///
/// # Errors
/// Files that cannot be written.
pub fn write_table(table: &Table, args: &TableArgs) -> Result<Vec<PathBuf>> {
    let mut written = table.write(&args.results)?;
    // One profile and one source of data: one section, one plot.
    for (_, plot) in DotPlot::of_table(table) {
        written.extend(plot.write(args.results.join("figures").join(&table.spec.stem))?);
    }
    writeln!(std::io::stdout(), "{}", table.markdown()).context("standard output")?;
    Ok(written)
}

/// The training curves of these runs.
///
/// # Errors
/// A `metrics.csv` that cannot be read.
pub fn curves(title: &str, rows: &[String], records: &[RunRecord], args: &TableArgs) -> Result<CurvePlot> {
    let store = RunStore::new(&args.results);
    let read = |r: &RunRecord| Ok((r.clone(), metrics::read(store.run_dir(&r.id).join("metrics.csv"))?));
    let with_metrics = records.iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(CurvePlot::of_runs(title, rows, &with_metrics))
}

/// Lists the cells; estimates the time from two steps of each model.
///
/// # Errors
/// An unknown device or model, a record that cannot be read.
pub fn dry_run<R: Task>(cells: &[(Cell<R>, &R::Data)], args: &TableArgs) -> Result<()> {
    let cells = distinct(cells);
    let (store, device) = (RunStore::new(&args.results), args.device);
    let (jobs, threads) = args.jobs(cells.len());
    let mut seconds_a_step: BTreeMap<String, f64> = BTreeMap::new();
    let (mut total, mut open) = (0.0, 0);
    let mut out = std::io::stdout();
    for (cell, data) in &cells {
        let id = cell.id(data);
        let done = store.read(&id)?.is_some();
        let Outline { name, steps, .. } = cell.recipe.outline();
        let per_step = match seconds_a_step.get(name) {
            Some(&s) => s,
            None => {
                let s = with_threads(threads, || time_step(cell, data, device))??;
                seconds_a_step.insert(name.to_string(), s);
                s
            }
        };
        let seconds = per_step * steps as f64;
        let state = if done { "done".to_string() } else { format!("about {}", duration(seconds)) };
        writeln!(out, "{id}  {:<52} {steps:>7} steps  {state}", cell.label())?;
        if !done {
            total += seconds / jobs as f64;
            open += 1;
        }
    }
    let n = cells.len();
    let time = duration(total);
    writeln!(out, "{n} cells, {open} to train, about {time} with {jobs} at a time ({threads} threads each)")?;
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
fn time_step<R: Task>(cell: &Cell<R>, data: &R::Data, device: Compute) -> Result<f64> {
    let mut session = R::open(cell, data, device.into())?;
    let mut batches = session.batches(0)?;
    let mut fastest = f64::INFINITY;
    for step in 0..3 {
        let start = Instant::now();
        session.step_and_loss(&mut batches, step)?;
        if step > 0 {
            fastest = fastest.min(start.elapsed().as_secs_f64());
        }
    }
    Ok(fastest)
}
