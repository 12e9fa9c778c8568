//! Several learning rates an activation, of which the best is taken: Section 5.2 of the paper tries three.

use std::collections::BTreeMap;

use crate::paper::Metric;
use crate::run::RunRecord;
use crate::stats::Summary;

/// The runs of one activation on one model at one learning rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate<'a> {
    /// Peak learning rate.
    pub lr: f64,
    /// Its runs: one a seed.
    pub runs: Vec<&'a RunRecord>,
}

impl Rate<'_> {
    /// Median and spread of the runs that finished; `None` when none did.
    #[must_use]
    pub fn summary(&self, metric: Metric) -> Option<Summary> {
        self.summary_of(|run| run.finished(metric))
    }

    /// As [`Rate::summary`], of any value of a run.
    #[must_use]
    pub fn summary_of(&self, value: impl Fn(&RunRecord) -> Option<f64>) -> Option<Summary> {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| value(run)).collect();
        Summary::of(&values)
    }
}

/// Runs by their learning rate, the lowest first.
pub fn by_rate<'a>(runs: impl IntoIterator<Item = &'a RunRecord>) -> Vec<Rate<'a>> {
    let mut rates: BTreeMap<u64, Vec<&RunRecord>> = BTreeMap::new();
    for run in runs {
        // Rates are positive and finite, so their bits stand in their order.
        rates.entry(run.lr.to_bits()).or_default().push(run);
    }
    rates.into_iter().map(|(lr, runs)| Rate { lr: f64::from_bits(lr), runs }).collect()
}

/// The rate that counts: the one with the most finished runs, then the best median, then the lowest.
///
/// As in the paper, what is compared is the final accuracy on the images on which it is reported; top-5 is shown for the rate with the
/// best top-1, and BLEU on any set for the rate with the best BLEU on the development set. `None` when no run finished.
#[must_use]
pub fn best<'r, 'a>(rates: &'r [Rate<'a>], metric: Metric) -> Option<&'r Rate<'a>> {
    let metric = match metric {
        Metric::Top5 => Metric::Top1,
        other => other.printed(),
    };
    let finished = rates.iter().filter_map(|rate| Some((rate, rate.summary(metric)?)));
    let best = finished.max_by(|(a, of_a), (b, of_b)| {
        of_a.n.cmp(&of_b.n).then(of_a.median.total_cmp(&of_b.median)).then(b.lr.total_cmp(&a.lr))
    });
    best.map(|(rate, _)| rate)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::run::samples::record;
    use crate::run::{DataSource, Profile};

    fn run(lr: f64, seed: u64, top1: f64) -> RunRecord {
        let run = record("mobilenet", Profile::Paper, DataSource::Dir, "swish", seed, top1);
        RunRecord { lr, top5: Some(100.0 - top1), ..run }
    }

    fn best_of(runs: &[RunRecord], metric: Metric) -> Option<f64> {
        best(&by_rate(runs), metric).map(|rate| rate.lr)
    }

    #[test]
    fn the_best_final_top1_decides_also_for_top5() {
        let runs = [run(0.4, 1, 70.0), run(0.1, 1, 71.0), run(0.2, 1, 72.0)];
        assert_eq!(by_rate(&runs).iter().map(|rate| rate.lr).collect::<Vec<_>>(), [0.1, 0.2, 0.4]);
        assert_eq!(best_of(&runs, Metric::Top1), Some(0.2));
        // Its top-5 is the worst of the three here.
        assert_eq!(best_of(&runs, Metric::Top5), Some(0.2));
    }

    #[test]
    fn a_rate_that_was_run_again_stays_and_a_tie_goes_to_the_lower_rate() {
        let again = [run(0.1, 1, 72.0), run(0.1, 2, 70.0), run(0.1, 3, 70.5), run(0.2, 1, 71.0)];
        assert_eq!(best_of(&again, Metric::Top1), Some(0.1));
        assert_eq!(best_of(&[run(0.2, 1, 71.0), run(0.1, 1, 71.0)], Metric::Top1), Some(0.1));
    }

    #[test]
    fn runs_that_diverged_are_never_the_best() {
        let diverged = RunRecord { err: Some("diverged".into()), top1: None, ..run(0.2, 1, 0.0) };
        let no_number = RunRecord { top1: Some(f64::NAN), ..run(0.4, 1, 0.0) };
        assert_eq!(best_of(&[diverged.clone(), no_number.clone(), run(0.1, 1, 5.0)], Metric::Top1), Some(0.1));
        assert_eq!(best_of(&[diverged, no_number], Metric::Top1), None);
    }
}
