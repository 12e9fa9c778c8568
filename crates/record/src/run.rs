//! The record of one run: what was trained, on what, how long, and what came out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::RecordError;
use crate::paper::Metric;

/// How large a run is. Numbers of different profiles never share a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Seconds: does it run at all.
    Smoke,
    /// Minutes to an hour on two CPU cores.
    Reduced,
    /// The models, data and steps of the paper.
    Paper,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Smoke => "smoke",
            Self::Reduced => "reduced",
            Self::Paper => "paper",
        })
    }
}

impl FromStr for Profile {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "smoke" => Ok(Self::Smoke),
            "reduced" => Ok(Self::Reduced),
            "paper" => Ok(Self::Paper),
            _ => Err(RecordError::UnknownName {
                what: "profile",
                value: text.to_owned(),
                expected: "smoke, reduced or paper",
            }),
        }
    }
}

/// Where the data of a run came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataSource {
    /// The hub, or its cache on this machine.
    Hub,
    /// A folder the user named.
    Dir,
    /// Made by the program: a stand-in, not the data set of the paper.
    Embedded,
}

impl DataSource {
    /// Whether this is the data set itself and not a stand-in for it.
    #[must_use]
    pub fn is_real(self) -> bool {
        self != Self::Embedded
    }
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hub => "hub",
            Self::Dir => "dir",
            Self::Embedded => "embedded",
        })
    }
}

impl FromStr for DataSource {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "hub" => Ok(Self::Hub),
            "dir" => Ok(Self::Dir),
            "embedded" => Ok(Self::Embedded),
            _ => Err(RecordError::UnknownName {
                what: "data source",
                value: text.to_owned(),
                expected: "hub, dir or embedded",
            }),
        }
    }
}

/// What `run.json` holds. A run that failed has a record too: [`RunRecord::err`] says why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`cell_id`] of the cell; the name of its folder.
    pub id: String,
    /// Experiment it belongs to, such as `table-cifar`.
    pub experiment: String,
    /// Model as run.
    pub model: String,
    /// Data set, such as `cifar10`.
    pub dataset: String,
    /// Where the data came from.
    pub data_source: DataSource,
    /// Version of the data: a revision, a checksum, or the version of the generator.
    pub data_version: String,
    /// Size of the run.
    pub profile: Profile,
    /// Name of the recipe.
    pub recipe: String,
    /// Activation as the user named it, for display.
    pub activation: String,
    /// The activation written out.
    pub formula: String,
    /// Canonical form: equal functions have equal text.
    pub canonical: String,
    /// Seed of weights, order, augmentation and dropout.
    pub seed: u64,
    /// Peak learning rate.
    pub lr: f64,
    /// Optimizer steps of the recipe, also for a run that failed before their end.
    pub steps: u64,
    /// Examples a step; of translation, source or target tokens at most.
    pub batch: usize,
    /// `f32` or `bf16`.
    pub precision: String,
    /// Device, in words.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
    /// Commit of the program, see [`crate::provenance::commit`].
    pub commit: String,
    /// Whether the program's sources differed from the commit.
    pub dirty: bool,
    /// Wall-clock time of the run, over all resumptions.
    pub seconds: f64,
    /// Start, UTC, RFC 3339.
    pub started: String,
    /// Last training loss, in nats; `None` where there is none or it is not finite.
    pub train_loss: Option<f64>,
    /// Top-1 accuracy on the test set, of images or of tokens given those before, in percent.
    pub top1: Option<f64>,
    /// Top-5 accuracy on the test set, in percent.
    pub top5: Option<f64>,
    /// BLEU on the development set, 0 to 100, as SacreBLEU computes it.
    pub bleu: Option<f64>,
    /// BLEU on every evaluation set, the development set first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<SetScore>,
    /// Trainable parameters.
    pub params: u64,
    /// Why the run failed (diverged, out of memory, ...); `None` when it finished.
    pub err: Option<String>,
}

/// How well one evaluation set was translated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetScore {
    /// The set, such as `newstest2014`.
    pub set: String,
    /// Its sentences.
    pub sentences: usize,
    /// Mean loss a token without label smoothing, in nats.
    pub loss: f64,
    /// Share of tokens that are the likeliest given those before, in percent.
    pub accuracy: f64,
    /// BLEU as SacreBLEU computes it.
    pub bleu: f64,
    /// How, in SacreBLEU's manner.
    pub signature: String,
    /// BLEU of Moses' tokens, compounds split.
    pub tokenised_bleu: f64,
    /// How.
    pub tokenised_signature: String,
}

