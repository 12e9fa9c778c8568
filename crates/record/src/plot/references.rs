//! Reference lines: values that a panel is to be read against, dotted, with their labels at its edge.

use super::frame::Frame;
use super::layout::widest;
use super::picture::{Align, Picture};
use super::scale::Scale;
use super::style::{DOTS, FAINT_TEXT, SMALL};
use super::text::text_width;

/// A value others are compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Where the line lies; a value that is not finite has none.
    pub value: f64,
    /// What the value is.
    pub label: String,
}

/// Length of the piece that leads from a line to its label.
const LEAD: f64 = 10.0;
const WIDTH: f64 = 1.3;
/// Height of a line of labels.
const HEIGHT: f64 = 15.0;

/// Room that labels need to the right of a panel.
pub(super) fn gutter(references: &[Reference]) -> f64 {
    match widest(references.iter().map(|reference| &reference.label), SMALL) {
        0.0 => 0.0,
        width => LEAD + 3.0 + width,
    }
}

/// Horizontal lines, with their labels to the right of the panel.
pub(super) fn draw_levels(picture: &mut Picture, frame: &Frame, references: &[Reference]) {
    let (left, right, top, bottom) = frame.edges();
    let shown: Vec<&Reference> = references.iter().filter(|line| frame.up.contains(line.value)).collect();
    let wanted: Vec<f64> = shown.iter().map(|line| frame.up.at(line.value)).collect();
    let centers = spread(&wanted, &vec![HEIGHT; shown.len()], top, bottom);
    for ((reference, y), center) in shown.into_iter().zip(wanted).zip(centers) {
        picture.dashed(&[(left, y), (right, y)], DOTS, FAINT_TEXT, WIDTH);
        picture.line(vec![(right, y), (right + LEAD, center)], FAINT_TEXT, 1.0);
        picture.text(right + LEAD + 3.0, center + 4.0, &reference.label, SMALL, Align::Left);
    }
}

/// Vertical lines from `top` to `bottom`, with their labels above the panel.
pub(super) fn draw_columns(picture: &mut Picture, scale: &Scale, (top, bottom): (f64, f64), references: &[Reference]) {
    let shown: Vec<&Reference> = references.iter().filter(|line| scale.contains(line.value)).collect();
    let wanted: Vec<f64> = shown.iter().map(|line| scale.at(line.value)).collect();
    let sizes: Vec<f64> = shown.iter().map(|line| text_width(&line.label, SMALL) + 8.0).collect();
    let centers = spread(&wanted, &sizes, scale.start, scale.end);
    for ((reference, x), center) in shown.into_iter().zip(wanted).zip(centers) {
        picture.dashed(&[(x, top), (x, bottom)], DOTS, FAINT_TEXT, WIDTH);
        picture.line(vec![(x, top), (center, top - 5.0)], FAINT_TEXT, 1.0);
        picture.text(center, top - 8.0, &reference.label, SMALL, Align::Center);
    }
}

/// Centers of labels as long as `sizes`, each as near to where it is `wanted` as the others and the ends `low..=high`
/// allow.
fn spread(wanted: &[f64], sizes: &[f64], low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut centers = wanted.to_vec();
    let mut edge = low;
    for &n in &order {
        centers[n] = centers[n].max(edge + sizes[n] / 2.0);
        edge = centers[n] + sizes[n] / 2.0;
    }
    let mut edge = high;
    for &n in order.iter().rev() {
        centers[n] = centers[n].min(edge - sizes[n] / 2.0);
        edge = centers[n] - sizes[n] / 2.0;
    }
    centers
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn labels_are_moved_apart_and_stay_between_the_ends() {
        assert_eq!(spread(&[50.0, 10.0], &[10.0, 10.0], 0.0, 100.0), [50.0, 10.0]);
        assert_eq!(spread(&[52.0, 50.0], &[10.0, 10.0], 0.0, 100.0), [60.0, 50.0]);
        assert_eq!(spread(&[0.0, 100.0, 99.0], &[10.0; 3], 0.0, 100.0), [5.0, 95.0, 85.0]);
        assert!(spread(&[], &[], 0.0, 1.0).is_empty());
    }
}
