//! The trials that have no outcome yet, and what is to become of those whose tasks end without one.

use crate::error::{Error, Result};
use crate::trial::{Outcome, Outcomes, Trial};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::system::{Ticket, log};

/// A trial that ends this many times without an outcome is lost.
const CRASH_LIMIT: u32 = 3;

/// With so many trials lost and no outcome between, it is not the trials.
const LOST_IN_A_ROW: u32 = 10;

/// Outcome files are looked for one by one at least so often, since the time stamp of a network folder may lag.
const RESCAN: Duration = Duration::from_secs(2);

/// A task that was submitted.
pub struct Task {
    pub ticket: Ticket,
    pub submitted: Instant,
    /// When its end was noticed, and its kind.
    pub end: Option<(Instant, End)>,
}

/// How a task ended, as far as the batch system knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Well.
    Done,
    /// It is not known any more.
    Forgotten,
    /// Its machine was lost.
    Evicted(String),
    /// It would end like this again.
    Exhausted(String),
    /// It may have been chance.
    Failed(String),
}

struct Waiting {
    trial: Trial,
    crashes: u32,
    task: Option<Task>,
}

/// Trials by id, outcomes that came in.
pub struct Pending {
    dir: PathBuf,
    engine: &'static str,
    outcomes: Outcomes,
    waiting: BTreeMap<String, Waiting>,
    ready: VecDeque<Outcome>,
    /// Trials lost before any outcome has shown that the cluster works.
    doubtful: Vec<Outcome>,
    works: bool,
    lost_in_a_row: u32,
    traces: bool,
    stamp: Option<SystemTime>,
    scanned: Instant,
    news: Instant,
}

impl Pending {
    /// None yet; the folder of outcome files is made.
    pub fn new(dir: &Path, engine: &'static str) -> Result<Self> {
        let outcomes = Outcomes::of(dir);
        let results = outcomes.dir();
        std::fs::create_dir_all(results).map_err(Error::io(results, "make"))?;
        let works = std::fs::read_dir(results).map_err(Error::io(results, "read"))?.next().is_some();
        let now = Instant::now();
        Ok(Self {
            dir: dir.to_path_buf(),
            engine,
            outcomes,
            waiting: BTreeMap::new(),
            ready: VecDeque::new(),
            doubtful: Vec::new(),
            works,
            lost_in_a_row: 0,
            traces: false,
            stamp: None,
            scanned: now,
            news: now,
        })
    }

