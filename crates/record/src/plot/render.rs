//! A picture as PNG and SVG.

use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::picture::{Align, Mark, Picture};
use super::text::Canvas;
use crate::atomic::write_atomic;
use crate::error::{RecordError, Result};

/// The generic family in SVG.
const FAMILY: &str = "sans-serif";

/// Font size the SVG backend takes for one pixel of em.
const SVG_FONT_FACTOR: f64 = 1.24;
/// Top of a text to its base line, in em, in the SVG backend (its `dy` of texts set from the top).
const SVG_BASELINE: f64 = 0.76;
/// Pixels drawn for one of the picture, in each direction; positions are whole pixels.
const ZOOM: f64 = 4.0;
/// Pixels drawn that make one of the PNG: it has two for one of the picture, and smooth edges.
const AVERAGED: usize = 2;

impl Picture {
    /// Writes `<base>.png` and `<base>.svg`; returns their paths.
    ///
    /// # Errors
    /// A picture that cannot be drawn, a file that cannot be written.
    pub fn write(&self, base: &Path) -> Result<[PathBuf; 2]> {
        // Not `with_extension`: a base such as `v1.2` has no ending to replace.
        let path = |ending: &str| {
            let mut name = base.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let files = [path(".png"), path(".svg")];
        for file in &files {
            self.write_file(file)?;
        }
        Ok(files)
    }

    /// Writes one file: PNG or SVG, as its name ends.
    ///
    /// # Errors
    /// Another ending, a picture that cannot be drawn, a file that cannot be written.
    pub fn write_file(&self, file: &Path) -> Result<()> {
        let fail = |reason| RecordError::Plot { path: file.to_path_buf(), reason };
        let ending = file.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        match ending.as_deref() {
            Some("png") => write_atomic(file, self.png().map_err(fail)?),
            Some("svg") => write_atomic(file, self.svg().map_err(fail)?),
            _ => Err(fail("its name has to end in .png or .svg".into())),
        }
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
            self.draw(&area, false).map_err(|error| error.to_string())?;
        }
        let mut canvas = Canvas { pixels: &mut drawn, width: width as usize, height: height as usize, zoom: ZOOM };
        for mark in &self.marks {
            if let Mark::Text { x, y, text, ink, align } = mark {
                canvas.text(*x, *y, text, *ink, *align);
            }
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
            self.draw(&area, true).map_err(|error| error.to_string())?;
        }
        // Drawn large for fine positions, shown at the size of the picture.
        let drawn = format!("width=\"{width}\" height=\"{height}\"");
        let shown = format!("width=\"{}\" height=\"{}\"", self.width.ceil(), self.height.ceil());
        Ok(text.replacen(&drawn, &shown, 1))
    }

    /// Draws every mark, texts only `with_texts`, in the way of the SVG backend.
    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        with_texts: bool,
    ) -> std::result::Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let at = |(x, y): (f64, f64)| ((x * ZOOM).round() as i32, (y * ZOOM).round() as i32);
        area.fill(&WHITE)?;
        for mark in &self.marks {
            match mark {
                Mark::Text { .. } if !with_texts => {}
                Mark::Text { x, y, text, ink, align } => {
                    let anchor = match align {
                        Align::Left => HPos::Left,
                        Align::Center => HPos::Center,
                        Align::Right => HPos::Right,
                    };
                    let weight = if ink.bold { FontStyle::Bold } else { FontStyle::Normal };
                    let style = TextStyle::from((FAMILY, ink.size * ZOOM * SVG_FONT_FACTOR, weight).into_font())
                        .color(&ink.color)
                        .pos(Pos::new(anchor, VPos::Top));
                    area.draw_text(text, &style, at((*x, y - SVG_BASELINE * ink.size)))?;
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
