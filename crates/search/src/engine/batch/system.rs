//! What a batch system must be able to say and do, as commands to run and answers to read.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

/// One task of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The job's number.
    pub job: u64,
    /// The task's number in it.
    pub task: u64,
}

/// What a batch system says of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits, for this reason; empty where it is only behind others.
    Waiting(String),
    /// It runs, or is about to or has just stopped.
    Running,
    /// It waits for somebody to release it, for this reason.
    Stuck(String),
    /// It ended, and well.
    Done,
    /// Its machine failed or was taken away.
    Evicted(String),
    /// It came to the end of its time or memory, as it would again.
    Exhausted(String),
    /// It ended in another way.
    Failed(String),
}

/// A batch system, driven through its commands.
pub trait System {
    /// The engine's name.
    const NAME: &'static str;

    /// The environment variable in which a task finds its number.
    const INDEX: &'static str;

    /// Tasks that one job may have.
    fn job_size(&self) -> usize;

    /// Submits a job of tasks numbered from 0, each of which runs `script` with these arguments in the folder of the search,
    /// its stderr going to `logs/JOB_TASK.err` there.
    fn submit(&self, tasks: usize, script: &Path, arguments: &[&OsStr]) -> Command;

    /// The job's number in what [`System::submit`] printed.
    fn job(&self, printed: &str) -> Option<u64>;

    /// Asks for the state of the tasks of these jobs; others may be among them, and those long gone missing.
    fn list(&self, jobs: &BTreeSet<u64>) -> Command;

    /// The states in what [`System::list`] printed.
    ///
    /// # Errors
    /// What makes no sense in it.
    fn states(&self, printed: &str) -> Result<HashMap<Ticket, State>, String>;

    /// Takes a task out of the queue that is [`State::Stuck`], or that is called running after its end; for a system that can be
    /// in such a state.
    fn discard(&self, _ticket: Ticket) -> Option<Command> {
        None
    }

    /// Cancels all that was submitted for this search, by an earlier process too.
    ///
    /// # Errors
    /// What the system said.
    fn cancel_all(&self) -> Result<(), String>;
}

/// A task's stderr, relative to the folder of the search.
pub fn log(job: impl std::fmt::Display, task: impl std::fmt::Display) -> String {
    format!("logs/{job}_{task}.err")
}

/// Name of all jobs of the search in `dir`, a canonical path.
pub fn job_name(dir: &Path) -> String {
    format!("swish-{:016x}", swish_kernels::rng::fnv1a64(&dir.to_string_lossy()))
}

/// Runs a command to its end.
///
/// # Errors
/// What it wrote to stderr, in one line, where it failed.
pub fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|e| match e.kind() {
        ErrorKind::NotFound => format!("{name} is not on PATH; `--engine local` works without it"),
        _ => format!("{name}: {e}"),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(if lines.is_empty() { format!("{name}: {}", output.status) } else { lines.join("; ") })
}
