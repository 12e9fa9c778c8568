//! Rewards over the evaluations of a search.

use std::path::{Path, PathBuf};

use super::frame::{BELOW, Frame, TICKS};
use super::layout::{LINE, MARGIN, head, head_width, headings};
use super::legend::{Entry, distinct, legend};
use super::picture::Picture;
use super::references::{Reference, draw_levels, gutter};
use super::scale::bounds;
use super::style::{HEADING, LineStyle, PALE_BLUE, line_styles};
use crate::error::Result;

/// One line of a panel: a strategy, or a statistic of one search. Lines of the same label look the same.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgressLine {
    /// Name in the legend.
    pub label: String,
    /// Evaluations made and value; a value that is not finite breaks the line.
    pub points: Vec<(f64, f64)>,
    /// Evaluations made, and lowest and highest value of a band about the line; empty for none.
    pub band: Vec<(f64, f64, f64)>,
    /// Whether every value holds until the next, as the best so far does.
    pub stepped: bool,
}

/// One panel.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgressPanel {
    /// What is shown; broken into lines at ` · `.
    pub heading: String,
    /// Label of the vertical axis, with its unit.
    pub y_label: String,
    /// Where the vertical axis begins: lines are cut there, and dots below lie on the edge. The lowest value if `None`.
    pub floor: Option<f64>,
    /// The lines.
    pub lines: Vec<ProgressLine>,
    /// Evaluations one by one, with their rewards.
    pub dots: Vec<(f64, f64)>,
    /// Rewards to compare with.
    pub references: Vec<Reference>,
}

/// Panels side by side over one legend.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgressPlot {
    /// Title.
    pub title: String,
    /// Lines below the title; they say what the bands are.
    pub notes: Vec<String>,
    /// Label of the horizontal axis.
    pub x_label: String,
    /// Panels, from the left.
    pub panels: Vec<ProgressPanel>,
}

/// Panels side by side at most.
const ACROSS: usize = 2;
const PANEL: (f64, f64) = (390.0, 240.0);
const GAP: f64 = 24.0;
/// Room for the half of the last tick label that stands out to the right.
const OVERHANG: f64 = 10.0;
const DOT: f64 = 1.8;
/// Width of the line of a strategy.
const WIDTH: f64 = 1.8;

impl ProgressPanel {
    /// One search: its rewards in the order of its evaluations as dots, and the best so far as a line. Rewards that are
    /// not finite count as evaluations only.
    #[must_use]
    pub fn of_search(heading: &str, y_label: &str, rewards: &[f64]) -> Self {
        let counted = || rewards.iter().enumerate().map(|(n, reward)| ((n + 1) as f64, *reward));
        let best = counted().scan(f64::NAN, |best, (n, reward)| {
            // `max` passes over what is not a number.
            *best = if reward.is_finite() { best.max(reward) } else { *best };
            Some((n, *best))
        });
        let line =
            ProgressLine { label: "best so far".into(), points: best.collect(), band: Vec::new(), stepped: true };
        Self {
            heading: heading.into(),
            y_label: y_label.into(),
            floor: None,
            lines: vec![line],
            dots: counted().filter(|(_, reward)| reward.is_finite()).collect(),
            references: Vec::new(),
        }
    }
}

impl ProgressPlot {
    /// Writes `<base>.png` and `<base>.svg`; returns their paths.
    ///
    /// # Errors
    /// A picture that cannot be drawn, a file that cannot be written.
    pub fn write(&self, base: impl AsRef<Path>) -> Result<[PathBuf; 2]> {
        self.picture().write(base.as_ref())
    }

    pub(super) fn picture(&self) -> Picture {
        let lines = || self.panels.iter().flat_map(|panel| &panel.lines);
        let labels = distinct(lines().map(|line| &line.label));
        let styles: Vec<LineStyle> = (line_styles(&labels).into_iter())
            .map(|style| LineStyle { width: style.width.max(WIDTH), ..style })
            .collect();
        let pitch = |panel: &ProgressPanel| TICKS + PANEL.0 + gutter(&panel.references) + GAP;
        let bands = self.panels.chunks(ACROSS).map(|band| band.iter().map(pitch).sum::<f64>() - GAP + OVERHANG);
        let width = bands.fold(head_width(&self.title, &self.notes), f64::max) + 2.0 * MARGIN;
        let mut picture = Picture::new(width, 0.0);
        let mut y = head(&mut picture, &self.title, &self.notes) - 5.0;
        for band in self.panels.chunks(ACROSS) {
            let (headings, height) = headings(band.iter().map(|panel| panel.heading.as_str()), PANEL.0);
            let top = y + height + LINE + 8.0;
            let mut x = MARGIN + TICKS;
            for (panel, heading) in band.iter().zip(headings) {
                picture.lines((x, y + LINE), heading, HEADING);
                panel.draw(&mut picture, (x, top), &self.x_label, &labels, &styles);
                x += pitch(panel);
            }
            y = top + PANEL.1 + BELOW + 14.0;
        }
        let banded = |label: &str| lines().any(|line| line.label == label && !line.band.is_empty());
        let mut entries: Vec<Entry> =
            labels.iter().zip(&styles).map(|(label, style)| Entry::line(label, *style, banded(label))).collect();
        if self.panels.iter().any(|panel| !panel.dots.is_empty()) {
            entries.push(Entry::mark("one evaluation", 2.0 * DOT, |picture, x, y| picture.disc(x, y, DOT, PALE_BLUE)));
        }
        picture.height = legend(&mut picture, (MARGIN, y + 16.0), width - 2.0 * MARGIN, &entries) + 14.0;
        picture
    }
}

