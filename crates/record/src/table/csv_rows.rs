//! The table as CSV: one line a cell, for programs.

use super::{Block, Cell, Section, Table};
use crate::error::{RecordError, Result};

/// First line. Accuracies in percent, times in seconds.
const HEADER: [&str; 28] = [
    "table",
    "dataset",
    "dataset_as_run",
    "model",
    "model_as_run",
    "metric",
    "activation",
    "profile",
    "data_source",
    "data_version",
    "recipe",
    "steps",
    "batch",
    "precision",
    "lr",
    "lrs_tried",
    "n",
    "median",
    "min",
    "max",
    "failed",
    "paper",
    "difference",
    "commits",
    "devices",
    "seconds_median",
    "seeds",
    "values",
];

pub(super) fn render(table: &Table) -> Result<Vec<u8>> {
    let fail = |source| RecordError::TableCsv { table: table.spec.stem.clone(), source };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER).map_err(fail)?;
    for section in &table.sections {
        for block in &section.blocks {
            let cells = section.rows.iter().zip(&block.cells);
            // A cell nobody has run yet is no result.
            for (activation, cell) in cells.filter(|(_, cell)| !cell.rates.is_empty()) {
                let fields = fields(table.spec.number, section, block, activation, cell);
                writer.write_record(fields).map_err(fail)?;
            }
        }
    }
    writer.into_inner().map_err(|error| fail(error.into_error().into()))
}

/// The fields of a cell, in the order of [`HEADER`].
fn fields(table: u8, section: &Section, block: &Block, activation: &str, cell: &Cell) -> [String; 28] {
    let Block { column, setting, .. } = block;
    let summary = cell.summary;
    [
        table.to_string(),
        column.dataset.clone(),
        column.dataset_as_run.clone(),
        column.model.clone(),
        column.model_as_run.clone(),
        column.metric.to_string(),
        activation.to_owned(),
        section.profile.to_string(),
        section.data_source.to_string(),
        setting.data_version.clone(),
        setting.recipe.clone(),
        setting.steps.to_string(),
        setting.batch.to_string(),
        setting.precision.clone(),
        cell.lr.map(|lr| lr.to_string()).unwrap_or_default(),
        cell.rates.len().to_string(),
        summary.map_or(0, |s| s.n).to_string(),
        decimals(summary.map(|s| s.median)),
        decimals(summary.map(|s| s.min)),
        decimals(summary.map(|s| s.max)),
        cell.failed.to_string(),
        decimals(cell.paper),
        decimals(cell.difference),
        cell.commits.join(" "),
        cell.devices.join("; "),
        decimals(cell.seconds_median),
        joined(cell.seeds.iter().map(u64::to_string)),
        joined(cell.values.iter().map(|value| decimals(Some(*value)))),
    ]
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(" ")
}

/// Four decimals, more than any test set resolves, without trailing zeros; empty for no value.
pub(super) fn decimals(value: Option<f64>) -> String {
    let text = value.map(|value| format!("{value:.4}")).unwrap_or_default();
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}
