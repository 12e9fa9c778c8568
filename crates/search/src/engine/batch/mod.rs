//! Runs trials through a batch system that can be asked little and forgets much.
//!
//! Trials are handed over in jobs of many tasks. What a task has done is read from its outcome file; the system is only asked,
//! rarely, which tasks are still there, to find those that ended without leaving one. Those are run again, up to a limit. A
//! system that does not answer is asked again until it does.

mod pending;
mod system;
mod watch;

pub use system::{State, System, Ticket};
pub(super) use system::{job_name, log, run};

use super::Engine;
use crate::error::{Error, Result};
use crate::trial::{Outcome, Trial};
use pending::{End, Pending, Task};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use swish_record::write_atomic;
use watch::{Answer, Watch};

/// Told, in a line each, what goes wrong without ending the search.
pub type Notify = Box<dyn FnMut(&str) + Send>;

/// The system is asked at most so often.
const ASK: Duration = Duration::from_secs(5);
/// From a task's end until its outcome file must be seen, where the system says that it failed.
const GRACE: Duration = Duration::from_secs(2);
/// The same where it may have succeeded: network file systems can be this late.
const LONG_GRACE: Duration = Duration::from_secs(15);
/// A system that has been away for so long, with no outcome coming in, stays away.
const AWAY: Duration = Duration::from_secs(3600);
/// With nothing running for so long, the reason is told.
const IDLE: Duration = Duration::from_secs(60);
/// After a submission, this many times its duration passes until the next.
const BETWEEN: u32 = 4;

/// What all batch systems need to know.
pub(super) struct Search {
    /// Folder of the search, canonical.
    pub dir: PathBuf,
    /// The program `swish`.
    pub program: PathBuf,
    /// Trials in the system at the same time.
    pub jobs: usize,
}

/// An engine over a batch system.
pub struct Batch<S: System> {
    system: S,
    search: Search,
    pending: Pending,
    /// Ids of trials that are not in the system, in the order in which they go there.
    held: VecDeque<String>,
    watch: Watch,
    notify: Notify,
    grace: fn(&End) -> Duration,
    /// Number of the next batch file.
    batch: u32,
    /// Whether anything was submitted.
    used: bool,
    /// No submission before.
    submit_at: Instant,
    /// Tasks that the last listing called running although their outcomes are here.
    ghosts: HashSet<Ticket>,
    /// Since when the system does not answer.
    away: Option<Instant>,
    /// Since when no task runs; `None` once that was told.
    idle: Option<Instant>,
}

impl<S: System> Batch<S> {
    /// Cancels what an earlier process left in the system, and takes trials.
    pub(super) fn over(system: S, search: Search, notify: Notify) -> Result<Self> {
        if search.jobs == 0 {
            return Err(Error::BadValue { what: "jobs", value: "0".into(), expected: "at least 1".into() });
        }
        system.cancel_all().map_err(|reason| Error::Engine { engine: S::NAME, reason })?;
        let pending = Pending::new(&search.dir, S::NAME)?;
        for folder in ["batches", "logs"].map(|name| search.dir.join(name)) {
            std::fs::create_dir_all(&folder).map_err(Error::io(&folder, "make"))?;
        }
        // The program replaces the shell: a signal to the task is one to the training.
        write_atomic(script(&search.dir), format!("#!/bin/sh\nexec \"$@\" --index \"${}\"\n", S::INDEX))?;
        let batch = next_batch(&search.dir)?;
        Ok(Self {
            system,
            search,
            pending,
            held: VecDeque::new(),
            watch: Watch::new(ASK),
            notify,
            grace,
            batch,
            used: false,
            submit_at: Instant::now(),
            ghosts: HashSet::new(),
            away: None,
            idle: Some(Instant::now()),
        })
    }

    /// Hands held trials over, as many as there is room for.
    fn dispatch(&mut self) -> Result<()> {
        while self.away.is_none() && Instant::now() >= self.submit_at {
            let room = self.search.jobs.saturating_sub(self.pending.tasks().count()).min(self.system.job_size());
            let mut ids = Vec::new();
            while ids.len() < room
                && let Some(id) = self.held.pop_front()
            {
                // Some may have got an outcome meanwhile, from a task that an earlier process had submitted.
                if self.pending.trial(&id).is_some() {
                    ids.push(id);
                }
            }
            if ids.is_empty() {
                return Ok(());
            }
            self.submit_job(ids)?;
        }
        Ok(())
    }

