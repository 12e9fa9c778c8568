//! Distributions: one large panel, and small ones of its parts, as in Figures 6 and 7 of the paper.

use std::path::{Path, PathBuf};

use super::frame::{BELOW, Frame, TICKS};
use super::layout::{LINE, MARGIN, head, head_width};
use super::picture::{Align, Picture};
use super::references::{Reference, draw_columns};
use super::style::{BLUE, FRAME, HEADING, ORANGE, PALE_BLUE, SMALL};
use crate::error::Result;
use crate::stats::Histogram;

/// One distribution.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramPanel {
    /// What is distributed.
    pub heading: String,
    /// How.
    pub histogram: Histogram,
}

/// A large panel, and small ones over the same values.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramPlot {
    /// Title.
    pub title: String,
    /// Lines below the title.
    pub notes: Vec<String>,
    /// Label of the horizontal axis.
    pub x_label: String,
    /// Label of the vertical axis, which is in percent of all numbers a bin.
    pub y_label: String,
    /// A range to point out: every panel says which share lies there.
    pub band: Option<(f64, f64)>,
    /// Values to point out in the large panel.
    pub references: Vec<Reference>,
    /// The large panel.
    pub whole: HistogramPanel,
    /// The small ones.
    pub parts: Vec<HistogramPanel>,
}

/// Small panels side by side.
const ACROSS: usize = 6;
const SMALL_PANEL: (f64, f64) = (132.0, 62.0);
const GAP: f64 = 20.0;
const LARGE_HEIGHT: f64 = 240.0;

impl HistogramPlot {
    /// Writes `<base>.png` and `<base>.svg`; returns their paths.
    ///
    /// # Errors
    /// A picture that cannot be drawn, a file that cannot be written.
    pub fn write(&self, base: impl AsRef<Path>) -> Result<[PathBuf; 2]> {
        self.picture().write(base.as_ref())
    }

    pub(super) fn picture(&self) -> Picture {
        let grid = ACROSS as f64 * (SMALL_PANEL.0 + GAP) - GAP;
        let large = if self.parts.is_empty() { 560.0 } else { grid - TICKS };
        let width = (large + TICKS).max(head_width(&self.title, &self.notes));
        let mut picture = Picture::new(width + 2.0 * MARGIN, 0.0);
        // The heading's line is left out with the heading.
        let lines = if self.whole.heading.is_empty() && self.band.is_none() { 1.5 } else { 3.0 };
        let top = head(&mut picture, &self.title, &self.notes) + lines * LINE;
        let mut end = self.large(&mut picture, (MARGIN + TICKS, top), large);
        for row in self.parts.chunks(ACROSS) {
            let top = end + 2.0 * LINE;
            for (n, part) in row.iter().enumerate() {
                self.small(&mut picture, part, (MARGIN + n as f64 * (SMALL_PANEL.0 + GAP), top));
            }
            end = top + SMALL_PANEL.1 + LINE;
        }
        picture.height = end + MARGIN;
        picture
    }

    /// Draws the large panel; returns where its axis ends.
    fn large(&self, picture: &mut Picture, corner: (f64, f64), width: f64) -> f64 {
        let (left, top) = corner;
        let frame = frame(&self.whole.histogram, corner, (width, LARGE_HEIGHT));
        picture.text(left, top - 2.0 * LINE, &self.whole.heading, HEADING, Align::Left);
        frame.grid(picture, (10, 5));
        frame.labels(picture, &self.x_label, &self.y_label);
        self.bars(picture, &frame, &self.whole.histogram);
        draw_columns(picture, &frame.across, (top, top + LARGE_HEIGHT), &self.references);
        if let Some((low, high)) = self.band {
            let share = percent(self.whole.histogram.share_between(low, high));
            let text = format!("{share} between {} and {}", signed(low), signed(high));
            picture.text(left + width, top - 2.0 * LINE, text, HEADING, Align::Right);
        }
        frame.outline(picture);
        top + LARGE_HEIGHT + BELOW
    }

    fn small(&self, picture: &mut Picture, part: &HistogramPanel, corner: (f64, f64)) {
        let (left, top) = corner;
        let frame = frame(&part.histogram, corner, SMALL_PANEL);
        picture.text(left, top - 6.0, &part.heading, SMALL, Align::Left);
        if let Some((low, high)) = self.band {
            let share = percent(part.histogram.share_between(low, high));
            picture.text(left + SMALL_PANEL.0, top - 6.0, share, SMALL, Align::Right);
        }
        self.bars(picture, &frame, &part.histogram);
        for (value, label) in frame.across.ticks(3) {
            let (x, y) = (frame.across.at(value), top + SMALL_PANEL.1);
            picture.line(vec![(x, y), (x, y + 3.0)], FRAME, 1.0);
            // Labels at the very ends would meet those of the panels beside.
            if (left + 8.0..=left + SMALL_PANEL.0 - 8.0).contains(&x) {
                picture.text(x, y + LINE - 3.0, label, SMALL, Align::Center);
            }
        }
        frame.outline(picture);
    }

    /// All bins as one area, on the band.
    fn bars(&self, picture: &mut Picture, frame: &Frame, histogram: &Histogram) {
        let (_, _, top, bottom) = frame.edges();
        if let Some((low, high)) = self.band {
            let (low, high) = (frame.across.at(low), frame.across.at(high));
            picture.shade(vec![(low, top), (high, top), (high, bottom), (low, bottom)], ORANGE);
        }
        let mut steps = vec![(frame.across.at(histogram.low), bottom)];
        for n in 0..histogram.counts.len() {
            let (left, right) = histogram.edges(n);
            let (_, y) = frame.at((0.0, 100.0 * histogram.share(n)));
            steps.extend([(frame.across.at(left), y), (frame.across.at(right), y)]);
        }
        steps.push((frame.across.at(histogram.high), bottom));
        picture.area(steps.clone(), PALE_BLUE);
        picture.line(steps, BLUE, 1.2);
    }
}

/// A panel from 0 to a little above the fullest bin.
fn frame(histogram: &Histogram, corner: (f64, f64), size: (f64, f64)) -> Frame {
    let fullest = (0..histogram.counts.len()).map(|n| histogram.share(n)).fold(0.0, f64::max);
    Frame::new(corner, size, (histogram.low, histogram.high), (0.0, (108.0 * fullest).max(1e-9)))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// A number with a minus as long as a plus.
fn signed(value: f64) -> String {
    value.to_string().replace('-', "−")
}
