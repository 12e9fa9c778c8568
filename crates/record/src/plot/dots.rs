//! Dot plots: one panel a model, one line an activation, our runs and their spread.
//!
//! The paper's numbers stand in the same panel only where they compare ([`crate::table::Block::comparable`]);
//! otherwise they have panels of their own, with an axis of their own.

use std::path::{Path, PathBuf};

use super::layout::{LINE, MARGIN, head, head_width, headings, widest};
use super::picture::{Align, Picture};
use super::scale::{Scale, bounds};
use super::style::{BLUE, FAINT_TEXT, FRAME, GRID, HEADING, LABEL, PALE_BLUE, SMALL, VERMILLION};
use super::symbol::beyond;
use super::text::text_width;
use crate::error::Result;
use crate::stats::Summary;
use crate::table::{Block, Section, Table};

/// One line of a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct DotRow {
    /// Activation.
    pub label: String,
    /// Our values, one a finished run.
    pub values: Vec<f64>,
    /// Runs that failed.
    pub failed: usize,
    /// The paper's number.
    pub paper: Option<f64>,
}

/// One panel.
#[derive(Clone, Debug, PartialEq)]
pub struct DotPanel {
    /// What was run; broken into lines at ` · `.
    pub heading: String,
    /// Label of the axis, with its unit.
    pub axis: String,
    /// Lines, from the top.
    pub rows: Vec<DotRow>,
}

/// A dot plot: bands of panels side by side. The panels of a band have the same activations.
#[derive(Clone, Debug, PartialEq)]
pub struct DotPlot {
    /// Title.
    pub title: String,
    /// Second line: profile, data, seeds.
    pub subtitle: String,
    /// Bands of panels, from the top.
    pub bands: Vec<Vec<DotPanel>>,
}

/// Panels side by side at most.
const ACROSS: usize = 4;
const GAP: f64 = 26.0;
const PANEL_WIDTH: f64 = 236.0;
const ROW_HEIGHT: f64 = 22.0;
/// Values more than this many times as far below the middle as the best is above are drawn at the edge.
const FAR: f64 = 4.0;

impl DotPlot {
    /// A plot for every section of a table, with the ending its file takes: `-reduced-embedded`.
    #[must_use]
    pub fn of_table(table: &Table) -> Vec<(String, Self)> {
        let plots = table.sections.iter().map(|section| {
            let name = format!("-{}-{}", section.profile, section.data_source);
            (name, Self::of_section(table, section))
        });
        plots.collect()
    }

    fn of_section(table: &Table, section: &Section) -> Self {
        let ours = |block: &Block| DotPanel {
            heading: section.heading(block, &table.spec),
            axis: block.column.metric.label().into(),
            rows: rows(section, block, true, block.comparable),
        };
        let mut panels: Vec<DotPanel> = Vec::new();
        for block in section.blocks.iter().chain(&section.unfilled).filter(|block| !block.comparable) {
            let panel = DotPanel {
                heading: table.spec.paper_heading(&block.column),
                axis: block.column.metric.printed_label().into(),
                rows: rows(section, block, false, true),
            };
            if panel.rows.iter().any(|row| row.paper.is_some()) && !panels.contains(&panel) {
                panels.push(panel);
            }
        }
        let mut bands: Vec<Vec<DotPanel>> = Vec::new();
        let own: Vec<DotPanel> = section.blocks.iter().map(ours).collect();
        bands.extend(own.chunks(ACROSS).map(<[DotPanel]>::to_vec));
        bands.extend(panels.chunks(ACROSS).map(<[DotPanel]>::to_vec));
        let seeds: Vec<String> = section.provenance.seeds.iter().map(u64::to_string).collect();
        let subtitle =
            format!("profile {} · data: {} · seeds {}", section.profile, section.data_source, seeds.join(" "));
        Self { title: table.spec.title.clone(), subtitle, bands }
    }

