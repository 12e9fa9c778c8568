//! What is told of repeated measurements.

/// Median, 20th and 80th percentile: the nearest of the measured values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// The middle one.
    pub median: f64,
    /// A fifth is below.
    pub p20: f64,
    /// A fifth is above.
    pub p80: f64,
}

impl Times {
    /// Of one or more times; NaN without any.
    pub fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = times.len().saturating_sub(1) as f64;
            times.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
        };
        Self { median: at(0.5), p20: at(0.2), p80: at(0.8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let times = Times::of((1..=11).rev().map(f64::from).collect());
        assert_eq!(times, Times { median: 6.0, p20: 3.0, p80: 9.0 });
        assert_eq!(Times::of(vec![2.0]), Times { median: 2.0, p20: 2.0, p80: 2.0 });
        assert!(Times::of(Vec::new()).median.is_nan());
    }
}
