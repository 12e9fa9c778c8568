//! Table 3 of the paper: on how many models Swish does better than, as well as, or worse than each baseline.
//!
//! # The rule
//! Numbers are compared as the paper prints them, rounded to one decimal; equal after rounding is a tie. A model counts once: for
//! Swish where Swish is ahead on more of its data sets than it is behind, for the baseline where it is the other way round, else as a
//! tie. Data sets are CIFAR-10 and CIFAR-100, ImageNet (top-1), and the years of newstest (BLEU); of several runs the median counts.
//! The paper does not say how it counts, nor which Swish it means. Under this rule the numbers of its own Tables 4 to 11 give its
//! Table 3 for five of seven baselines with Swish-1 and for two with trainable beta. Counting means over data sets, single data sets,
//! top-5, or another statistic of the runs agrees with no more of them.
//!
//! # Tests beside the counts
//! Over models the sign test, over seeds van Elteren's ([`crate::stats::sign_test`], [`crate::stats::van_elteren`]); both two-sided.

mod markdown;

use serde::Serialize;

use crate::atomic::write_atomic;
use crate::csv_text::to_csv;
use crate::error::Result;
use crate::paper::{Metric, activation_key, lookup_metric, lookup_runs, model_key, paper_numbers};
use crate::run::{DataSource, Profile};
use crate::stats::{Stratum, sign_test, van_elteren};
use crate::table::{TableFile, TableRow};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The baselines, in the order of the paper's Table 3.
pub const BASELINES: [&str; 7] = ["relu", "lrelu", "prelu", "softplus", "elu", "selu", "gelu"];
/// The two forms of Swish: with trainable beta and with beta 1.
pub const SWISHES: [&str; 2] = ["swish", "swish-1"];
/// The tables whose models are counted.
const COUNTED: std::ops::RangeInclusive<u8> = 4..=11;

/// On how many models Swish is ahead, level and behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Swish is better.
    pub better: usize,
    /// Both are equal.
    pub equal: usize,
    /// Swish is worse.
    pub worse: usize,
}

/// One form of Swish against one baseline, in our runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Duel {
    /// On how many models.
    pub counts: Counts,
    /// Two-sided p-value of the sign test over models; `None` where all are ties.
    pub p_models: Option<f64>,
    /// Data sets and models where both have several seeds; evaluation sets of the same runs count once.
    pub seeded: usize,
    /// Two-sided p-value of van Elteren's test over their seeds; `None` where there are none.
    pub p_seeds: Option<f64>,
}

/// What the paper has for one baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PaperDuel {
    /// As its Table 3 prints it.
    pub printed: Counts,
    /// Counted from its Tables 4 to 11, for each of [`SWISHES`].
    pub recounted: [Counts; 2],
}

/// The overview of all runs of one kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overview {
    /// Size of the runs.
    pub profile: Profile,
    /// Where their data came from.
    pub data_source: DataSource,
    /// Models of the paper that have runs, in its order.
    pub models: Vec<String>,
    /// A line a baseline, in the order of [`BASELINES`]: one duel for each of [`SWISHES`].
    pub rows: Vec<[Duel; 2]>,
    /// Commits of the runs.
    pub commits: Vec<String>,
}

/// A line of the CSV.
#[derive(Serialize)]
struct CsvRow<'a> {
    table: u8,
    profile: Profile,
    data_source: DataSource,
    swish: &'a str,
    baseline: &'a str,
    models: usize,
    better: usize,
    equal: usize,
    worse: usize,
    p_models: Option<f64>,
    seeded: usize,
    p_seeds: Option<f64>,
    paper_better: usize,
    paper_equal: usize,
    paper_worse: usize,
    recounted_better: usize,
    recounted_equal: usize,
    recounted_worse: usize,
    commits: String,
}

/// One overview for every profile and data source that has runs, larger profiles first.
#[must_use]
pub fn of_tables(tables: &[TableFile]) -> Vec<Overview> {
    let rows: Vec<&TableRow> = tables
        .iter()
        .flat_map(|table| &table.rows)
        .filter(|row| COUNTED.contains(&row.table) && counts(row.metric))
        .collect();
    let kinds: BTreeSet<_> = rows.iter().map(|row| (std::cmp::Reverse(row.profile), row.data_source)).collect();
    let overview = |(profile, data_source): (std::cmp::Reverse<Profile>, DataSource)| {
        let of_kind = |row: &&&TableRow| row.profile == profile.0 && row.data_source == data_source;
        Overview::of_kind(profile.0, data_source, &rows.iter().filter(of_kind).copied().collect::<Vec<_>>())
    };
    kinds.into_iter().map(overview).collect()
}

