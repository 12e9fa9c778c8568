//! The candidates of a search by group: how well those with one operator do beside those with another.

use std::path::{Path, PathBuf};

use super::layout::{LINE, MARGIN, head, head_width, widest};
use super::legend::{Entry, legend};
use super::picture::{Align, Picture};
use super::references::{Reference, draw_columns};
use super::scale::{Scale, bounds};
use super::style::{BLUE, FRAME, GRID, HEADING, LABEL, PALE_BLUE, SMALL, TEXT, VERMILLION};
use super::symbol::beyond;
use crate::error::Result;
use crate::stats::quantile;

/// One group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRow {
    /// What its candidates have in common.
    pub label: String,
    /// Values of its candidates, in the unit of the axis; one that is not finite counts as failed.
    pub values: Vec<f64>,
    /// Candidates without a value.
    pub failed: usize,
}

/// One panel: one way to group the candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupPanel {
    /// What they are grouped by.
    pub heading: String,
    /// Groups, from the top.
    pub rows: Vec<GroupRow>,
}

/// Columns of panels, all with the same axis.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupPlot {
    /// Title.
    pub title: String,
    /// Lines below the title.
    pub notes: Vec<String>,
    /// Label of the axis, with its unit.
    pub axis: String,
    /// Where the axis begins; the lowest quartile if `None`. A median that lies before it is marked at the edge.
    pub floor: Option<f64>,
    /// Values to compare with.
    pub references: Vec<Reference>,
    /// Columns of panels from the left, the panels of each from the top.
    pub columns: Vec<Vec<GroupPanel>>,
}

const PANEL_WIDTH: f64 = 280.0;
const ROW_HEIGHT: f64 = 19.0;
const GAP: f64 = 34.0;
/// Headings of the columns of numbers to the right of a panel, and their widths.
const NUMBERS: [(&str, f64); 2] = [("candidates", 74.0), ("failed", 48.0)];
const NUMBERS_WIDTH: f64 = NUMBERS[0].1 + NUMBERS[1].1;

impl GroupPlot {
    /// Writes `<base>.png` and `<base>.svg`; returns their paths.
    ///
    /// # Errors
    /// A picture that cannot be drawn, a file that cannot be written.
    pub fn write(&self, base: impl AsRef<Path>) -> Result<[PathBuf; 2]> {
        self.picture().write(base.as_ref())
    }

    pub(super) fn picture(&self) -> Picture {
        let labels = |column: &[GroupPanel]| widest(column.iter().flat_map(|p| &p.rows).map(|row| &row.label), LABEL);
        let (low, high) = self.range();
        let mut scales = Vec::new();
        let mut x = MARGIN;
        for column in &self.columns {
            x += labels(column) + 10.0;
            scales.push(Scale::new(low, high, x, x + PANEL_WIDTH));
            x += PANEL_WIDTH + NUMBERS_WIDTH + GAP;
        }
        let longest = head_width(&self.title, &self.notes).max(LEGEND_WIDTH);
        let mut picture = Picture::new((x - GAP + MARGIN).max(longest + 2.0 * MARGIN), 0.0);
        let below = head(&mut picture, &self.title, &self.notes);
        let start = self.legend(&mut picture, below + 6.0) + 10.0;
        picture.height = start;
        for (column, scale) in self.columns.iter().zip(&scales) {
            let mut y = start;
            for panel in column {
                picture.text(scale.start, y + LINE, &panel.heading, HEADING, Align::Left);
                let top = y + 2.0 * LINE + 12.0;
                panel.draw(&mut picture, scale, top, &self.references);
                y = top + panel.rows.len() as f64 * ROW_HEIGHT + LINE + 14.0;
            }
            if !column.is_empty() {
                picture.text((scale.start + scale.end) / 2.0, y + 2.0, &self.axis, SMALL, Align::Center);
            }
            picture.height = picture.height.max(y + 16.0);
        }
        picture
    }

    /// All that is drawn, with a little room on either side; references are never left out.
    fn range(&self) -> (f64, f64) {
        let rows = self.columns.iter().flatten().flat_map(|panel| &panel.rows);
        let drawn = rows.filter_map(Quartiles::of).flat_map(|row| [row.lower, row.best]);
        let references = || self.references.iter().map(|line| line.value);
        let Some((lowest, high)) = bounds(drawn.chain(references())) else {
            return (self.floor.unwrap_or(0.0), 100.0);
        };
        let low = self.floor.map(|floor| bounds(references().chain([floor])).map_or(floor, |(low, _)| low));
        let pad = 0.04 * (high - low.unwrap_or(lowest)).max(0.0);
        let low = low.unwrap_or(lowest - pad);
        (low, high.max(low) + pad)
    }