    /// Writes `<base>.png` and `<base>.svg`; returns their paths.
    ///
    /// # Errors
    /// A picture that cannot be drawn, a file that cannot be written.
    pub fn write(&self, base: impl AsRef<Path>) -> Result<[PathBuf; 2]> {
        self.picture().write(base.as_ref())
    }

    pub(super) fn picture(&self) -> Picture {
        let rows = || self.bands.iter().flatten().flat_map(|panel| &panel.rows);
        let label_width = widest(rows().map(|row| &row.label), LABEL);
        let gutter = widest(rows().map(failed), SMALL);
        let left = MARGIN + label_width + 12.0;
        let across = self.bands.iter().map(Vec::len).max().unwrap_or(0) as f64;
        let pitch = PANEL_WIDTH + gutter + GAP;
        let notes = std::slice::from_ref(&self.subtitle);
        let width =
            (left + across * pitch - GAP + MARGIN).max(head_width(&self.title, notes).max(LEGEND_WIDTH) + 2.0 * MARGIN);

        let mut picture = Picture::new(width, 0.0);
        let below = head(&mut picture, &self.title, notes);
        self.legend(&mut picture, below + 5.0);
        let mut y = below + 21.0;
        for band in &self.bands {
            let (headings, height) = headings(band.iter().map(|panel| panel.heading.as_str()), PANEL_WIDTH);
            let top = y + height + 10.0;
            for (n, (panel, heading)) in band.iter().zip(headings).enumerate() {
                let x = left + n as f64 * pitch;
                picture.lines((x, y + LINE - 3.0), heading, HEADING);
                if n == 0 {
                    for (k, row) in panel.rows.iter().enumerate() {
                        picture.text(left - 10.0, center(top, k) + 4.5, &row.label, LABEL, Align::Right);
                    }
                }
                panel.draw(&mut picture, x, top);
            }
            let rows = band.iter().map(|panel| panel.rows.len()).max().unwrap_or(0) as f64;
            y = top + rows * ROW_HEIGHT + 2.0 * LINE + 22.0;
        }
        picture.height = y - 4.0;
        picture
    }

    /// What each mark means; only those that are in the plot.
    fn legend(&self, picture: &mut Picture, y: f64) {
        let rows = || self.bands.iter().flatten().flat_map(|panel| &panel.rows);
        let middle = y - 4.0;
        let mut x = MARGIN + 6.0;
        let mut entry = |shown: bool, mark: &dyn Fn(&mut Picture, f64), width: f64, text: &str| {
            if shown {
                mark(picture, x);
                picture.text(x + width, y, text, SMALL, Align::Left);
                x += width + text_width(text, SMALL) + 22.0;
            }
        };
        entry(rows().any(|row| !row.values.is_empty()), &|p, x| p.disc(x, middle, 4.5, BLUE), 10.0, "median");
        entry(rows().any(|row| row.values.len() > 1), &|p, x| p.disc(x, middle, 2.8, PALE_BLUE), 8.0, "one seed");
        let whisker = |p: &mut Picture, x: f64| p.line(vec![(x, middle), (x + 20.0, middle)], BLUE, 1.6);
        entry(rows().any(|row| row.values.len() > 1), &whisker, 27.0, "smallest to largest");
        entry(rows().any(|row| row.paper.is_some()), &|p, x| p.diamond(x, middle, 5.0, VERMILLION), 11.0, "the paper");
    }
}

/// Room for the longest legend.
const LEGEND_WIDTH: f64 = 400.0;

/// Middle of a row in a panel that starts at `top`.
fn center(top: f64, row: usize) -> f64 {
    top + (row as f64 + 0.5) * ROW_HEIGHT
}

/// The lines of a block, with our numbers, the paper's, or both.
fn rows(section: &Section, block: &Block, ours: bool, paper: bool) -> Vec<DotRow> {
    let cells = section.rows.iter().zip(&block.cells);
    let row = |(label, cell): (&String, &crate::table::Cell)| DotRow {
        label: label.clone(),
        values: if ours { cell.values.clone() } else { Vec::new() },
        failed: if ours { cell.failed } else { 0 },
        paper: cell.paper.filter(|_| paper),
    };
    cells.map(row).collect()
}

