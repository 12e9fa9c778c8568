//! The benchmark beside PyTorch.

use crate::error::Result;
use crate::figures::{Picture, picture};
use serde::{Deserialize, Serialize};
use std::path::Path;
use swish_record::from_csv;

/// The benchmark.
#[derive(Debug, Serialize)]
pub struct SpeedView {
    pub command: &'static str,
    pub rows: Vec<SpeedRow>,
    pub picture: Option<Picture>,
}

/// A line of `results/bench/cpu.csv`, as far as the page shows it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct SpeedRow {
    pub what: String,
    pub cpu: String,
    pub simd: String,
    pub threads: usize,
    pub model: String,
    pub batch: usize,
    pub activation: String,
    pub precision: String,
    pub unit: String,
    pub steps: usize,
    pub rounds: usize,
    pub ours: f64,
    pub eager: Option<f64>,
    pub channels_last: Option<f64>,
    pub compile: Option<f64>,
    pub compile_channels_last: Option<f64>,
    pub max_autotune: Option<f64>,
    pub fastest_peer: String,
    pub ratio: Option<f64>,
    pub ratio_min: Option<f64>,
    pub ratio_max: Option<f64>,
    pub rss_mib_ours: Option<f64>,
    pub rss_mib_eager: Option<f64>,
    pub failed: String,
    pub torch: String,
    pub commit: String,
    pub dirty: bool,
    pub date: String,
}

/// The benchmark of a folder of results; no rows where there is none.
pub fn read(results: &Path) -> Result<SpeedView> {
    let folder = results.join("bench");
    let file = folder.join("cpu.csv");
    let rows = if file.exists() { from_csv(&file)? } else { Vec::new() };
    Ok(SpeedView { command: "make bench-cpu", rows, picture: picture(&folder.join("cpu"), "PyTorch's time by ours")? })
}
