//! Strategies against one another on a table of known rewards: many searches in seconds.
//!
//! Each proposal counts as one evaluation, also of a function proposed before: the strategies are compared by what they choose.

#[cfg(test)]
mod landscape;
#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::space::Space;
use crate::strategy::{Scored, StrategyConfig};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashSet;
use swish_core::activation::CoreUnits;
use swish_record::stats::{Interval, mann_whitney};

/// Proposals over which the running mean of the rewards is taken: the last ones, or all while there are fewer.
pub const RECENT: usize = 100;
/// Confidence of the intervals.
const CONFIDENCE: f64 = 0.95;

/// One search: a strategy with one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Best reward so far, after each evaluation.
    pub best: Vec<f64>,
    /// Mean reward of the last [`RECENT`] proposals, after each evaluation.
    pub recent: Vec<f64>,
    /// Different members among the proposals.
    pub distinct: usize,
}

/// The searches of one strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct Contestant {
    /// Its label.
    pub label: String,
    /// What it was.
    pub config: StrategyConfig,
    /// One a seed, in their order.
    pub courses: Vec<Course>,
}

/// All searches, made by [`compare`].
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// In the order given.
    pub contestants: Vec<Contestant>,
}

/// A point of a strategy's curves: means over the seeds with 95 % confidence intervals.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CurveRow {
    /// The strategy's label.
    pub strategy: String,
    /// Evaluations done, from 1.
    pub evaluation: usize,
    /// Best reward so far.
    pub best: f64,
    /// Lower end of its interval; `None` for a single seed.
    pub best_low: Option<f64>,
    /// Upper end of its interval.
    pub best_high: Option<f64>,
    /// Mean reward of the last [`RECENT`] proposals.
    pub recent: f64,
    /// Lower end of its interval.
    pub recent_low: Option<f64>,
    /// Upper end of its interval.
    pub recent_high: Option<f64>,
}

/// A strategy at the end: means over the seeds with 95 % confidence intervals, and how it stands to random search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SummaryRow {
    /// The strategy's label.
    pub strategy: String,
    /// Number of seeds.
    pub seeds: usize,
    /// Evaluations of a seed.
    pub evaluations: usize,
    /// Different members among a seed's proposals.
    pub distinct: f64,
    /// Best reward.
    pub best: f64,
    /// Lower end of its interval; `None` for a single seed.
    pub best_low: Option<f64>,
    /// Upper end of its interval.
    pub best_high: Option<f64>,
    /// Two-sided p-value of Mann and Whitney's test of the best rewards against those of random search; `None` for random
    /// search itself or without it.
    pub best_p: Option<f64>,
    /// Mean reward of the last [`RECENT`] proposals.
    pub recent: f64,
    /// Lower end of its interval.
    pub recent_low: Option<f64>,
    /// Upper end of its interval.
    pub recent_high: Option<f64>,
    /// Its p-value, like `best_p`.
    pub recent_p: Option<f64>,
}

/// Runs each strategy once a seed for `evaluations` proposals, told to it in batches of `batch`, with the rewards of `table`,
/// from 0 to 1. Strategies have labels, so that one can take part with several settings. The searches run side by side.
///
/// # Errors
/// Parameters of a strategy that make no sense.
pub fn compare(
    space: &Space,
    table: &(dyn Fn(&CoreUnits) -> f64 + Sync),
    strategies: &[(String, StrategyConfig)],
    seeds: &[u64],
    evaluations: usize,
    batch: usize,
) -> Result<Comparison> {
    let contestant = |(label, config): &(String, StrategyConfig)| {
        let courses = seeds.par_iter().map(|&seed| course(space, table, config, seed, evaluations, batch));
        Ok(Contestant { label: label.clone(), config: config.clone(), courses: courses.collect::<Result<_>>()? })
    };
    Ok(Comparison { contestants: strategies.par_iter().map(contestant).collect::<Result<_>>()? })
}

