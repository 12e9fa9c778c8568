//! Training curves as small multiples: one line a run, one style an activation.

use std::path::{Path, PathBuf};

use super::picture::{Align, Picture, text_width, wrap};
use super::scale::{Scale, bounds};
use super::style::{FRAME, GRID, HEADING, LABEL, LineStyle, SMALL, TITLE, line_styles};
use crate::error::Result;
use crate::metrics::Row;
use crate::run::RunRecord;
use crate::stats;
use crate::table::Setting;

/// One line of a panel. Lines of the same label look the same: they are seeds of one activation.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveLine {
    /// Activation.
    pub label: String,
    /// Step and value; a value that is not finite breaks the line.
    pub points: Vec<(f64, f64)>,
}

/// One panel.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePanel {
    /// What was run; broken into lines at ` · `.
    pub heading: String,
    /// Label of the horizontal axis, with its unit.
    pub x_label: String,
    /// Label of the vertical axis, with its unit.
    pub y_label: String,
    /// Values above it are cut off, so that one diverging run does not flatten the others.
    pub y_limit: Option<f64>,
    /// The lines.
    pub lines: Vec<CurveLine>,
}

/// Training curves: bands of panels side by side over one legend.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePlot {
    /// Title.
    pub title: String,
    /// Second line.
    pub subtitle: String,
    /// Activations in the order of the legend; labels of lines that are not named follow.
    pub order: Vec<String>,
    /// Bands of panels, from the top.
    pub bands: Vec<Vec<CurvePanel>>,
}

/// Panels side by side at most.
const ACROSS: usize = 3;
const MARGIN: f64 = 18.0;
/// Room for the tick labels on the left of a panel.
const TICKS: f64 = 42.0;
const PANEL: (f64, f64) = (270.0, 180.0);
const LINE: f64 = 17.0;
/// Length of a line in the legend.
const SAMPLE: f64 = 30.0;
/// A loss this many times the first one is no longer of interest.
const DIVERGED: f64 = 1.5;

