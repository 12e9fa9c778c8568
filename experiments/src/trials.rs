//! Tables that try several learning rates an activation, of which the best is shown.
//!
//! As in the paper, every rate is run once; where it has more runs, the best rate of an activation is run again with further seeds.

use crate::args::TableArgs;
use crate::runs::{Runs, dry_run};
use anyhow::{Result, bail};
use swish_core::activation::Activation;
use swish_record::paper::Metric;
use swish_record::rates::{best, by_rate};
use swish_record::{RunRecord, RunStore};
use swish_train::Task;
use swish_train::cell::Cell;

/// From an activation, a rate and a seed to a cell.
pub type MakeCell<'a, R> = dyn Fn(&Activation, Option<f64>, u64) -> Cell<R> + 'a;

/// What is tried.
pub struct Trials<'a, R> {
    /// Name of the experiment in records, and of the target of `make`.
    pub experiment: &'a str,
    /// The rows.
    pub activations: &'a [Activation],
    /// The rates of each.
    pub rates: Vec<f64>,
    /// Seeds at the best of them.
    pub seeds: u64,
    /// What decides which is best.
    pub metric: Metric,
    /// The cell of an activation, rate and seed; without a rate, at the recipe's own.
    pub cell: &'a MakeCell<'a, R>,
}

/// Checks the rates that were asked for.
///
/// # Errors
/// One that is not a positive number.
pub fn check_rates(rates: &[f64]) -> Result<()> {
    match rates.iter().find(|rate| !(rate.is_finite() && **rate > 0.0)) {
        Some(bad) => bail!("--rates {bad}: expected positive numbers"),
        None => Ok(()),
    }
}

impl<R: Task> Trials<'_, R> {
    /// Trains the cells that have no record yet; lists them, and returns nothing, where the flags ask for a dry run.
    ///
    /// # Errors
    /// An unknown device, records that cannot be read.
    pub fn run(&self, data: &R::Data, args: &TableArgs) -> Result<Option<Runs>> {
        let with_data = |cells: Vec<Cell<R>>| cells.into_iter().map(|cell| (cell, data)).collect::<Vec<_>>();
        let once = with_data(self.once());
        if args.dry_run {
            let store = RunStore::new(&args.results);
            let known = once.iter().filter_map(|(cell, data)| store.read(&cell.id(data)).transpose());
            let again = self.again(&known.collect::<Result<Vec<_>, _>>()?);
            dry_run(&[once, with_data(again)].concat(), args)?;
            return Ok(None);
        }
        let mut runs = Runs::default();
        runs.train(self.experiment, &once, args)?;
        let again = with_data(self.again(&runs.records));
        runs.train(self.experiment, &again, args)?;
        Ok(Some(runs))
    }

    /// Every activation once with every rate.
    fn once(&self) -> Vec<Cell<R>> {
        let of_rate = |lr: &f64| {
            self.activations.iter().map(|activation| (self.cell)(activation, Some(*lr), 1)).collect::<Vec<_>>()
        };
        self.rates.iter().flat_map(of_rate).collect()
    }

    /// Every activation with further seeds at its best rate; at the recipe's own while nothing is known of it. One whose runs all failed is
    /// not run again.
    fn again(&self, records: &[RunRecord]) -> Vec<Cell<R>> {
        let mut cells = Vec::new();
        for activation in self.activations {
            let of_it: Vec<_> = records.iter().filter(|run| run.canonical == activation.canonical()).collect();
            let best = best(&by_rate(of_it.iter().copied()), self.metric).map(|rate| rate.lr);
            if best.is_some() || of_it.is_empty() {
                cells.extend((2..=self.seeds).map(|seed| (self.cell)(activation, best, seed)));
            }
        }
        cells
    }
}

/// Of every activation the run at its best rate with the first seed: a line each of a plot of curves.
pub fn shown(activations: &[Activation], records: &[RunRecord], metric: Metric) -> Vec<RunRecord> {
    let mut shown = Vec::new();
    for activation in activations {
        let rates = by_rate(records.iter().filter(|run| run.canonical == activation.canonical()));
        let first = best(&rates, metric).and_then(|rate| rate.runs.iter().min_by_key(|run| run.seed));
        shown.extend(first.map(|run| (*run).clone()));
    }
    shown
}
