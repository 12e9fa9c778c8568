//! Our tables beside the paper's numbers.

use crate::error::Result;
use crate::figures::{Picture, picture};
use crate::places::TABLES;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use swish_record::paper::{Metric, activation_key, lookup_runs, paper_numbers};
use swish_record::table::{Column, Setting, TableFile, TableRow};
use swish_record::{DataSource, Profile};

/// A table of the paper and all that was run for it.
#[derive(Debug, Serialize)]
pub struct TableView {
    pub number: u8,
    pub title: &'static str,
    pub command: &'static str,
    /// The paper's own table.
    pub paper: PaperGrid,
    /// Ours, one a profile and data source, larger profiles first.
    pub sections: Vec<SectionView>,
}

/// The numbers of a table as the paper prints them.
#[derive(Debug, Serialize)]
pub struct PaperGrid {
    pub rows: Vec<&'static str>,
    pub columns: Vec<PaperColumn>,
    /// The printed runs of each row and column.
    pub cells: Vec<Vec<Vec<f64>>>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PaperColumn {
    pub dataset: &'static str,
    pub model: &'static str,
    pub metric: &'static str,
}

/// All that was run with one profile on data from one source.
#[derive(Debug, Serialize)]
pub struct SectionView {
    pub profile: Profile,
    pub data_source: DataSource,
    pub file: String,
    pub rows: Vec<String>,
    pub columns: Vec<ColumnView>,
    /// By row, then column.
    pub cells: Vec<Vec<Option<CellView>>>,
    /// The paper's runs beside each of them.
    pub paper: Vec<Vec<Vec<f64>>>,
    pub pictures: Vec<Picture>,
}

#[derive(Debug, Serialize)]
pub struct ColumnView {
    pub dataset: String,
    pub dataset_as_run: String,
    pub model: String,
    pub model_as_run: String,
    pub metric: &'static str,
    pub data_version: String,
    pub recipe: String,
    pub steps: u64,
    pub batch: usize,
    pub precision: String,
    /// Why its numbers do not compare with the paper's; `None` where they do.
    pub not_comparable: Option<String>,
}

/// One activation on one model, over seeds.
#[derive(Debug, Serialize)]
pub struct CellView {
    pub n: usize,
    pub median: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub failed: usize,
    pub difference: Option<f64>,
    pub lr: Option<f64>,
    pub lrs_tried: usize,
    pub seeds: String,
    pub values: Vec<f64>,
    pub commits: String,
    pub devices: String,
    pub seconds: Option<f64>,
}

/// Every table but the third.
pub fn of(files: &[TableFile], results: &Path) -> Result<Vec<TableView>> {
    let mut tables = Vec::new();
    for place in TABLES {
        let mut sections = Vec::new();
        for file in files {
            let mut kinds: BTreeMap<_, Vec<&TableRow>> = BTreeMap::new();
            for row in file.rows.iter().filter(|row| row.table == place.number) {
                kinds.entry((std::cmp::Reverse(row.profile), row.data_source)).or_default().push(row);
            }
            for ((profile, data_source), rows) in kinds {
                sections.push(section(profile.0, data_source, &file.stem, &rows, results)?);
            }
        }
        sections.sort_by_key(|section| (std::cmp::Reverse(section.profile), section.data_source));
        let (number, title, command) = (place.number, place.title, place.command);
        tables.push(TableView { number, title, command, paper: paper(number), sections });
    }
    Ok(tables)
}

fn paper(table: u8) -> PaperGrid {
    let (mut rows, mut columns) = (Vec::new(), Vec::new());
    for number in paper_numbers().iter().filter(|number| number.table == table) {
        let column = PaperColumn { dataset: number.dataset, model: number.model, metric: number.metric.name() };
        if !rows.contains(&number.activation) {
            rows.push(number.activation);
        }
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let runs = |row: &str, column: &PaperColumn| {
        let metric = Metric::from_name(column.metric)?;
        Some(lookup_runs(table, column.dataset, column.model, metric, row))
    };
    let cells = rows.iter().map(|row| columns.iter().map(|column| runs(row, column).unwrap_or_default()).collect());
    PaperGrid { cells: cells.collect(), rows, columns }
}

fn section(
    profile: Profile,
    data_source: DataSource,
    stem: &str,
    rows: &[&TableRow],
    results: &Path,
) -> Result<SectionView> {
    let mut labels: Vec<&str> = Vec::new();
    let mut columns: Vec<(Column, Setting)> = Vec::new();
    for row in rows {
        if !labels.iter().any(|label| activation_key(label) == activation_key(&row.activation)) {
            labels.push(&row.activation);
        }
        let column = (row.column(), row.setting());
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let cell = |label: &str, (column, setting): &(Column, Setting)| {
        let same = |row: &&&TableRow| {
            activation_key(&row.activation) == activation_key(label)
                && row.column() == *column
                && row.setting() == *setting
        };
        rows.iter().find(same).map(|row| cell_view(row))
    };
    let table = rows.first().map_or(0, |row| row.table);
    let printed = |label: &str, (column, _): &(Column, Setting)| {
        lookup_runs(table, &column.dataset, &column.model, column.metric, label)
    };
    let figures = results.join("figures");
    let pictures = [(stem.to_owned(), "Results"), (format!("{stem}_curves"), "Training curves")];
    let pictures = pictures.iter().filter_map(|(name, title)| picture(&figures.join(name), title).transpose());
    Ok(SectionView {
        profile,
        data_source,
        file: format!("tables/{stem}.csv"),
        cells: labels.iter().map(|label| columns.iter().map(|column| cell(label, column)).collect()).collect(),
        paper: labels.iter().map(|label| columns.iter().map(|column| printed(label, column)).collect()).collect(),
        rows: labels.into_iter().map(str::to_owned).collect(),
        columns: columns.into_iter().map(|column| column_view(column, profile, data_source)).collect(),
        pictures: pictures.collect::<Result<_>>()?,
    })
}

fn column_view((column, setting): (Column, Setting), profile: Profile, data_source: DataSource) -> ColumnView {
    let not_comparable = (!column.compares(profile, data_source)).then(|| {
        let mut why = Vec::new();
        if profile != Profile::Paper {
            why.push(format!("profile {profile} is not the paper's training"));
        }
        if !data_source.is_real() {
            why.push("the images are drawn by the program".to_owned());
        }
        if swish_record::paper::model_key(&column.model) != swish_record::paper::model_key(&column.model_as_run) {
            why.push(format!("{} stands for {}", column.model_as_run, column.model));
        }
        if column.dataset != column.dataset_as_run {
            why.push(format!("{} stands for {}", column.dataset_as_run, column.dataset));
        }
        why.join("; ")
    });
    ColumnView {
        dataset: column.dataset,
        dataset_as_run: column.dataset_as_run,
        model: column.model,
        model_as_run: column.model_as_run,
        metric: column.metric.name(),
        data_version: setting.data_version,
        recipe: setting.recipe,
        steps: setting.steps,
        batch: setting.batch,
        precision: setting.precision,
        not_comparable,
    }
}

fn cell_view(row: &TableRow) -> CellView {
    CellView {
        n: row.n,
        median: row.median,
        min: row.min,
        max: row.max,
        failed: row.failed,
        difference: row.difference,
        lr: row.lr,
        lrs_tried: row.lrs_tried,
        seeds: row.seeds.clone(),
        values: row.results(),
        commits: row.commits.clone(),
        devices: row.devices.clone(),
        seconds: row.seconds_median,
    }
}