impl CurvePlot {
    /// Training loss and, below it, test accuracy of runs with their curves. Runs that may not share
    /// a column of a table do not share a panel. Panels stand in the order of the runs; `order` is that of the legend.
    #[must_use]
    pub fn of_runs(title: &str, order: &[String], runs: &[(RunRecord, Vec<Row>)]) -> Self {
        let same = |a: &RunRecord, b: &RunRecord| {
            a.dataset == b.dataset
                && a.model == b.model
                && a.profile == b.profile
                && a.data_source == b.data_source
                && Setting::of(a) == Setting::of(b)
        };
        let mut groups: Vec<Vec<&(RunRecord, Vec<Row>)>> = Vec::new();
        for run in runs {
            match groups.iter_mut().find(|group| same(&group[0].0, &run.0)) {
                Some(group) => group.push(run),
                None => groups.push(vec![run]),
            }
        }
        let mut bands = Vec::new();
        for groups in groups.chunks(ACROSS) {
            let loss =
                |group: &Vec<&(RunRecord, Vec<Row>)>| panel(group, "training loss (nats)", |row| Some(row.train_loss));
            let top1 =
                |group: &Vec<&(RunRecord, Vec<Row>)>| panel(group, "test top-1 accuracy (%)", |row| row.test_top1);
            let limited = |group| {
                let mut panel: CurvePanel = loss(group);
                let first: Vec<f64> = panel
                    .lines
                    .iter()
                    .filter_map(|line| line.points.first())
                    .map(|p| p.1)
                    .filter(|v| v.is_finite())
                    .collect();
                panel.y_limit = stats::median(&first).map(|first| DIVERGED * first);
                panel
            };
            bands.push(groups.iter().map(limited).collect());
            bands.push(groups.iter().map(top1).collect());
        }
        bands.iter_mut().for_each(|band: &mut Vec<CurvePanel>| {
            // One point is no curve: runs that are evaluated once have their accuracy in the table.
            band.retain(|panel| panel.lines.iter().any(|line| line.points.len() > 1));
        });
        bands.retain(|band| !band.is_empty());
        let mut seeds: Vec<u64> = runs.iter().map(|run| run.0.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
        let subtitle = format!("one line a run · seeds {}", seeds.join(" "));
        Self { title: title.into(), subtitle, order: order.to_vec(), bands }
    }

    /// Writes `<base>.png` and `<base>.svg`; returns their paths.
    ///
    /// # Errors
    /// A picture that cannot be drawn, a file that cannot be written.
    pub fn write(&self, base: impl AsRef<Path>) -> Result<[PathBuf; 2]> {
        self.picture().write(base.as_ref())
    }

    /// Labels in the order of the legend.
    fn labels(&self) -> Vec<String> {
        let lines = || self.bands.iter().flatten().flat_map(|panel| &panel.lines);
        let mut labels: Vec<String> =
            self.order.iter().filter(|label| lines().any(|line| line.label == **label)).cloned().collect();
        for line in lines() {
            if !labels.contains(&line.label) {
                labels.push(line.label.clone());
            }
        }
        labels
    }

    pub(super) fn picture(&self) -> Picture {
        let labels = self.labels();
        let styles: Vec<LineStyle> = line_styles(&labels);
        let across = self.bands.iter().map(Vec::len).max().unwrap_or(0) as f64;
        let pitch = TICKS + PANEL.0 + 20.0;
        let title_width = text_width(&self.title, TITLE).max(text_width(&self.subtitle, SMALL));
        let width = (2.0 * MARGIN + across * pitch - 8.0).max(title_width + 2.0 * MARGIN);
        let mut picture = Picture::new(width, 0.0);
        picture.text(MARGIN, 30.0, &self.title, TITLE, Align::Left);
        picture.text(MARGIN, 50.0, &self.subtitle, SMALL, Align::Left);
        let mut y = 62.0;
        for band in &self.bands {
            let headings: Vec<Vec<String>> = band.iter().map(|panel| wrap(&panel.heading, PANEL.0, HEADING)).collect();
            let lines = headings.iter().map(Vec::len).max().unwrap_or(0) as f64;
            let top = y + (lines + 1.0) * LINE + 8.0;
            for (n, (panel, heading)) in band.iter().zip(headings).enumerate() {
                let x = MARGIN + TICKS + n as f64 * pitch;
                for (k, line) in heading.into_iter().enumerate() {
                    picture.text(x, y + (k as f64 + 1.0) * LINE, line, HEADING, Align::Left);
                }
                panel.draw(&mut picture, x, top, &labels, &styles);
            }
            y = top + PANEL.1 + 2.0 * LINE + 14.0;
        }
        picture.height = legend(&mut picture, y + 16.0, &labels, &styles) + 14.0;
        picture
    }
}

/// The panel of one group of runs, with the values `of` the rows.
fn panel(group: &[&(RunRecord, Vec<Row>)], y_label: &str, of: impl Fn(&Row) -> Option<f64>) -> CurvePanel {
    let line = |run: &&(RunRecord, Vec<Row>)| CurveLine {
        label: run.0.activation.clone(),
        points: run.1.iter().filter_map(|row| Some((row.step as f64, of(row)?))).collect(),
    };
    let heading = group.first().map(|run| {
        let r = &run.0;
        format!("{} · {} · {} · {}", r.model, r.dataset, r.profile, r.data_source)
    });
    CurvePanel {
        heading: heading.unwrap_or_default(),
        x_label: "training step".into(),
        y_label: y_label.into(),
        y_limit: None,
        lines: group.iter().map(line).collect(),
    }
}

/// The legend, in as many lines as it needs; returns where it ends.
fn legend(picture: &mut Picture, top: f64, labels: &[String], styles: &[LineStyle]) -> f64 {
    let widest = labels.iter().map(|label| text_width(label, LABEL)).fold(0.0, f64::max);
    let pitch = SAMPLE + 8.0 + widest + 20.0;
    let across = (((picture.width - 2.0 * MARGIN) / pitch).floor() as usize).max(1);
    for (n, (label, style)) in labels.iter().zip(styles).enumerate() {
        let x = MARGIN + (n % across) as f64 * pitch;
        let y = top + (n / across) as f64 * 20.0;
        picture.dashed(&[(x, y - 4.5), (x + SAMPLE, y - 4.5)], style.dash, style.color, style.width);
        picture.text(x + SAMPLE + 8.0, y, label, LABEL, Align::Left);
    }
    top + labels.len().div_ceil(across).saturating_sub(1) as f64 * 20.0
}

impl CurvePanel {
    fn draw(&self, picture: &mut Picture, x: f64, top: f64, labels: &[String], styles: &[LineStyle]) {
        let (right, bottom) = (x + PANEL.0, top + PANEL.1);
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let limit = self.y_limit.unwrap_or(f64::INFINITY);
        let (x_low, x_high) = bounds(points().map(|p| p.0)).unwrap_or((0.0, 1.0));
        let (y_low, y_high) = bounds(points().map(|p| p.1.min(limit))).unwrap_or((0.0, 1.0));
        let pad = 0.05 * (y_high - y_low);
        let across = Scale::new(x_low.min(0.0), x_high, x, right);
        let up = Scale::new(y_low - pad, y_high + pad, bottom, top);
        for (value, label) in across.ticks(4) {
            let at = across.at(value);
            picture.line(vec![(at, top), (at, bottom)], GRID, 1.0);
            picture.line(vec![(at, bottom), (at, bottom + 4.0)], FRAME, 1.0);
            picture.text(at, bottom + LINE, label, SMALL, Align::Center);
        }
        for (value, label) in up.ticks(5) {
            let at = up.at(value);
            picture.line(vec![(x, at), (right, at)], GRID, 1.0);
            picture.text(x - 6.0, at + 4.0, label, SMALL, Align::Right);
        }
        let cut = points().any(|p| p.1 > limit || !p.1.is_finite());
        let note = if cut { ", diverging runs cut off" } else { "" };
        picture.text(x, top - 7.0, format!("{}{note}", self.y_label), SMALL, Align::Left);
        picture.text((x + right) / 2.0, bottom + 2.0 * LINE, &self.x_label, SMALL, Align::Center);
        // In the order of the legend, so that the same line lies on top in every panel.
        for (label, style) in labels.iter().zip(styles) {
            let lines: Vec<&CurveLine> = self.lines.iter().filter(|line| line.label == *label).collect();
            let width = if lines.len() > 1 { 0.65 * style.width } else { style.width };
            for line in lines {
                for piece in pieces(&line.points, up.low, up.high) {
                    let at: Vec<(f64, f64)> = piece.iter().map(|p| (across.at(p.0), up.at(p.1))).collect();
                    picture.dashed(&at, style.dash, style.color, width);
                }
            }
        }
        let frame = [(x, top), (right, top), (right, bottom), (x, bottom)];
        picture.outline(&frame, FRAME, 1.0);
    }
}

/// The parts of a line between `low` and `high`, cut where it leaves; broken at values that are not finite.
fn pieces(points: &[(f64, f64)], low: f64, high: f64) -> Vec<Vec<(f64, f64)>> {
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut open = false;
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        if !y0.is_finite() || !y1.is_finite() || y0.max(y1) < low || y0.min(y1) > high {
            open = false;
            continue;
        }
        let cut = |x: f64, y: f64| {
            let edge = y.clamp(low, high);
            if edge == y { (x, y) } else { (x0 + (x1 - x0) * (edge - y0) / (y1 - y0), edge) }
        };
        match pieces.last_mut().filter(|_| open) {
            Some(piece) => piece.push(cut(x1, y1)),
            None => pieces.push(vec![cut(x0, y0), cut(x1, y1)]),
        }
        open = y1 >= low && y1 <= high;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn lines_are_cut_at_the_frame_and_broken_at_gaps() {
        let points = [(0.0, 1.0), (1.0, 3.0), (2.0, 1.0), (3.0, f64::NAN), (4.0, 0.5), (5.0, 1.0)];
        let expected = vec![vec![(0.0, 1.0), (0.5, 2.0)], vec![(1.5, 2.0), (2.0, 1.0)], vec![(4.0, 0.5), (5.0, 1.0)]];
        assert_eq!(pieces(&points, 0.0, 2.0), expected);
        // A whole line stays one piece.
        assert_eq!(pieces(&[(0.0, 0.0), (1.0, 1.0), (2.0, 0.0)], 0.0, 1.0).len(), 1);
    }
}