    /// Takes a trial; false where it is there already or has an outcome.
    pub fn add(&mut self, trial: &Trial) -> Result<bool> {
        if self.waiting.contains_key(&trial.id) {
            return Ok(false);
        }
        if let Some(outcome) = self.outcomes.read(&trial.id)? {
            self.ready.push_back(outcome);
            return Ok(false);
        }
        if self.waiting.is_empty() {
            self.news = Instant::now();
        }
        self.waiting.insert(trial.id.clone(), Waiting { trial: trial.clone(), crashes: 0, task: None });
        Ok(true)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next outcome that came in.
    pub fn pop(&mut self) -> Option<Outcome> {
        self.ready.pop_front()
    }

    /// A trial that still has no outcome.
    pub fn trial(&self, id: &str) -> Option<&Trial> {
        self.waiting.get(id).map(|waiting| &waiting.trial)
    }

    pub fn submitted(&mut self, id: &str, ticket: Ticket) {
        if let Some(waiting) = self.waiting.get_mut(id) {
            waiting.task = Some(Task { ticket, submitted: Instant::now(), end: None });
        }
    }

    /// The tasks submitted whose trials have no outcome.
    pub fn tasks(&mut self) -> impl Iterator<Item = &mut Task> {
        self.waiting.values_mut().filter_map(|waiting| waiting.task.as_mut())
    }

    /// How long ago the last outcome, or the first trial, came.
    pub fn quiet(&self) -> Duration {
        self.news.elapsed()
    }

    /// Looks for outcome files.
    pub fn collect(&mut self) -> Result<()> {
        let results = self.outcomes.dir();
        // A file that is renamed into a folder changes its time; opening the folder makes a network file system ask for it anew.
        let stamp = File::open(results).and_then(|folder| folder.metadata()?.modified());
        let stamp = stamp.map_err(Error::io(results, "read"))?;
        if self.stamp == Some(stamp) && self.scanned.elapsed() < RESCAN {
            return Ok(());
        }
        self.stamp = Some(stamp);
        self.scanned = Instant::now();
        let mut came = Vec::new();
        for id in self.waiting.keys() {
            came.extend(self.outcomes.read(id)?);
        }
        for outcome in came {
            self.came(outcome)?;
        }
        Ok(())
    }

    fn came(&mut self, outcome: Outcome) -> Result<()> {
        if let Some(task) = self.waiting.remove(&outcome.id).and_then(|waiting| waiting.task) {
            let log = self.log(task.ticket);
            // Thousands of logs that say nothing help nobody; one that cannot be removed does no harm.
            if outcome.err.is_none() || log.metadata().is_ok_and(|log| log.len() == 0) {
                let _ = std::fs::remove_file(log);
            }
        }
        self.news = Instant::now();
        self.works = true;
        self.lost_in_a_row = 0;
        self.ready.push_back(outcome);
        for lost in std::mem::take(&mut self.doubtful) {
            self.keep_lost(lost)?;
        }
        Ok(())
    }

    /// Judges the trials whose tasks ended longer ago than `grace` allows and that still have no outcome. Returns those to run
    /// again, each with the reason.
    pub fn judge(&mut self, grace: impl Fn(&End) -> Duration) -> Result<Vec<(String, String)>> {
        let over = |task: &Task| task.end.as_ref().is_some_and(|(at, end)| at.elapsed() > grace(end));
        let ids = self.waiting.iter().filter(|(_, waiting)| waiting.task.as_ref().is_some_and(over));
        let ids: Vec<String> = ids.map(|(id, _)| id.clone()).collect();
        let mut again = Vec::new();
        for id in ids {
            match self.outcomes.read(&id)? {
                Some(outcome) => self.came(outcome)?,
                None => again.extend(self.crashed(&id)?.map(|why| (id, why))),
            }
        }
        Ok(again)
    }

    /// What becomes of one; the reason where it is to run again.
    fn crashed(&mut self, id: &str) -> Result<Option<String>> {
        let Some(waiting) = self.waiting.get_mut(id) else { return Ok(None) };
        let Some(Task { ticket, end: Some((_, end)), .. }) = waiting.task.take() else { return Ok(None) };
        waiting.crashes += u32::from(!matches!(end, End::Evicted(_)));
        let crashes = waiting.crashes;
        let last_words = self.last_words(ticket);
        self.traces |= last_words.is_some();
        let why = match &end {
            End::Done => "ended well and left no outcome".into(),
            End::Forgotten => "is gone from the queue and left no outcome".into(),
            End::Evicted(why) | End::Exhausted(why) | End::Failed(why) => why.clone(),
        };
        let why = match last_words.filter(|words| !words.is_empty()) {
            Some(words) => format!("{why}: {words}"),
            None => why,
        };
        match end {
            End::Exhausted(_) => {}
            // The task was run again and found its outcome where it had put it.
            End::Done if crashes > 1 => return Err(self.unseen(&why)),
            _ if crashes < CRASH_LIMIT => return Ok(Some(why)),
            _ => {}
        }
        self.lost(id, why)?;
        Ok(None)
    }

    fn lost(&mut self, id: &str, why: String) -> Result<()> {
        let Some(Waiting { trial, .. }) = self.waiting.remove(id) else { return Ok(()) };
        self.lost_in_a_row += 1;
        let outcome = Outcome::lost(&trial, format!("lost: {why}"));
        let hopeless = self.lost_in_a_row >= LOST_IN_A_ROW || (!self.works && self.waiting.is_empty());
        if hopeless && !self.traces {
            return Err(self.unseen(&why));
        }
        if hopeless {
            let reason = format!("trials in a row that came to nothing: {}; the last one: {why}", self.lost_in_a_row);
            return Err(Error::Engine { engine: self.engine, reason });
        }
        if self.works {
            return self.keep_lost(outcome);
        }
        self.doubtful.push(outcome);
        Ok(())
    }

    fn keep_lost(&mut self, outcome: Outcome) -> Result<()> {
        self.outcomes.write(&outcome)?;
        self.ready.push_back(outcome);
        Ok(())
    }

    /// The error for a folder that the tasks' machines do not have.
    fn unseen(&self, why: &str) -> Error {
        let dir = self.dir.display();
        let reason = format!(
            "tasks end, but nothing of theirs is in {dir} (the last one {why}); it must be a folder that all machines share, under this path"
        );
        Error::Engine { engine: self.engine, reason }
    }

    fn log(&self, ticket: Ticket) -> PathBuf {
        self.dir.join(log(ticket.job, ticket.task))
    }

    /// The last line that a task wrote to stderr; `None` where it has no log.
    fn last_words(&self, ticket: Ticket) -> Option<String> {
        let bytes = std::fs::read(self.log(ticket)).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        Some(text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned())
    }
}
