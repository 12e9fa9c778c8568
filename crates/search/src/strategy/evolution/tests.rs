#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

fn evolution(population: usize, tournament: usize) -> Evolution {
    Evolution::new(Space::full(2).unwrap(), &EvolutionConfig { population, tournament }, 7).unwrap()
}

fn scored(units: Vec<CoreUnits>, reward: impl Fn(usize) -> f64) -> Vec<Scored> {
    units.into_iter().enumerate().map(|(i, units)| Scored { units, reward: reward(i) }).collect()
}

/// Slots in which two members differ.
fn distance(space: &Space, a: &CoreUnits, b: &CoreUnits) -> usize {
    let [a, b] = [a, b].map(|units| space.encode(units).unwrap());
    a.iter().zip(&b).filter(|(a, b)| a != b).count()
}

#[test]
fn children_of_a_full_population_are_one_choice_from_the_best_of_a_large_tournament() {
    let mut evolution = evolution(6, 6);
    let first = evolution.propose(6).unwrap();
    evolution.learn(&scored(first.clone(), |i| i as f64)).unwrap();
    // A tournament of 6 among 6 misses the best one time in three; what it then finds is the next best there.
    let children = evolution.propose(200).unwrap();
    let near = |parent: &CoreUnits| children.iter().filter(|c| distance(&evolution.space, parent, c) == 1).count();
    assert!((100..165).contains(&near(&first[5])), "{}", near(&first[5]));
    assert_eq!(first.iter().map(near).sum::<usize>(), 200);
    assert!(near(&first[0]) <= 2);
}

#[test]
fn proposals_are_drawn_until_the_population_is_full() {
    let mut evolution = evolution(8, 2);
    let first = evolution.propose(5).unwrap();
    evolution.learn(&scored(first.clone(), |_| 0.0)).unwrap();
    let second = evolution.propose(5).unwrap();
    let related = |c: &CoreUnits| first.iter().any(|p| distance(&evolution.space, p, c) == 1);
    assert_eq!(second.iter().map(related).collect::<Vec<_>>(), [false, false, false, true, true]);
}

#[test]
fn the_oldest_leaves_however_good() {
    let mut evolution = evolution(4, 4);
    let units = evolution.propose(4).unwrap();
    evolution.learn(&scored(units, |i| 1.0 - 0.1 * i as f64)).unwrap();
    let units = evolution.propose(2).unwrap();
    evolution.learn(&scored(units, |_| 0.0)).unwrap();
    assert_eq!(evolution.population.iter().map(|s| s.reward).collect::<Vec<_>>(), [0.8, 0.7, 0.0, 0.0]);
}

#[test]
fn told_the_same_it_does_the_same() {
    let run = |seed| {
        let mut evolution = Evolution::new(Space::full(1).unwrap(), &EvolutionConfig::default(), seed).unwrap();
        let batch = |_| {
            let units = evolution.propose(30).unwrap();
            evolution.learn(&scored(units.clone(), |i| i as f64)).unwrap();
            units
        };
        (0..5).flat_map(batch).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn sizes_that_make_no_sense_are_refused() {
    for (population, tournament) in [(0, 0), (5, 0), (5, 6)] {
        let config = EvolutionConfig { population, tournament };
        assert!(matches!(Evolution::new(Space::full(1).unwrap(), &config, 0), Err(Error::BadValue { .. })));
    }
    let config: EvolutionConfig = serde_json::from_str(r#"{"tournament": 3}"#).unwrap();
    assert_eq!(config, EvolutionConfig { tournament: 3, ..EvolutionConfig::default() });
}
