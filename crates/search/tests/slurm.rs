//! The engine over a real Slurm, with a few lines of shell in the place of training.

#[allow(dead_code, reason = "the controller is killed elsewhere")]
#[path = "../../../tests/common/slurm.rs"]
mod local;

use crate::common::{again, executable, passed};
use local::{LocalSlurm, kill, processes};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use swish_search::engine::{Engine, Slurm, SlurmConfig};
use swish_search::trial::{Outcome, Trial};

/// Does what the function's text says, and writes the trial's outcome.
const PROGRAM: &str = r#"#!/bin/sh
dir=$3 line=$(sed -n "$(($7 + 1))p" "$5")
id=$(echo "$line" | sed 's/.*"id":"\([^"]*\)".*/\1/')
echo "$id" >>"$dir/starts"
case $line in
*sleep*) sleep 60 ;;
*slow*) sleep 2 ;;
*crash*) echo "out of luck" >&2; exit 3 ;;
*elsewhere*) exit 0 ;;
esac
echo '{"id":"'$id'","top1":50.0,"train_loss":1.0,"seconds":0.1,"started":"","device":"'$CUDA_VISIBLE_DEVICES'","commit":"","dirty":false,"err":null}' >"$dir/results/.$id.$$"
mv "$dir/results/.$id.$$" "$dir/results/$id.json"
"#;

/// The scenarios, each of which this program runs again with the environment of the Slurm that it has started.
const SCENARIOS: [&str; 5] = ["throughput", "crashes", "leftovers", "unseen_folder", "refusal"];

#[test]
fn slurm() {
    let Some(slurm) = LocalSlurm::start() else { return };
    let run = |name: &&str| {
        let test = format!("slurm::{name}");
        let child = again(&test).env("SLURM_CONF", slurm.conf()).spawn().unwrap();
        (test, child)
    };
    let runs: Vec<_> = SCENARIOS.iter().map(run).collect();
    for (test, child) in runs {
        let talk = passed(&test, &child.wait_with_output().unwrap());
        eprintln!("{}", talk.lines().filter(|line| line.starts_with("slurm:")).collect::<Vec<_>>().join("\n"));
    }
}

#[test]
fn where_slurm_is_missing_the_way_out_is_named() {
    passed("slurm::missing", &again("slurm::missing").env("PATH", "/nowhere").output().unwrap());
}

#[test]
#[ignore = "run without a PATH by `where_slurm_is_missing_the_way_out_is_named`"]
fn missing() {
    let search = Search::new();
    let Err(error) = Slurm::new(search.config(), Box::new(|_| ())) else { panic!("there is one") };
    let error = error.to_string();
    assert!(error.contains("scontrol is not on PATH") && error.contains("--engine local"), "{error}");
}

struct Search {
    dir: tempfile::TempDir,
    notes: Arc<Mutex<Vec<String>>>,
}

impl Search {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        executable(&program, PROGRAM);
        Self { dir, notes: Arc::default() }
    }

    fn config(&self) -> SlurmConfig {
        SlurmConfig {
            dir: self.dir.path().into(),
            program: self.dir.path().join("program"),
            jobs: 8,
            partition: None,
            gres: None,
            time_limit: None,
            extra: Vec::new(),
        }
    }

    fn engine(&self, config: SlurmConfig) -> Slurm {
        let notes = self.notes.clone();
        Slurm::new(config, Box::new(move |note| notes.lock().unwrap().push(note.into()))).unwrap()
    }

    fn starts(&self, id: &str) -> usize {
        let starts = std::fs::read_to_string(self.dir.path().join("starts")).unwrap_or_default();
        starts.lines().filter(|line| *line == id).count()
    }
}

fn trials(number: usize, what: &str) -> Vec<Trial> {
    (0..number).map(|i| Trial { id: format!("{what}{i}"), activation: format!("{what} {i}") }).collect()
}

fn all(engine: &mut Slurm) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let start = Instant::now();
    while let Some(outcome) = engine.next(Duration::from_secs(300)).unwrap() {
        outcomes.push(outcome);
        assert!(start.elapsed() < Duration::from_secs(300), "it does not come to an end");
    }
    outcomes
}

