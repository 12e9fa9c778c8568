//! Slurm: trials as tasks of array jobs.

use super::batch::{Batch, Notify, Search, State, System, Ticket, canonical, job_name, log, run};
use crate::error::{Error, Result};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Slurm's own default, where its configuration says nothing else.
const ARRAY_SIZE: usize = 1001;

/// Where and how tasks of Slurm run.
#[derive(Clone, Debug)]
pub struct SlurmConfig {
    /// Folder of the search, which all nodes see under the same path.
    pub dir: PathBuf,
    /// The program `swish`, as the nodes see it.
    pub program: PathBuf,
    /// Trials that wait or run in Slurm at the same time. A few more than can run keep the nodes busy between two trials.
    pub jobs: usize,
    /// Partition; the cluster's default where there is none.
    pub partition: Option<String>,
    /// Generic resources of a trial: `gpu:1`.
    pub gres: Option<String>,
    /// Time limit of a trial; the partition's where there is none.
    pub time_limit: Option<Duration>,
    /// Further arguments of `sbatch`.
    pub extra: Vec<String>,
}

/// Runs trials as tasks of Slurm's array jobs.
pub type Slurm = Batch<Cluster>;

impl Slurm {
    /// An engine without trials. Jobs that an earlier process of this search left in the queue are cancelled.
    ///
    /// # Errors
    /// Slurm's commands are missing, or it does not answer.
    pub fn new(config: SlurmConfig, notify: Notify) -> Result<Self> {
        let unusable = |reason| Error::Engine { engine: Cluster::NAME, reason };
        let settings = run(Command::new("scontrol").args(["show", "config"])).map_err(unusable)?;
        let user = run(Command::new("id").arg("-u")).map_err(unusable)?.trim().to_owned();
        let dir = canonical(&config.dir)?;
        let search = Search { dir: dir.clone(), program: config.program.clone(), jobs: config.jobs };
        let cluster = Cluster { name: job_name(&dir), user, array_size: array_size(&settings), dir, config };
        Self::over(cluster, search, notify)
    }
}

/// The commands of Slurm.
pub struct Cluster {
    config: SlurmConfig,
    dir: PathBuf,
    name: String,
    user: String,
    array_size: usize,
}

impl System for Cluster {
    const NAME: &'static str = "slurm";
    const INDEX: &'static str = "SLURM_ARRAY_TASK_ID";

    fn job_size(&self) -> usize {
        self.array_size
    }

    fn submit(&self, tasks: usize, script: &Path, arguments: &[&OsStr]) -> Command {
        let config = &self.config;
        let mut command = Command::new("sbatch");
        command.args(["--parsable", "--requeue", "--output=/dev/null"]);
        command.arg(format!("--job-name={}", self.name)).arg(format!("--array=0-{}", tasks - 1));
        command.arg("--chdir").arg(&self.dir).arg(format!("--error={}", log("%A", "%a")));
        command.args(config.partition.iter().map(|partition| format!("--partition={partition}")));
        command.args(config.gres.iter().map(|gres| format!("--gres={gres}")));
        command.args(config.time_limit.map(|limit| format!("--time={}", minutes(limit))));
        command.args(&config.extra).arg(script).args(arguments);
        command
    }

    fn job(&self, printed: &str) -> Option<u64> {
        printed.trim().split(';').next()?.parse().ok()
    }

    fn list(&self, _jobs: &BTreeSet<u64>) -> Command {
        let mut command = Command::new("squeue");
        command.args(["--noheader", "--array", "--states=all"]).args(["--user", &self.user, "--name", &self.name]);
        command.arg("--Format=ArrayJobID:20,ArrayTaskID:20,State:20,exit_code:20,Reason:200");
        command
    }

    fn states(&self, printed: &str) -> Result<HashMap<Ticket, State>, String> {
        // What is cancelled of an array before it was looked at is one line without tasks; theirs count as gone.
        let lines =
            printed.lines().filter(|line| !line.trim().is_empty() && line.split_whitespace().nth(1) != Some("N/A"));
        lines.map(|line| state(line).ok_or_else(|| format!("{:?}", line.trim()))).collect()
    }

    fn discard(&self, ticket: Ticket) -> Option<Command> {
        let mut command = Command::new("scancel");
        command.arg(format!("{}_{}", ticket.job, ticket.task));
        Some(command)
    }

