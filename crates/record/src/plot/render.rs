//! A picture as PNG and SVG.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{
    FontStyle, register_font,
    text_anchor::{HPos, Pos, VPos},
};

use super::picture::{Align, Mark, Picture};
use crate::atomic::write_atomic;
use crate::error::{RecordError, Result};

/// Name the fonts are registered under; the generic family in SVG.
pub(super) const FAMILY: &str = "sans-serif";

/// Font size the PNG backend takes for one pixel of em: it scales ascent plus descent, which are
/// 1.069 + 0.293 em in Noto Sans.
pub(super) const PNG_FONT_FACTOR: f64 = 1.362;
/// Font size the SVG backend takes for one pixel of em.
const SVG_FONT_FACTOR: f64 = 1.24;
/// Top of a text to its base line, in em, in the SVG backend (its `dy` of texts set from the top).
const SVG_BASELINE: f64 = 0.76;
/// Pixels drawn for one of the picture, in each direction; positions are whole pixels.
const ZOOM: f64 = 4.0;
/// Pixels drawn that make one of the PNG: it has two for one of the picture, and smooth edges.
const AVERAGED: usize = 2;

/// Makes the fonts known to the drawing library, once.
pub(super) fn register_fonts() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        // Both fonts are built in and valid (a test draws with them); a failure shows as an error on drawing.
        let _ = register_font(FAMILY, FontStyle::Normal, notosans::REGULAR_TTF);
        let _ = register_font(FAMILY, FontStyle::Bold, notosans::BOLD_TTF);
    });
}

impl Picture {
    /// Writes `<base>.png` and `<base>.svg`; returns their paths.
    ///
    /// # Errors
    /// A picture that cannot be drawn, a file that cannot be written.
    pub fn write(&self, base: &Path) -> Result<[PathBuf; 2]> {
        register_fonts();
        // Not `with_extension`: a base such as `v1.2` has no ending to replace.
        let path = |ending: &str| {
            let mut name = base.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let (png, svg) = (path(".png"), path(".svg"));
        let fail = |path: &PathBuf| {
            let path = path.clone();
            move |reason| RecordError::Plot { path, reason }
        };
        write_atomic(&png, self.png().map_err(fail(&png))?)?;
        write_atomic(&svg, self.svg().map_err(fail(&svg))?)?;
        Ok([png, svg])
    }

    /// Width and height as drawn, both a multiple of [`AVERAGED`].
    fn size(&self) -> (u32, u32) {
        ((self.width.ceil() * ZOOM) as u32, (self.height.ceil() * ZOOM) as u32)
    }

    fn png(&self) -> std::result::Result<Vec<u8>, String> {
        let (width, height) = self.size();
        let mut drawn = vec![0; width as usize * height as usize * 3];
        {
            let area = BitMapBackend::with_buffer(&mut drawn, (width, height)).into_drawing_area();
            let baseline = PNG_FONT_FACTOR / 2.0;
            self.draw(&area, PNG_FONT_FACTOR, baseline).map_err(|error| error.to_string())?;
        }
        let (small, width, height) = average(&drawn, width as usize, height as usize);
        let mut bytes = Vec::new();
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive)
            .write_image(&small, width as u32, height as u32, ExtendedColorType::Rgb8)
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn svg(&self) -> std::result::Result<String, String> {
        let (width, height) = self.size();
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
            self.draw(&area, SVG_FONT_FACTOR, SVG_BASELINE).map_err(|error| error.to_string())?;
        }
        // Drawn large for fine positions, shown at the size of the picture.
        let drawn = format!("width=\"{width}\" height=\"{height}\"");
        let shown = format!("width=\"{}\" height=\"{}\"", self.width.ceil(), self.height.ceil());
        Ok(text.replacen(&drawn, &shown, 1))
    }

    /// Draws every mark. `font` and `baseline` are the backend's font size and top of text to base
    /// line for one pixel of em.
    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        font: f64,
        baseline: f64,
    ) -> std::result::Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let at = |(x, y): (f64, f64)| ((x * ZOOM).round() as i32, (y * ZOOM).round() as i32);
        area.fill(&WHITE)?;
        for mark in &self.marks {
            match mark {
                Mark::Text { x, y, text, ink, align } => {
                    let anchor = match align {
                        Align::Left => HPos::Left,
                        Align::Center => HPos::Center,
                        Align::Right => HPos::Right,
                    };
                    let weight = if ink.bold { FontStyle::Bold } else { FontStyle::Normal };
                    let style = TextStyle::from((FAMILY, ink.size * ZOOM * font, weight).into_font())
                        .color(&ink.color)
                        .pos(Pos::new(anchor, VPos::Top));
                    area.draw_text(text, &style, at((*x, y - baseline * ink.size)))?;
                }
                Mark::Line { points, color, width } => {
                    let stroke = color.stroke_width((width * ZOOM).round() as u32);
                    area.draw(&PathElement::new(points.iter().copied().map(at).collect::<Vec<_>>(), stroke))?;
                }
                Mark::Area { points, color } => {
                    let corners: Vec<_> = points.iter().copied().map(at).collect();
                    area.draw(&Polygon::new(corners, color.filled()))?;
                }
                Mark::Disc { x, y, radius, color } => {
                    let radius = (radius * ZOOM).round() as i32;
                    area.draw(&Circle::new(at((*x, *y)), radius, color.filled()))?;
                }
            }
        }
        area.present()
    }
}

/// Means over squares of [`AVERAGED`] pixels, with the new width and height.
fn average(drawn: &[u8], width: usize, height: usize) -> (Vec<u8>, usize, usize) {
    let (w, h) = (width / AVERAGED, height / AVERAGED);
    let mut small = Vec::with_capacity(w * h * 3);
    for y in 0..h {
        for x in 0..w {
            for c in 0..3 {
                let pixels = (0..AVERAGED * AVERAGED).map(|n| {
                    let (dy, dx) = (n / AVERAGED, n % AVERAGED);
                    u32::from(drawn[((y * AVERAGED + dy) * width + x * AVERAGED + dx) * 3 + c])
                });
                small.push((pixels.sum::<u32>() / (AVERAGED * AVERAGED) as u32) as u8);
            }
        }
    }
    (small, w, h)
}
