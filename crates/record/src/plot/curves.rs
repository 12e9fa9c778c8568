//! Training curves as small multiples: one line a run, one style an activation.

use std::path::{Path, PathBuf};

use super::frame::{BELOW, Frame, TICKS};
use super::layout::{LINE, MARGIN, head, head_width, headings};
use super::legend::{Entry, distinct, legend};
use super::picture::Picture;
use super::scale::bounds;
use super::style::{HEADING, LineStyle, line_styles};
use crate::error::Result;
use crate::metrics::Row;
use crate::run::RunRecord;
use crate::stats;
use crate::table::Setting;

/// One line of a panel. Lines of the same label look the same.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveLine {
    /// Name in the legend: the activation, of which there may be several seeds.
    pub label: String,
    /// Positions on the horizontal axis, such as training steps, and values there; a value that is not finite breaks the line.
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
const PANEL: (f64, f64) = (270.0, 180.0);
/// A loss this many times the first one is no longer of interest.
const DIVERGED: f64 = 1.5;

impl CurvePlot {
    /// Training loss and, below it, test accuracy or BLEU of runs with their curves. Runs that may not share
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
            // Runs of translation have BLEU, others top-1 accuracy.
            let result = |group: &Vec<&(RunRecord, Vec<Row>)>| match group
                .iter()
                .flat_map(|run| &run.1)
                .any(|row| row.test_bleu.is_some())
            {
                true => panel(group, "test BLEU", |row| row.test_bleu),
                false => panel(group, "test top-1 accuracy (%)", |row| row.test_top1),
            };
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
            bands.push(groups.iter().map(result).collect());
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
        let named = self.order.iter().filter(|label| lines().any(|line| line.label == **label));
        distinct(named.chain(lines().map(|line| &line.label)))
    }

    pub(super) fn picture(&self) -> Picture {
        let labels = self.labels();
        let styles: Vec<LineStyle> = line_styles(&labels);
        let across = self.bands.iter().map(Vec::len).max().unwrap_or(0) as f64;
        let pitch = TICKS + PANEL.0 + 20.0;
        let notes = std::slice::from_ref(&self.subtitle);
        let width = (across * pitch - 8.0).max(head_width(&self.title, notes)) + 2.0 * MARGIN;
        let mut picture = Picture::new(width, 0.0);
        let mut y = head(&mut picture, &self.title, notes) - 5.0;
        for band in &self.bands {
            let (headings, height) = headings(band.iter().map(|panel| panel.heading.as_str()), PANEL.0);
            let top = y + height + LINE + 8.0;
            for (n, (panel, heading)) in band.iter().zip(headings).enumerate() {
                let x = MARGIN + TICKS + n as f64 * pitch;
                picture.lines((x, y + LINE), heading, HEADING);
                panel.draw(&mut picture, x, top, &labels, &styles);
            }
            y = top + PANEL.1 + BELOW + 14.0;
        }
        let entries: Vec<Entry> =
            labels.iter().zip(&styles).map(|(label, style)| Entry::line(label, *style, false)).collect();
        picture.height = legend(&mut picture, (MARGIN, y + 16.0), width - 2.0 * MARGIN, &entries) + 14.0;
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

impl CurvePanel {
    fn draw(&self, picture: &mut Picture, x: f64, top: f64, labels: &[String], styles: &[LineStyle]) {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let limit = self.y_limit.unwrap_or(f64::INFINITY);
        let (x_low, x_high) = bounds(points().map(|p| p.0)).unwrap_or((0.0, 1.0));
        let (y_low, y_high) = bounds(points().map(|p| p.1.min(limit))).unwrap_or((0.0, 1.0));
        let pad = 0.05 * (y_high - y_low);
        let frame = Frame::new((x, top), PANEL, (x_low.min(0.0), x_high), (y_low - pad, y_high + pad));
        frame.grid(picture, (4, 5));
        let cut = points().any(|p| p.1 > limit || !p.1.is_finite());
        let note = if cut { ", diverging runs cut off" } else { "" };
        frame.labels(picture, &self.x_label, &format!("{}{note}", self.y_label));
        // In the order of the legend, so that the same line lies on top in every panel.
        for (label, style) in labels.iter().zip(styles) {
            let lines: Vec<&CurveLine> = self.lines.iter().filter(|line| line.label == *label).collect();
            let width = if lines.len() > 1 { 0.65 * style.width } else { style.width };
            for line in lines {
                frame.line(picture, &line.points, LineStyle { width, ..*style });
            }
        }
        frame.outline(picture);
    }
}