#[test]
#[ignore = "run by `slurm`, which starts one"]
fn throughput() {
    let search = Search::new();
    let mut engine = search.engine(SlurmConfig { jobs: 60, gres: Some("gpu:1".into()), ..search.config() });
    let start = Instant::now();
    engine.submit(&trials(100, "quick")).unwrap();
    let outcomes = all(&mut engine);
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("slurm: 100 tasks in {seconds:.1} s");
    assert_eq!(outcomes.len(), 100);
    for outcome in outcomes {
        assert_eq!(search.starts(&outcome.id), 1);
        assert!(["0", "1", "2", "3"].contains(&outcome.device.as_str()), "GPU {:?}", outcome.device);
    }
    let logs = std::fs::read_dir(search.dir.path().join("logs")).unwrap().count();
    assert_eq!(logs, 0, "logs of tasks that went well are removed");
    assert!(search.notes.lock().unwrap().is_empty(), "{:?}", search.notes);
    // What has an outcome is not run again; what has none is.
    engine.submit(&trials(101, "quick")).unwrap();
    assert_eq!(all(&mut engine).len(), 101);
    assert_eq!((search.starts("quick0"), search.starts("quick100")), (1, 1));
}

#[test]
#[ignore = "run by `slurm`, which starts one"]
fn crashes() {
    let search = Search::new();
    let mut engine = search.engine(search.config());
    engine.submit(&[trials(1, "crash"), trials(2, "slow")].concat()).unwrap();
    // One that was killed for no fault of its own is run again and comes to its end.
    let file = search.dir.path().to_str().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    let slow = loop {
        assert!(Instant::now() < deadline, "no task runs");
        let slow = processes(&["program", file, "--index 1"]);
        if search.starts("slow0") == 1 && !slow.is_empty() {
            break slow;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    slow.into_iter().map(kill).for_each(|killed| assert!(killed));
    let outcomes = all(&mut engine);
    assert_eq!(outcomes.len(), 3);
    let lost: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.err.is_some()).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!((lost[0].id.as_str(), lost[0].err.as_deref()), ("crash0", Some("lost: exit status 3: out of luck")));
    assert_eq!((search.starts("crash0"), search.starts("slow0"), search.starts("slow1")), (3, 2, 1));
    assert!(search.dir.path().join("results/crash0.json").exists());
    assert!(search.notes.lock().unwrap().iter().any(|note| note.contains("slow0") && note.contains("signal 9")));
}

#[test]
#[ignore = "run by `slurm`, which starts one"]
fn leftovers() {
    let search = Search::new();
    let mut earlier = search.engine(search.config());
    earlier.submit(&trials(1, "sleep")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while search.starts("sleep0") == 0 {
        assert!(Instant::now() < deadline, "no task runs");
        std::thread::sleep(Duration::from_millis(20));
    }
    // As after `kill -9`, nothing is tidied up.
    std::mem::forget(earlier);
    let _engine = search.engine(search.config());
    while !processes(&["program", search.dir.path().to_str().unwrap()]).is_empty() {
        assert!(Instant::now() < deadline, "the left-over goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "run by `slurm`, which starts one"]
fn unseen_folder() {
    let search = Search::new();
    let mut engine = search.engine(search.config());
    engine.submit(&trials(2, "elsewhere")).unwrap();
    let error = engine.next(Duration::from_secs(300)).unwrap_err().to_string();
    assert!(error.contains("must be a folder that all machines share"), "{error}");
    assert!(error.contains(search.dir.path().to_str().unwrap()), "{error}");
}

#[test]
#[ignore = "run by `slurm`, which starts one"]
fn refusal() {
    let search = Search::new();
    let mut engine = search.engine(SlurmConfig { partition: Some("nosuch".into()), ..search.config() });
    let error = engine.submit(&trials(2, "quick")).unwrap_err().to_string();
    assert!(error.contains("invalid partition specified: nosuch") && !error.contains('\n'), "{error}");

    // Nothing ever works: an error, and no trial is put down as lost.
    let search = Search::new();
    let mut engine = search.engine(SlurmConfig { program: "/nowhere/swish".into(), ..search.config() });
    engine.submit(&trials(2, "quick")).unwrap();
    let error = engine.next(Duration::from_secs(300)).unwrap_err().to_string();
    assert!(error.contains("/nowhere/swish"), "{error}");
    assert_eq!(std::fs::read_dir(search.dir.path().join("results")).unwrap().count(), 0);
}