    fn submit_job(&mut self, ids: Vec<String>) -> Result<()> {
        let file = self.search.dir.join(format!("batches/{:06}.jsonl", self.batch));
        self.batch += 1;
        let mut lines = String::new();
        for trial in ids.iter().filter_map(|id| self.pending.trial(id)) {
            lines += &serde_json::to_string(trial).map_err(|e| Error::bad_file(&file, e.to_string()))?;
            lines.push('\n');
        }
        write_atomic(&file, lines)?;
        let Search { dir, program, .. } = &self.search;
        let arguments: [&OsStr; 6] =
            [program.as_ref(), "search".as_ref(), "task".as_ref(), dir.as_ref(), "--trials".as_ref(), file.as_ref()];
        let mut command = self.system.submit(ids.len(), &script(dir), &arguments);
        let started = Instant::now();
        // The first refusal may be the last word of a system that goes away or the first of one that comes back.
        let mut said = run(&mut command);
        for _ in 0..2 {
            let Err(why) = &said else { break };
            if let Err(silent) = run(&mut self.system.list(&BTreeSet::new())) {
                self.held.extend(ids);
                return self.is_away(&format!("{why}; {silent}"));
            }
            said = run(&mut command);
        }
        let printed = said.map_err(|why| refused::<S>(&why))?;
        let job = self.system.job(&printed).ok_or_else(|| refused::<S>(&format!("no job number in {printed:?}")))?;
        self.used = true;
        self.submit_at = Instant::now() + started.elapsed() * BETWEEN;
        for (task, id) in (0..).zip(&ids) {
            self.pending.submitted(id, Ticket { job, task });
        }
        Ok(())
    }

    /// Compares what the system says with the tasks that have no outcome.
    fn compare(&mut self, answer: Answer) -> Result<()> {
        let printed = match answer.said {
            Ok(printed) => printed,
            Err(why) => return self.is_away(&why),
        };
        let states = self.system.states(&printed);
        let states = states.map_err(|what| Error::Engine {
            engine: S::NAME,
            reason: format!("its list of tasks cannot be read: {what}"),
        })?;
        if self.away.take().is_some() {
            (self.notify)(&format!("{} answers again", S::NAME));
        }
        for task in self.pending.tasks().filter(|task| task.submitted < answer.asked) {
            let state = states.get(&task.ticket);
            if let Some(State::Stuck(_)) = state
                && let Some(mut command) = self.system.discard(task.ticket)
            {
                // One that stays although it was to go does no harm: its outcome is used or not needed.
                let _ = run(&mut command);
            }
            note(task, state);
        }
        self.lay_ghosts(&states);
        self.tell_idle(&states);
        Ok(())
    }

    /// Discards tasks that are listed as running twice in a row although their outcomes are here: a controller that was killed
    /// without its last words holds machines for tasks that have long ended.
    fn lay_ghosts(&mut self, states: &HashMap<Ticket, State>) {
        let mine: HashSet<Ticket> = self.pending.tasks().map(|task| task.ticket).collect();
        let running = states.iter().filter(|(ticket, state)| **state == State::Running && !mine.contains(ticket));
        let ghosts: HashSet<Ticket> = running.map(|(ticket, _)| *ticket).collect();
        for ticket in ghosts.intersection(&self.ghosts) {
            if let Some(mut command) = self.system.discard(*ticket) {
                // One that stays is tried again with the next listing.
                let _ = run(&mut command);
            }
        }
        self.ghosts = ghosts;
    }

    /// Says once why nothing runs, where that has been so for long.
    fn tell_idle(&mut self, states: &HashMap<Ticket, State>) {
        let mine: Vec<&State> = self.pending.tasks().filter_map(|task| states.get(&task.ticket)).collect();
        let reason = mine.iter().find_map(|state| match state {
            State::Waiting(reason) if !reason.is_empty() => Some(reason.as_str()),
            _ => None,
        });
        if mine.is_empty() || mine.contains(&&State::Running) {
            self.idle = Some(Instant::now());
            return;
        }
        let reason = reason.unwrap_or("no reason is given");
        if self.idle.is_some_and(|since| since.elapsed() > IDLE) {
            (self.notify)(&format!("{}: {} tasks wait and none runs: {reason}", S::NAME, mine.len()));
            self.idle = None;
        }
    }

