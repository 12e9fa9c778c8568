//! A search at work: the strategy proposes, the engine runs trials, the journal keeps what happened.
//!
//! Started again on a folder, the driver asks the strategy once more and finds in the journal what was proposed and what came of
//! it; only what is missing is run. The sequence is that of a search that was never stopped.

use crate::child::Child;
use crate::config::SearchConfig;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::journal::{Ended, Event, Fate, Journal, Learned, Proposal, Start};
use crate::lock::lock;
use crate::space::{Class, Classes, Rejection, Space, screen};
use crate::strategy::{Scored, Strategy};
use crate::trial::{Outcome, Outcomes, Trial};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use swish_core::activation::CoreUnits;
use swish_record::provenance;

/// Time after which the driver looks up from waiting for an outcome.
const PATIENCE: Duration = Duration::from_secs(1);
/// An engine that has lost trials so many times in a row, without an outcome in between, is given up.
const LOSS_LIMIT: u32 = 3;

/// What a search tells while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum News<'a> {
    /// A proposal has its fate; `done` have their rewards.
    Progress {
        /// Proposals with a reward.
        done: u64,
        /// Proposals in all.
        total: u64,
        /// The best reward and its function.
        best: Option<(f64, &'a str)>,
    },
    /// A trial came to its end.
    Outcome {
        /// The function.
        formula: &'a str,
        /// What came of it.
        outcome: &'a Outcome,
    },
}

/// A search in its folder.
pub struct Search {
    dir: PathBuf,
    config: SearchConfig,
    space: Space,
    strategy: Box<dyn Strategy>,
    child: Child,
    outcomes: Outcomes,
    journal: Journal,
    /// What an earlier driver proposed and this one has not come to yet.
    recorded: VecDeque<Proposal>,
    updates: VecDeque<Learned>,
    known: HashMap<String, Outcome>,
    classes: Classes,
    /// The first proposal of each class, and its trial; `None` where it was rejected.
    firsts: HashMap<Class, (u64, Option<String>)>,
    /// The trials of this search in the order of proposal, and where each one stands there.
    trials: Vec<Asked>,
    places: HashMap<String, usize>,
    proposed: u64,
    /// The best trial's place and reward.
    best: Option<(usize, f64)>,
    ended: bool,
    /// Held as long as the search is.
    _lock: File,
}

/// A trial and the function as it was proposed.
struct Asked {
    trial: Trial,
    formula: String,
}

/// A proposal of the batch in work.
struct Pending {
    units: CoreUnits,
    /// Its trial; `None` for one that was rejected.
    trial: Option<String>,
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Proposals made.
    pub proposals: u64,
    /// Trials run for them.
    pub trials: usize,
    /// Trials that failed.
    pub failed: usize,
    /// The best reward and its function.
    pub best: Option<(f64, String)>,
}

