//! Plots, each as PNG and SVG.
//!
//! | file | what it is for |
//! |---|---|
//! | `dots` | [`DotPlot`]: results of activations on models, with their spread over seeds |
//! | `curves` | [`CurvePlot`]: loss and accuracy over the steps of training |
//! | `ratios` | [`RatioPlot`]: our speed against another program's |
//! | `picture` | a picture as a list of marks: what those above make |
//! | `render` | a picture as PNG and SVG |
//! | `layout` | the head and the headings of panels |
//! | `frame` | a panel with two axes, and lines cut at its edge |
//! | `scale` | axes: ticks and positions |
//! | `legend` | what lines and marks mean |
//! | `style` | colours and dashes |
//! | `symbol` | marks of series of points |
//!
//! PNG text is set in a font built into the program, so a picture does not depend on the machine it
//! is made on. SVG text names the generic family `sans-serif`.

mod curves;
mod dots;
mod frame;
mod layout;
mod legend;
mod picture;
mod ratios;
mod render;
mod scale;
mod style;
mod symbol;

pub use curves::{CurveLine, CurvePanel, CurvePlot};
pub use dots::{DotPanel, DotPlot, DotRow};
pub use ratios::{RatioPanel, RatioPlot, RatioRow};

#[cfg(test)]
mod tests;
