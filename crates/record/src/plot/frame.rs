//! A panel with two axes: grid, tick labels, and lines that are cut where they leave it.

use plotters::style::RGBColor;

use super::layout::LINE;
use super::picture::{Align, Picture};
use super::scale::Scale;
use super::style::{FRAME, GRID, LineStyle, SMALL};

/// Room for the tick labels on the left of a panel.
pub(super) const TICKS: f64 = 42.0;
/// Height of the tick labels and the axis label below a panel.
pub(super) const BELOW: f64 = 2.0 * LINE;

/// The axes of a panel, with their places in the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub across: Scale,
    pub up: Scale,
}

impl Frame {
    /// A panel whose upper left corner is `corner`, over the values `across` and `up`.
    pub fn new(corner: (f64, f64), size: (f64, f64), across: (f64, f64), up: (f64, f64)) -> Self {
        let (right, bottom) = (corner.0 + size.0, corner.1 + size.1);
        Self { across: Scale::new(across.0, across.1, corner.0, right), up: Scale::new(up.0, up.1, bottom, corner.1) }
    }

    /// Left, right, top and bottom in the picture.
    pub fn edges(&self) -> (f64, f64, f64, f64) {
        (self.across.start, self.across.end, self.up.end, self.up.start)
    }

    /// Place of a point in the picture.
    pub fn at(&self, point: (f64, f64)) -> (f64, f64) {
        (self.across.at(point.0), self.up.at(point.1))
    }

    /// Grid and tick labels, about as many of them as `ticks` says for either axis.
    pub fn grid(&self, picture: &mut Picture, ticks: (usize, usize)) {
        let (left, right, top, bottom) = self.edges();
        for (value, label) in self.across.ticks(ticks.0) {
            let at = self.across.at(value);
            picture.line(vec![(at, top), (at, bottom)], GRID, 1.0);
            picture.line(vec![(at, bottom), (at, bottom + 4.0)], FRAME, 1.0);
            picture.text(at, bottom + LINE, label, SMALL, Align::Center);
        }
        for (value, label) in self.up.ticks(ticks.1) {
            let at = self.up.at(value);
            picture.line(vec![(left, at), (right, at)], GRID, 1.0);
            picture.text(left - 6.0, at + 4.0, label, SMALL, Align::Right);
        }
    }

    /// Labels of the axes: the vertical one's stands above the panel, where it reads without turning the head.
    pub fn labels(&self, picture: &mut Picture, x_label: &str, y_label: &str) {
        let (left, right, top, bottom) = self.edges();
        picture.text(left, top - 7.0, y_label, SMALL, Align::Left);
        picture.text((left + right) / 2.0, bottom + BELOW, x_label, SMALL, Align::Center);
    }

    /// A line, cut at the lower and upper edge and broken at values that are not finite.
    pub fn line(&self, picture: &mut Picture, points: &[(f64, f64)], style: LineStyle) {
        for piece in pieces(points, self.up.low, self.up.high) {
            let at: Vec<(f64, f64)> = piece.into_iter().map(|point| self.at(point)).collect();
            picture.dashed(&at, style.dash, style.color, style.width);
        }
    }

    /// A band from `low` to `high` along `(x, low, high)`, broken and cut as a line is.
    pub fn band(&self, picture: &mut Picture, band: &[(f64, f64, f64)], color: RGBColor) {
        let finite = |(x, low, high): &(f64, f64, f64)| [x, low, high].into_iter().all(|value| value.is_finite());
        for piece in band.split(|edges| !finite(edges)).filter(|piece| piece.len() > 1) {
            let inside = |value: f64| value.clamp(self.up.low, self.up.high);
            let lower = piece.iter().map(|&(x, low, _)| self.at((x, inside(low))));
            let upper = piece.iter().rev().map(|&(x, _, high)| self.at((x, inside(high))));
            picture.shade(lower.chain(upper).collect(), color);
        }
    }

    /// The edge, drawn last so that it lies on what was cut there.
    pub fn outline(&self, picture: &mut Picture) {
        let (left, right, top, bottom) = self.edges();
        picture.outline(&[(left, top), (right, top), (right, bottom), (left, bottom)], FRAME, 1.0);
    }
}

/// The parts of a line between `low` and `high`, cut where it leaves; broken at values that are not finite.
fn pieces(points: &[(f64, f64)], low: f64, high: f64) -> Vec<Vec<(f64, f64)>> {
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut open = false;
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let finite = [x0, y0, x1, y1].into_iter().all(f64::is_finite);
        if !finite || y0.max(y1) < low || y0.min(y1) > high {
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
