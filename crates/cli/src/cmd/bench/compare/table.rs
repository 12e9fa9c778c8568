//! `cpu.csv`: one row a case and machine. New rows take the place of old ones with the same key, the others stay.

use super::case::{Case, MODELS, MODES, What};
use super::rounds::{Effort, Rounds};
use crate::cmd::bench::machine::{cpu, simd};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::path::Path;
use swish_core::models::{self, ModelInfo, transformer};
use swish_record::{provenance, write_atomic};

/// First line of the file, in the order of [`Row`].
const HEADER: [&str; 30] = [
    "what",
    "cpu",
    "simd",
    "threads",
    "model",
    "batch",
    "activation",
    "precision",
    "unit",
    "steps",
    "rounds",
    "peers_after_round_1",
    "ours",
    MODES[0],
    MODES[1],
    MODES[2],
    MODES[3],
    MODES[4],
    "fastest_peer",
    "ratio",
    "ratio_min",
    "ratio_max",
    "rss_mib_ours",
    "rss_mib_eager",
    "failed",
    "torch",
    "commit",
    "dirty",
    "date",
    "elapsed_s",
];

/// What tells rows apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    pub what: What,
    pub cpu: String,
    pub simd: String,
    pub threads: usize,
    pub model: String,
    pub batch: usize,
    pub activation: String,
    pub precision: String,
}

/// One row. Times are in `unit`: medians over the rounds of the medians of each process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub key: Key,
    pub unit: String,
    pub steps: usize,
    pub rounds: usize,
    /// `all`, or `fastest` when only the fastest mode of the first round was measured again.
    pub peers_after_round_1: String,
    pub ours: f64,
    pub peers: [Option<f64>; MODES.len()],
    /// The mode that the ratio is to: the fastest, compiled or not.
    pub fastest_peer: String,
    pub ratio: Option<f64>,
    pub ratio_min: Option<f64>,
    pub ratio_max: Option<f64>,
    pub rss_mib_ours: Option<f64>,
    pub rss_mib_eager: Option<f64>,
    /// Modes that failed, with their reasons.
    pub failed: String,
    pub torch: String,
    pub commit: String,
    pub dirty: bool,
    pub date: String,
    /// Seconds that the row took.
    pub elapsed_s: u64,
}

impl Key {
    /// The key of a case on this machine.
    pub fn of(case: &Case, threads: usize) -> Self {
        let Case { what, model, activation, batch, precision, .. } = case.clone();
        Self { what, cpu: cpu(), simd: simd(), threads, model, batch, activation, precision }
    }

    /// What the rows of one section have in common: kind, the models' number of classes (which tells CIFAR, ImageNet and text apart), machine.
    pub fn section(&self) -> (What, Option<usize>, &str, &str, usize) {
        let text = transformer::find(&self.model).ok().map(|info| info.config.vocab);
        let classes = text.or_else(|| self.info().map(|info| info.classes));
        (self.what, classes, &self.cpu, &self.simd, self.threads)
    }

    /// The row's model for images; `None` for a Transformer and a function alone.
    pub fn info(&self) -> Option<&'static ModelInfo> {
        models::find(&self.model).ok()
    }
}

impl Row {
    /// The row of what was measured.
    pub fn of(case: &Case, rounds: &Rounds, effort: &Effort, torch: Option<&str>, elapsed_s: u64) -> Result<Self> {
        let key = Key::of(case, effort.threads);
        let fastest = rounds.fastest();
        Ok(Self {
            unit: key.what.unit().into(),
            key,
            steps: case.steps,
            rounds: rounds.ours.len(),
            peers_after_round_1: if effort.fastest_only { "fastest" } else { "all" }.into(),
            ours: short(rounds.our_median().context("our times are not numbers")?),
            peers: rounds.peer_medians().map(|time| time.map(short)),
            fastest_peer: fastest.map_or("", |f| f.mode).into(),
            ratio: fastest.map(|f| short(f.ratio.median)),
            ratio_min: fastest.map(|f| short(f.ratio.min)),
            ratio_max: fastest.map(|f| short(f.ratio.max)),
            rss_mib_ours: rounds.rss[0].map(short),
            rss_mib_eager: rounds.rss[1].map(short),
            failed: rounds.failed.join("; "),
            torch: torch.unwrap_or_default().into(),
            commit: provenance::commit().into(),
            dirty: provenance::dirty(),
            date: provenance::utc_now(),
            elapsed_s,
        })
    }

