//! Ratio plots: how many times as fast we are as another program, on a logarithmic axis with a line at 1.

use std::path::{Path, PathBuf};

use super::layout::{LINE, MARGIN, head, head_width, widest};
use super::picture::{Align, Picture};
use super::scale::{Scale, bounds, log_ticks};
use super::style::{FRAME, GRID, HEADING, LABEL, SMALL, TEXT};
use super::symbol::{COLORS, symbol};
use super::text::text_width;
use crate::error::Result;
use crate::stats::Summary;

/// One line of a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct RatioRow {
    /// What was compared.
    pub label: String,
    /// Its ratio in each of the two series, over the rounds.
    pub ratios: [Option<Summary>; 2],
}

/// One panel. All panels of a plot have the same axis.
#[derive(Clone, Debug, PartialEq)]
pub struct RatioPanel {
    /// What its lines have in common.
    pub heading: String,
    /// Lines, from the top.
    pub rows: Vec<RatioRow>,
}

/// Panels one below the other.
#[derive(Clone, Debug, PartialEq)]
pub struct RatioPlot {
    /// Title.
    pub title: String,
    /// Lines below the title.
    pub notes: Vec<String>,
    /// Label of the axis.
    pub axis: String,
    /// What a ratio below 1 means, and one above.
    pub sides: [String; 2],
    /// Names of the two series.
    pub series: [String; 2],
    /// Panels, from the top.
    pub panels: Vec<RatioPanel>,
}

const PANEL_WIDTH: f64 = 420.0;
const ROW_HEIGHT: f64 = 30.0;
/// Width of a column of numbers to the right of a panel.
const NUMBERS: f64 = 52.0;

impl RatioPlot {
    /// Writes `<base>.png` and `<base>.svg`; returns their paths.
    ///
    /// # Errors
    /// A picture that cannot be drawn, a file that cannot be written.
    pub fn write(&self, base: impl AsRef<Path>) -> Result<[PathBuf; 2]> {
        self.picture().write(base.as_ref())
    }

    pub(super) fn picture(&self) -> Picture {
        let rows = || self.panels.iter().flat_map(|panel| &panel.rows);
        let labels = widest(rows().map(|row| &row.label), LABEL);
        // Room for what stands left of the line at 1, wherever that lies.
        let left = MARGIN + labels.max(text_width(&self.sides[0], SMALL)) + 12.0;
        let right = left + PANEL_WIDTH;
        let headings = widest(self.panels.iter().map(|panel| &panel.heading), HEADING);
        let longest = head_width(&self.title, &self.notes).max(headings);
        let width = (right + 2.0 * NUMBERS + MARGIN).max(longest + 2.0 * MARGIN);
        let scale = self.scale(left, right);

        let mut picture = Picture::new(width, 0.0);
        let mut y = head(&mut picture, &self.title, &self.notes);
        self.legend(&mut picture, y + 4.0);
        y += 14.0;
        for panel in &self.panels {
            picture.text(MARGIN, y + LINE, &panel.heading, HEADING, Align::Left);
            let top = y + 2.0 * LINE + 8.0;
            self.draw(panel, &mut picture, &scale, top);
            y = top + panel.rows.len() as f64 * ROW_HEIGHT + LINE + 16.0;
        }
        picture.text((left + right) / 2.0, y + 4.0, &self.axis, SMALL, Align::Center);
        picture.height = y + 18.0;
        picture
    }

    /// All ratios and 1, with room on either side of both.
    fn scale(&self, start: f64, end: f64) -> Scale {
        let ratios = self.panels.iter().flat_map(|panel| &panel.rows).flat_map(|row| row.ratios.iter().flatten());
        let (low, high) = bounds(ratios.flat_map(|ratio| [ratio.min, ratio.max])).unwrap_or((1.0, 1.0));
        let low = (low / 1.2).min(0.6).log10();
        // What stands right of the line at 1 ends before the columns of numbers.
        let caption = text_width(&self.sides[1], SMALL) + 10.0;
        let room = -low * caption / (end - start - caption);
        Scale::new(low, (high * 1.2).log10().max(room), start, end)
    }

    fn draw(&self, panel: &RatioPanel, picture: &mut Picture, scale: &Scale, top: f64) {
        let bottom = top + panel.rows.len() as f64 * ROW_HEIGHT;
        for (ratio, label) in log_ticks(scale) {
            let x = scale.at(ratio.log10());
            picture.line(vec![(x, top), (x, bottom)], GRID, 1.0);
            picture.line(vec![(x, bottom), (x, bottom + 4.0)], FRAME, 1.0);
            picture.text(x, bottom + LINE, label, SMALL, Align::Center);
        }
        for n in 1..panel.rows.len() {
            let edge = top + n as f64 * ROW_HEIGHT;
            picture.line(vec![(scale.start, edge), (scale.end, edge)], GRID, 1.0);
        }
        let one = scale.at(0.0);
        picture.line(vec![(one, top), (one, bottom)], TEXT, 1.6);
        picture.text(one - 8.0, top - 6.0, &self.sides[0], SMALL, Align::Right);
        picture.text(one + 8.0, top - 6.0, &self.sides[1], SMALL, Align::Left);
        for (n, row) in panel.rows.iter().enumerate() {
            let middle = top + (n as f64 + 0.5) * ROW_HEIGHT;
            picture.text(scale.start - 10.0, middle + 4.5, &row.label, LABEL, Align::Right);
            let both = row.ratios.iter().all(Option::is_some);
            for (series, ratio) in row.ratios.iter().enumerate() {
                let Some(ratio) = ratio else { continue };
                // Two in a line lie one above the other, so that neither hides the other.
                let shift = if both { [-6.0, 6.0][series] } else { 0.0 };
                let x = |ratio: f64| scale.at(ratio.log10());
                picture.line(vec![(x(ratio.min), middle + shift), (x(ratio.max), middle + shift)], COLORS[series], 1.6);
                symbol(picture, series, (x(ratio.median), middle + shift), 1.0);
                let column = scale.end + (series + 1) as f64 * NUMBERS;
                picture.text(column, middle + 4.5, format!("{:.2}", ratio.median), LABEL, Align::Right);
            }
        }
        for (series, name) in self.series.iter().enumerate() {
            if panel.rows.iter().any(|row| row.ratios[series].is_some()) {
                let column = scale.end + (series + 1) as f64 * NUMBERS;
                picture.text(column, top - 6.0, name, SMALL, Align::Right);
            }
        }
        let frame = [(scale.start, top), (scale.end, top), (scale.end, bottom), (scale.start, bottom)];
        picture.outline(&frame, FRAME, 1.0);
    }

    /// What each mark means; only those that are in the plot.
    fn legend(&self, picture: &mut Picture, y: f64) {
        let mut x = MARGIN + 6.0;
        let rows = || self.panels.iter().flat_map(|panel| &panel.rows);
        for (series, name) in self.series.iter().enumerate() {
            if rows().any(|row| row.ratios[series].is_some()) {
                symbol(picture, series, (x, y - 4.0), 1.0);
                picture.text(x + 10.0, y, name, SMALL, Align::Left);
                x += 10.0 + text_width(name, SMALL) + 22.0;
            }
        }
        if rows().flat_map(|row| row.ratios.iter().flatten()).any(|ratio| ratio.n > 1) {
            picture.line(vec![(x, y - 4.0), (x + 20.0, y - 4.0)], FRAME, 1.6);
            picture.text(x + 27.0, y, "smallest to largest of the rounds", SMALL, Align::Left);
        }
    }
}