/// What the paper has, a line a baseline.
#[must_use]
pub fn of_paper() -> Vec<PaperDuel> {
    let columns = paper_columns();
    let models = distinct(columns.iter().map(|(_, _, model, _)| *model));
    let recount = |swish: &str, baseline: &str| {
        let signs = models.iter().map(|model| {
            let own = columns.iter().filter(|(_, _, other, _)| other == model);
            majority(own.filter_map(|(table, dataset, model, metric)| {
                let value = |activation| lookup_metric(*table, dataset, model, *metric, activation);
                Some(sign(value(swish)?, value(baseline)?))
            }))
        });
        Counts::of(signs.flatten())
    };
    let printed = |baseline: &str| {
        let count = |metric| lookup_runs(3, "all", "nine models", metric, baseline).first().map_or(0, |n| *n as usize);
        Counts {
            better: count(Metric::SwishBetter),
            equal: count(Metric::SwishEqual),
            worse: count(Metric::SwishWorse),
        }
    };
    let duel = |baseline: &&str| PaperDuel {
        printed: printed(baseline),
        recounted: SWISHES.map(|swish| recount(swish, baseline)),
    };
    BASELINES.iter().map(duel).collect()
}

impl Overview {
    fn of_kind(profile: Profile, data_source: DataSource, rows: &[&TableRow]) -> Self {
        let order = paper_columns();
        let place =
            |row: &TableRow| order.iter().position(|(_, _, model, _)| model_key(model) == model_key(&row.model));
        let mut sorted = rows.to_vec();
        sorted.sort_by_key(|row| place(row));
        let models = distinct(sorted.iter().map(|row| row.model.as_str()));
        let duels = |baseline: &&str| SWISHES.map(|swish| duel(rows, &models, swish, baseline));
        let commits: BTreeSet<&str> = rows.iter().flat_map(|row| row.commits.split_whitespace()).collect();
        Self {
            profile,
            data_source,
            rows: BASELINES.iter().map(duels).collect(),
            models: models.into_iter().map(str::to_owned).collect(),
            commits: commits.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Name of the files without ending: `table_03-reduced-dir`.
    #[must_use]
    pub fn stem(&self) -> String {
        format!("table_03-{}-{}", self.profile, self.data_source)
    }

    /// The overview as Markdown, the paper's counts in columns of their own.
    #[must_use]
    pub fn markdown(&self) -> String {
        markdown::render(self, &of_paper())
    }

    /// The overview as CSV: a line a baseline and form of Swish.
    ///
    /// # Errors
    /// [`crate::RecordError::TableCsv`] from the CSV writer.
    pub fn csv(&self) -> Result<Vec<u8>> {
        let mut lines = Vec::new();
        for ((baseline, duels), paper) in BASELINES.iter().zip(&self.rows).zip(of_paper()) {
            for ((swish, duel), recounted) in SWISHES.iter().zip(duels).zip(paper.recounted) {
                let Duel { counts, p_models, seeded, p_seeds } = *duel;
                lines.push(CsvRow {
                    table: 3,
                    profile: self.profile,
                    data_source: self.data_source,
                    swish,
                    baseline,
                    models: counts.total(),
                    better: counts.better,
                    equal: counts.equal,
                    worse: counts.worse,
                    p_models,
                    seeded,
                    p_seeds,
                    paper_better: paper.printed.better,
                    paper_equal: paper.printed.equal,
                    paper_worse: paper.printed.worse,
                    recounted_better: recounted.better,
                    recounted_equal: recounted.equal,
                    recounted_worse: recounted.worse,
                    commits: self.commits.join(" "),
                });
            }
        }
        to_csv(&self.stem(), &lines)
    }

    /// Writes `<results_dir>/tables/<stem>.csv` and `.md`; returns their paths.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, results_dir: impl AsRef<Path>) -> Result<[PathBuf; 2]> {
        let base = results_dir.as_ref().join("tables").join(self.stem());
        let files = [base.with_extension("csv"), base.with_extension("md")];
        write_atomic(&files[0], self.csv()?)?;
        write_atomic(&files[1], self.markdown())?;
        Ok(files)
    }
}

impl Counts {
    fn of(signs: impl Iterator<Item = i32>) -> Self {
        let mut counts = Self::default();
        for sign in signs {
            match sign {
                1.. => counts.better += 1,
                0 => counts.equal += 1,
                _ => counts.worse += 1,
            }
        }
        counts
    }

