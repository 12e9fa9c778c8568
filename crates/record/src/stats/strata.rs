//! Tests that pool several small comparisons: over models, of which each has few runs.

use super::ranks::Ranks;
use std::collections::BTreeMap;
use std::f64::consts::FRAC_1_SQRT_2;

/// Two samples of one stratum: results of two functions on one model.
pub type Stratum = (Vec<f64>, Vec<f64>);

/// The largest stratum whose orders are counted one by one.
const COUNTED: usize = 12;
/// Parts of one in which distances are counted, so that equal ones are equal.
const PARTS: f64 = 1e9;

/// Van Elteren's test (1960): Mann and Whitney's within each stratum, pooled with weights `1/(n + m + 1)`. The two-sided probability
/// that first and second samples would lie so far apart, were they of one distribution in every stratum. Exact while no stratum has
/// more than 12 values, else by the normal approximation, both with ties as they are. `None` without a stratum that can vary, or with
/// a value that is not finite.
#[must_use]
pub fn van_elteren(strata: &[Stratum]) -> Option<f64> {
    let both = strata.iter().filter(|(a, b)| !a.is_empty() && !b.is_empty());
    let ranked = both.map(|(a, b)| Some((a.len(), Ranks::of(&[a.as_slice(), b.as_slice()].concat())?)));
    let ranked = ranked.collect::<Option<Vec<(usize, Ranks)>>>()?;
    let variance: f64 = ranked.iter().map(|(n, ranks)| variance(*n, ranks)).sum();
    if variance <= 0.0 {
        return None;
    }
    if ranked.iter().all(|(_, ranks)| ranks.ranks.len() <= COUNTED) {
        return Some(counted(&ranked));
    }
    let far: f64 = ranked.iter().map(|(n, ranks)| distance(*n, ranks, |i| i < *n)).sum();
    Some(libm::erfc(far.abs() / variance.sqrt() * FRAC_1_SQRT_2))
}

/// How far the ranks of a sample of `n` lie from their mean, weighted.
fn distance(n: usize, Ranks { ranks, .. }: &Ranks, chosen: impl Fn(usize) -> bool) -> f64 {
    let all = ranks.len() as f64;
    let sum: f64 = ranks.iter().enumerate().filter(|(i, _)| chosen(*i)).map(|(_, rank)| rank).sum();
    (sum - n as f64 * (all + 1.0) / 2.0) / (all + 1.0)
}

/// The variance of [`distance`].
fn variance(n: usize, Ranks { ranks, ties }: &Ranks) -> f64 {
    let (n, all) = (n as f64, ranks.len() as f64);
    n * (all - n) / 12.0 * (all + 1.0 - ties / (all * (all - 1.0))) / (all + 1.0).powi(2)
}

/// The share of all ways to draw the first samples in which they lie at least as far apart.
fn counted(strata: &[(usize, Ranks)]) -> f64 {
    let (mut shares, mut observed) = (BTreeMap::from([(0_i64, 1.0)]), 0);
    for (n, ranks) in strata {
        let parts = |chosen: u32| (distance(*n, ranks, |i| chosen >> i & 1 == 1) * PARTS).round() as i64;
        observed += parts((1 << n) - 1);
        let mut ways: BTreeMap<i64, f64> = BTreeMap::new();
        for chosen in (0..1_u32 << ranks.ranks.len()).filter(|chosen| chosen.count_ones() as usize == *n) {
            *ways.entry(parts(chosen)).or_default() += 1.0;
        }
        let all: f64 = ways.values().sum();
        let mut next = BTreeMap::new();
        for (sum, share) in &shares {
            for (part, number) in &ways {
                *next.entry(sum + part).or_default() += share * number / all;
            }
        }
        shares = next;
    }
    // A thousand parts are more than rounding, and far less than half a rank.
    let far = shares.iter().filter(|(sum, _)| sum.abs() >= observed.abs() - 1000);
    far.map(|(_, share)| share).sum::<f64>().min(1.0)
}

/// The sign test: the two-sided probability of a count as uneven as `wins` to `losses`, were both equally likely; ties are left out.
/// Exact. `None` without wins and losses.
#[must_use]
pub fn sign_test(wins: usize, losses: usize) -> Option<f64> {
    let n = wins + losses;
    if n == 0 {
        return None;
    }
    // Binomial coefficients relative to 2^n, summed from the thin end; the other end is the same.
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

    /// Counted over all ways to draw with Python's `itertools.combinations` and `product`; the first as well by
    /// `scipy.stats.mannwhitneyu(a, b, method="exact")`.
    #[test]
    fn small_strata_are_counted_out() {
        near(van_elteren(&[(vec![94.54, 94.4, 94.5], vec![93.0, 93.5, 94.45])]), 0.2);
        near(van_elteren(&[(vec![3.0, 4.0, 5.0], vec![0.0, 1.0, 2.0])]), 0.1);
        let ties = [(vec![3.0, 1.0, 2.0], vec![0.5, 2.0, 0.1]), (vec![7.0], vec![5.0, 9.0])];
        near(van_elteren(&[&ties[..], &[(vec![5.0, 4.0], vec![1.0, 2.0, 3.0])]].concat()), 0.05);
    }

    /// One stratum: `scipy.stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=False)` of scipy 1.17.1. Several: the sum of
    /// `(r - E r)/(n + m + 1)` over `scipy.stats.rankdata` of each, its variance counted over all ways to draw `n` of its ranks.
    #[test]
    fn a_large_stratum_takes_the_normal_approximation() {
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
