//! Legends: what each line and mark means, in columns.

use super::layout::widest;
use super::picture::{Align, Picture};
use super::style::{LABEL, LineStyle};

/// Length of a line that is shown before its label.
const SAMPLE: f64 = 30.0;
/// Space between a sample and its label, and between one column and the next.
const GAPS: (f64, f64) = (8.0, 20.0);
/// From one line of a legend to the next.
const PITCH: f64 = 20.0;

/// Draws a mark about a point of a picture.
type Sample<'a> = Box<dyn Fn(&mut Picture, f64, f64) + 'a>;

/// One entry of a legend.
pub(super) struct Entry<'a> {
    pub label: &'a str,
    /// What the label explains, and how wide that is.
    sample: Sample<'a>,
    width: f64,
}

impl<'a> Entry<'a> {
    /// An entry whose mark, `width` wide, `draw` puts about a point.
    pub fn mark(label: &'a str, width: f64, draw: impl Fn(&mut Picture, f64, f64) + 'a) -> Self {
        Self { label, sample: Box::new(draw), width }
    }

    /// An entry for a line, on a band of its color if `banded`.
    pub fn line(label: &'a str, style: LineStyle, banded: bool) -> Self {
        Self::mark(label, SAMPLE, move |picture, x, y| {
            let (left, right) = (x - SAMPLE / 2.0, x + SAMPLE / 2.0);
            if banded {
                picture.shade(vec![(left, y - 6.0), (right, y - 6.0), (right, y + 6.0), (left, y + 6.0)], style.color);
            }
            picture.dashed(&[(left, y), (right, y)], style.dash, style.color, style.width);
        })
    }
}

/// Width of a legend of one column.
pub(super) fn legend_width(entries: &[Entry]) -> f64 {
    sample_width(entries) + GAPS.0 + widest(entries.iter().map(|entry| entry.label), LABEL)
}

fn sample_width(entries: &[Entry]) -> f64 {
    entries.iter().map(|entry| entry.width).fold(0.0, f64::max)
}

/// A legend from `left`, in as many lines as it needs within `width`; returns the base line of the last.
pub(super) fn legend(picture: &mut Picture, (left, top): (f64, f64), width: f64, entries: &[Entry]) -> f64 {
    let sample = sample_width(entries);
    let pitch = legend_width(entries) + GAPS.1;
    let across = (((width + GAPS.1) / pitch).floor() as usize).max(1);
    for (n, entry) in entries.iter().enumerate() {
        let x = left + (n % across) as f64 * pitch;
        let y = top + (n / across) as f64 * PITCH;
        (entry.sample)(picture, x + sample / 2.0, y - 4.5);
        picture.text(x + sample + GAPS.0, y, entry.label, LABEL, Align::Left);
    }
    top + entries.len().div_ceil(across).saturating_sub(1) as f64 * PITCH
}

/// The labels of lines, each once, in the order they come.
pub(super) fn distinct<'a>(labels: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for label in labels {
        if !found.contains(label) {
            found.push(label.clone());
        }
    }
    found
}
