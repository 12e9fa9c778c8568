//! Worker processes on this machine. Each loads the data once and is then fed trials over a pipe, so that a trial costs little
//! more than its training; a process of its own, so that a candidate that kills it kills no other.

use super::Engine;
use crate::error::{Error, Result};
use crate::trial::{Outcome, Outcomes, Trial};
use crate::worker::READY;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use swish_core::nn::Compute;

/// A trial during which this many workers have died is given up; so is the search when as many in a row die while they load.
const CRASH_LIMIT: u32 = 3;
/// Exit code of a worker that ends by an error of its own: no other one would fare better.
const OWN_ERROR: i32 = 1;

/// Where and how local workers run.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// Folder of the search.
    pub dir: PathBuf,
    /// The program `swish`.
    pub program: PathBuf,
    /// Number of workers.
    pub jobs: usize,
    /// Devices that the workers are shared out among; none where all use the search's.
    pub devices: Vec<Compute>,
}

/// A pool of worker processes.
pub struct Local {
    config: LocalConfig,
    outcomes: Outcomes,
    waiting: VecDeque<Trial>,
    crashes: HashMap<String, u32>,
    /// Workers that died while they loaded, since the last one that came up.
    stillborn: u32,
    workers: Vec<Worker>,
    finished: VecDeque<Outcome>,
    /// Number of the next worker.
    started: usize,
    sender: Sender<(usize, Word)>,
    words: Receiver<(usize, Word)>,
}

struct Worker {
    number: usize,
    device: Option<Compute>,
    process: Child,
    input: ChildStdin,
    ready: bool,
    trial: Option<Trial>,
}

/// What comes from a worker.
enum Word {
    Line(String),
    Ended,
}

impl Local {
    /// A pool without workers yet; they start with the first trials.
    ///
    /// # Errors
    /// No jobs.
    pub fn new(config: LocalConfig) -> Result<Self> {
        if config.jobs == 0 {
            return Err(Error::BadValue { what: "jobs", value: "0".into(), expected: "at least 1".into() });
        }
        let (sender, words) = channel();
        Ok(Self {
            outcomes: Outcomes::of(&config.dir),
            config,
            waiting: VecDeque::new(),
            crashes: HashMap::new(),
            stillborn: 0,
            workers: Vec::new(),
            finished: VecDeque::new(),
            started: 0,
            sender,
            words,
        })
    }

    fn log(&self, number: usize) -> PathBuf {
        self.config.dir.join("logs").join(format!("worker-{number}.err"))
    }

    /// The device with the fewest workers.
    fn device(&self) -> Option<Compute> {
        let workers = |device: &&Compute| self.workers.iter().filter(|worker| worker.device == Some(**device)).count();
        self.config.devices.iter().min_by_key(workers).copied()
    }

