//! What is kept of an experiment: run records, the numbers of the paper, tables and plots.
//!
//! | module | what it is for |
//! |---|---|
//! | [`run`] | [`RunRecord`], [`Profile`], [`DataSource`], [`cell_id`]: what `run.json` holds |
//! | [`store`] | [`RunStore`]: the folders `runs/<id>/` and the records in them |
//! | [`metrics`] | `metrics.csv`, the curve of a run, written a row at a time |
//! | [`tensorboard`] | the same curve as an event file for TensorBoard |
//! | [`provenance`] | commit and time that stand in every record |
//! | [`atomic`] | files that are either whole or not there |
//! | [`to_csv`], [`from_csv`] | rows as CSV, and back |
//! | [`paper`] | the 323 numbers of the paper's tables, and which names mean the same |
//! | [`rates`] | of several learning rates the best |
//! | [`stats`] | median, quantiles and spread, confidence intervals, tests and correlations of ranks, histograms |
//! | [`table`] | our runs beside the paper's numbers, as CSV and Markdown |
//! | [`overview`] | Table 3: on how many models Swish is better than each baseline |
//! | [`mod@splice`] | generated text between two markers of a file |
//! | [`plot`] | results, training curves, speed, functions and searches as pictures, PNG and SVG |
//!
//! Two rules hold everywhere. A run that failed is a result and is counted. Numbers that are not of
//! the same kind (profile, data, recipe, steps, batch, precision) never share a column.

pub mod atomic;
mod csv_text;
mod error;
pub mod metrics;
pub mod overview;
pub mod paper;
pub mod plot;
pub mod provenance;
pub mod rates;
pub mod run;
pub mod splice;
pub mod stats;
pub mod store;
pub mod table;
pub mod tensorboard;

pub use atomic::write_atomic;
pub use csv_text::{from_csv, to_csv};
pub use error::{RecordError, Result};
pub use metrics::{Columns, MetricsWriter, Row};
pub use run::{DataSource, Profile, RunRecord, SetScore, cell_id};
pub use splice::splice;
pub use stats::Summary;
pub use store::RunStore;