    fn is_away(&mut self, why: &str) -> Result<()> {
        match self.away {
            None => {
                self.away = Some(Instant::now());
                (self.notify)(&format!("{} does not answer and is asked again until it does: {why}", S::NAME));
            }
            Some(since) if since.elapsed() > AWAY && self.pending.quiet() > AWAY => {
                let reason = format!("it has not answered for {} minutes: {why}", AWAY.as_secs() / 60);
                return Err(Error::Engine { engine: S::NAME, reason });
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Runs again what ended without an outcome.
    fn revive(&mut self) -> Result<()> {
        for (id, why) in self.pending.judge(self.grace)? {
            (self.notify)(&format!("{}: trial {id} is run again: {why}", S::NAME));
            self.held.push_front(id);
        }
        Ok(())
    }
}

impl<S: System> Engine for Batch<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn capacity(&self) -> usize {
        self.search.jobs
    }

    fn submit(&mut self, trials: &[Trial]) -> Result<()> {
        for trial in trials {
            if self.pending.add(trial)? {
                self.held.push_back(trial.id.clone());
            }
        }
        self.dispatch()
    }

    fn next(&mut self, patience: Duration) -> Result<Option<Outcome>> {
        let until = Instant::now().checked_add(patience);
        loop {
            if let Some(outcome) = self.pending.pop() {
                return Ok(Some(outcome));
            }
            if self.pending.is_empty() {
                return Ok(None);
            }
            self.pending.collect()?;
            let list = || self.system.list(&self.pending.tasks().map(|task| task.ticket.job).collect());
            if let Some(answer) = self.watch.poll(list) {
                self.compare(answer)?;
            }
            self.revive()?;
            self.dispatch()?;
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(self.pending.pop());
            }
            // The longer nothing has come, the longer nothing will.
            let pause = (self.pending.quiet() / 20).clamp(Duration::from_millis(20), Duration::from_secs(1));
            std::thread::sleep(pause.min(left));
        }
    }
}

impl<S: System> Drop for Batch<S> {
    /// A search that nobody drives occupies no machines. A restarted controller may even hold tasks that had come to their end.
    fn drop(&mut self) {
        if self.used
            && let Err(why) = self.system.cancel_all()
        {
            (self.notify)(&format!("{}: what is still in work could not be cancelled: {why}", S::NAME));
        }
    }
}

/// The canonical path of a search's folder.
pub(super) fn canonical(dir: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(dir).map_err(Error::io(dir, "read"))
}

fn script(dir: &Path) -> PathBuf {
    dir.join("batches/task.sh")
}

/// One more than the highest number of a batch file.
fn next_batch(dir: &Path) -> Result<u32> {
    let folder = dir.join("batches");
    let files = std::fs::read_dir(&folder).map_err(Error::io(&folder, "read"))?.flatten();
    let numbers = files.filter_map(|file| file.path().file_stem()?.to_str()?.parse::<u32>().ok());
    Ok(numbers.max().map_or(0, |number| number + 1))
}

fn grace(end: &End) -> Duration {
    match end {
        End::Done | End::Forgotten => LONG_GRACE,
        End::Evicted(_) | End::Exhausted(_) | End::Failed(_) => GRACE,
    }
}

/// Keeps in mind since when a task has been over, and how it ended.
fn note(task: &mut Task, state: Option<&State>) {
    let end = match state {
        Some(State::Waiting(_) | State::Running) => {
            task.end = None;
            return;
        }
        Some(State::Done) => End::Done,
        Some(State::Evicted(why)) => End::Evicted(why.clone()),
        Some(State::Exhausted(why)) => End::Exhausted(why.clone()),
        Some(State::Stuck(why) | State::Failed(why)) => End::Failed(why.clone()),
        None => End::Forgotten,
    };
    task.end.get_or_insert((Instant::now(), end));
}

fn refused<S: System>(said: &str) -> Error {
    Error::Engine { engine: S::NAME, reason: format!("the job was not taken: {said}") }
}
