//! Confidence intervals of means.

use super::Summary;
use serde::Serialize;
use std::f64::consts::FRAC_PI_2;

/// A mean and the interval that holds the true one with some confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Arithmetic mean of the values.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Student's interval of the mean, for normal values and by the central limit theorem for many; `confidence` is 0.95, say.
    /// `None` for less than two values or one that is not finite.
    #[must_use]
    pub fn of(values: &[f64], confidence: f64) -> Option<Self> {
        let Summary { n, mean, std, .. } = Summary::of(values)?;
        let reach = student_quantile(confidence, n - 1) * std? / (n as f64).sqrt();
        Some(Self { mean, low: mean - reach, high: mean + reach })
    }
}

/// The `t` with `P(|T| < t) = confidence` for Student's distribution of `freedom` degrees of freedom.
fn student_quantile(confidence: f64, freedom: usize) -> f64 {
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    // Each step gives a bit of the angle.
    for _ in 0..f64::MANTISSA_DIGITS {
        let middle = (low + high) / 2.0;
        if student_within(middle, freedom) < confidence { low = middle } else { high = middle }
    }
    low.tan() * (freedom as f64).sqrt()
}

/// `P(|T| < sqrt(freedom) tan(angle))`: a finite sum in the cosine (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
fn student_within(angle: f64, freedom: usize) -> f64 {
    let (sin, cos) = angle.sin_cos();
    let odd = freedom % 2;
    let (mut term, mut sum) = (if odd == 1 { cos } else { 1.0 }, 0.0);
    for k in (odd..freedom.saturating_sub(1)).step_by(2) {
        sum += term;
        term *= cos * cos * (k + 1) as f64 / (k + 2) as f64;
    }
    if odd == 1 { (angle + sin * sum) / FRAC_PI_2 } else { sin * sum }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// Expected values: `scipy.stats.t.ppf((1 + confidence) / 2, freedom)` of scipy 1.17.1.
    #[test]
    fn quantiles_are_those_of_scipy() {
        for (confidence, freedom, expected) in [
            (0.95, 1, 12.706_204_736_174_694),
            (0.95, 2, 4.302_652_729_749_462),
            (0.99, 3, 5.840_909_309_733_355),
            (0.95, 10, 2.228_138_851_986_274),
            (0.5, 19, 0.687_621_460_203_960_2),
            (0.95, 199, 1.971_956_544_251_753_3),
        ] {
            let t = student_quantile(confidence, freedom);
            assert!((t / expected - 1.0).abs() < 1e-12, "{freedom} degrees of freedom: {t}, {expected}");
        }
    }

    /// Expected values: `scipy.stats.t.interval(0.95, n - 1, loc=mean(v), scale=sem(v))`.
    #[test]
    fn intervals_are_those_of_scipy() {
        for (values, low, high) in [
            (vec![93.1, 94.5, 92.0, 93.8, 94.1], 92.280_258_653_451_43, 94.719_741_346_548_57),
            (vec![1.0, 2.0], -4.853_102_368_087_347, 7.853_102_368_087_347),
            (vec![3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0], 1.577_300_043_159_245_7, 6.172_699_956_840_754),
        ] {
            let interval = Interval::of(&values, 0.95).unwrap();
            assert!((interval.low - low).abs() < 1e-11 && (interval.high - high).abs() < 1e-11, "{interval:?}");
        }
        assert_eq!(Interval::of(&[1.0], 0.95), None);
        assert_eq!(Interval::of(&[1.0, f64::INFINITY], 0.95), None);
    }
}
