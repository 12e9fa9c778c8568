#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use swish_core::activation::{Binary, Unary};

fn named(name: &str) -> (String, StrategyConfig) {
    (name.to_owned(), StrategyConfig::named(name).unwrap())
}

/// All members in order, the reward being the number of the member: curves that can be written down.
#[test]
fn courses_are_what_the_rewards_make_them() {
    let space = Space::new(1, Unary::ALL[..20].to_vec(), vec![Binary::Add]).unwrap();
    let number = |units: &CoreUnits| {
        let choices = space.encode(units).unwrap();
        (20 * choices[0] + choices[1]) as f64 / 400.0
    };
    let comparison = compare(&space, &number, &[named("exhaustive")], &[0, 1], 1000, 30).unwrap();
    let course = &comparison.contestants[0].courses[1];
    // There are no more than 400.
    assert_eq!((course.best.len(), course.recent.len(), course.distinct), (400, 400, 400));
    assert_eq!(course.best[250], 250.0 / 400.0);
    assert!((course.recent[49] - 24.5 / 400.0).abs() < 1e-12);
    assert!((course.recent[399] - 349.5 / 400.0).abs() < 1e-12);
    let summary = comparison.summary();
    let SummaryRow { seeds, evaluations, best, best_low, best_p, .. } = summary[0];
    assert_eq!((seeds, evaluations, best, best_low, best_p), (2, 400, 399.0 / 400.0, Some(399.0 / 400.0), None));
}

#[test]
fn batches_end_where_the_evaluations_do() {
    let space = Space::full(1).unwrap();
    let strategies = [named("random"), named("evolution"), named("ppo")];
    let comparison = compare(&space, &landscape::reward, &strategies, &[3], 50, 20).unwrap();
    assert!(comparison.contestants.iter().all(|c| c.courses[0].best.len() == 50));
    let curves = comparison.curves();
    assert_eq!(curves.len(), 150);
    assert_eq!((curves[149].strategy.as_str(), curves[149].evaluation, curves[149].best_low), ("ppo", 50, None));
}

#[test]
fn learning_strategies_beat_random_search_at_equal_budget() {
    let space = Space::full(1).unwrap();
    let strategies = [named("random"), named("evolution"), named("ppo")];
    let seeds: Vec<u64> = (0..20).collect();
    let comparison = compare(&space, &landscape::reward, &strategies, &seeds, 500, 20).unwrap();
    let summary = comparison.summary();
    let [random, evolution, ppo] = &summary[..] else { panic!("three rows") };
    assert_eq!((random.best_p, random.recent_p), (None, None));
    for row in [evolution, ppo] {
        assert!(row.best > random.best && row.best_p.unwrap() < 0.01, "{row:?}");
        assert!(row.recent_low.unwrap() > random.recent_high.unwrap() && row.recent_p.unwrap() < 1e-6, "{row:?}");
        assert!(row.best_low.unwrap() < row.best && row.best < row.best_high.unwrap());
    }
    let end = &comparison.curves()[999];
    assert_eq!((end.strategy.as_str(), end.evaluation, end.best), ("evolution", 500, evolution.best));
    let again = compare(&space, &landscape::reward, &strategies[2..], &seeds[..2], 500, 20).unwrap();
    assert_eq!(again.contestants[0].courses, comparison.contestants[2].courses[..2]);
}

#[test]
fn a_strategy_that_makes_no_sense_is_an_error() {
    let config: StrategyConfig = serde_json::from_str(r#"{"strategy": "ppo", "clip": 0}"#).unwrap();
    assert!(compare(&Space::full(1).unwrap(), &|_| 0.0, &[("ppo".into(), config)], &[0], 10, 5).is_err());
}
