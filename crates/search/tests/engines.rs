//! Searches on engines that train nothing: ten thousand candidates, and trials that are lost.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};
use swish_data::Dataset;
use swish_kernels::rng::fnv1a64;
use swish_record::Profile;
use swish_search::config::{ChildConfig, SearchConfig};
use swish_search::driver::Search;
use swish_search::engine::Engine;
use swish_search::history::History;
use swish_search::space::Space;
use swish_search::strategy::StrategyConfig;
use swish_search::trial::{Outcome, Trial};
use swish_search::{Error, Result};
use swish_train::recipes::search_child;

const CANDIDATES: u64 = 10_000;

/// Answers at once, with an accuracy made of the function's name, until it has answered `left` times.
struct Immediate {
    left: usize,
    answers: VecDeque<Outcome>,
}

impl Engine for Immediate {
    fn name(&self) -> &'static str {
        "immediate"
    }

    fn capacity(&self) -> usize {
        64
    }

    fn submit(&mut self, trials: &[Trial]) -> Result<()> {
        let outcome = |trial: &Trial| Outcome {
            top1: Some((fnv1a64(&trial.activation) % 10_000) as f64 / 100.0),
            err: None,
            ..Outcome::lost(trial, String::new())
        };
        self.answers.extend(trials.iter().map(outcome));
        Ok(())
    }

    fn next(&mut self, _patience: Duration) -> Result<Option<Outcome>> {
        self.left = self.left.checked_sub(1).ok_or(Error::Engine { engine: "immediate", reason: "gone".into() })?;
        Ok(self.answers.pop_front())
    }
}

/// Loses every third trial.
struct Forgetful {
    inner: Immediate,
    seen: usize,
}

impl Engine for Forgetful {
    fn name(&self) -> &'static str {
        "forgetful"
    }

    fn capacity(&self) -> usize {
        8
    }

    fn submit(&mut self, trials: &[Trial]) -> Result<()> {
        for trial in trials {
            self.seen += 1;
            if !self.seen.is_multiple_of(3) {
                self.inner.submit(std::slice::from_ref(trial))?;
            }
        }
        Ok(())
    }

    fn next(&mut self, patience: Duration) -> Result<Option<Outcome>> {
        self.inner.next(patience)
    }
}

fn config() -> SearchConfig {
    SearchConfig {
        space: Space::full(2).unwrap().config(),
        strategy: StrategyConfig::Random,
        seed: 1,
        evaluations: CANDIDATES,
        batch: 64,
        child: ChildConfig {
            recipe: search_child(Dataset::Cifar10, Profile::Smoke),
            precision: "f32".into(),
            seed: 1,
            profile: Profile::Smoke,
            device: "cpu".into(),
            threads: 1,
            data: "embedded".into(),
            data_dir: None,
        },
    }
}

fn timed<T>(what: &str, f: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = f();
    println!("{what}: {:.3} s, resident {} MiB", start.elapsed().as_secs_f64(), resident_mib());
    result
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn open(dir: &Path) -> Search {
    Search::open(dir, &mut |_| {}).unwrap()
}

#[test]
fn ten_thousand_candidates_are_resumed_and_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let search_dir = dir.path().join("search");
    let mut search = Search::create(&search_dir, config(), &mut |_| {}).unwrap();
    // The engine goes away for good near the end.
    let mut engine = Immediate { left: 8_000, answers: VecDeque::new() };
    let gone = timed("8,000 outcomes", || search.run(&mut engine, &mut |_| {})).unwrap_err();
    assert_eq!(gone.to_string(), "engine immediate: gone");
    drop(search);

    let mut search = timed("open", || open(&search_dir));
    let mut engine = Immediate { left: usize::MAX, answers: VecDeque::new() };
    let summary = timed("go on to the end", || search.run(&mut engine, &mut |_| {})).unwrap();
    drop(search);
    assert_eq!(summary.proposals, CANDIDATES);

    let history = timed("read", || History::read(&search_dir)).unwrap();
    let status = timed("status", || history.status(&search_dir));
    assert_eq!((status.state, status.proposed as u64), ("finished", CANDIDATES));
    assert_eq!(status.done + status.same + status.rejected, status.proposed);
    assert_eq!(history.ranking().len(), summary.trials);

    let mut search = timed("open", || open(&search_dir));
    let again = timed("replay", || search.run(&mut engine, &mut |_| {})).unwrap();
    assert_eq!(again, summary);
}

#[test]
fn trials_that_an_engine_loses_are_submitted_again() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, engine: &mut dyn Engine| {
        let config = SearchConfig { evaluations: 200, ..config() };
        let mut search = Search::create(&dir.path().join(name), config, &mut |_| {}).unwrap();
        search.run(engine, &mut |_| {})
    };
    let immediate = || Immediate { left: usize::MAX, answers: VecDeque::new() };
    let expected = run("whole", &mut immediate()).unwrap();
    assert_eq!(run("lossy", &mut Forgetful { inner: immediate(), seen: 0 }).unwrap(), expected);

    struct Dead;
    impl Engine for Dead {
        fn name(&self) -> &'static str {
            "dead"
        }
        fn capacity(&self) -> usize {
            1
        }
        fn submit(&mut self, _trials: &[Trial]) -> Result<()> {
            Ok(())
        }
        fn next(&mut self, _patience: Duration) -> Result<Option<Outcome>> {
            Ok(None)
        }
    }
    let message = run("dead", &mut Dead).unwrap_err().to_string();
    assert!(message.contains("came to no end") && message.contains("resume"), "{message}");
}
