//! From records to sections, blocks and cells.

use std::collections::{BTreeMap, BTreeSet};

use super::{Block, Cell, Column, Provenance, Section, Setting, TableSpec, TriedRate};
use crate::paper::{activation_key, lookup_metric, model_key};
use crate::rates::{Rate, best, by_rate};
use crate::run::{DataSource, Profile, RunRecord};
use crate::stats;

/// The sections of `spec`: larger profiles first, real data before stand-ins.
pub(super) fn sections(spec: &TableSpec, records: &[RunRecord]) -> Vec<Section> {
    let mut kinds: BTreeMap<_, Vec<&RunRecord>> = BTreeMap::new();
    let shown = |record: &&RunRecord| spec.columns.iter().any(|column| belongs(record, column));
    for record in records.iter().filter(shown) {
        let kind = (std::cmp::Reverse(record.profile), record.data_source);
        kinds.entry(kind).or_default().push(record);
    }
    kinds.into_iter().map(|((profile, source), records)| section(spec, profile.0, source, &records)).collect()
}

fn section(spec: &TableSpec, profile: Profile, data_source: DataSource, records: &[&RunRecord]) -> Section {
    let rows = row_labels(spec, records);
    let mut blocks = Vec::new();
    for column in &spec.columns {
        let mut settings: BTreeMap<Setting, Vec<&RunRecord>> = BTreeMap::new();
        for record in records.iter().filter(|record| belongs(record, column)) {
            settings.entry(Setting::of(record)).or_default().push(record);
        }
        for (setting, records) in settings {
            let comparable = column.compares(profile, data_source);
            let cells = rows.iter().map(|row| {
                let of_row: Vec<&RunRecord> =
                    records.iter().copied().filter(|record| row_of(record, &rows) == Some(row)).collect();
                cell(spec.number, column, row, &of_row, comparable)
            });
            blocks.push(Block { column: column.clone(), cells: cells.collect(), setting, comparable });
        }
    }
    let unfilled = unfilled(spec, &rows, &blocks);
    Section { profile, data_source, rows, blocks, unfilled, provenance: provenance(records) }
}

/// A block without runs for each column of the paper that no block stands for.
fn unfilled(spec: &TableSpec, rows: &[String], blocks: &[Block]) -> Vec<Block> {
    let mut unfilled: Vec<Block> = Vec::new();
    for column in &spec.columns {
        if blocks.iter().chain(&unfilled).all(|block| block.column.printed() != column.printed()) {
            let cells: Vec<Cell> = rows.iter().map(|row| cell(spec.number, column, row, &[], false)).collect();
            if cells.iter().any(|cell| cell.paper.is_some()) {
                unfilled.push(Block { column: column.clone(), cells, setting: Setting::default(), comparable: false });
            }
        }
    }
    unfilled
}

/// Whether a run fills a column: the model and data set, and a value of its metric or a failure.
fn belongs(record: &RunRecord, column: &Column) -> bool {
    let dataset = column.dataset_as_run.split_once('/').map_or(column.dataset_as_run.as_str(), |(dataset, _)| dataset);
    record.dataset == dataset
        && model_key(&record.model) == model_key(&column.model_as_run)
        && (record.err.is_some() || column.value(record).is_some())
}

/// The rows asked for, then the activations they do not name, in alphabetical order.
fn row_labels(spec: &TableSpec, records: &[&RunRecord]) -> Vec<String> {
    let mut rows = spec.rows.clone();
    let others: BTreeSet<&str> = records
        .iter()
        .filter(|record| row_of(record, &spec.rows).is_none())
        .map(|record| record.activation.as_str())
        .collect();
    for other in others {
        if !rows.iter().any(|row| activation_key(row) == activation_key(other)) {
            rows.push(other.to_owned());
        }
    }
    rows
}

/// The row of a record: by the name it was given, else by its formula.
fn row_of<'a>(record: &RunRecord, rows: &'a [String]) -> Option<&'a String> {
    [&record.activation, &record.formula, &record.canonical]
        .into_iter()
        .find_map(|text| rows.iter().find(|row| activation_key(row) == activation_key(text)))
}

fn cell(table: u8, column: &Column, row: &str, records: &[&RunRecord], comparable: bool) -> Cell {
    let rates = by_rate(records.iter().copied());
    let best = best(&rates, column.metric);
    let finished = |record: &RunRecord| column.finished(record);
    let reasons = |runs: &[&RunRecord]| {
        let ill = runs.iter().filter(|run| finished(run).is_none());
        sorted(ill.map(|run| run.err.clone().unwrap_or_else(|| "result not finite".into())))
    };
    let tried = |rate: &Rate<'_>| TriedRate {
        lr: rate.lr,
        summary: rate.summary_of(finished),
        failed: rate.runs.iter().filter(|run| finished(run).is_none()).count(),
        reasons: reasons(&rate.runs),
        chosen: best.is_some_and(|best| best.lr == rate.lr),
    };
    let mut shown = best.map_or_else(|| records.to_vec(), |best| best.runs.clone());
    shown.sort_by_key(|record| record.seed);
    let well: Vec<&RunRecord> = shown.iter().copied().filter(|run| finished(run).is_some()).collect();
    let summary = best.and_then(|best| best.summary_of(finished));
    let paper = lookup_metric(table, &column.dataset, &column.model, column.metric, row);
    let seconds: Vec<f64> = well.iter().map(|record| record.seconds).collect();
    Cell {
        lr: best.map(|best| best.lr),
        rates: rates.iter().map(tried).collect(),
        seeds: well.iter().map(|run| run.seed).collect(),
        values: well.iter().filter_map(|run| finished(run)).collect(),
        summary,
        failed: shown.len() - well.len(),
        reasons: reasons(&shown),
        paper,
        difference: summary.zip(paper).filter(|_| comparable).map(|(ours, paper)| ours.median - paper),
        commits: sorted(shown.iter().map(|record| record.commit.clone())),
        devices: sorted(shown.iter().map(|record| record.device.clone())),
        seconds_median: stats::median(&seconds),
    }
}

fn provenance(records: &[&RunRecord]) -> Provenance {
    let seconds: f64 = records.iter().map(|record| record.seconds).sum();
    Provenance {
        runs: records.len(),
        failed: records.iter().filter(|record| record.err.is_some()).count(),
        seeds: sorted(records.iter().map(|record| record.seed)),
        commits: sorted(records.iter().map(|record| record.commit.clone())),
        dirty: records.iter().any(|record| record.dirty),
        devices: sorted(records.iter().map(|record| record.device.clone())),
        threads: sorted(records.iter().map(|record| record.threads)),
        seconds: seconds.round() as u64,
    }
}

/// Sorted, each value once.
fn sorted<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect::<BTreeSet<T>>().into_iter().collect()
}
