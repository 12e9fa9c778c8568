//! All learning rates that were tried, as a table beside the one that shows the best of them.

use super::csv_rows::decimals;
use super::markdown::{NOTHING, TextColumn, deciding, grid, made_with, outcome};
use super::{Block, Table};
use crate::csv_text::to_csv;
use crate::error::Result;
use crate::run::{DataSource, Profile};
use serde::Serialize;

/// A line of the CSV: one cell at one rate. Accuracies in percent.
#[derive(Serialize)]
struct RateRow<'a> {
    table: u8,
    dataset: &'a str,
    dataset_as_run: &'a str,
    model: &'a str,
    model_as_run: &'a str,
    metric: &'a str,
    activation: &'a str,
    profile: Profile,
    data_source: DataSource,
    data_version: &'a str,
    recipe: &'a str,
    steps: u64,
    batch: usize,
    precision: &'a str,
    lr: f64,
    chosen: bool,
    n: usize,
    median: String,
    min: String,
    max: String,
    failed: usize,
}

/// Whether any cell had more than one rate.
pub(super) fn tried(table: &Table) -> bool {
    let blocks = table.sections.iter().flat_map(|section| &section.blocks);
    blocks.flat_map(|block| &block.cells).any(|cell| cell.rates.len() > 1)
}

/// One column a rate, the chosen ones in bold.
pub(super) fn markdown(table: &Table) -> String {
    let mut text = format!("### Learning rates of {}\n", table.spec.title);
    for section in &table.sections {
        let mut columns: Vec<TextColumn> = Vec::new();
        for block in &section.blocks {
            let heading = section.heading(block, &table.spec);
            for lr in rates(block) {
                columns.push((format!("{heading} · rate {lr}"), column(block, lr)));
            }
        }
        text += &format!("\n#### Profile {}, data: {}\n\n", section.profile, section.data_source);
        text += &grid(&section.rows, &columns);
        let deciding = deciding(section);
        let (what, on) = match deciding {
            "top-1 accuracy" => ("Accuracy (%)", "the images on which it is reported, as in the paper"),
            _ => ("BLEU", "which the paper does not say it did"),
        };
        text += &format!(
            "\n{what} at the end of training: median [smallest, largest] over n seeds. In bold the rate that is shown in the table: the one \
             with the most finished runs, then the best median {deciding}, {on}.\n\n"
        );
        text += &made_with(section);
    }
    text
}

/// The rates of a block, the lowest first.
fn rates(block: &Block) -> Vec<f64> {
    let mut rates: Vec<f64> = block.cells.iter().flat_map(|cell| &cell.rates).map(|rate| rate.lr).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    rates
}

fn column(block: &Block, lr: f64) -> Vec<String> {
    let cells = block.cells.iter().map(|cell| cell.rates.iter().find(|rate| rate.lr == lr));
    let shown = cells.map(|rate| match rate {
        None => NOTHING.into(),
        Some(rate) => {
            let text = outcome(rate.summary, rate.failed, &rate.reasons);
            if rate.chosen { format!("**{text}**") } else { text }
        }
    });
    shown.collect()
}

/// One line a cell and rate.
pub(super) fn csv(table: &Table) -> Result<Vec<u8>> {
    let mut rows = Vec::new();
    for section in &table.sections {
        for Block { column, setting, cells, .. } in &section.blocks {
            for (activation, cell) in section.rows.iter().zip(cells) {
                rows.extend(cell.rates.iter().map(|rate| RateRow {
                    table: table.spec.number,
                    dataset: &column.dataset,
                    dataset_as_run: &column.dataset_as_run,
                    model: &column.model,
                    model_as_run: &column.model_as_run,
                    metric: column.metric.name(),
                    activation,
                    profile: section.profile,
                    data_source: section.data_source,
                    data_version: &setting.data_version,
                    recipe: &setting.recipe,
                    steps: setting.steps,
                    batch: setting.batch,
                    precision: &setting.precision,
                    lr: rate.lr,
                    chosen: rate.chosen,
                    n: rate.summary.map_or(0, |s| s.n),
                    median: decimals(rate.summary.map(|s| s.median)),
                    min: decimals(rate.summary.map(|s| s.min)),
                    max: decimals(rate.summary.map(|s| s.max)),
                    failed: rate.failed,
                }));
            }
        }
    }
    to_csv(&format!("{}_rates", table.spec.stem), &rows)
}