/// One search; it ends early when the strategy has no more to propose.
fn course(
    space: &Space,
    table: &(dyn Fn(&CoreUnits) -> f64 + Sync),
    config: &StrategyConfig,
    seed: u64,
    evaluations: usize,
    batch: usize,
) -> Result<Course> {
    let mut strategy = config.build(space.clone(), seed)?;
    let mut rewards = Vec::with_capacity(evaluations);
    let mut members = HashSet::new();
    while rewards.len() < evaluations {
        let proposals = strategy.propose(batch.clamp(1, evaluations - rewards.len()))?;
        if proposals.is_empty() {
            break;
        }
        let score = |units: CoreUnits| Scored { reward: table(&units), units };
        let scored: Vec<Scored> = proposals.into_iter().map(score).collect();
        strategy.learn(&scored)?;
        rewards.extend(scored.iter().map(|s| s.reward));
        members.extend(scored.into_iter().map(|s| s.units));
    }
    let mut best = f64::NEG_INFINITY;
    let mut sum = 0.0;
    let (mut bests, mut recent) = (Vec::with_capacity(rewards.len()), Vec::with_capacity(rewards.len()));
    for (i, reward) in rewards.iter().enumerate() {
        best = reward.max(best);
        sum += reward - if i < RECENT { 0.0 } else { rewards[i - RECENT] };
        bests.push(best);
        recent.push(sum / RECENT.min(i + 1) as f64);
    }
    Ok(Course { best: bests, recent, distinct: members.len() })
}

/// A mean over seeds and the ends of its interval.
struct Mean {
    mean: f64,
    low: Option<f64>,
    high: Option<f64>,
}

impl Mean {
    fn of(values: &[f64]) -> Self {
        let interval = Interval::of(values, CONFIDENCE);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Self { mean, low: interval.map(|i| i.low), high: interval.map(|i| i.high) }
    }
}

impl Contestant {
    /// Evaluations that all seeds have done.
    fn evaluations(&self) -> usize {
        self.courses.iter().map(|course| course.best.len()).min().unwrap_or(0)
    }

    /// Best rewards of the seeds after an evaluation, counted from 1.
    fn best(&self, evaluation: usize) -> Vec<f64> {
        self.courses.iter().map(|course| course.best[evaluation - 1]).collect()
    }

    /// Mean rewards of the last proposals of the seeds after an evaluation, counted from 1.
    fn recent(&self, evaluation: usize) -> Vec<f64> {
        self.courses.iter().map(|course| course.recent[evaluation - 1]).collect()
    }
}

impl Comparison {
    /// The curves: a row for each strategy and evaluation.
    pub fn curves(&self) -> Vec<CurveRow> {
        let row = |contestant: &Contestant, evaluation| {
            let [best, recent] = [contestant.best(evaluation), contestant.recent(evaluation)].map(|v| Mean::of(&v));
            CurveRow {
                strategy: contestant.label.clone(),
                evaluation,
                best: best.mean,
                best_low: best.low,
                best_high: best.high,
                recent: recent.mean,
                recent_low: recent.low,
                recent_high: recent.high,
            }
        };
        self.contestants.iter().flat_map(|c| (1..=c.evaluations()).map(move |e| row(c, e))).collect()
    }

    /// The end: a row for each strategy that has done an evaluation.
    pub fn summary(&self) -> Vec<SummaryRow> {
        let done = || self.contestants.iter().filter(|c| c.evaluations() > 0);
        let random = done().find(|c| c.config == StrategyConfig::Random);
        let ends = |c: &Contestant| [c.best(c.evaluations()), c.recent(c.evaluations())];
        let row = |contestant: &Contestant| {
            let values = ends(contestant);
            let others = random.filter(|_| contestant.config != StrategyConfig::Random).map(ends);
            let p = |k: usize| others.as_ref().and_then(|o| mann_whitney(&values[k], &o[k])).map(|test| test.p);
            let [best, recent] = [0, 1].map(|k| Mean::of(&values[k]));
            let seeds = contestant.courses.len();
            SummaryRow {
                strategy: contestant.label.clone(),
                seeds,
                evaluations: contestant.evaluations(),
                distinct: contestant.courses.iter().map(|c| c.distinct as f64).sum::<f64>() / seeds as f64,
                best: best.mean,
                best_low: best.low,
                best_high: best.high,
                best_p: p(0),
                recent: recent.mean,
                recent_low: recent.low,
                recent_high: recent.high,
                recent_p: p(1),
            }
        };
        done().map(row).collect()
    }
}
