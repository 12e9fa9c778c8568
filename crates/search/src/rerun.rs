//! The best functions of a search trained again: longer, with several seeds, judged on the test set that the search never saw.

use crate::candidates::{Candidate, accuracies};
use crate::config::ChildConfig;
use crate::error::Result;
use serde::Serialize;
use serde::Serializer;
use std::collections::HashMap;
use std::fmt;
use swish_core::activation::Activation;
use swish_kernels::rng::Rng;
use swish_record::stats::spearman;
use swish_record::{RunRecord, Summary, provenance};
use swish_train::Cell;

/// Functions that are always worth a look: those of the paper's baselines and findings that one core unit can make, and LReLU.
pub const NAMED: [&str; 10] = [
    "relu",
    "lrelu",
    "softplus",
    "swish-1",
    "swish",
    "max_x_sigmoid",
    "cos_minus_x",
    "min_x_sin",
    "max_x_tanh",
    "sinc_plus_x",
];

/// Why a function is trained again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is among the best of the search.
    Best,
    /// It was asked for by name.
    Named,
    /// It was drawn among all that were trained: what is said of these holds for the space, not for its top.
    Drawn,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Best => "best",
            Self::Named => "named",
            Self::Drawn => "drawn",
        })
    }
}

/// A function to train again.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Why, in one or several ways.
    pub kinds: Vec<Kind>,
    /// The function, as it was first proposed or named.
    pub activation: Activation,
    /// Its accuracy in the search, in percent; `None` for one that is not in the space or failed.
    pub top1: Option<f64>,
    /// Its rank in the search, from 1.
    pub rank: Option<usize>,
}

/// A function trained again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Again {
    /// Why: kinds joined by a space.
    #[serde(serialize_with = "joined")]
    pub kinds: Vec<Kind>,
    /// The function.
    pub formula: String,
    /// Rank in the search, from 1.
    pub rank: Option<usize>,
    /// Accuracy in the search, on held-out images, in percent.
    pub search_top1: Option<f64>,
    /// Median accuracy over the seeds, on test images, in percent.
    pub top1: Option<f64>,
    /// The smallest of them.
    pub min: Option<f64>,
    /// The largest of them.
    pub max: Option<f64>,
    /// Seeds that came to an end.
    pub n: usize,
    /// Seeds that failed.
    pub failed: usize,
    /// Seconds of all seeds.
    pub seconds: f64,
    /// Steps of each.
    pub steps: u64,
    /// Commit of the program.
    pub commit: String,
}

/// The `best` best functions of a search, those named, and `drawn` more, each once.
///
/// # Errors
/// A formula among the candidates that cannot be read.
pub fn choose(
    candidates: &[Candidate],
    best: usize,
    named: &[Activation],
    drawn: usize,
    seed: u64,
) -> Result<Vec<Chosen>> {
    let mut trained: Vec<&Candidate> = candidates.iter().filter(|c| c.fate == "trained").collect();
    trained.sort_by(|a, b| b.top1.unwrap_or(0.0).total_cmp(&a.top1.unwrap_or(0.0)));
    let known = accuracies(candidates);
    // The rank of a function is that of the first one proposed that equals it.
    let first: HashMap<u64, usize> = trained.iter().enumerate().map(|(i, c)| (c.n, i + 1)).collect();
    let ranks: HashMap<&str, usize> = candidates
        .iter()
        .filter_map(|c| Some((c.canonical.as_str(), *first.get(&c.same_as.unwrap_or(c.n))?)))
        .collect();
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut choose = |kind, activation: Activation| {
        let canonical = activation.canonical();
        let rank = ranks.get(canonical.as_str()).copied();
        let same = |c: &&mut Chosen| c.activation == activation || (rank.is_some() && c.rank == rank);
        match chosen.iter_mut().find(same) {
            Some(found) => found.kinds.push(kind),
            None => {
                let top1 = known.get(&canonical).copied().flatten();
                chosen.push(Chosen { kinds: vec![kind], top1, rank, activation });
            }
        }
    };
    for activation in named {
        choose(Kind::Named, activation.clone());
    }
    for candidate in trained.iter().take(best) {
        choose(Kind::Best, candidate.formula.parse()?);
    }
    let mut order: Vec<usize> = (0..trained.len()).collect();
    Rng::new(seed).shuffle(&mut order);
    for i in order.into_iter().take(drawn) {
        choose(Kind::Drawn, trained[i].formula.parse()?);
    }
    Ok(chosen)
}

fn joined<S: Serializer>(kinds: &[Kind], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&joined_kinds(kinds))
}

/// Kinds in words.
pub fn joined_kinds(kinds: &[Kind]) -> String {
    kinds.iter().map(Kind::to_string).collect::<Vec<_>>().join(" ")
}

/// The trainings: the search's child on all training images, for `steps` steps, with the seeds from 1.
///
/// # Errors
/// An unknown precision.
pub fn cells(child: &ChildConfig, chosen: &[Chosen], steps: u64, seeds: u64) -> Result<Vec<Cell>> {
    let mut recipe = child.recipe.clone().with_steps(steps);
    recipe.name = recipe.name.replace("search-child", "search-rerun");
    recipe.holdout = None;
    let again = ChildConfig { recipe, ..child.clone() };
    let mut cells = Vec::new();
    for seed in 1..=seeds {
        for function in chosen {
            cells.push(Cell { seed, ..again.cell(function.activation.clone())? });
        }
    }
    Ok(cells)
}

/// What came of them, the best first.
pub fn summarise(chosen: &[Chosen], records: &[RunRecord]) -> Vec<Again> {
    let again = |function: &Chosen| {
        let canonical = function.activation.canonical();
        let own: Vec<&RunRecord> = records.iter().filter(|record| record.canonical == canonical).collect();
        let values: Vec<f64> = own.iter().filter_map(|record| record.top1).collect();
        let summary = Summary::of(&values);
        Again {
            kinds: function.kinds.clone(),
            formula: function.activation.formula(),
            rank: function.rank,
            search_top1: function.top1,
            top1: summary.map(|s| s.median),
            min: summary.map(|s| s.min),
            max: summary.map(|s| s.max),
            n: values.len(),
            failed: own.len() - values.len(),
            seconds: own.iter().map(|record| record.seconds).sum(),
            steps: own.first().map_or(0, |record| record.steps),
            commit: own.first().map_or("", |record| provenance::short(&record.commit)).to_owned(),
        }
    };
    let mut all: Vec<Again> = chosen.iter().map(again).collect();
    all.sort_by(|a, b| b.top1.unwrap_or(0.0).total_cmp(&a.top1.unwrap_or(0.0)));
    all
}

/// Rank correlations of both accuracies, in words.
pub fn rank_correlations(again: &[Again]) -> String {
    let of = |kind: Kind| {
        let both: Vec<(f64, f64)> = again
            .iter()
            .filter(|row| row.kinds.contains(&kind))
            .filter_map(|row| Some((row.search_top1?, row.top1?)))
            .collect();
        let (a, b): (Vec<f64>, Vec<f64>) = both.iter().copied().unzip();
        spearman(&a, &b).map_or_else(|| "none".into(), |rho| format!("{rho:.2} (n={})", both.len()))
    };
    format!(
        "Spearman's rank correlation: functions drawn among all {}, the best of the search {}",
        of(Kind::Drawn),
        of(Kind::Best)
    )
}
