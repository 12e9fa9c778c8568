//! HyperQueue: trials as tasks of jobs of `hq`, which runs on Slurm, PBS or plain hosts.

use super::batch::{Batch, Notify, Search, State, System, Ticket, canonical, job_name, log, run};
use crate::error::Result;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where and how tasks of HyperQueue run.
#[derive(Clone, Debug)]
pub struct HyperQueueConfig {
    /// Folder of the search, which all workers see under the same path.
    pub dir: PathBuf,
    /// The program `swish`, as the workers see it.
    pub program: PathBuf,
    /// Trials that wait or run at the same time. A few more than can run keep the workers busy between two trials.
    pub jobs: usize,
    /// Resources of a trial: `cpus=4`, `gpus/nvidia=1`.
    pub resources: Vec<String>,
    /// Time limit of a trial.
    pub time_limit: Option<Duration>,
    /// Further arguments of `hq submit`.
    pub extra: Vec<String>,
}

/// Runs trials as tasks of HyperQueue.
pub type HyperQueue = Batch<Hq>;

impl HyperQueue {
    /// An engine without trials. Jobs that an earlier process of this search left are cancelled.
    ///
    /// # Errors
    /// `hq` is missing, or its server does not answer.
    pub fn new(config: HyperQueueConfig, notify: Notify) -> Result<Self> {
        let dir = canonical(&config.dir)?;
        let search = Search { dir: dir.clone(), program: config.program.clone(), jobs: config.jobs };
        Self::over(Hq { name: job_name(&dir), dir, config }, search, notify)
    }
}

/// The commands of HyperQueue.
pub struct Hq {
    config: HyperQueueConfig,
    dir: PathBuf,
    name: String,
}

#[derive(Deserialize)]
struct Submitted {
    id: u64,
}

#[derive(Deserialize)]
struct Job {
    id: u64,
    name: String,
}

#[derive(Deserialize)]
struct Task {
    id: u64,
    state: String,
    error: Option<String>,
}

impl System for Hq {
    const NAME: &'static str = "hyperqueue";
    const INDEX: &'static str = "HQ_TASK_ID";

    /// As long as one task may run, more in a job do no harm; the file of a batch stays readable.
    fn job_size(&self) -> usize {
        10_000
    }

    fn submit(&self, tasks: usize, script: &Path, arguments: &[&OsStr]) -> Command {
        let config = &self.config;
        let mut command = hq(&["submit", "--stdout=none"]);
        command.arg(format!("--name={}", self.name)).arg(format!("--array=0-{}", tasks - 1));
        command.arg("--cwd").arg(&self.dir);
        command.arg(format!("--stderr=%{{CWD}}/{}", log("%{JOB_ID}", "%{TASK_ID}")));
        command.args(config.resources.iter().map(|resource| format!("--resource={resource}")));
        command.args(config.time_limit.map(|limit| format!("--time-limit={}s", limit.as_secs())));
        command.args(&config.extra).args(["--", "sh"]).arg(script).args(arguments);
        command
    }

    fn job(&self, printed: &str) -> Option<u64> {
        serde_json::from_str::<Submitted>(printed).ok().map(|job| job.id)
    }

    fn list(&self, jobs: &BTreeSet<u64>) -> Command {
        if jobs.is_empty() {
            return hq(&["server", "info"]);
        }
        let jobs: Vec<String> = jobs.iter().map(u64::to_string).collect();
        hq(&["task", "list", &jobs.join(",")])
    }

    fn states(&self, printed: &str) -> Result<HashMap<Ticket, State>, String> {
        let jobs: HashMap<u64, Vec<Task>> = serde_json::from_str(printed).map_err(|e| e.to_string())?;
        let tasks = jobs.into_iter().flat_map(|(job, tasks)| tasks.into_iter().map(move |task| (job, task)));
        Ok(tasks.map(|(job, task)| (Ticket { job, task: task.id }, state(task))).collect())
    }

    fn cancel_all(&self) -> Result<(), String> {
        let printed = run(&mut hq(&["job", "list", "--filter", "waiting,running"]))?;
        let jobs: Vec<Job> = serde_json::from_str(&printed).map_err(|e| format!("unreadable list of jobs: {e}"))?;
        let mine: Vec<String> = jobs.iter().filter(|job| job.name == self.name).map(|job| job.id.to_string()).collect();
        if mine.is_empty() { Ok(()) } else { run(&mut hq(&["job", "cancel", &mine.join(",")])).map(drop) }
    }
}

fn hq(arguments: &[&str]) -> Command {
    let mut command = Command::new("hq");
    command.args(["--output-mode", "json"]).args(arguments);
    command
}

fn state(task: Task) -> State {
    match task.state.as_str() {
        "waiting" => State::Waiting(String::new()),
        "finished" => State::Done,
        "canceled" => State::Failed("canceled".into()),
        "failed" => State::Failed(task.error.unwrap_or_else(|| "failed".into())),
        _ => State::Running,
    }
}