impl RunRecord {
    /// The result of a run, as it stands in the record; of BLEU that on the development set. The counts of the paper's Table 3 are of
    /// many runs, not of one.
    #[must_use]
    pub fn value(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Top1 => self.top1,
            Metric::Top5 => self.top5,
            Metric::Bleu => self.bleu,
            Metric::TokenisedBleu => self.scores.first().map(|score| score.tokenised_bleu),
            Metric::SwishBetter | Metric::SwishEqual | Metric::SwishWorse => None,
        }
    }

    /// The result on one evaluation set of a run of translation.
    #[must_use]
    pub fn value_on(&self, set: &str, metric: Metric) -> Option<f64> {
        let score = self.scores.iter().find(|score| score.set == set)?;
        match metric {
            Metric::Bleu => Some(score.bleu),
            Metric::TokenisedBleu => Some(score.tokenised_bleu),
            _ => None,
        }
    }

    /// The result of a run that ended well: no error, and a number.
    #[must_use]
    pub fn finished(&self, metric: Metric) -> Option<f64> {
        self.value(metric).filter(|value| value.is_finite() && self.err.is_none())
    }
}

/// Name of a cell: the first 16 hexadecimal digits of the SHA-256 of its canonical text.
#[must_use]
pub fn cell_id(canonical_text: &str) -> String {
    let digest = Sha256::digest(canonical_text.as_bytes());
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod samples {
    //! Made-up records for the tests of this crate.

    use super::{DataSource, Profile, RunRecord, cell_id};

    /// A finished run; everything not given is the same for all.
    pub(crate) fn record(
        model: &str,
        profile: Profile,
        data_source: DataSource,
        activation: &str,
        seed: u64,
        top1: f64,
    ) -> RunRecord {
        let text = format!("{model} {profile} {data_source} {activation} {seed} {top1}");
        RunRecord {
            id: cell_id(&text),
            experiment: "table-cifar".into(),
            model: model.into(),
            dataset: "cifar10".into(),
            data_source,
            data_version: "v1".into(),
            profile,
            recipe: "sgd".into(),
            activation: activation.into(),
            formula: activation.into(),
            canonical: activation.into(),
            seed,
            lr: 0.1,
            steps: 1000,
            batch: 128,
            precision: "f32".into(),
            device: "cpu".into(),
            threads: 2,
            commit: "0123456789abcdef0123456789abcdef01234567".into(),
            dirty: false,
            seconds: 12.5,
            started: "2026-01-01T00:00:00Z".into(),
            train_loss: Some(0.123_456_789_012_345_68),
            top1: Some(top1),
            top5: None,
            bleu: None,
            scores: Vec::new(),
            params: 269_722,
            err: None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::samples::record;
    use super::*;

    #[test]
    fn a_record_survives_json_bit_for_bit() {
        let mut record = record("resnet20", Profile::Reduced, DataSource::Embedded, "swish", 1, 0.1 + 0.2);
        record.err = Some("diverged at step 12".into());
        let text = serde_json::to_string_pretty(&record).unwrap();
        assert!(text.contains(r#""profile": "reduced""#) && text.contains(r#""data_source": "embedded""#));
        assert_eq!(serde_json::from_str::<RunRecord>(&text).unwrap(), record);
    }

    #[test]
    fn names_parse_and_print() {
        for profile in [Profile::Smoke, Profile::Reduced, Profile::Paper] {
            assert_eq!(profile.to_string().parse::<Profile>().unwrap(), profile);
        }
        for source in [DataSource::Hub, DataSource::Dir, DataSource::Embedded] {
            assert_eq!(source.to_string().parse::<DataSource>().unwrap(), source);
        }
        let message = "big".parse::<Profile>().unwrap_err().to_string();
        assert_eq!(message, r#""big" is not a profile: expected smoke, reduced or paper"#);
        assert!("Paper".parse::<Profile>().is_err());
    }

    /// `printf abc | sha256sum` (also the test vector of FIPS 180-2, appendix B.1).
    #[test]
    fn the_id_is_the_head_of_the_sha256() {
        assert_eq!(cell_id("abc"), "ba7816bf8f01cfea");
    }
}
