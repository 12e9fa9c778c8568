//! Two numbers of each candidate against one another.

use std::path::{Path, PathBuf};

use super::beside::{Area, Label, place};
use super::frame::{BELOW, Frame, TICKS};
use super::layout::{LINE, MARGIN, head, head_width};
use super::legend::{Entry, legend, legend_width};
use super::picture::{Align, Ink, Picture};
use super::scale::bounds;
use super::style::{FRAME, SMALL, TEXT};
use super::symbol::symbol;
use super::text::text_width;
use crate::error::Result;

/// One candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterPoint {
    /// Position across; a point with a coordinate that is not finite is left out.
    pub x: f64,
    /// Position up.
    pub y: f64,
    /// What stands beside it.
    pub label: Option<String>,
}

/// Points of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterKind {
    /// Name in the legend.
    pub name: String,
    /// The points.
    pub points: Vec<ScatterPoint>,
}

/// A scatter plot.
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterPlot {
    /// Title.
    pub title: String,
    /// Lines below the title, such as the rank correlation.
    pub notes: Vec<String>,
    /// Label of the horizontal axis, with its unit.
    pub x_label: String,
    /// Label of the vertical axis, with its unit.
    pub y_label: String,
    /// Kinds of points; there are marks for 3. Later ones lie on top, and their labels come first.
    pub kinds: Vec<ScatterKind>,
}

const PANEL: (f64, f64) = (520.0, 420.0);
/// Size of the marks, of which there may be hundreds.
const SIZE: f64 = 0.7;
/// Half the width of a mark.
const RADIUS: f64 = 4.0;
const NAME: Ink = Ink { color: TEXT, ..SMALL };
/// Height of a label.
const HEIGHT: f64 = 14.0;

impl ScatterPlot {
    /// Writes `<base>.png` and `<base>.svg`; returns their paths.
    ///
    /// # Errors
    /// A picture that cannot be drawn, a file that cannot be written.
    pub fn write(&self, base: impl AsRef<Path>) -> Result<[PathBuf; 2]> {
        self.picture().write(base.as_ref())
    }

    pub(super) fn picture(&self) -> Picture {
        let entries: Vec<Entry> = (self.kinds.iter().enumerate())
            .map(|(n, kind)| Entry::mark(&kind.name, 2.0 * RADIUS, move |p, x, y| symbol(p, n, (x, y), SIZE)))
            .collect();
        let content = (TICKS + PANEL.0).max(head_width(&self.title, &self.notes)).max(legend_width(&entries));
        let mut picture = Picture::new(content + 2.0 * MARGIN, 0.0);
        let y = head(&mut picture, &self.title, &self.notes) - 5.0;
        let frame = self.frame((MARGIN + TICKS, y + LINE + 8.0));
        frame.grid(&mut picture, (7, 7));
        frame.labels(&mut picture, &self.x_label, &self.y_label);
        frame.outline(&mut picture);
        for (series, kind) in self.kinds.iter().enumerate() {
            for point in kind.points.iter().filter(|point| point.is_finite()) {
                symbol(&mut picture, series, frame.at((point.x, point.y)), SIZE);
            }
        }
        self.names(&mut picture, &frame);
        let below = frame.up.start + BELOW + 24.0;
        picture.height = legend(&mut picture, (MARGIN + TICKS, below), content - TICKS, &entries) + 14.0;
        picture
    }

    /// The points, with a little room about them.
    fn frame(&self, corner: (f64, f64)) -> Frame {
        let points = || self.kinds.iter().flat_map(|kind| &kind.points).filter(|point| point.is_finite());
        let padded = |range: Option<(f64, f64)>| {
            let (low, high) = range.unwrap_or((0.0, 1.0));
            let pad = 0.06 * (high - low);
            (low - pad, high + pad)
        };
        let across = padded(bounds(points().map(|point| point.x)));
        let up = padded(bounds(points().map(|point| point.y)));
        Frame::new(corner, PANEL, across, up)
    }

    /// The labels, each joined to its point where it stands apart from it.
    fn names(&self, picture: &mut Picture, frame: &Frame) {
        let (left, right, top, bottom) = frame.edges();
        let points = || self.kinds.iter().rev().flat_map(|kind| &kind.points).filter(|point| point.is_finite());
        let at = |point: &ScatterPoint| frame.at((point.x, point.y));
        let (mut texts, mut labels) = (Vec::new(), Vec::new());
        for point in points() {
            if let Some(text) = &point.label {
                texts.push(text);
                labels.push(Label { point: at(point), size: (text_width(text, NAME) + 2.0, HEIGHT) });
            }
        }
        let all: Vec<(f64, f64)> = points().map(at).collect();
        let areas = place(&labels, &all, RADIUS, Area { left, right, top, bottom });
        // All lines lie below all texts.
        for (label, area) in labels.iter().zip(&areas) {
            let end = area.nearest(label.point);
            if (end.0 - label.point.0).hypot(end.1 - label.point.1) > 10.0 {
                picture.line(vec![label.point, end], FRAME, 1.0);
            }
        }
        for (text, area) in texts.into_iter().zip(areas) {
            picture.text((area.left + area.right) / 2.0, area.bottom - 3.5, text, NAME, Align::Center);
        }
    }
}

impl ScatterPoint {
    fn is_finite(&self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }
}
