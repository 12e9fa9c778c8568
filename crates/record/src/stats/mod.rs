//! Median, quantiles and spread, confidence intervals, tests and correlations of ranks, histograms.

mod histogram;
mod interval;
mod ranks;
mod strata;

pub use histogram::Histogram;
pub use interval::Interval;
pub use ranks::{MannWhitney, mann_whitney, spearman};
pub use strata::{Stratum, sign_test, van_elteren};

/// What is told of several runs of one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub n: usize,
    /// Middle value; the mean of the two middle ones when `n` is even.
    pub median: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of the sample (divisor `n - 1`); `None` for a single value.
    pub std: Option<f64>,
}

impl Summary {
    /// Summary of `values`; `None` when there are none or one is not finite.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        if !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let mean = sorted.iter().sum::<f64>() / n as f64;
        let squares = sorted.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        Some(Self {
            n,
            median: (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
            min,
            max,
            mean,
            std: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()),
        })
    }
}

/// Median of `values`; `None` when there are none or one is not finite.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    Summary::of(values).map(|summary| summary.median)
}

/// The value below which the share `p` (0 to 1) of `values` lies, linear between two of them; `None` when there are none
/// or one is not finite.
#[must_use]
pub fn quantile(values: &[f64], p: f64) -> Option<f64> {
    if !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = p.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// Expected values: Python's `statistics.median`, `.mean` and `.stdev`.
    #[test]
    fn the_numbers_are_those_of_python() {
        let summary = Summary::of(&[93.1, 94.5, 92.0, 93.8, 94.1]).unwrap();
        assert_eq!((summary.n, summary.median, summary.min, summary.max), (5, 93.8, 92.0, 94.5));
        assert!((summary.mean - 93.5).abs() < 1e-12);
        assert!((summary.std.unwrap() - 0.982_344_135_219_424_5).abs() < 1e-12);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }

    /// Expected values: `numpy.quantile`.
    #[test]
    fn quantiles_are_those_of_numpy() {
        let values = [3.0, 1.0, 2.0, 10.0];
        let quantiles = [0.0, 0.25, 0.5, 0.75, 1.0].map(|p| quantile(&values, p).unwrap());
        assert_eq!(quantiles, [1.0, 1.75, 2.5, 4.75, 10.0]);
        assert_eq!(quantile(&[7.0], 0.3), Some(7.0));
        assert_eq!((quantile(&[], 0.5), quantile(&[f64::NAN], 0.5)), (None, None));
    }

    #[test]
    fn one_value_has_no_deviation_and_no_value_no_summary() {
        assert_eq!(Summary::of(&[7.0]).unwrap().std, None);
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(median(&[1.0, f64::NAN]), None);
    }
}
