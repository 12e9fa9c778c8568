//! Tests that pool several small comparisons: over models, of which each has few runs.

use super::ranks::Ranks;
use std::f64::consts::FRAC_1_SQRT_2;

/// Two samples of one stratum: results of two functions on one model.
pub type Stratum = (Vec<f64>, Vec<f64>);

/// Van Elteren's test (1960): Mann and Whitney's within each stratum, pooled with weights `1/(n + m + 1)`. The two-sided probability
/// that first and second samples would lie so far apart, were they of one distribution in every stratum: normal approximation,
/// corrected for ties. `None` without a stratum that can vary, or with a value that is not finite.
#[must_use]
pub fn van_elteren(strata: &[Stratum]) -> Option<f64> {
    let (mut far, mut variance) = (0.0, 0.0);
    for (a, b) in strata.iter().filter(|(a, b)| !a.is_empty() && !b.is_empty()) {
        let (n, m) = (a.len() as f64, b.len() as f64);
        let all = n + m;
        let Ranks { ranks, ties } = Ranks::of(&[a.as_slice(), b.as_slice()].concat())?;
        let u = ranks[..a.len()].iter().sum::<f64>() - n * (n + 1.0) / 2.0;
        far += (u - n * m / 2.0) / (all + 1.0);
        variance += n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0))) / (all + 1.0).powi(2);
    }
    (variance > 0.0).then(|| libm::erfc(far.abs() / variance.sqrt() * FRAC_1_SQRT_2))
}

/// The sign test: the two-sided probability of a count as uneven as `wins` to `losses`, were both equally likely; ties are left out.
/// Exact. `None` without wins and losses.
#[must_use]
pub fn sign_test(wins: usize, losses: usize) -> Option<f64> {
    let n = wins + losses;
    if n == 0 {
        return None;
    }
    // Binomial coefficients relative to 2^n, built up from both ends.
    let mut term = 0.5_f64.powi(i32::try_from(n).ok()?);
    let mut tail = 0.0;
    for k in 0..=wins.min(losses) {
        tail += term;
        term *= (n - k) as f64 / (k + 1) as f64;
    }
    Some((2.0 * tail).min(1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn near(p: Option<f64>, expected: f64) {
        assert!((p.unwrap() - expected).abs() < 1e-12, "{p:?}, {expected}");
    }

    /// One stratum: `scipy.stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=False)` of scipy 1.17.1. Several: the sum of
    /// `(r - E r)/(n + m + 1)` over `scipy.stats.rankdata` of each, its variance counted over all ways to draw `n` of its ranks.
    #[test]
    fn pooled_ranks_are_those_of_scipy() {
        let one = (vec![0.41, 0.43, 0.43, 0.45, 0.40, 0.44, 0.42], vec![0.40, 0.39, 0.43, 0.41, 0.38, 0.41]);
        near(van_elteren(std::slice::from_ref(&one)), 0.050_835_582_280_956_304);
        let strata = [one, (vec![3.0, 1.0, 2.0], vec![0.5, 2.0, 0.1]), (vec![7.0], vec![5.0, 9.0])];
        near(van_elteren(&strata), 0.025_641_699_464_139_064);
        let swapped: Vec<Stratum> = strata.iter().map(|(a, b)| (b.clone(), a.clone())).collect();
        near(van_elteren(&swapped), 0.025_641_699_464_139_064);
    }

    #[test]
    fn what_cannot_vary_says_nothing() {
        assert_eq!(van_elteren(&[]), None);
        assert_eq!(van_elteren(&[(vec![1.0], Vec::new())]), None);
        assert_eq!(van_elteren(&[(vec![1.0, 1.0], vec![1.0])]), None);
        assert_eq!(van_elteren(&[(vec![f64::NAN], vec![1.0])]), None);
    }

    /// Expected values: `scipy.stats.binomtest(wins, wins + losses).pvalue`.
    #[test]
    fn the_sign_test_is_that_of_scipy() {
        for (wins, losses, p) in [
            (9, 0, 0.003_906_25),
            (0, 9, 0.003_906_25),
            (7, 1, 0.070_312_5),
            (3, 3, 1.0),
            (20, 11, 0.149_612_784_385_681_15),
        ] {
            near(sign_test(wins, losses), p);
        }
        assert_eq!(sign_test(0, 0), None);
    }
}
