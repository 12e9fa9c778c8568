//! Every candidate of a search.

use crate::error::{ReportError, Result};
use crate::figures::{Picture, picture};
use crate::program::program;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use swish_core::activation::{Activation, ParseError};
use swish_record::{DataSource, Profile, from_csv};
use swish_search::candidates::Candidate;
use swish_search::config::SearchConfig;

/// A search. The lists of its candidates run in parallel: names once for each of thousands would be most of the page.
#[derive(Debug, Serialize)]
pub struct SearchView {
    pub name: String,
    pub strategy: &'static str,
    pub units: usize,
    pub profile: Profile,
    /// Where its data came from; `None` where its summary does not say so.
    pub data_source: Option<DataSource>,
    /// Network, steps and precision of a training.
    pub child: String,
    /// Where the numbers come from, in a sentence.
    pub provenance: String,
    /// Proposals, by what became of them; those that are not in the lists below as well.
    pub fates: BTreeMap<String, usize>,
    pub n: Vec<u64>,
    pub formulas: Vec<String>,
    /// Canonical form; empty where it is the formula.
    pub canonicals: Vec<String>,
    /// The name of a function that has one.
    pub names: BTreeMap<usize, &'static str>,
    /// Number of operators and operands of the canonical form.
    pub sizes: Vec<usize>,
    /// See [`crate::program`].
    pub programs: Vec<String>,
    /// Accuracy in percent; `None` where the training failed.
    pub top1: Vec<Option<f64>>,
    pub losses: Vec<Option<f64>>,
    pub seconds: Vec<Option<f64>>,
    /// Why trainings failed, each reason once.
    pub reasons: Vec<String>,
    /// For each candidate the place of its reason, or -1.
    pub errs: Vec<i32>,
    pub commits: Vec<String>,
    /// Proposals equal to a candidate.
    pub equal: BTreeMap<usize, Vec<String>>,
    /// Those that were trained again, by candidate where it is one.
    pub again: Vec<Again>,
    pub pictures: Vec<Picture>,
}

/// A line of `rerun.csv`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Again {
    kinds: String,
    formula: String,
    rank: Option<usize>,
    search_top1: Option<f64>,
    top1: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    n: usize,
    failed: usize,
    seconds: f64,
    steps: u64,
    commit: String,
    /// Place among the candidates.
    #[serde(skip_deserializing)]
    candidate: Option<usize>,
}

impl SearchView {
    /// Candidates that were trained.
    pub fn len(&self) -> usize {
        self.formulas.len()
    }
}

/// The searches of a folder of results, by name.
pub fn read(results: &Path) -> Result<Vec<SearchView>> {
    let folder = results.join("search");
    let unreadable = |source| ReportError::Io { path: folder.clone(), source };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(unreadable(source)),
    };
    let mut folders = entries.map(|entry| Ok(entry.map_err(unreadable)?.path())).collect::<Result<Vec<_>>>()?;
    folders.retain(|folder| folder.join("candidates.csv").exists() && folder.join("asked.json").exists());
    folders.sort();
    folders.iter().map(|folder| search(folder)).collect()
}

fn search(folder: &Path) -> Result<SearchView> {
    let (asked, table) = (folder.join("asked.json"), folder.join("candidates.csv"));
    let bytes = fs::read(&asked).map_err(|source| ReportError::Io { path: asked.clone(), source })?;
    let config: SearchConfig = serde_json::from_slice(&bytes).map_err(|source| ReportError::Asked {
        path: asked.clone(),
        what: "question of a search",
        source,
    })?;
    let candidates: Vec<Candidate> = from_csv(&table)?;
    let child = &config.child;
    let provenance = provenance(folder)?;
    let mut view = SearchView {
        name: folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        strategy: config.strategy.name(),
        units: config.space.units,
        profile: child.profile,
        child: format!(
            "{}, {} steps of {}, {}, seed {}",
            child.recipe.model, child.recipe.steps, child.recipe.batch, child.precision, child.seed
        ),
        data_source: data_source(&provenance),
        provenance,
        fates: BTreeMap::new(),
        n: Vec::new(),
        formulas: Vec::new(),
        canonicals: Vec::new(),
        names: BTreeMap::new(),
        sizes: Vec::new(),
        programs: Vec::new(),
        top1: Vec::new(),
        losses: Vec::new(),
        seconds: Vec::new(),
        reasons: Vec::new(),
        errs: Vec::new(),
        commits: Vec::new(),
        equal: BTreeMap::new(),
        again: Vec::new(),
        pictures: Vec::new(),
    };
    for (row, candidate) in candidates.into_iter().enumerate() {
        view.add(candidate).map_err(|source| formula_error(&table, row, source))?;
    }
    view.add_again(folder)?;
    // The explorer shows what `progress` does.
    for (name, title) in [
        ("groups", "Accuracy by operator"),
        ("functions", "The best functions"),
        ("compare", "Strategies on the recorded space"),
        ("rerun", "Trained again: does the ranking hold?"),
    ] {
        view.pictures.extend(picture(&folder.join(name), title)?);
    }
    Ok(view)
}