    /// Whether measuring `case` in `modes` again with `torch` would tell nothing new.
    pub fn covers(&self, modes: &[&str], case: &Case, effort: &Effort, torch: Option<&str>) -> bool {
        let same = self.commit == provenance::commit() && !self.dirty && !provenance::dirty();
        let enough = self.rounds >= effort.rounds && self.steps >= case.steps;
        let peers = torch.is_none_or(|torch| torch == self.torch)
            && modes.iter().filter(|mode| self.key.what.modes(&self.key.model).contains(mode)).all(|mode| {
                let measured = MODES.iter().zip(&self.peers).any(|(m, time)| m == mode && time.is_some());
                measured || self.failed.contains(&format!("{mode}: "))
            });
        let as_often = effort.fastest_only || self.peers_after_round_1 == "all";
        same && enough && peers && as_often
    }

    /// Where it stands in the table: as [`MODELS`] lists the models, f32 first.
    fn rank(&self) -> impl Ord + '_ {
        let Key { model, activation, precision, batch, .. } = &self.key;
        let model = MODELS.iter().position(|known| known.name == model);
        (self.key.section(), model, *batch, activation.as_str(), precision != "f32")
    }
}

/// No more digits than a time has.
fn short(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The rows of a file; none where there is no file.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let place = || format!("{}: not a table of this program; move it away", path.display());
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(path).with_context(place)?;
    let mut records = reader.records();
    let header = records.next().transpose().with_context(place)?.unwrap_or_default();
    if header.iter().ne(HEADER) {
        bail!("{}: has other columns than this program's; move it away", path.display());
    }
    records.map(|record| record.and_then(|r| r.deserialize(None)).with_context(place)).collect()
}

/// Puts a row in its place. False where the row there is kept: ours alone is no reason to forget a comparison.
pub fn merge(rows: &mut Vec<Row>, new: Row) -> bool {
    match rows.iter_mut().find(|row| row.key == new.key) {
        Some(old) if new.ratio.is_none() && old.ratio.is_some() => return false,
        Some(old) => *old = new,
        None => rows.push(new),
    }
    rows.sort_by(|a, b| a.rank().cmp(&b.rank()));
    true
}

