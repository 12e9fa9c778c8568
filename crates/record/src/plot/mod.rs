//! Plots, each as PNG and SVG.
//!
//! | file | what it is for |
//! |---|---|
//! | `dots` | [`DotPlot`]: results of activations on models, with their spread over seeds |
//! | `curves` | [`CurvePlot`]: loss and accuracy over the steps of training |
//! | `ratios` | [`RatioPlot`]: our speed against another program's |
//! | `functions` | [`FunctionPlot`]: functions of one variable, as in Figures 3 to 5 of the paper |
//! | `histograms` | [`HistogramPlot`]: distributions, as in Figures 6 and 7 of the paper |
//! | `progress` | [`ProgressPlot`]: rewards over the evaluations of a search |
//! | `groups` | [`GroupPlot`]: accuracy of the candidates of a search by group |
//! | `scatter` | [`ScatterPlot`]: two numbers of each candidate against one another |
//! | `picture` | a picture as a list of marks: what those above make |
//! | `render` | a picture as PNG and SVG |
//! | `layout` | the head and the headings of panels |
//! | `frame` | a panel with two axes, and lines cut at its edge |
//! | `text` | the built-in font: widths of texts and their pixels |
//! | `scale` | axes: ticks and positions |
//! | `references` | [`Reference`]: lines at values to compare with |
//! | `beside` | labels beside points |
//! | `legend` | what lines and marks mean |
//! | `style` | colours and dashes |
//! | `symbol` | marks of points |
//!
//! PNG text is set in a font built into the program, so a picture does not depend on the machine it
//! is made on. SVG text names the generic family `sans-serif`.

mod beside;
mod curves;
mod dots;
mod frame;
mod functions;
mod groups;
mod histograms;
mod layout;
mod legend;
mod picture;
mod progress;
mod ratios;
mod references;
mod render;
mod scale;
mod scatter;
mod style;
mod symbol;
mod text;

pub use curves::{CurveLine, CurvePanel, CurvePlot};
pub use dots::{DotPanel, DotPlot, DotRow};
pub use functions::{FunctionPanel, FunctionPlot};
pub use groups::{GroupPanel, GroupPlot, GroupRow};
pub use histograms::{HistogramPanel, HistogramPlot};
pub use progress::{ProgressLine, ProgressPanel, ProgressPlot};
pub use ratios::{RatioPanel, RatioPlot, RatioRow};
pub use references::Reference;
pub use scatter::{ScatterKind, ScatterPlot, ScatterPoint};

#[cfg(test)]
mod tests;