impl ProgressPanel {
    fn draw(&self, picture: &mut Picture, corner: (f64, f64), x_label: &str, labels: &[String], styles: &[LineStyle]) {
        let frame = self.frame(corner);
        frame.grid(picture, (5, 6));
        frame.labels(picture, x_label, &self.y_label);
        // In the order of the legend, so that the same line lies on top in every panel.
        let styled: Vec<(&ProgressLine, &LineStyle)> = labels
            .iter()
            .zip(styles)
            .flat_map(|(label, style)| {
                self.lines.iter().filter(move |line| line.label == *label).map(move |line| (line, style))
            })
            .collect();
        for (line, style) in &styled {
            frame.band(picture, &line.outer(), style.color);
        }
        for (x, y) in self.dots.iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let (x, y) = frame.at((*x, y.max(frame.up.low)));
            picture.disc(x, y, DOT, PALE_BLUE);
        }
        draw_levels(picture, &frame, &self.references);
        for (line, style) in styled {
            frame.line(picture, &line.drawn(), *style);
        }
        frame.outline(picture);
    }

    /// All that is drawn, with a little room above and below; references are never left out.
    fn frame(&self, corner: (f64, f64)) -> Frame {
        let points = || self.lines.iter().flat_map(|line| &line.points).chain(&self.dots);
        let bands = || self.lines.iter().flat_map(|line| &line.band);
        let references = || self.references.iter().map(|line| line.value);
        let (_, last) = bounds(points().map(|point| point.0)).unwrap_or((0.0, 1.0));
        let values = points().map(|point| point.1).chain(bands().flat_map(|band| [band.1, band.2])).chain(references());
        let (lowest, high) = bounds(values).unwrap_or((0.0, 1.0));
        let pad = 0.05 * (high - lowest);
        let low = match self.floor {
            Some(floor) => bounds(references().chain([floor])).map_or(floor, |(low, _)| low),
            None => lowest - pad,
        };
        let pad = 0.05 * (high - low).max(0.0);
        Frame::new(corner, PANEL, (0.0, last.max(0.0)), (low, high.max(low) + pad))
    }
}

impl ProgressLine {
    /// The points the line passes through.
    fn drawn(&self) -> Vec<(f64, f64)> {
        if self.stepped { steps(&self.points, |point| point.0, |point, x| (x, point.1)) } else { self.points.clone() }
    }

    /// The points the edges of the band pass through.
    fn outer(&self) -> Vec<(f64, f64, f64)> {
        if self.stepped {
            steps(&self.band, |edges| edges.0, |edges, x| (x, edges.1, edges.2))
        } else {
            self.band.clone()
        }
    }
}

/// `points`, and before each but the first one `moved` from the point before it to the same position.
fn steps<T: Copy>(points: &[T], position: impl Fn(T) -> f64, moved: impl Fn(T, f64) -> T) -> Vec<T> {
    let mut stepped: Vec<T> = points.first().copied().into_iter().collect();
    for pair in points.windows(2) {
        stepped.extend([moved(pair[0], position(pair[1])), pair[1]]);
    }
    stepped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_so_far_passes_over_failures() {
        let panel = ProgressPanel::of_search("", "", &[f64::NAN, 0.5, 0.3, f64::NEG_INFINITY, 0.7]);
        let best = &panel.lines[0].points;
        assert!(best[0].1.is_nan());
        assert_eq!(best[1..], [(2.0, 0.5), (3.0, 0.5), (4.0, 0.5), (5.0, 0.7)]);
        assert_eq!(panel.dots, [(2.0, 0.5), (3.0, 0.3), (5.0, 0.7)]);
    }

    #[test]
    fn a_stepped_line_holds_its_value() {
        let mut line = ProgressLine {
            label: String::new(),
            points: vec![(1.0, 0.2), (3.0, 0.5)],
            band: vec![(1.0, 0.1, 0.3), (3.0, 0.4, 0.6)],
            stepped: true,
        };
        assert_eq!(line.drawn(), [(1.0, 0.2), (3.0, 0.2), (3.0, 0.5)]);
        assert_eq!(line.outer(), [(1.0, 0.1, 0.3), (3.0, 0.1, 0.3), (3.0, 0.4, 0.6)]);
        line.stepped = false;
        assert_eq!((line.drawn(), line.outer()), (line.points.clone(), line.band.clone()));
    }
}
