//! What is compared: training steps of models, beam search, and activation functions alone.

use serde::{Deserialize, Serialize};
use swish_core::activation::Activation;
use swish_core::models::transformer;
use swish_train::cell::Precision;

/// A model that `bench/peer.py` has too.
#[derive(Clone, Copy, Debug)]
pub struct ModelCase {
    /// Its name.
    pub name: &'static str,
    /// Examples a step, of a Transformer tokens: what fits a few seconds.
    pub batch: usize,
    /// Steps that a process times, unless told otherwise.
    pub steps: usize,
    /// Activations, unless told otherwise.
    pub activations: &'static [&'static str],
}

const fn model(name: &'static str, batch: usize, steps: usize, activations: &'static [&'static str]) -> ModelCase {
    ModelCase { name, batch, steps, activations }
}

/// Models for CIFAR, then for ImageNet, then for text.
pub const MODELS: [ModelCase; 9] = [
    model("resnet20", 128, 10, &["swish", "max(x, sin(x))"]),
    model("resnet164", 128, 3, &["swish", "max(x, sin(x))"]),
    model("wrn28_10", 32, 3, &["swish", "max(x, sin(x))"]),
    model("densenet100_12_bc", 128, 3, &["swish", "max(x, sin(x))"]),
    model("mobilenet_v1_same", 16, 10, &["swish"]),
    model("inception_v3_tfpool", 16, 3, &["swish"]),
    model("nasnet_a_mobile", 16, 3, &["swish"]),
    model("inception_resnet_v2", 8, 3, &["swish"]),
    model("transformer_base", 2048, 5, &["swish"]),
];

/// How often a process times a beam search, unless told otherwise.
const SEARCHES: usize = 3;

/// Whether a model reads sentences.
pub fn is_text(model: &str) -> bool {
    transformer::find(model).is_ok()
}

/// Repeats of a function alone that a process times, unless told otherwise.
const REPEATS: usize = 10;

/// PyTorch's modes of a training step; those of a function alone are [`What::modes`].
pub const MODES: [&str; 5] = ["eager", "channels_last", "compile", "compile_channels_last", "max_autotune"];

/// Elements and channels of a function alone.
const ELEMENTS: usize = 10_000_000;
const CHANNELS: usize = 16;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A training step of a model, in milliseconds
    Step,
    /// Beam search of a batch of sentences, in milliseconds
    Translate,
    /// An activation function forward and backward, in nanoseconds an element
    Activation,
}

impl What {
    /// The modes of PyTorch that differ for it, where it is one of `model`.
    pub fn modes(self, model: &str) -> &'static [&'static str] {
        match self {
            What::Step if !is_text(model) => &MODES,
            // Numbers in a row, and tokens, have no channels to come last.
            What::Step | What::Translate | What::Activation => &["eager", "compile"],
        }
    }

    /// Unit of its times.
    pub fn unit(self) -> &'static str {
        match self {
            What::Step | What::Translate => "ms",
            What::Activation => "ns",
        }
    }
}

/// One line of the table, as far as it does not depend on the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What is timed.
    pub what: What,
    /// Model; empty for a function alone.
    pub model: String,
    /// Activation as the table shows it.
    pub activation: String,
    /// Examples a step, sentences, or elements.
    pub batch: usize,
    /// `f32` or `bf16`.
    pub precision: String,
    /// Steps, searches, or repeats of a function, that a process times.
    pub steps: usize,
}

impl Case {
    /// A training step of one of [`MODELS`].
    pub fn step(model: ModelCase, activation: &Activation, precision: Precision) -> Self {
        let ModelCase { name, batch, steps, .. } = model;
        let (activation, precision) = (activation.to_string(), precision.to_string());
        Self { what: What::Step, model: name.into(), activation, batch, precision, steps }
    }

    /// Beam search with a Transformer; the model's batch is its sentences.
    pub fn translate(model: ModelCase, activation: &Activation, precision: Precision) -> Self {
        let searched = ModelCase { steps: SEARCHES, ..model };
        Self { what: What::Translate, ..Self::step(searched, activation, precision) }
    }

    /// A function alone.
    pub fn activation(activation: &Activation) -> Self {
        let (activation, precision) = (activation.to_string(), Precision::F32.to_string());
        let model = String::new();
        Self { what: What::Activation, model, activation, batch: ELEMENTS, precision, steps: REPEATS }
    }

    /// Arguments of `swish bench`, and of `bench/peer.py`. `formula` is the activation in the form that both read.
    pub fn arguments(&self, formula: &str, threads: usize) -> Vec<String> {
        let (batch, steps, threads) = (self.batch.to_string(), self.steps.to_string(), threads.to_string());
        let channels = CHANNELS.to_string();
        let words: &[&str] = match self.what {
            What::Step | What::Translate => &[
                if self.what == What::Step { "step" } else { "translate" },
                "--model",
                &self.model,
                "--activation",
                formula,
                "--batch",
                &batch,
                "--precision",
                &self.precision,
                "--steps",
                &steps,
                "--threads",
                &threads,
            ],
            What::Activation => &[
                "activation",
                formula,
                "--elements",
                &batch,
                "--channels",
                &channels,
                "--repeats",
                &steps,
                "--threads",
                &threads,
            ],
        };
        words.iter().map(ToString::to_string).collect()
    }

    /// What it is, for people.
    pub fn label(&self) -> String {
        let unit = match self.what {
            What::Step if is_text(&self.model) => "tokens",
            What::Step => "images",
            What::Translate => "sentences translated",
            What::Activation => return format!("{} alone", self.activation),
        };
        format!("{}, {}, {} {unit}, {}", self.model, self.activation, self.batch, self.precision)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use candle_core::{DType, Device};
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use swish_core::models::transformer::Transformer;
    use swish_core::models::{self, Net};

    /// Number of parameters of each of our networks, auxiliary heads included.
    fn ours(activation: &str) -> BTreeMap<String, usize> {
        let activation: Activation = activation.parse().unwrap();
        let count = |model: &ModelCase| {
            if let Ok(info) = transformer::find(model.name) {
                let net = Transformer::undrawn(&info.config, &activation, DType::F32, &Device::Cpu).unwrap();
                return (model.name.to_owned(), net.params.count());
            }
            let info = models::find(model.name).unwrap();
            let params =
                Net::undrawn(info, &activation, info.classes, DType::F32, &Device::Cpu).unwrap().params.clone();
            (model.name.to_owned(), params.size(false).params + params.size(true).params)
        };
        MODELS.iter().map(count).collect()
    }

    #[test]
    fn both_programs_have_networks_of_the_same_size() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = std::env::var_os("SWISH_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
        let torch = Command::new(&python).args(["-c", "import torch"]).output();
        if !torch.is_ok_and(|output| output.status.success()) {
            eprintln!(
                "SKIPPED: no PyTorch in {}; `make bench-cpu` installs it, SWISH_PYTHON names another",
                python.display()
            );
            return;
        }
        for activation in ["relu", "swish"] {
            let script = root.join("bench/peer.py");
            let output =
                Command::new(&python).arg(script).args(["params", "--activation", activation]).output().unwrap();
            let talk = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{talk}");
            let peers: BTreeMap<String, usize> = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(peers, ours(activation), "{activation}");
        }
    }
}
