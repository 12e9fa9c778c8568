//! Where the parts of a plot lie: the head and the headings of panels.

use super::picture::{Align, Ink, Picture, wrap};
use super::style::{HEADING, SMALL, TITLE};
use super::text::text_width;

/// Space between the edge of a picture and what is in it.
pub(super) const MARGIN: f64 = 18.0;
/// From one line of text to the next.
pub(super) const LINE: f64 = 17.0;

/// The title and the lines below it; returns where the next line belongs.
pub(super) fn head(picture: &mut Picture, title: &str, notes: &[String]) -> f64 {
    picture.text(MARGIN, 30.0, title, TITLE, Align::Left);
    let mut y = 50.0;
    for note in notes {
        picture.text(MARGIN, y, note, SMALL, Align::Left);
        y += LINE;
    }
    y
}

/// Width of the longest line of the head.
pub(super) fn head_width(title: &str, notes: &[String]) -> f64 {
    text_width(title, TITLE).max(widest(notes, SMALL))
}

/// Width of the widest of `texts`.
pub(super) fn widest<T: AsRef<str>>(texts: impl IntoIterator<Item = T>, ink: Ink) -> f64 {
    texts.into_iter().map(|text| text_width(text.as_ref(), ink)).fold(0.0, f64::max)
}

/// The headings of panels that stand side by side, and the height all of them need.
pub(super) fn headings<'a>(texts: impl Iterator<Item = &'a str>, width: f64) -> (Vec<Vec<String>>, f64) {
    let headings: Vec<Vec<String>> = texts.map(|text| wrap(text, width, HEADING)).collect();
    let lines = headings.iter().map(Vec::len).max().unwrap_or(0);
    (headings, lines as f64 * LINE)
}
