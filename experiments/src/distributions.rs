//! Preactivations, counted while a network runs, and distributions as CSV.

use anyhow::Result;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use swish_core::nn::Probe;
use swish_record::stats::Histogram;
use swish_record::write_atomic;

/// Counts the preactivations of every site, in the order in which the network comes by them.
#[derive(Debug)]
pub struct Preactivations {
    empty: Histogram,
    sites: Mutex<Vec<(String, Histogram)>>,
}

impl Preactivations {
    /// Counts in bins like those of `empty`.
    pub fn new(empty: Histogram) -> Self {
        Self { empty, sites: Mutex::default() }
    }

    /// The distribution at each site.
    pub fn sites(&self) -> Vec<(String, Histogram)> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Probe for Preactivations {
    fn preactivations(&self, site: &str, values: &[f32]) {
        let mut counted = self.empty.clone();
        values.iter().for_each(|value| counted.add(f64::from(*value)));
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        match sites.iter_mut().find(|(name, _)| name == site) {
            Some((_, histogram)) => histogram.merge(&counted),
            None => sites.push((site.to_owned(), counted)),
        }
    }
}

/// All distributions as one.
pub fn pooled(parts: &[(String, Histogram)]) -> Option<Histogram> {
    let ((_, first), rest) = parts.split_first()?;
    let mut all = first.clone();
    rest.iter().for_each(|(_, histogram)| all.merge(histogram));
    Some(all)
}

/// Writes distributions, a line a bin: what is distributed, from where to where, how many.
///
/// # Errors
/// A file that cannot be written.
pub fn write_csv(file: &Path, parts: &[(String, Histogram)]) -> Result<PathBuf> {
    let mut text = "of,low,high,count\n".to_owned();
    for (name, histogram) in parts {
        let bins = (0..histogram.counts.len()).map(|n| (histogram.edges(n), histogram.counts[n]));
        let outside =
            [((f64::NEG_INFINITY, histogram.low), histogram.below), ((histogram.high, f64::INFINITY), histogram.above)];
        for ((low, high), count) in bins.chain(outside.into_iter().filter(|(_, count)| *count > 0)) {
            // Edges are multiples of a decimal width: digits beyond are its rounding.
            let edge = |value: f64| if value.is_finite() { (value * 1e9).round() / 1e9 } else { value };
            writeln!(text, "{name},{},{},{count}", edge(low), edge(high))?;
        }
    }
    write_atomic(file, text)?;
    Ok(file.to_path_buf())
}