impl Search {
    /// Makes a new search in `dir`.
    ///
    /// # Errors
    /// A folder that holds one already or where another driver is at work, values that make no sense, data that are not there. The
    /// folder then holds no search.
    pub fn create(dir: &Path, config: SearchConfig, note: &mut dyn FnMut(&str)) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(Error::io(dir, "make the folder"))?;
        let lock = lock(dir)?;
        if SearchConfig::exists(dir) {
            return Err(Error::bad_file(dir, "holds a search already: resume it, or choose another folder"));
        }
        let search = Self::assemble(dir, config, lock, note)?;
        search.child.check()?;
        search.config.write(dir)?;
        Ok(search)
    }

    /// Opens the search in `dir`, to go on where it was.
    ///
    /// # Errors
    /// Another driver at work on it, a folder without a search, a damaged journal, data that are not there.
    pub fn open(dir: &Path, note: &mut dyn FnMut(&str)) -> Result<Self> {
        // Twice: without a search the folder is not ours to lock, and before the lock another driver may still write.
        SearchConfig::read(dir)?;
        let lock = lock(dir)?;
        Self::assemble(dir, SearchConfig::read(dir)?, lock, note)
    }

    fn assemble(dir: &Path, config: SearchConfig, lock: File, note: &mut dyn FnMut(&str)) -> Result<Self> {
        config.check()?;
        let space = config.space.build()?;
        let strategy = config.strategy.build(space.clone(), config.seed)?;
        let child = Child::new(config.child.clone())?;
        note(child.data().note());
        let (mut recorded, mut updates, mut known, mut ended) =
            (VecDeque::new(), VecDeque::new(), HashMap::new(), false);
        let data = data_of(&child);
        let (journal, torn) = Journal::open(dir, |event| {
            match event {
                Event::Start(start) if start.data != data => {
                    let reason = format!("the search began on data {}, and these are {data}", start.data);
                    return Err(Error::bad_file(dir, reason));
                }
                Event::Start(_) => {}
                Event::Proposal(proposal) => recorded.push_back(proposal),
                Event::Outcome(end) => drop(known.insert(end.outcome.id.clone(), end.outcome)),
                Event::Update(update) => updates.push_back(update),
                Event::End { .. } => ended = true,
            }
            Ok(())
        })?;
        if torn > 0 {
            note(&format!("journal: cut off {torn} bytes of an unfinished last line"));
        }
        Ok(Self {
            outcomes: Outcomes::of(dir),
            dir: dir.to_path_buf(),
            config,
            space,
            strategy,
            child,
            journal,
            recorded,
            updates,
            known,
            classes: Classes::default(),
            firsts: HashMap::new(),
            trials: Vec::new(),
            places: HashMap::new(),
            proposed: 0,
            best: None,
            ended,
            _lock: lock,
        })
    }

    /// The search's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What was asked.
    pub fn config(&self) -> &SearchConfig {
        &self.config
    }

    /// Runs the search to its end.
    ///
    /// # Errors
    /// The engine's, the disk's; a journal that another program wrote.
    pub fn run(&mut self, engine: &mut dyn Engine, tell: &mut dyn FnMut(News<'_>)) -> Result<Summary> {
        if !self.ended {
            self.journal.append(&[Event::Start(Start {
                time: provenance::utc_now(),
                commit: provenance::commit().into(),
                dirty: provenance::dirty(),
                engine: engine.name().into(),
                data: data_of(&self.child),
            })])?;
        }
        let mut batch: Vec<Pending> = Vec::new();
        let mut unanswered: HashSet<String> = HashSet::new();
        let mut lost = 0;
        loop {
            let room =
                if self.strategy.learns() { unanswered.is_empty() } else { unanswered.len() <= engine.capacity() };
            let left = self.config.evaluations - self.proposed;
            if room && left > 0 {
                self.learn(&mut batch)?;
                let next = self.propose(left)?;
                if next.is_empty() {
                    self.config.evaluations = self.proposed;
                    continue;
                }
                let trials = self.register(&next, &mut unanswered)?;
                engine.submit(&trials)?;
                batch.extend(next);
                tell(self.progress(&unanswered));
                continue;
            }
            if unanswered.is_empty() {
                break;
            }
            let asked = Instant::now();
            match engine.next(PATIENCE)? {
                Some(outcome) => {
                    lost = 0;
                    if unanswered.remove(&outcome.id) {
                        self.answer(&outcome, tell)?;
                    }
                }
                // An engine that has nothing in work does not wait.
                None if asked.elapsed() < PATIENCE / 2 => {
                    lost += 1;
                    self.recover(engine, &mut unanswered, lost, tell)?;
                }
                None => {}
            }
            tell(self.progress(&unanswered));
        }
        self.learn(&mut batch)?;
        if let Some(left) = self.recorded.front() {
            let reason = format!("the journal goes on with proposal {} where the search ends", left.n);
            return Err(Error::bad_file(&self.dir, reason));
        }
        if !self.ended {
            self.journal.append(&[Event::End { time: provenance::utc_now() }])?;
            self.ended = true;
        }
        let failed = |asked: &&Asked| self.known.get(&asked.trial.id).is_none_or(|outcome| outcome.top1.is_none());
        let best = self.best.map(|(place, reward)| (reward, self.trials[place].formula.clone()));
        let failed = self.trials.iter().filter(failed).count();
        Ok(Summary { proposals: self.proposed, trials: self.trials.len(), failed, best })
    }

    /// An outcome that the engine brought.
    fn answer(&mut self, outcome: &Outcome, tell: &mut dyn FnMut(News<'_>)) -> Result<()> {
        self.keep(outcome)?;
        let formula = self.places.get(&outcome.id).map_or("", |place| &self.trials[*place].formula);
        tell(News::Outcome { formula, outcome });
        Ok(())
    }

    /// Trials that the engine has forgotten: their outcomes are on the disk, or they are submitted again.
    fn recover(
        &mut self,
        engine: &mut dyn Engine,
        unanswered: &mut HashSet<String>,
        lost: u32,
        tell: &mut dyn FnMut(News<'_>),
    ) -> Result<()> {
        let mut places: Vec<usize> = unanswered.iter().filter_map(|id| self.places.get(id).copied()).collect();
        places.sort_unstable();
        let mut again = Vec::new();
        for place in places {
            let trial = self.trials[place].trial.clone();
            match self.outcomes.read(&trial.id)? {
                Some(outcome) => {
                    unanswered.remove(&trial.id);
                    self.answer(&outcome, tell)?;
                }
                None => again.push(trial),
            }
        }
        if lost > LOSS_LIMIT {
            let reason =
                format!("{} trials came to no end, {LOSS_LIMIT} times in a row; resume to try again", again.len());
            return Err(Error::Engine { engine: engine.name(), reason });
        }
        engine.submit(&again)
    }

    /// The next proposals with their fates, written down or compared with what was.
    fn propose(&mut self, left: u64) -> Result<Vec<Pending>> {
        let n = left.min(self.config.batch as u64) as usize;
        let (mut batch, mut events) = (Vec::new(), Vec::new());
        for units in self.strategy.propose(n)? {
            let (fate, trial) = self.fate(&units)?;
            let choices = self.space.encode(&units).ok_or_else(|| Error::BadValue {
                what: "proposal",
                value: units.expr().to_string(),
                expected: "a member of the space".into(),
            })?;
            let formula = units.expr().to_string();
            let proposal = Proposal { n: self.proposed, choices, formula, fate };
            match self.recorded.pop_front() {
                Some(recorded) if recorded == proposal => {}
                Some(recorded) => {
                    let reason = format!(
                        "proposal {} is {} in the journal and {} now: it was written by another version of the program",
                        proposal.n, recorded.formula, proposal.formula
                    );
                    return Err(Error::bad_file(&self.dir, reason));
                }
                None => events.push(Event::Proposal(proposal)),
            }
            self.proposed += 1;
            batch.push(Pending { units, trial });
        }
        self.journal.append(&events)?;
        Ok(batch)
    }

    /// What becomes of a proposal, and the trial that decides its reward.
    fn fate(&mut self, units: &CoreUnits) -> Result<(Fate, Option<String>)> {
        // The one thing that can be wrong with a member of a space: a constant part without a finite value.
        let Ok(activation) = units.activation() else {
            return Ok((Fate::Rejected(Rejection::NotFinite), None));
        };
        let class = self.classes.insert(&activation);
        if let Some((n, trial)) = self.firsts.get(&class) {
            return Ok((Fate::Same(*n), trial.clone()));
        }
        // What an earlier driver decided stands in the journal.
        let rejection = match self.recorded.front().map(|recorded| &recorded.fate) {
            Some(Fate::Rejected(why)) => Some(*why),
            Some(Fate::Trial(_)) => None,
            Some(Fate::Same(_)) | None => screen(&activation),
        };
        let (fate, trial) = match rejection {
            Some(why) => (Fate::Rejected(why), None),
            None => {
                let trial = self.child.trial(&activation)?;
                let id = trial.id.clone();
                self.places.insert(id.clone(), self.trials.len());
                self.trials.push(Asked { trial, formula: units.expr().to_string() });
                self.consider(&id);
                (Fate::Trial(id.clone()), Some(id))
            }
        };
        self.firsts.insert(class, (self.proposed, trial.clone()));
        Ok((fate, trial))
    }

    /// The trials of a batch that are to be run; those whose outcome is on the disk are known from then on.
    fn register(&mut self, batch: &[Pending], unanswered: &mut HashSet<String>) -> Result<Vec<Trial>> {
        let mut trials = Vec::new();
        for id in batch.iter().filter_map(|pending| pending.trial.as_ref()) {
            if self.known.contains_key(id) || unanswered.contains(id) {
                continue;
            }
            if let Some(outcome) = self.outcomes.read(id)? {
                self.keep(&outcome)?;
                continue;
            }
            if let Some(place) = self.places.get(id) {
                unanswered.insert(id.clone());
                trials.push(self.trials[*place].trial.clone());
            }
        }
        Ok(trials)
    }

    fn keep(&mut self, outcome: &Outcome) -> Result<()> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        self.journal.append(&[Event::Outcome(Ended { at, outcome: outcome.clone() })])?;
        self.known.insert(outcome.id.clone(), outcome.clone());
        self.consider(&outcome.id);
        Ok(())
    }

    /// Tells the strategy the rewards of the batch, if that matters to it, and empties the batch.
    fn learn(&mut self, batch: &mut Vec<Pending>) -> Result<()> {
        let batch = std::mem::take(batch);
        if batch.is_empty() || !self.strategy.learns() {
            return Ok(());
        }
        let reward =
            |trial: &Option<String>| trial.as_ref().and_then(|id| self.known.get(id)).map_or(0.0, Outcome::reward);
        let scored: Vec<Scored> =
            batch.into_iter().map(|p| Scored { reward: reward(&p.trial), units: p.units }).collect();
        if let Some(update) = self.strategy.learn(&scored)? {
            let learned = Learned { proposals: self.proposed, update };
            match self.updates.pop_front() {
                Some(recorded) if recorded == learned => {}
                Some(recorded) => {
                    let reason =
                        format!("the update after proposal {} was {recorded:?} and is {learned:?} now", self.proposed);
                    return Err(Error::bad_file(&self.dir, reason));
                }
                None => self.journal.append(&[Event::Update(learned)])?,
            }
        }
        Ok(())
    }

    /// Compares a trial of this search with the best so far; of equally good ones the first proposed is the best.
    fn consider(&mut self, id: &str) {
        let reward = self.known.get(id).and_then(|outcome| outcome.top1.map(|_| outcome.reward()));
        if let (Some(reward), Some(place)) = (reward, self.places.get(id))
            && self.best.is_none_or(|(first, best)| reward > best || (reward == best && *place < first))
        {
            self.best = Some((*place, reward));
        }
    }

    fn progress(&self, unanswered: &HashSet<String>) -> News<'_> {
        let best = self.best.map(|(place, reward)| (reward, self.trials[place].formula.as_str()));
        News::Progress { done: self.proposed - unanswered.len() as u64, total: self.config.evaluations, best }
    }
}

/// The data that a child trains on, in words.
fn data_of(child: &Child) -> String {
    let data = child.data();
    format!("{} {} {}", data.dataset(), data.source(), data.version())
}
