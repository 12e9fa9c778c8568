//! Statistics of ranks, which ask nothing of the values' distribution.

use std::f64::consts::FRAC_1_SQRT_2;

/// Outcome of [`mann_whitney`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// Pairs in which the first sample's value is the larger one, a tie counting one half.
    pub u: f64,
    /// Two-sided probability of a `u` as far from its mean, were both samples of one distribution.
    pub p: f64,
}

/// Mann and Whitney's test: whether values of `a` tend to be larger or smaller than those of `b`. The probability is that of the
/// normal approximation, corrected for ties and continuity. `None` without values on both sides or with one that is not finite.
#[must_use]
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Option<MannWhitney> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let both = [a, b].concat();
    let Ranks { ranks, ties } = Ranks::of(&both)?;
    let (n, m) = (a.len() as f64, b.len() as f64);
    let u = ranks[..a.len()].iter().sum::<f64>() - n * (n + 1.0) / 2.0;
    let all = n + m;
    // Ties leave less to vary; with two values in all and both equal, nothing.
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    let far = ((u - n * m / 2.0).abs() - 0.5).max(0.0);
    let p = if far > 0.0 { libm::erfc(far / variance.sqrt() * FRAC_1_SQRT_2) } else { 1.0 };
    Some(MannWhitney { u, p })
}

/// Spearman's rank correlation of paired values, ties having their mean rank. `None` for lists of two lengths, less than two
/// pairs, a value that is not finite, or a list of equal values.
#[must_use]
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() || a.len() < 2 {
        return None;
    }
    let middle = (a.len() + 1) as f64 / 2.0;
    let centred = |values| Some(Ranks::of(values)?.ranks.into_iter().map(|r| r - middle).collect::<Vec<f64>>());
    let (a, b) = (centred(a)?, centred(b)?);
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let size = (product(&a, &a) * product(&b, &b)).sqrt();
    (size > 0.0).then(|| product(&a, &b) / size)
}

/// Ranks of values, from 1.
pub(super) struct Ranks {
    /// In the order of the values; equal ones have the mean of their ranks.
    pub ranks: Vec<f64>,
    /// Sum of `t^3 - t` over the sets of `t` equal values.
    pub ties: f64,
}

impl Ranks {
    /// `None` when a value is not finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        if !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
        let (mut ranks, mut ties, mut before) = (vec![0.0; values.len()], 0.0, 0);
        // Both zeros are one value.
        for equal in order.chunk_by(|&i, &j| values[i] == values[j]) {
            let t = equal.len();
            for &i in equal {
                ranks[i] = before as f64 + (t + 1) as f64 / 2.0;
            }
            ties += (t as f64).powi(3) - t as f64;
            before += t;
        }
        Some(Self { ranks, ties })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// Expected values: `scipy.stats.mannwhitneyu(a, b, method="asymptotic")` of scipy 1.17.1.
    #[test]
    fn the_test_is_that_of_scipy() {
        let near = |a: &[f64], b: &[f64], u: f64, p: f64| {
            let test = mann_whitney(a, b).unwrap();
            assert!(test.u == u && (test.p - p).abs() < 1e-13, "{test:?}");
        };
        let (a, b) = ([0.41, 0.43, 0.43, 0.45, 0.40, 0.44, 0.42], [0.40, 0.39, 0.43, 0.41, 0.38, 0.41]);
        near(&a, &b, 34.5, 0.060_034_961_148_474_44);
        near(&b, &a, 7.5, 0.060_034_961_148_474_44);
        near(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0, 11.0], 0.0, 0.008_113_117_265_565_78);
        near(&[1.0, 1.0], &[1.0, 1.0, 1.0], 3.0, 1.0);
        assert_eq!(mann_whitney(&[], &[1.0]), None);
        assert_eq!(mann_whitney(&[f64::NAN], &[1.0]), None);
    }

    /// Expected values: `scipy.stats.spearmanr(a, b)`.
    #[test]
    fn the_correlation_is_that_of_scipy() {
        let near = |a: &[f64], b: &[f64], expected: f64| {
            let r = spearman(a, b).unwrap();
            assert!((r - expected).abs() < 1e-14, "{r}, {expected}");
        };
        near(&[1.0, 2.0, 2.0, 4.0, 5.0, 0.5], &[2.0, 1.0, 3.0, 3.0, 7.0, 9.0], -0.014_705_882_352_941_178);
        near(&[1.0, 2.0, 3.0, 4.0, 5.0], &[5.0, 6.0, 7.0, 8.0, 7.0], 0.820_782_681_668_123_3);
        assert_eq!(spearman(&[1.0, 2.0], &[1.0]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[3.0, 3.0]), None);
    }
}
