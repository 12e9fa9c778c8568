//! A process that runs trials: one from a list, as a cluster's task does, or one after another from a pipe.

use crate::child::Child;
use crate::config::SearchConfig;
use crate::error::{Error, Result};
use crate::trial::{Outcomes, Trial};
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::mpsc::channel;
use swish_core::nn::Compute;
use swish_train::jobs::with_threads;

/// What a worker says once its data are loaded.
pub(crate) const READY: &str = "ready";

/// Runs line number `index` (0-based) of `list`, a file with a trial a line, unless its outcome is there.
///
/// # Errors
/// No such line; what keeps the trial from being run at all.
pub fn task(dir: &Path, list: &Path, index: usize) -> Result<()> {
    let text = std::fs::read_to_string(list).map_err(Error::io(list, "read"))?;
    let line = text.lines().nth(index).ok_or_else(|| Error::bad_file(list, format!("has no line {index}")))?;
    let trial = parse(line).map_err(|e| Error::bad_file(list, format!("line {index}: {e}")))?;
    let outcomes = Outcomes::of(dir);
    if outcomes.read(&trial.id)?.is_some() {
        return Ok(());
    }
    let config = SearchConfig::read(dir)?.child;
    let threads = config.threads;
    let child = Child::new(config)?;
    with_threads(threads, || run(&child, &outcomes, &trial))?
}

/// Runs the trials that come on standard input, one a line, and answers each with its id on standard output; ends with the input. They run
/// on `device`, or on the search's where it is `None`.
///
/// # Errors
/// What keeps trials from being run at all. The process then ends with an exit code of its own, by which the driver tells it from one
/// that a candidate has killed.
pub fn serve(dir: &Path, device: Option<Compute>) -> Result<()> {
    let mut config = SearchConfig::read(dir)?.child;
    if let Some(device) = device {
        config.device = device.to_string();
    }
    let threads = config.threads;
    let child = Child::new(config)?;
    let outcomes = Outcomes::of(dir);
    say(READY);
    let (sender, trials) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(|line| line.ok()) {
            if sender.send(line).is_err() {
                return;
            }
        }
        // The driver is gone, and nobody waits for the trial in work.
        std::process::exit(0);
    });
    with_threads(threads, || {
        for line in trials {
            let what = || Error::BadValue { what: "trial", value: line.clone(), expected: "a trial as JSON".into() };
            let trial = parse(&line).map_err(|_| what())?;
            run(&child, &outcomes, &trial)?;
            say(&trial.id);
        }
        Ok(())
    })?
}

fn parse(line: &str) -> serde_json::Result<Trial> {
    serde_json::from_str(line)
}

fn run(child: &Child, outcomes: &Outcomes, trial: &Trial) -> Result<()> {
    match outcomes.read(&trial.id)? {
        Some(_) => Ok(()),
        None => outcomes.write(&child.run(trial)?),
    }
}

/// A line to the driver; one that is gone is noticed by the reading thread.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
