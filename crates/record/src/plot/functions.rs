//! Functions of one variable side by side, as in Figures 3 to 5 of the paper.

use std::path::{Path, PathBuf};

use super::curves::CurveLine;
use super::frame::{BELOW, Frame, TICKS};
use super::layout::{LINE, MARGIN, head, head_width, headings, widest};
use super::legend::{Entry, legend, legend_width};
use super::picture::Picture;
use super::style::{FRAME, HEADING, LineStyle, line_styles};
use crate::error::Result;

/// One panel, with a legend of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionPanel {
    /// What its functions have in common; broken into lines at ` · `.
    pub heading: String,
    /// Label of the vertical axis.
    pub y_label: String,
    /// Lowest and highest value shown; a line is cut where it leaves them.
    pub y_range: (f64, f64),
    /// The functions, labelled with their formulas.
    pub lines: Vec<CurveLine>,
}

/// Panels side by side, all over the same arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionPlot {
    /// Title.
    pub title: String,
    /// Lines below the title.
    pub notes: Vec<String>,
    /// Lowest and highest argument shown.
    pub x_range: (f64, f64),
    /// Panels, from the left.
    pub panels: Vec<FunctionPanel>,
}

/// Panels side by side at most.
const ACROSS: usize = 3;
const PANEL: (f64, f64) = (330.0, 240.0);
const GAP: f64 = 22.0;
/// Functions are smooth and few: their lines may be wider than those of noisy curves.
const WIDTH: f64 = 1.8;

impl FunctionPlot {
    /// Writes `<base>.png` and `<base>.svg`; returns their paths.
    ///
    /// # Errors
    /// A picture that cannot be drawn, a file that cannot be written.
    pub fn write(&self, base: impl AsRef<Path>) -> Result<[PathBuf; 2]> {
        self.picture().write(base.as_ref())
    }

    /// Writes one file, `.png` or `.svg`.
    ///
    /// # Errors
    /// Another ending, a picture that cannot be drawn, a file that cannot be written.
    pub fn write_file(&self, file: impl AsRef<Path>) -> Result<()> {
        self.picture().write_file(file.as_ref())
    }

    pub(super) fn picture(&self) -> Picture {
        let formulas = self.panels.iter().map(|panel| legend_width(&panel.entries())).fold(0.0, f64::max);
        let (broken, _) = headings(self.panels.iter().map(|panel| panel.heading.as_str()), PANEL.0);
        // As wide as the widest formula and the longest part of a heading need.
        let column = PANEL.0.max(formulas).max(widest(broken.into_iter().flatten(), HEADING));
        let pitch = TICKS + column + GAP;
        let across = self.panels.len().min(ACROSS) as f64;
        let width = (across * pitch - GAP).max(head_width(&self.title, &self.notes)) + 2.0 * MARGIN;
        let mut picture = Picture::new(width, 0.0);
        let mut y = head(&mut picture, &self.title, &self.notes) - 5.0;
        for band in self.panels.chunks(ACROSS) {
            let (headings, height) = headings(band.iter().map(|panel| panel.heading.as_str()), column);
            let top = y + height + LINE + 8.0;
            let mut end = top;
            for (n, (panel, heading)) in band.iter().zip(headings).enumerate() {
                let x = MARGIN + TICKS + n as f64 * pitch;
                picture.lines((x, y + LINE), heading, HEADING);
                end = panel.draw(&mut picture, (x, top), self.x_range, column).max(end);
            }
            y = end + 18.0;
        }
        picture.height = y;
        picture
    }
}

impl FunctionPanel {
    /// Draws the panel and its legend, which may be `column` wide; returns where that ends.
    fn draw(&self, picture: &mut Picture, corner: (f64, f64), x_range: (f64, f64), column: f64) -> f64 {
        let frame = Frame::new(corner, PANEL, x_range, self.y_range);
        let (left, right, top, bottom) = frame.edges();
        frame.grid(picture, (10, 6));
        frame.labels(picture, "x", &self.y_label);
        let (x, y) = frame.at((0.0, 0.0));
        if frame.across.contains(0.0) {
            picture.line(vec![(x, top), (x, bottom)], FRAME, 1.2);
        }
        if frame.up.contains(0.0) {
            picture.line(vec![(left, y), (right, y)], FRAME, 1.2);
        }
        for (line, style) in self.lines.iter().zip(self.styles()) {
            let shown: Vec<(f64, f64)> =
                line.points.iter().copied().filter(|point| frame.across.contains(point.0)).collect();
            frame.line(picture, &shown, style);
        }
        frame.outline(picture);
        legend(picture, (left, bottom + BELOW + 24.0), column, &self.entries())
    }

    /// Styles of the lines; a function has the same in every panel only if it is one of the paper's named activations.
    fn styles(&self) -> Vec<LineStyle> {
        let labels: Vec<String> = self.lines.iter().map(|line| line.label.clone()).collect();
        line_styles(&labels).into_iter().map(|style| LineStyle { width: style.width.max(WIDTH), ..style }).collect()
    }

    fn entries(&self) -> Vec<Entry<'_>> {
        self.lines.iter().zip(self.styles()).map(|(line, style)| Entry::line(&line.label, style, false)).collect()
    }
}
