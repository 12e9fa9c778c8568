//! A picture as a list of marks, in pixels from the top left. It knows no file format, and a test can
//! look at where everything lies.

use plotters::style::{Color, RGBAColor, RGBColor};

use super::layout::LINE;
use super::text::text_width;

/// Where a text lies about its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// Size, weight and colour of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    /// Size of the font in pixels.
    pub size: f64,
    pub bold: bool,
    pub color: RGBColor,
}

/// One thing drawn.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    /// A line of text; `y` is its base line.
    Text { x: f64, y: f64, text: String, ink: Ink, align: Align },
    /// A line through points.
    Line { points: Vec<(f64, f64)>, color: RGBColor, width: f64 },
    /// A filled area.
    Area { points: Vec<(f64, f64)>, color: RGBAColor },
    /// A filled disc.
    Disc { x: f64, y: f64, radius: f64, color: RGBColor },
}

/// A picture on white ground.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub width: f64,
    pub height: f64,
    pub marks: Vec<Mark>,
}

impl Picture {
    pub fn new(width: f64, height: f64) -> Self {
        let marks = Vec::new();
        Self { width, height, marks }
    }

    pub fn text(&mut self, x: f64, y: f64, text: impl Into<String>, ink: Ink, align: Align) {
        let text = text.into();
        self.marks.push(Mark::Text { x, y, text, ink, align });
    }

    /// Lines of text one below the other; the point is on the base line of the first.
    pub fn lines(&mut self, (x, mut y): (f64, f64), lines: Vec<String>, ink: Ink) {
        for line in lines {
            self.text(x, y, line, ink, Align::Left);
            y += LINE;
        }
    }

    pub fn line(&mut self, points: Vec<(f64, f64)>, color: RGBColor, width: f64) {
        self.marks.push(Mark::Line { points, color, width });
    }

    pub fn disc(&mut self, x: f64, y: f64, radius: f64, color: RGBColor) {
        self.marks.push(Mark::Disc { x, y, radius, color });
    }

    pub fn area(&mut self, points: Vec<(f64, f64)>, color: RGBColor) {
        self.marks.push(Mark::Area { points, color: color.to_rgba() });
    }

    /// A pale area through which others show.
    pub fn shade(&mut self, points: Vec<(f64, f64)>, color: RGBColor) {
        self.marks.push(Mark::Area { points, color: color.mix(0.18) });
    }

    /// The outline of an area.
    pub fn outline(&mut self, corners: &[(f64, f64)], color: RGBColor, width: f64) {
        let [first, second, ..] = *corners else {
            return;
        };
        // Begins and ends in the middle of an edge, where no corner shows the seam. No edge may be drawn
        // twice: where a line covers itself, the bitmap backend leaves it open.
        let seam = ((first.0 + second.0) / 2.0, (first.1 + second.1) / 2.0);
        let mut points = vec![seam];
        points.extend_from_slice(&corners[1..]);
        points.extend([first, seam]);
        self.line(points, color, width);
    }

    /// A diamond that is open inside.
    pub fn diamond(&mut self, x: f64, y: f64, radius: f64, color: RGBColor) {
        let corners = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)];
        self.outline(&corners, color, 1.6);
    }

    /// A line of dashes: `pattern` holds lengths drawn and left out in turn; empty for a whole line.
    pub fn dashed(&mut self, points: &[(f64, f64)], pattern: &[f64], color: RGBColor, width: f64) {
        if pattern.is_empty() {
            self.line(points.to_vec(), color, width);
            return;
        }
        let (mut n, mut left) = (0, pattern[0]);
        let mut dash: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
        for pair in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let length = (x1 - x0).hypot(y1 - y0);
            let mut done = 0.0;
            while length - done > left {
                done += left;
                let at = (x0 + (x1 - x0) * done / length, y0 + (y1 - y0) * done / length);
                if n % 2 == 0 {
                    dash.push(at);
                    self.line(std::mem::take(&mut dash), color, width);
                }
                n += 1;
                left = pattern[n % pattern.len()];
                dash = vec![at];
            }
            left -= length - done;
            dash.push((x1, y1));
        }
        if n % 2 == 0 && dash.len() > 1 {
            self.line(dash, color, width);
        }
    }
}

/// Breaks a heading at its ` · ` so that every line fits `width`; a part that is too long stays whole.
pub(super) fn wrap(heading: &str, width: f64, ink: Ink) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in heading.split(" · ") {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} · {part}"), ink) <= width => {
                line.push_str(" · ");
                line.push_str(part);
            }
            _ => lines.push(part.to_owned()),
        }
    }
    lines
}
