//! Plots, each as PNG and SVG.
//!
//! | file | what it is for |
//! |---|---|
//! | `dots` | [`DotPlot`]: results of activations on models, with their spread over seeds |
//! | `curves` | [`CurvePlot`]: loss and accuracy over the steps of training |
//! | `ratios` | [`RatioPlot`]: our speed against another program's |
//! | `picture` | a picture as a list of marks: what the three above make |
//! | `render` | a picture as PNG and SVG |
//! | `scale` | axes: ticks and positions |
//! | `style` | colours and dashes |
//!
//! PNG text is set in a font built into the program, so a picture does not depend on the machine it
//! is made on. SVG text names the generic family `sans-serif`.

mod curves;
mod dots;
mod picture;
mod ratios;
mod render;
mod scale;
mod style;

pub use curves::{CurveLine, CurvePanel, CurvePlot};
pub use dots::{DotPanel, DotPlot, DotRow};
pub use ratios::{RatioPanel, RatioPlot, RatioRow};

#[cfg(test)]
mod tests;