/// Writes the rows.
pub fn write(path: &Path, rows: &[Row]) -> Result<()> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for row in rows {
        writer.serialize(row)?;
    }
    let bytes = writer.into_inner().context("the table as CSV")?;
    Ok(write_atomic(path, bytes)?)
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::case::ModelCase;
    use super::*;
    use swish_train::cell::Precision;

    pub fn row(model: &str, precision: &str, ours: f64, ratio: Option<f64>) -> Row {
        let (what, batch) = if model.is_empty() { (What::Activation, 1000) } else { (What::Step, 128) };
        let activation = "max(x,sin(x))".into();
        let (cpu, simd) = ("A CPU, with a comma".into(), "avx512".into());
        let (model, precision) = (model.into(), precision.into());
        let key = Key { what, cpu, simd, threads: 2, model, batch, activation, precision };
        Row {
            key,
            unit: what.unit().into(),
            steps: 10,
            rounds: 3,
            peers_after_round_1: "all".into(),
            ours,
            peers: [ratio.map(|r| 1.5 * r * ours), None, ratio.map(|r| r * ours), None, None],
            fastest_peer: if ratio.is_some() { "compile".into() } else { String::new() },
            ratio,
            ratio_min: ratio.map(|r| 0.9 * r),
            ratio_max: ratio.map(|r| 1.1 * r),
            rss_mib_ours: Some(100.0),
            rss_mib_eager: ratio.map(|_| 900.25),
            failed: "max_autotune: RuntimeError: \"quoted\", with a comma".into(),
            torch: "2.15.0".into(),
            commit: provenance::commit().into(),
            dirty: false,
            date: "2026-01-01T00:00:00Z".into(),
            elapsed_s: 12,
        }
    }

    fn effort() -> Effort {
        Effort { rounds: 3, threads: 2, fastest_only: false }
    }

    fn case(steps: usize) -> Case {
        let model = ModelCase { steps, ..MODELS[0] };
        Case::step(model, &"max(x, sin(x))".parse().unwrap(), Precision::F32)
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench/cpu.csv");
        assert!(read(&path).unwrap().is_empty());
        let rows = vec![row("resnet20", "f32", 100.125, Some(1.5)), row("", "f32", 0.7, None)];
        write(&path, &rows).unwrap();
        assert_eq!(read(&path).unwrap(), rows);
        std::fs::write(&path, "what,else\n1,2\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("other columns"));
    }

    #[test]
    fn a_row_tells_what_the_rounds_gave() {
        let mut rounds = Rounds { ours: vec![2.0, 4.0, 3.0], rss: [Some(10.0), None], ..Rounds::default() };
        rounds.peers[2] = vec![Some(4.000_01), Some(4.0), Some(3.0)];
        rounds.failed = vec!["eager: no".into(), "max_autotune: no".into()];
        let row = Row::of(&case(5), &rounds, &effort(), Some("2.15.0"), 7).unwrap();
        assert_eq!((row.key.model.as_str(), row.key.threads, row.steps), ("resnet20", 2, 5));
        assert_eq!((row.ours, row.peers), (3.0, [None, None, Some(4.0), None, None]));
        assert_eq!((row.fastest_peer.as_str(), row.ratio, row.ratio_max), ("compile", Some(1.0), Some(2.0)));
        assert_eq!((row.rounds, row.unit.as_str(), row.failed.as_str()), (3, "ms", "eager: no; max_autotune: no"));
    }

    #[test]
    fn a_new_row_replaces_its_own_and_no_other() {
        let mut rows = Vec::new();
        for (model, precision) in [("wrn28_10", "f32"), ("resnet20", "bf16"), ("", "f32"), ("resnet20", "f32")] {
            merge(&mut rows, row(model, precision, 1.0, Some(2.0)));
        }
        merge(&mut rows, row("resnet20", "bf16", 3.0, Some(2.0)));
        let found: Vec<_> = rows.iter().map(|r| (r.key.model.as_str(), r.key.precision.as_str(), r.ours)).collect();
        let expected =
            [("resnet20", "f32", 1.0), ("resnet20", "bf16", 3.0), ("wrn28_10", "f32", 1.0), ("", "f32", 1.0)];
        assert_eq!(found, expected);
        // Another machine has rows of its own.
        let mut other = row("resnet20", "f32", 9.0, None);
        other.key.threads = 4;
        merge(&mut rows, other);
        assert_eq!(rows.len(), 5);
    }

    #[test]
    fn ours_alone_does_not_replace_a_comparison() {
        let mut rows = vec![row("resnet20", "f32", 1.0, Some(2.0))];
        merge(&mut rows, row("resnet20", "f32", 5.0, None));
        assert_eq!(rows[0].ours, 1.0);
        merge(&mut rows, row("resnet20", "f32", 5.0, Some(1.0)));
        assert_eq!(rows[0].ours, 5.0);
    }

    #[test]
    fn a_row_is_measured_again_only_for_something_new() {
        let row = row("resnet20", "f32", 1.0, Some(2.0));
        let covers = |modes: &[&str], effort: &Effort, torch| row.covers(modes, &case(10), effort, torch);
        // A program built from changed sources measures everything again.
        let clean = !provenance::dirty();
        assert_eq!(covers(&["eager", "max_autotune"], &effort(), Some("2.15.0")), clean);
        assert_eq!(covers(&[], &effort(), None), clean);
        assert!(!covers(&["channels_last"], &effort(), Some("2.15.0")));
        assert!(!covers(&["eager"], &effort(), Some("2.16.0")));
        assert!(!covers(&["eager"], &Effort { rounds: 4, ..effort() }, Some("2.15.0")));
        assert!(!row.covers(&["eager"], &case(11), &effort(), Some("2.15.0")));
        let changed = Row { dirty: true, ..row.clone() };
        assert!(!changed.covers(&["eager"], &case(10), &effort(), Some("2.15.0")));
    }
}
