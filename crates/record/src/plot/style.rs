//! Colours and dashes.
//!
//! The colours are those of Okabe and Ito, made to be told apart by colour-blind readers; their yellow
//! is left out because it fades on white. Lines differ in dash as well, for print without colour.

use plotters::style::RGBColor;

use super::picture::Ink;
use crate::paper::activation_key;

pub(super) const TEXT: RGBColor = RGBColor(34, 34, 34);
pub(super) const FAINT_TEXT: RGBColor = RGBColor(95, 95, 95);
pub(super) const FRAME: RGBColor = RGBColor(150, 150, 150);
pub(super) const GRID: RGBColor = RGBColor(228, 228, 228);

const BLACK: RGBColor = RGBColor(0, 0, 0);
pub(super) const ORANGE: RGBColor = RGBColor(230, 159, 0);
const SKY: RGBColor = RGBColor(86, 180, 233);
pub(super) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const PALE_BLUE: RGBColor = RGBColor(150, 196, 224);
pub(super) const VERMILLION: RGBColor = RGBColor(213, 94, 0);
const PURPLE: RGBColor = RGBColor(204, 121, 167);

pub(super) const TITLE: Ink = Ink { size: 17.0, bold: true, color: TEXT };
pub(super) const HEADING: Ink = Ink { size: 13.0, bold: true, color: TEXT };
pub(super) const LABEL: Ink = Ink { size: 13.0, bold: false, color: TEXT };
pub(super) const SMALL: Ink = Ink { size: 12.0, bold: false, color: FAINT_TEXT };

const WHOLE: &[f64] = &[];
const DASHES: &[f64] = &[7.0, 3.5];
pub(super) const DOTS: &[f64] = &[2.0, 2.5];

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LineStyle {
    pub color: RGBColor,
    pub dash: &'static [f64],
    pub width: f64,
}

/// The paper's activations look the same in every figure, Swish and ReLU strongest.
const KNOWN: [(&str, RGBColor, &[f64], f64); 9] = [
    ("lrelu", FRAME, DASHES, 1.4),
    ("prelu", GREEN, WHOLE, 1.4),
    ("softplus", PURPLE, WHOLE, 1.4),
    ("elu", SKY, WHOLE, 1.4),
    ("selu", BLUE, DASHES, 1.4),
    ("gelu", ORANGE, WHOLE, 1.4),
    ("relu", BLACK, WHOLE, 1.9),
    ("swish1", VERMILLION, DOTS, 1.9),
    ("swish", VERMILLION, WHOLE, 2.3),
];

/// Other activations, in the order they come: 8 colours with 3 dashes give 24 different lines.
const COLORS: [RGBColor; 8] = [BLUE, ORANGE, GREEN, PURPLE, SKY, BLACK, VERMILLION, FRAME];
const PATTERNS: [&[f64]; 3] = [WHOLE, DASHES, DOTS];

/// Styles for the lines named `labels`, no two of up to 15 alike.
pub(super) fn line_styles(labels: &[String]) -> Vec<LineStyle> {
    let known = |label: &String| {
        let key = activation_key(label);
        let row = KNOWN.iter().find(|(name, ..)| *name == key);
        row.map(|&(_, color, dash, width)| LineStyle { color, dash, width })
    };
    let taken: Vec<LineStyle> = labels.iter().filter_map(known).collect();
    // Colour and dash change together, so that neighbours differ in both; 8 and 3 have no common factor.
    let mut free = (0..COLORS.len() * PATTERNS.len())
        .map(|n| LineStyle { color: COLORS[n % COLORS.len()], dash: PATTERNS[n % PATTERNS.len()], width: 1.4 })
        .filter(|style| !taken.iter().any(|other| other.color == style.color && other.dash == style.dash))
        .collect::<Vec<_>>()
        .into_iter()
        .cycle();
    let grey = LineStyle { color: FRAME, dash: WHOLE, width: 1.4 };
    labels.iter().map(|label| known(label).or_else(|| free.next()).unwrap_or(grey)).collect()
}