impl SearchView {
    fn add(&mut self, candidate: Candidate) -> std::result::Result<(), ParseError> {
        *self.fates.entry(candidate.fate.clone()).or_default() += 1;
        if let Some(first) = candidate.same_as {
            // The first of equal functions was proposed earlier.
            if let Ok(place) = self.n.binary_search(&first) {
                self.equal.entry(place).or_default().push(candidate.formula);
            }
            return Ok(());
        }
        if candidate.fate != "trained" && candidate.fate != "failed" {
            return Ok(());
        }
        let activation: Activation = candidate.canonical.parse()?;
        let place = self.n.len();
        self.names.extend(activation.name().map(|name| (place, name)));
        self.n.push(candidate.n);
        self.sizes.push(activation.canonical_expr().size());
        self.programs.push(program(&activation));
        let same = candidate.canonical == candidate.formula;
        self.canonicals.push(if same { String::new() } else { candidate.canonical });
        self.formulas.push(candidate.formula);
        self.top1.push(candidate.top1);
        self.losses.push(candidate.train_loss.map(|loss| short(loss, 1e4)));
        self.seconds.push(candidate.seconds.map(|seconds| short(seconds, 10.0)));
        self.commits.push(candidate.commit);
        let reason = match candidate.err.is_empty() {
            true => -1,
            false => place_of(&mut self.reasons, candidate.err),
        };
        self.errs.push(reason);
        Ok(())
    }

    fn add_again(&mut self, folder: &Path) -> Result<()> {
        let file = folder.join("rerun.csv");
        if !file.exists() {
            return Ok(());
        }
        self.again = from_csv(&file)?;
        let known: BTreeMap<String, usize> =
            (0..self.len()).map(|place| (self.canonical(place).to_owned(), place)).collect();
        for (row, again) in self.again.iter_mut().enumerate() {
            let activation: Activation = again.formula.parse().map_err(|source| formula_error(&file, row, source))?;
            again.candidate = known.get(&activation.canonical()).copied();
        }
        Ok(())
    }

    fn canonical(&self, place: usize) -> &str {
        match self.canonicals[place].as_str() {
            "" => &self.formulas[place],
            other => other,
        }
    }
}

/// The sentence of `summary.md` that says where its numbers come from; empty where there is none.
fn provenance(folder: &Path) -> Result<String> {
    let path = folder.join("summary.md");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(source) => return Err(ReportError::Io { path, source }),
    };
    Ok(text.lines().rfind(|line| line.contains("Provenance: ")).unwrap_or_default().to_owned())
}

/// `.. Provenance: profile reduced, cifar10 dir eaf4d7c3b95e, ..` is of data from a folder.
fn data_source(provenance: &str) -> Option<DataSource> {
    let data = provenance.split("Provenance: ").nth(1)?.split(", ").nth(1)?;
    data.split(' ').nth(1)?.parse().ok()
}

/// The formula of a row, counted from 0 below the header, is none.
fn formula_error(path: &Path, row: usize, source: ParseError) -> ReportError {
    ReportError::Formula { path: path.to_path_buf(), line: row + 2, source: Box::new(source) }
}

/// The place of `text` in `list`, where it is put if it is not there.
fn place_of(list: &mut Vec<String>, text: String) -> i32 {
    let place = list.iter().position(|other| *other == text).unwrap_or_else(|| {
        list.push(text);
        list.len() - 1
    });
    i32::try_from(place).unwrap_or(-1)
}

/// Fewer digits, which nobody sees.
fn short(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}