    /// Models counted.
    #[must_use]
    pub fn total(self) -> usize {
        self.better + self.equal + self.worse
    }
}

/// One form of Swish against one baseline.
fn duel(rows: &[&TableRow], models: &[&str], swish: &str, baseline: &str) -> Duel {
    let (mut signs, mut strata) = (Vec::new(), Vec::new());
    for model in models {
        let own = |name: &str| {
            let name = activation_key(name);
            rows.iter().filter(move |row| row.model == *model && activation_key(&row.activation) == name)
        };
        // Only runs of one column compare.
        let pairs: Vec<(&TableRow, &TableRow)> = own(swish)
            .flat_map(|s| own(baseline).map(move |b| (*s, *b)))
            .filter(|(s, b)| s.column() == b.column() && s.setting() == b.setting())
            .collect();
        signs.extend(majority(pairs.iter().filter_map(|(s, b)| outcome(s, b))));
        strata.extend(strata_of(&pairs));
    }
    let counts = Counts::of(signs.into_iter());
    Duel {
        counts,
        p_models: sign_test(counts.better, counts.worse),
        seeded: strata.len(),
        p_seeds: van_elteren(&strata),
    }
}

/// Who is ahead; a function of which no run finished is behind one of which some did, and says nothing against another such.
fn outcome(swish: &TableRow, baseline: &TableRow) -> Option<i32> {
    match (swish.median, baseline.median) {
        (Some(swish), Some(baseline)) => Some(sign(swish, baseline)),
        (Some(_), None) => Some(1),
        (None, Some(_)) => Some(-1),
        (None, None) => None,
    }
}

/// The results of both, where each has several. Columns of the same runs (the years of newstest) are one stratum, by their means.
fn strata_of(pairs: &[(&TableRow, &TableRow)]) -> Vec<Stratum> {
    let mut groups: Vec<(&TableRow, Vec<Stratum>)> = Vec::new();
    for (swish, baseline) in pairs {
        let Some(stratum) = stratum(swish, baseline) else { continue };
        match groups.iter_mut().find(|(first, _)| same_runs(first, swish)) {
            Some((_, group)) => group.push(stratum),
            None => groups.push((swish, vec![stratum])),
        }
    }
    let means = |group: &[Stratum], of: fn(&Stratum) -> &Vec<f64>| {
        let runs = group.iter().map(|stratum| of(stratum).len()).min().unwrap_or(0);
        (0..runs).map(|run| group.iter().map(|stratum| of(stratum)[run]).sum::<f64>() / group.len() as f64).collect()
    };
    groups.iter().map(|(_, group)| (means(group, |s| &s.0), means(group, |s| &s.1))).collect()
}

/// Whether two rows of one activation are evaluations of the same runs.
fn same_runs(a: &TableRow, b: &TableRow) -> bool {
    let data = |row: &'_ TableRow| row.dataset_as_run.split('/').next().map(str::to_owned);
    data(a) == data(b) && a.model_as_run == b.model_as_run && a.setting() == b.setting()
}

/// The results of both, where each has several.
fn stratum(swish: &TableRow, baseline: &TableRow) -> Option<Stratum> {
    let (swish, baseline) = (swish.results(), baseline.results());
    (swish.len() > 1 && baseline.len() > 1).then_some((swish, baseline))
}

/// -1, 0 or 1 as `swish` is smaller, equal or larger, both rounded to the paper's one decimal.
fn sign(swish: f64, baseline: f64) -> i32 {
    let printed = |value: f64| (value * 10.0).round() as i64;
    (printed(swish) - printed(baseline)).signum() as i32
}

/// The sign of the sum of signs; `None` without any.
fn majority(signs: impl Iterator<Item = i32>) -> Option<i32> {
    signs.reduce(|sum, sign| sum + sign).map(i32::signum)
}

/// Whether a number is one of those compared.
fn counts(metric: Metric) -> bool {
    matches!(metric, Metric::Top1 | Metric::Bleu)
}

/// Table, data set, model and metric of every column of the paper that is counted, in its order.
fn paper_columns() -> Vec<(u8, &'static str, &'static str, Metric)> {
    let counted = paper_numbers().iter().filter(|n| COUNTED.contains(&n.table) && counts(n.metric));
    distinct(counted.map(|n| (n.table, n.dataset, n.model, n.metric)))
}

/// Each value once, in the order of its first place.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

#[cfg(test)]
mod tests;
