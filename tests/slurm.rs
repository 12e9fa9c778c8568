//! A search on a real Slurm: with its tasks, its controller and its driver killed, every proposal ends with one result.

#[path = "common/slurm.rs"]
mod local;

use local::{LocalSlurm, kill, processes};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Proposals of the search that is to outlive everything.
const EVALUATIONS: usize = 60;
const SLURM: [&str; 7] = ["--engine", "slurm", "--slurm-gres", "gpu:1", "--slurm-time", "10", "--jobs=12"];

fn swish(slurm: &LocalSlurm, dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swish"));
    command.env_remove("SWISH_DATA").env("HF_HUB_OFFLINE", "1").env("SWISH_CACHE", dir.join("cache"));
    command
        .env("SLURM_CONF", slurm.conf())
        .current_dir(dir)
        .arg("search")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn begin(slurm: &LocalSlurm, dir: &Path, evaluations: usize) -> Command {
    let mut command = swish(slurm, dir);
    command.args(["run", "mine", "--strategy", "random", "--seed", "1", "--profile", "smoke", "--data", "embedded"]);
    command.args(["--steps", "4", "--child-batch", "8", "--evaluations", &evaluations.to_string()]).args(SLURM);
    command
}

/// Does not outlive a test that fails.
struct Driver(Child);

impl Driver {
    /// Starts one that writes what it has to say to `log`.
    fn start(command: &mut Command, log: &Path) -> Self {
        Self(command.stderr(std::fs::File::create(log).unwrap()).spawn().unwrap())
    }

    /// It is still at work; else it says why not.
    fn must_run(&mut self, log: &Path) {
        let ended = self.0.try_wait().unwrap();
        assert!(ended.is_none(), "{ended:?}: {}", std::fs::read_to_string(log).unwrap());
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// The whole lines of the journal with this event.
fn events(dir: &Path, kind: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(dir.join("mine/journal.jsonl")).unwrap_or_default();
    let events = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    events.filter(|event| event["event"] == kind).collect()
}

fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(300), "five minutes without {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_search_outlives_its_tasks_its_controller_and_its_driver() {
    let Some(slurm) = LocalSlurm::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let outcomes = || events(dir.path(), "outcome").len();
    let start = Instant::now();
    let log = dir.path().join("log");
    let mut driver = Driver::start(&mut begin(&slurm, dir.path(), EVALUATIONS), &log);

    wait_for("three outcomes", || outcomes() >= 3);
    let task = || processes(&["search task", dir.path().to_str().unwrap()]).into_iter().next();
    wait_for("a task", || task().is_some_and(kill));

    wait_for("ten outcomes", || outcomes() >= 10);
    slurm.kill_controller();
    std::thread::sleep(Duration::from_secs(2));
    slurm.restart();

    let mut looked = Instant::now();
    let mut look_after_the_node = || {
        if looked.elapsed() > Duration::from_secs(2) {
            slurm.resume();
            looked = Instant::now();
        }
    };
    wait_for("twenty outcomes", || {
        look_after_the_node();
        driver.must_run(&log);
        outcomes() >= 20
    });
    driver.0.kill().unwrap();
    driver.0.wait().unwrap();
    assert!(events(dir.path(), "end").is_empty(), "it was killed before its end");

    let mut resume = swish(&slurm, dir.path());
    let mut driver = Driver::start(resume.args(["resume", "mine"]).args(SLURM), &log);
    let mut status = None;
    wait_for("an end", || {
        look_after_the_node();
        status = driver.0.try_wait().unwrap();
        status.is_some()
    });
    let talk = std::fs::read_to_string(&log).unwrap();
    assert!(status.unwrap().success(), "{talk}");
    eprintln!("slurm: {EVALUATIONS} proposals in {:.0} s\n{talk}", start.elapsed().as_secs_f64());

    let proposals = events(dir.path(), "proposal");
    assert_eq!(proposals.len(), EVALUATIONS);
    let trials: BTreeSet<&str> = proposals.iter().filter_map(|proposal| proposal["trial"].as_str()).collect();
    let ended = events(dir.path(), "outcome");
    let ids: BTreeSet<&str> = ended.iter().filter_map(|outcome| outcome["id"].as_str()).collect();
    assert_eq!(ids, trials);
    assert_eq!(ids.len(), ended.len(), "each trial has one outcome");
    for outcome in &ended {
        assert!(!outcome["err"].as_str().unwrap_or_default().starts_with("lost"), "{outcome}");
    }
    let out = swish(&slurm, dir.path()).args(["status", "mine", "--json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&status["state"], &status["open"]), (&"finished".into(), &0.into()), "{status}");
}

#[test]
fn a_search_runs_on_slurm_and_a_refused_job_is_shown() {
    let Some(slurm) = LocalSlurm::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = begin(&slurm, dir.path(), 8).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(events(dir.path(), "proposal").len(), 8);
    let outcomes = events(dir.path(), "outcome");
    assert!(!outcomes.is_empty() && outcomes.iter().all(|o| !o["err"].to_string().contains("lost")), "{outcomes:?}");

    let other = tempfile::tempdir().unwrap();
    let out = begin(&slurm, other.path(), 8).args(["--slurm-partition", "nosuch"]).output().unwrap();
    let talk = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && talk.contains("invalid partition specified: nosuch"), "{talk}");
}
