//! A search looked at from outside: what its journal says, whether it runs or not.

use crate::config::SearchConfig;
use crate::error::Result;
use crate::journal::{self, Event, Fate, Proposal, Start};
use crate::lock::is_driven;
use crate::trial::Outcome;
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;

/// Outcomes over which the rate is taken.
const RECENT: usize = 100;

/// All that a journal says.
#[derive(Clone, Debug)]
pub struct History {
    /// What was asked.
    pub config: SearchConfig,
    /// Drivers, in order.
    pub starts: Vec<Start>,
    /// Proposals, in order.
    pub proposals: Vec<Proposal>,
    /// Outcomes by trial.
    pub outcomes: HashMap<String, Outcome>,
    /// When outcomes came in since the last start, seconds since 1970, in order.
    arrivals: Vec<f64>,
    /// Whether every proposal has its reward.
    pub ended: bool,
}

/// How a search stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// `running`, `stopped` or `finished`.
    pub state: &'static str,
    /// Proposals asked for; those made, once the search has ended.
    pub evaluations: u64,
    /// Proposals made.
    pub proposed: usize,
    /// Proposals equal to an earlier one.
    pub same: usize,
    /// Proposals rejected before training.
    pub rejected: usize,
    /// Functions trained.
    pub done: usize,
    /// Functions in training or waiting for it.
    pub open: usize,
    /// Functions whose training failed.
    pub failed: usize,
    /// The best accuracy, in percent.
    pub best_top1: Option<f64>,
    /// The function that has it.
    pub best: Option<String>,
    /// Outcomes an hour, over the last hundred since the last start.
    pub per_hour: Option<f64>,
    /// Seconds left at this rate.
    pub seconds_left: Option<f64>,
}

impl History {
    /// Reads the search in `dir`.
    ///
    /// # Errors
    /// A folder without a search, a damaged journal.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut history = Self {
            config: SearchConfig::read(dir)?,
            starts: Vec::new(),
            proposals: Vec::new(),
            outcomes: HashMap::new(),
            arrivals: Vec::new(),
            ended: false,
        };
        journal::read(dir, |event| {
            match event {
                Event::Start(start) => {
                    history.starts.push(start);
                    // A rate over a pause would be none.
                    history.arrivals.clear();
                }
                Event::Proposal(proposal) => history.proposals.push(proposal),
                Event::Outcome(end) => {
                    history.arrivals.push(end.at);
                    history.outcomes.insert(end.outcome.id.clone(), end.outcome);
                }
                Event::Update(_) => {}
                Event::End { .. } => history.ended = true,
            }
            Ok(())
        })?;
        Ok(history)
    }

    /// The trial that decides a proposal's reward; `None` where it was rejected.
    pub fn trial<'a>(&'a self, proposal: &'a Proposal) -> Option<&'a str> {
        match &proposal.fate {
            Fate::Trial(id) => Some(id),
            Fate::Rejected(_) => None,
            Fate::Same(n) => self.proposals.get(usize::try_from(*n).ok()?).and_then(|first| match &first.fate {
                Fate::Trial(id) => Some(id.as_str()),
                _ => None,
            }),
        }
    }

    /// A proposal's outcome, its own or that of the proposal that it equals.
    pub fn outcome(&self, proposal: &Proposal) -> Option<&Outcome> {
        self.trial(proposal).and_then(|id| self.outcomes.get(id))
    }

    /// The functions that were trained to an end, the best first; of equally good ones the first proposed.
    pub fn ranking(&self) -> Vec<(&Proposal, &Outcome)> {
        let trained = self.proposals.iter().filter_map(|proposal| match &proposal.fate {
            Fate::Trial(id) => self.outcomes.get(id).filter(|outcome| outcome.top1.is_some()).map(|o| (proposal, o)),
            _ => None,
        });
        let mut ranking: Vec<_> = trained.collect();
        let top1 = |outcome: &Outcome| outcome.top1.unwrap_or(f64::NEG_INFINITY);
        ranking.sort_by(|a, b| top1(b.1).total_cmp(&top1(a.1)));
        ranking
    }

    /// Rewards of the proposals in order, as far as all have one.
    pub fn rewards(&self) -> Vec<f64> {
        let reward = |proposal: &Proposal| match self.trial(proposal) {
            None => Some(0.0),
            Some(id) => self.outcomes.get(id).map(Outcome::reward),
        };
        self.proposals.iter().map_while(reward).collect()
    }

    /// How the search in `dir` stands.
    pub fn status(&self, dir: &Path) -> Status {
        let count = |is: fn(&Fate) -> bool| self.proposals.iter().filter(|p| is(&p.fate)).count();
        let trials = count(|fate| matches!(fate, Fate::Trial(_)));
        let best = self.ranking().first().map(|(proposal, outcome)| (proposal.formula.clone(), outcome.top1));
        let per_hour = self.per_hour();
        let proposed = self.proposals.len();
        let open = trials.saturating_sub(self.outcomes.len());
        // What is not proposed yet needs trainings as often as what was.
        let to_come = self.config.evaluations.saturating_sub(proposed as u64) as f64;
        let share = if proposed > 0 { trials as f64 / proposed as f64 } else { 1.0 };
        Status {
            state: if self.ended {
                "finished"
            } else if is_driven(dir) {
                "running"
            } else {
                "stopped"
            },
            evaluations: if self.ended { proposed as u64 } else { self.config.evaluations },
            proposed,
            same: count(|fate| matches!(fate, Fate::Same(_))),
            rejected: count(|fate| matches!(fate, Fate::Rejected(_))),
            done: self.outcomes.len(),
            open,
            failed: self.outcomes.values().filter(|outcome| outcome.top1.is_none()).count(),
            best_top1: best.as_ref().and_then(|(_, top1)| *top1),
            best: best.map(|(formula, _)| formula),
            per_hour,
            seconds_left: per_hour.filter(|_| !self.ended).map(|rate| 3600.0 * (to_come * share + open as f64) / rate),
        }
    }

    fn per_hour(&self) -> Option<f64> {
        let recent = &self.arrivals[self.arrivals.len().saturating_sub(RECENT)..];
        let seconds = recent.last()? - recent.first()?;
        (seconds > 0.0).then(|| 3600.0 * (recent.len() - 1) as f64 / seconds)
    }
}