    fn start_worker(&mut self) -> Result<()> {
        let number = self.started;
        self.started += 1;
        let log = self.log(number);
        let logs = self.config.dir.join("logs");
        std::fs::create_dir_all(&logs).map_err(Error::io(&logs, "make the folder"))?;
        let file = File::create(&log).map_err(Error::io(&log, "write"))?;
        let (program, device) = (&self.config.program, self.device());
        let mut process = Command::new(program)
            .args(["search", "worker"])
            .arg(&self.config.dir)
            .args(device.map(|device| format!("--device={device}")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(Error::io(program, "start"))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Error::Engine { engine: "local", reason: "a worker without pipes".into() });
        };
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(|line| line.ok()).map(Word::Line);
            for word in lines.chain([Word::Ended]) {
                if sender.send((number, word)).is_err() {
                    return;
                }
            }
        });
        self.workers.push(Worker { number, device, process, input, ready: false, trial: None });
        Ok(())
    }

    /// Gives trials to idle workers, and starts workers where there are too few.
    fn dispatch(&mut self) -> Result<()> {
        for worker in self.workers.iter_mut().filter(|worker| worker.ready && worker.trial.is_none()) {
            let Some(trial) = self.waiting.pop_front() else { return Ok(()) };
            worker.feed(trial)?;
        }
        let starting = self.workers.iter().filter(|worker| !worker.ready).count();
        let room = self.config.jobs.saturating_sub(self.workers.len());
        for _ in 0..room.min(self.waiting.len().saturating_sub(starting)) {
            self.start_worker()?;
        }
        Ok(())
    }

    fn hear(&mut self, number: usize, word: Word) -> Result<()> {
        let Some(at) = self.workers.iter().position(|worker| worker.number == number) else {
            return Ok(());
        };
        match word {
            Word::Line(line) if line == READY => {
                self.workers[at].ready = true;
                self.stillborn = 0;
            }
            Word::Line(line) => {
                let worker = &mut self.workers[at];
                if worker.trial.as_ref().is_some_and(|trial| trial.id == line)
                    && let Some(trial) = worker.trial.take()
                {
                    self.settle(trial)?;
                }
            }
            Word::Ended => {
                let worker = self.workers.swap_remove(at);
                self.bury(worker)?;
            }
        }
        Ok(())
    }

    /// A trial that its worker calls done: the file is the truth.
    fn settle(&mut self, trial: Trial) -> Result<()> {
        match self.outcomes.read(&trial.id)? {
            Some(outcome) => self.finished.push_back(outcome),
            None => self.crashed(trial, "it left no outcome")?,
        }
        Ok(())
    }

    /// A worker that has closed its pipe.
    fn bury(&mut self, mut worker: Worker) -> Result<()> {
        let ended = worker.process.wait();
        let own_error = ended.as_ref().is_ok_and(|status| status.code() == Some(OWN_ERROR));
        let status = ended.map_or_else(|e| e.to_string(), |status| status.to_string());
        let said = last_line(&self.log(worker.number));
        let why = said.map_or_else(|| status.clone(), |line| format!("{line} ({status})"));
        self.stillborn += u32::from(!worker.ready);
        if own_error || self.stillborn >= CRASH_LIMIT {
            let reason = format!("a worker could not {}: {why}", if worker.ready { "go on" } else { "start" });
            return Err(Error::Engine { engine: "local", reason });
        }
        let Some(trial) = worker.trial else { return Ok(()) };
        match self.outcomes.read(&trial.id)? {
            Some(outcome) => self.finished.push_back(outcome),
            None => self.crashed(trial, &why)?,
        }
        Ok(())
    }

    /// A trial that came to no end is tried again, up to a limit.
    fn crashed(&mut self, trial: Trial, why: &str) -> Result<()> {
        let crashes = self.crashes.entry(trial.id.clone()).or_default();
        *crashes += 1;
        if *crashes < CRASH_LIMIT {
            self.waiting.push_front(trial);
            return Ok(());
        }
        let outcome = Outcome::lost(&trial, format!("lost: {crashes} workers died of it, the last one: {why}"));
        self.outcomes.write(&outcome)?;
        self.finished.push_back(outcome);
        Ok(())
    }
}

impl Worker {
    /// Sends a trial. A worker that has died meanwhile does not hear it; its end is noticed, and the trial given to another.
    fn feed(&mut self, trial: Trial) -> Result<()> {
        let unwritable = |e: serde_json::Error| Error::Engine { engine: "local", reason: e.to_string() };
        let line = serde_json::to_string(&trial).map_err(unwritable)?;
        let _ = writeln!(self.input, "{line}").and_then(|()| self.input.flush());
        self.trial = Some(trial);
        Ok(())
    }
}

/// The last line that is not empty of a file that may not be there.
fn last_line(file: &std::path::Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().rev().find(|line| !line.trim().is_empty()).map(|line| line.trim_start_matches("error: ").to_owned())
}

impl Engine for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn capacity(&self) -> usize {
        self.config.jobs
    }

    fn submit(&mut self, trials: &[Trial]) -> Result<()> {
        self.waiting.extend(trials.iter().cloned());
        self.dispatch()
    }

    fn next(&mut self, patience: Duration) -> Result<Option<Outcome>> {
        let deadline = Instant::now() + patience;
        loop {
            self.dispatch()?;
            if let Some(outcome) = self.finished.pop_front() {
                return Ok(Some(outcome));
            }
            let busy = self.workers.iter().any(|worker| worker.trial.is_some());
            if !busy && self.waiting.is_empty() {
                return Ok(None);
            }
            match self.words.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((number, word)) => self.hear(number, word)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }
}

impl Drop for Local {
    /// Nobody waits for what the workers have in work.
    fn drop(&mut self) {
        for mut worker in self.workers.drain(..) {
            // It fails for one that has ended, which is as well.
            drop(worker.process.kill());
            drop(worker.process.wait());
        }
    }
}
