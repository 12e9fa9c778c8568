//! Marks of points.

use plotters::style::RGBColor;

use super::picture::Picture;
use super::style::{BLUE, GREEN, VERMILLION};

/// Colours of series, which differ in shape as well.
pub(super) const COLORS: [RGBColor; 3] = [BLUE, VERMILLION, GREEN];

/// The mark of a series at a point: a disc, a diamond or a triangle; `size` is 1 for a mark that stands alone.
pub(super) fn symbol(picture: &mut Picture, series: usize, (x, y): (f64, f64), size: f64) {
    let color = COLORS[series % COLORS.len()];
    match series % COLORS.len() {
        0 => picture.disc(x, y, 4.5 * size, color),
        1 => {
            let r = 5.5 * size;
            picture.area(vec![(x, y - r), (x + r, y), (x, y + r), (x - r, y)], color);
        }
        _ => {
            let r = 5.0 * size;
            picture.area(vec![(x, y - r), (x + r, y + 0.8 * r), (x - r, y + 0.8 * r)], color);
        }
    }
}

/// A triangle that points from `x` to values left of the panel.
pub(super) fn beyond(picture: &mut Picture, x: f64, y: f64, color: RGBColor) {
    picture.area(vec![(x, y), (x + 7.0, y - 4.5), (x + 7.0, y + 4.5)], color);
}