    /// What each mark means; returns where it ends.
    fn legend(&self, picture: &mut Picture, y: f64) -> f64 {
        let (low, _) = self.range();
        let quartiles = || self.columns.iter().flatten().flat_map(|panel| &panel.rows).filter_map(Quartiles::of);
        let mut entries = Vec::new();
        if quartiles().next().is_some() {
            entries.extend([
                Entry::mark("middle half", 24.0, |p, x, y| bar(p, (x - 12.0, x + 12.0), y)),
                Entry::mark("median", 3.0, tick),
                Entry::mark("best", 8.0, best),
            ]);
        }
        if quartiles().any(|row| row.median < low) {
            entries.push(Entry::mark("median below the axis", 8.0, |p, x, y| beyond(p, x - 4.0, y, TEXT)));
        }
        legend(picture, (MARGIN, y), LEGEND_WIDTH.max(picture.width - 2.0 * MARGIN), &entries)
    }
}

/// Room for the longest legend.
const LEGEND_WIDTH: f64 = 400.0;

/// What is drawn of a group.
struct Quartiles {
    lower: f64,
    median: f64,
    upper: f64,
    best: f64,
}

impl Quartiles {
    /// Of the finite values; `None` when there are none.
    fn of(row: &GroupRow) -> Option<Self> {
        let values: Vec<f64> = row.values.iter().copied().filter(|value| value.is_finite()).collect();
        Some(Self {
            lower: quantile(&values, 0.25)?,
            median: quantile(&values, 0.5)?,
            upper: quantile(&values, 0.75)?,
            best: quantile(&values, 1.0)?,
        })
    }
}

impl GroupPanel {
    fn draw(&self, picture: &mut Picture, scale: &Scale, top: f64, references: &[Reference]) {
        let (left, right) = (scale.start, scale.end);
        let bottom = top + self.rows.len() as f64 * ROW_HEIGHT;
        for (value, label) in scale.ticks(5) {
            let at = scale.at(value);
            picture.line(vec![(at, top), (at, bottom)], GRID, 1.0);
            picture.line(vec![(at, bottom), (at, bottom + 4.0)], FRAME, 1.0);
            picture.text(at, bottom + LINE, label, SMALL, Align::Center);
        }
        for n in 0..self.rows.len() {
            let y = center(top, n);
            picture.line(vec![(left, y), (right, y)], GRID, 1.0);
        }
        draw_columns(picture, scale, (top, bottom), references);
        let ends = [right + NUMBERS[0].1, right + NUMBERS_WIDTH];
        for ((name, _), end) in NUMBERS.iter().zip(ends) {
            picture.text(end, top - 8.0, *name, SMALL, Align::Right);
        }
        for (n, row) in self.rows.iter().enumerate() {
            let y = center(top, n);
            picture.text(left - 8.0, y + 4.5, &row.label, LABEL, Align::Right);
            row.draw(picture, scale, y);
            for (number, end) in row.numbers().into_iter().zip(ends) {
                picture.text(end, y + 4.5, number, SMALL, Align::Right);
            }
        }
        picture.outline(&[(left, top), (right, top), (right, bottom), (left, bottom)], FRAME, 1.0);
    }
}

impl GroupRow {
    fn draw(&self, picture: &mut Picture, scale: &Scale, y: f64) {
        let Some(quartiles) = Quartiles::of(self) else { return };
        if quartiles.upper >= scale.low {
            bar(picture, (scale.at(quartiles.lower.max(scale.low)), scale.at(quartiles.upper)), y);
        }
        if quartiles.best >= scale.low {
            best(picture, scale.at(quartiles.best), y);
        }
        if quartiles.median >= scale.low {
            tick(picture, scale.at(quartiles.median), y);
        } else {
            beyond(picture, scale.start + 4.0, y, TEXT);
        }
    }

    /// Number of candidates, and the share of them that failed.
    fn numbers(&self) -> [String; 2] {
        let all = self.values.len() + self.failed;
        let failed = self.failed + self.values.iter().filter(|value| !value.is_finite()).count();
        let share = if all == 0 { String::new() } else { format!("{:.0} %", 100.0 * failed as f64 / all as f64) };
        [all.to_string(), share]
    }
}

/// Middle of a row in a panel that starts at `top`.
fn center(top: f64, row: usize) -> f64 {
    top + (row as f64 + 0.5) * ROW_HEIGHT
}

fn bar(picture: &mut Picture, (left, right): (f64, f64), y: f64) {
    let half = 0.28 * ROW_HEIGHT;
    picture.area(vec![(left, y - half), (right, y - half), (right, y + half), (left, y + half)], PALE_BLUE);
}

fn tick(picture: &mut Picture, x: f64, y: f64) {
    let half = 0.4 * ROW_HEIGHT;
    picture.line(vec![(x, y - half), (x, y + half)], BLUE, 2.6);
}

fn best(picture: &mut Picture, x: f64, y: f64) {
    picture.disc(x, y, 3.6, VERMILLION);
}
