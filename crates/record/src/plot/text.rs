//! Texts in the built-in font: how wide they are, and their pixels in a PNG.
//!
//! The drawing library's own text leaves out each glyph's distance from its origin: `|x|` comes out as `| x|`.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};

use super::picture::{Align, Ink};

/// The regular and the bold font; `None` for one that cannot be read, which a test rules out.
fn fonts() -> &'static [Option<FontRef<'static>>; 2] {
    static FONTS: OnceLock<[Option<FontRef<'static>>; 2]> = OnceLock::new();
    FONTS.get_or_init(|| [notosans::REGULAR_TTF, notosans::BOLD_TTF].map(|bytes| FontRef::try_from_slice(bytes).ok()))
}

fn font(ink: Ink) -> Option<&'static FontRef<'static>> {
    fonts()[usize::from(ink.bold)].as_ref()
}

/// A font's scale whose em has so many pixels.
fn scale(font: &FontRef<'_>, em: f64) -> PxScale {
    let height = font.height_unscaled() / font.units_per_em().unwrap_or(1000.0);
    PxScale::from(em as f32 * height)
}

/// The glyphs of a line of text, each with the position of its origin, and the width of all of them.
fn line(font: &FontRef<'_>, scale: PxScale, text: &str) -> (Vec<(GlyphId, f32)>, f32) {
    let scaled = font.as_scaled(scale);
    let (mut x, mut last, mut glyphs) = (0.0, None, Vec::new());
    for character in text.chars() {
        let id = font.glyph_id(character);
        x += last.map_or(0.0, |last| scaled.kern(last, id));
        glyphs.push((id, x));
        x += scaled.h_advance(id);
        last = Some(id);
    }
    (glyphs, x)
}

/// Width of a text in the picture's pixels.
pub(super) fn text_width(text: &str, ink: Ink) -> f64 {
    font(ink).map_or(0.0, |font| f64::from(line(font, scale(font, ink.size), text).1))
}

/// An RGB image that texts are drawn on.
pub(super) struct Canvas<'a> {
    pub pixels: &'a mut [u8],
    pub width: usize,
    pub height: usize,
    /// Pixels drawn for one of the picture.
    pub zoom: f64,
}

impl Canvas<'_> {
    /// A text about `x`, on the base line `y`, both in the picture's pixels.
    pub fn text(&mut self, x: f64, y: f64, text: &str, ink: Ink, align: Align) {
        let Some(font) = font(ink) else { return };
        let scale = scale(font, ink.size * self.zoom);
        let (glyphs, width) = line(font, scale, text);
        let before = match align {
            Align::Left => 0.0,
            Align::Center => width / 2.0,
            Align::Right => width,
        };
        let left = (x * self.zoom) as f32 - before;
        let color = [ink.color.0, ink.color.1, ink.color.2];
        for (id, offset) in glyphs {
            let glyph = id.with_scale_and_position(scale, point(left + offset, (y * self.zoom) as f32));
            // Blanks have no outline.
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|dx, dy, cover| {
                    self.blend(corner.x as i64 + i64::from(dx), corner.y as i64 + i64::from(dy), color, cover);
                });
            }
        }
    }

    /// Covers a share of a pixel; one outside the image is left out.
    fn blend(&mut self, x: i64, y: i64, color: [u8; 3], cover: f32) {
        let inside = |at: i64, size: usize| usize::try_from(at).ok().filter(|at| *at < size);
        if let (Some(x), Some(y)) = (inside(x, self.width), inside(y, self.height)) {
            let at = (y * self.width + x) * 3;
            for (below, above) in self.pixels[at..at + 3].iter_mut().zip(color) {
                let mixed = f32::from(*below) + cover.clamp(0.0, 1.0) * (f32::from(above) - f32::from(*below));
                *below = mixed.round() as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::style::LABEL;
    use super::*;

    #[test]
    fn both_fonts_are_there() {
        assert!(fonts().iter().all(Option::is_some));
    }

    /// Columns that a text covers.
    fn columns(text: &str) -> Vec<bool> {
        let (width, height) = (120, 24);
        let mut pixels = vec![255; width * height * 3];
        let mut canvas = Canvas { pixels: &mut pixels, width, height, zoom: 1.0 };
        canvas.text(10.0, 18.0, text, LABEL, Align::Left);
        (0..width).map(|x| (0..height).any(|y| pixels[(y * width + x) * 3] < 200)).collect()
    }

    #[test]
    fn glyphs_keep_their_distance_from_their_origin() {
        let gaps = |text: &str| {
            let columns = columns(text);
            let first = columns.iter().position(|dark| *dark).unwrap_or(0);
            let last = columns.iter().rposition(|dark| *dark).unwrap_or(0);
            let inside = &columns[first..=last];
            inside.split(|dark| *dark).map(<[bool]>::len).filter(|n| *n > 0).collect::<Vec<_>>()
        };
        let [left, right] = gaps("|x|")[..] else { panic!("{:?}", gaps("|x|")) };
        assert!(left.abs_diff(right) <= 1, "{left} {right}");
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let mut pixels = vec![255; 4 * 4 * 3];
        let mut canvas = Canvas { pixels: &mut pixels, width: 4, height: 4, zoom: 1.0 };
        canvas.text(-3.0, 3.0, "MMM", LABEL, Align::Center);
        assert!(pixels.iter().any(|value| *value < 255));
    }
}
