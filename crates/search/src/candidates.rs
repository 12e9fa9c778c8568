//! Every candidate of a search as a row of CSV, and back: the table that other strategies are measured on.

use crate::error::{Error, Result};
use crate::history::History;
use crate::journal::{Fate, Proposal};
use crate::space::Space;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use swish_core::activation::{CoreUnit, Input};
use swish_record::provenance;

/// One candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Number of the proposal, from 0.
    pub n: u64,
    /// The function as proposed.
    pub formula: String,
    /// Its canonical form, the one that is trained; empty for a function that has none.
    pub canonical: String,
    /// Unary operators by name, those of one unit joined by a space, units by a semicolon.
    pub unary: String,
    /// Binary operators by name, units joined by a semicolon.
    pub binary: String,
    /// Inputs of each unit where there is more than one unit: `x`, `u1`, ...
    pub inputs: String,
    /// `trained`, `failed`, `open`, `same`, or why it was rejected.
    pub fate: String,
    /// The earlier proposal that it equals.
    pub same_as: Option<u64>,
    /// Accuracy on the held-out images, in percent.
    pub top1: Option<f64>,
    /// Mean training loss of the last tenth of the steps, in nats.
    pub train_loss: Option<f64>,
    /// Seconds of its training.
    pub seconds: Option<f64>,
    /// Commit of the program that trained it.
    pub commit: String,
    /// Why its training failed.
    pub err: String,
}

/// The candidates of a search, in order of proposal.
///
/// # Errors
/// A space that is none.
pub fn of(history: &History) -> Result<Vec<Candidate>> {
    let space = history.config.space.build()?;
    Ok(history.proposals.iter().map(|proposal| candidate(history, &space, proposal)).collect())
}

fn candidate(history: &History, space: &Space, proposal: &Proposal) -> Candidate {
    let units = space.decode(&proposal.choices);
    let each = |text: &dyn Fn(&CoreUnit) -> String| units.units().iter().map(text).collect::<Vec<_>>().join("; ");
    let input = |input: Input| match input {
        Input::X => "x".to_owned(),
        Input::Unit(k) => format!("u{}", k + 1),
    };
    let outcome = history.outcome(proposal);
    let (fate, same_as) = match (&proposal.fate, outcome) {
        (Fate::Rejected(why), _) => (why.to_string(), None),
        (Fate::Same(n), _) => ("same".into(), Some(*n)),
        (Fate::Trial(_), None) => ("open".into(), None),
        (Fate::Trial(_), Some(o)) => (if o.top1.is_some() { "trained" } else { "failed" }.into(), None),
    };
    Candidate {
        n: proposal.n,
        formula: proposal.formula.clone(),
        canonical: units.activation().map_or_else(|_| String::new(), |activation| activation.canonical()),
        unary: each(&|u| format!("{} {}", u.unary[0].name(), u.unary[1].name())),
        binary: each(&|u| u.binary.name().to_owned()),
        inputs: if space.units() > 1 { each(&|u| u.inputs.map(input).join(" ")) } else { String::new() },
        fate,
        same_as,
        top1: outcome.and_then(|o| o.top1),
        train_loss: outcome.and_then(|o| o.train_loss),
        // A shared training is counted once.
        seconds: outcome.filter(|_| same_as.is_none()).map(|o| o.seconds),
        commit: outcome.map_or("", |o| provenance::short(&o.commit)).to_owned(),
        err: outcome.and_then(|o| o.err.clone()).unwrap_or_default(),
    }
}

/// Reads candidates from CSV.
///
/// # Errors
/// A file that cannot be read or has other columns.
pub fn read_csv(file: &Path) -> Result<Vec<Candidate>> {
    let bad = |e: csv::Error| Error::bad_file(file, format!("not a table of candidates ({e})"));
    let mut reader = csv::Reader::from_path(file).map_err(bad)?;
    reader.deserialize().map(|row| row.map_err(bad)).collect()
}

/// The accuracies of candidates by canonical form, in percent; `None` where a training failed or a function was rejected.
pub fn accuracies(candidates: &[Candidate]) -> HashMap<String, Option<f64>> {
    candidates.iter().filter(|c| !c.canonical.is_empty()).map(|c| (c.canonical.clone(), c.top1)).collect()
}