    fn cancel_all(&self) -> Result<(), String> {
        run(Command::new("scancel").args(["--quiet", "--user", &self.user, "--name", &self.name])).map(drop)
    }
}

/// A line of `squeue`: array, task, state, status as of `wait`, reason.
fn state(line: &str) -> Option<(Ticket, State)> {
    let mut fields = line.split_whitespace();
    let ticket = Ticket { job: fields.next()?.parse().ok()?, task: fields.next()?.parse().ok()? };
    let (name, status) = (fields.next()?, fields.next()?);
    let reason = fields.collect::<Vec<_>>().join(" ");
    let state = match name {
        // What Slurm does with a task whose start has failed; a hold by a person is left to that person.
        "PENDING" if reason.contains("requeued") || reason == "JobHoldMaxRequeue" => State::Stuck(reason),
        "PENDING" if reason == "Priority" || reason == "None" => State::Waiting(String::new()),
        "PENDING" => State::Waiting(reason),
        "COMPLETED" => State::Done,
        "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" | "REVOKED" => State::Evicted(name.into()),
        "TIMEOUT" | "DEADLINE" | "OUT_OF_MEMORY" => State::Exhausted(name.into()),
        "CANCELLED" => State::Failed(name.into()),
        "FAILED" => State::Failed(failure(status)),
        _ => State::Running,
    };
    Some((ticket, state))
}

/// How a process ended whose status is this.
fn failure(status: &str) -> String {
    match status.parse::<u32>() {
        Ok(status) if status & 0x7f != 0 => format!("killed by signal {}", status & 0x7f),
        Ok(status) => format!("exit status {}", status >> 8),
        Err(_) => format!("failed, {status}"),
    }
}

/// Indices that an array may have, out of Slurm's configuration.
fn array_size(settings: &str) -> usize {
    let value = settings.lines().find_map(|line| line.strip_prefix("MaxArraySize")?.trim_start().strip_prefix('='));
    value.and_then(|value| value.trim().parse().ok()).filter(|size| *size > 0).unwrap_or(ARRAY_SIZE)
}

/// A time limit as `sbatch` reads it.
fn minutes(limit: Duration) -> String {
    format!("{}:{:02}", limit.as_secs() / 60, limit.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// Lines as Slurm 22.05 prints them.
    #[test]
    fn the_lines_of_squeue_are_read() {
        let line =
            |state: &str, status: &str, reason: &str| format!("{:<20}{:<20}{state:20}{status:20}{reason:200}", 7, 3);
        for (name, status, reason, expected) in [
            ("PENDING", "0", "Resources", State::Waiting("Resources".into())),
            ("PENDING", "0", "Priority", State::Waiting(String::new())),
            ("PENDING", "0", "launch failed requeued held", State::Stuck("launch failed requeued held".into())),
            ("PENDING", "0", "JobHeldUser", State::Waiting("JobHeldUser".into())),
            ("RUNNING", "0", "None", State::Running),
            ("COMPLETING", "0", "None", State::Running),
            ("COMPLETED", "0", "None", State::Done),
            ("FAILED", "768", "NonZeroExitCode", State::Failed("exit status 3".into())),
            ("FAILED", "9", "JobLaunchFailure", State::Failed("killed by signal 9".into())),
            ("CANCELLED", "15", "None", State::Failed("CANCELLED".into())),
            ("TIMEOUT", "15", "TimeLimit", State::Exhausted("TIMEOUT".into())),
            ("NODE_FAIL", "0", "NodeDown", State::Evicted("NODE_FAIL".into())),
        ] {
            let (ticket, state) = state(&line(name, status, reason)).unwrap();
            assert_eq!((ticket.job, ticket.task), (7, 3));
            assert_eq!(state, expected, "{name} {status} {reason}");
        }
        assert!(state("slurm_load_jobs error").is_none());
    }

    #[test]
    fn the_size_of_an_array_is_read_from_the_configuration() {
        assert_eq!(array_size("MailProg = /bin/mail\nMaxArraySize            = 5001\nMaxJobCount = 1\n"), 5001);
        assert_eq!(array_size("MaxJobCount = 1\n"), ARRAY_SIZE);
    }

    #[test]
    fn time_limits_have_minutes_and_seconds() {
        assert_eq!(minutes(Duration::from_secs(605)), "10:05");
    }
}