/// What stands to the right of a line with failed runs.
fn failed(row: &DotRow) -> String {
    match row.failed {
        0 => String::new(),
        n => format!("{n} failed"),
    }
}

impl DotPanel {
    fn draw(&self, picture: &mut Picture, x: f64, top: f64) {
        let bottom = top + self.rows.len() as f64 * ROW_HEIGHT;
        let right = x + PANEL_WIDTH;
        let scale = self.scale(x, right);
        for (value, label) in scale.ticks(5) {
            let at = scale.at(value);
            picture.line(vec![(at, top), (at, bottom)], GRID, 1.0);
            picture.line(vec![(at, bottom), (at, bottom + 4.0)], FRAME, 1.0);
            picture.text(at, bottom + LINE, label, SMALL, Align::Center);
        }
        for (n, row) in self.rows.iter().enumerate() {
            let y = center(top, n);
            picture.line(vec![(x, y), (right, y)], GRID, 1.0);
            row.draw(picture, &scale, y);
            picture.text(right + 6.0, y + 4.5, failed(row), SMALL, Align::Left);
        }
        let frame = [(x, top), (right, top), (right, bottom), (x, bottom)];
        picture.outline(&frame, FRAME, 1.0);
        picture.text((x + right) / 2.0, bottom + 2.0 * LINE + 2.0, &self.axis, SMALL, Align::Center);
    }

    /// The axis: all values with a little room, but a value far below the rest does not squeeze it.
    fn scale(&self, start: f64, end: f64) -> Scale {
        let mut values: Vec<f64> =
            self.rows.iter().flat_map(|row| row.values.iter().copied().chain(row.paper)).collect();
        values.sort_by(f64::total_cmp);
        let Some((lowest, high)) = bounds(values.iter().copied()) else {
            return Scale::new(0.0, 100.0, start, end);
        };
        let middle = values[values.len() / 2];
        // At least a point on either side, so that a tight group is not blown up to noise.
        let far = middle - FAR * (high - middle).max(1.0);
        let low = values.iter().copied().find(|value| *value >= far).unwrap_or(high);
        let pad = 0.07 * (high - low).max(0.5);
        if lowest < far {
            // Room for the values that stand at the edge.
            return Scale::new(low - 4.0 * pad, high + pad, start, end);
        }
        Scale::new(low - pad, high + pad, start, end)
    }
}

impl DotRow {
    fn draw(&self, picture: &mut Picture, scale: &Scale, y: f64) {
        let mut below = Vec::new();
        match Summary::of(&self.values) {
            Some(ours) if ours.median < scale.low => below.push(format!("{:.1}", ours.median)),
            Some(ours) => self.draw_ours(picture, scale, y, &ours),
            None => {}
        }
        // On top of our dots, because it is open.
        match self.paper {
            Some(paper) if paper < scale.low => below.push(format!("{paper:.1} (the paper)")),
            Some(paper) => picture.diamond(scale.at(paper), y, 5.0, VERMILLION),
            None => {}
        }
        if !below.is_empty() {
            // A triangle at the left edge, and the values that lie beyond it.
            let x = scale.start + 4.0;
            beyond(picture, x, y, FAINT_TEXT);
            picture.text(x + 11.0, y + 4.5, below.join(", "), SMALL, Align::Left);
        }
    }

    fn draw_ours(&self, picture: &mut Picture, scale: &Scale, y: f64, ours: &Summary) {
        if ours.n > 1 {
            let left = scale.at(ours.min).max(scale.start);
            picture.line(vec![(left, y), (scale.at(ours.max), y)], BLUE, 1.6);
            for value in self.values.iter().filter(|value| **value >= scale.low) {
                picture.disc(scale.at(*value), y, 2.8, PALE_BLUE);
            }
        }
        picture.disc(scale.at(ours.median), y, 4.5, BLUE);
    }
}
