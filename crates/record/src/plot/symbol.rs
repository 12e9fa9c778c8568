//! The marks of series of points: series differ in shape as well as in colour.

use plotters::style::RGBColor;

use super::picture::Picture;
use super::style::{BLUE, GREEN, VERMILLION};

/// Colours of the series.
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
