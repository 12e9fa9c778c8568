//! The pool of local workers, with a small script in the place of the program.
#![cfg(unix)]

use crate::common::executable;
use std::path::Path;
use std::time::{Duration, Instant};
use swish_core::nn::Compute;
use swish_search::engine::{Engine, Local, LocalConfig};
use swish_search::trial::{Outcome, Trial};

/// A worker: trials named `crash..` kill it, those named `stop..` end it with an error of its own, others take a fifth of a second.
const WORKER: &str = r#"#!/bin/sh
echo "$$ $4" >>"$3/started"
echo ready
while read -r line; do
    id=${line#*\"id\":\"}
    id=${id%%\"*}
    case $id in
    crash*) echo "out of its mind" >&2; kill -9 $$ ;;
    stop*) echo "error: no room on the disk" >&2; exit 1 ;;
    esac
    sleep 0.2
    printf '{"id":"%s","top1":50.0,"train_loss":1.5,"seconds":0.2,"started":"","device":"cpu","commit":"","dirty":false,"err":null}' \
        "$id" >"$3/results/.$id"
    mv "$3/results/.$id" "$3/results/$id.json"
    echo "$id"
done
"#;

fn pool(dir: &Path, jobs: usize, worker: &str) -> Local {
    pool_on(dir, jobs, &[], worker)
}

fn pool_on(dir: &Path, jobs: usize, devices: &[Compute], worker: &str) -> Local {
    let program = dir.join("program");
    std::fs::create_dir_all(dir.join("results")).unwrap();
    executable(&program, worker);
    Local::new(LocalConfig { dir: dir.to_path_buf(), program, jobs, devices: devices.to_vec() }).unwrap()
}

fn trials(name: &str, n: usize) -> Vec<Trial> {
    (0..n).map(|i| Trial { id: format!("{name}{i:02}"), activation: "x".into() }).collect()
}

fn all(pool: &mut Local) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    while let Some(outcome) = pool.next(Duration::from_secs(60)).unwrap() {
        outcomes.push(outcome);
    }
    outcomes.sort_by(|a, b| a.id.cmp(&b.id));
    outcomes
}

fn started(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("started")).unwrap().lines().count()
}

#[test]
fn trials_are_shared_out_and_workers_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut pool = pool(dir.path(), 2, WORKER);
    let start = Instant::now();
    pool.submit(&trials("a", 20)).unwrap();
    let outcomes = all(&mut pool);
    let overhead = start.elapsed().as_secs_f64() - 20.0 * 0.2 / 2.0;
    println!("overhead: {:.1} ms a trial", 1e3 * overhead * 2.0 / 20.0);
    let ids: Vec<&str> = outcomes.iter().map(|outcome| outcome.id.as_str()).collect();
    assert_eq!(ids, trials("a", 20).iter().map(|trial| trial.id.as_str()).collect::<Vec<_>>());
    assert_eq!(started(dir.path()), 2, "two workers for all twenty");
    assert_eq!(pool.next(Duration::from_secs(60)).unwrap(), None, "with nothing in work it does not wait");
}

#[test]
fn workers_are_shared_out_among_devices() {
    let dir = tempfile::tempdir().unwrap();
    let mut pool = pool_on(dir.path(), 4, &[Compute::Cuda(0), Compute::Cuda(3)], WORKER);
    // The worker that is killed is replaced on its own device.
    pool.submit(&[trials("a", 8), trials("crash", 1)].concat()).unwrap();
    assert_eq!(all(&mut pool).len(), 9);
    let started = std::fs::read_to_string(dir.path().join("started")).unwrap();
    let on = |device: &str| started.lines().filter(|line| line.ends_with(&format!(" --device={device}"))).count();
    let counts = [on("cuda:0"), on("cuda:3")];
    assert_eq!(counts.iter().sum::<usize>(), started.lines().count());
    assert!(counts.iter().all(|&count| count >= 2), "{started}");
}

#[test]
fn a_trial_that_kills_its_workers_is_given_up_and_harms_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut pool = pool(dir.path(), 2, WORKER);
    pool.submit(&[trials("crash", 1), trials("fine", 3)].concat()).unwrap();
    let outcomes = all(&mut pool);
    assert_eq!(outcomes.len(), 4);
    let why = outcomes[0].err.as_deref().unwrap();
    assert!(why.starts_with("lost: 3 workers died of it") && why.contains("out of its mind"), "{why}");
    assert!(outcomes[1..].iter().all(|outcome| outcome.top1 == Some(50.0)));
    assert!(dir.path().join("results/crash00.json").exists(), "a lost trial is an outcome too");
}

#[test]
fn an_error_of_its_own_ends_the_search_and_condemns_no_trial() {
    let dir = tempfile::tempdir().unwrap();
    let mut pool = pool(dir.path(), 1, WORKER);
    pool.submit(&trials("stop", 1)).unwrap();
    let message = pool.next(Duration::from_secs(60)).unwrap_err().to_string();
    assert!(message.contains("could not go on: no room on the disk"), "{message}");
    assert!(!dir.path().join("results/stop00.json").exists());
}

#[test]
fn workers_that_never_come_up_end_the_search() {
    for (worker, word, starts) in [
        ("#!/bin/sh\necho \"$$\" >>\"$3/started\"\nkill -9 $$\n", "could not start", 3),
        ("#!/bin/sh\necho \"$$\" >>\"$3/started\"\necho 'error: no data' >&2\nexit 1\n", "could not start: no data", 1),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut pool = pool(dir.path(), 1, worker);
        pool.submit(&trials("a", 2)).unwrap();
        let message = pool.next(Duration::from_secs(60)).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
        assert_eq!(started(dir.path()), starts);
    }
}
