//! What is compared: training steps of models, and activation functions alone.

use serde::{Deserialize, Serialize};
use swish_core::activation::Activation;
use swish_train::cell::Precision;

/// The models that `bench/peer.py` has too, with examples a step: what fits a few seconds.
pub const MODELS: [(&str, usize); 4] =
    [("resnet20", 128), ("resnet164", 128), ("wrn28_10", 32), ("densenet100_12_bc", 128)];

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
    /// An activation function forward and backward, in nanoseconds an element
    Activation,
}

impl What {
    /// The modes of PyTorch that differ for it.
    pub fn modes(self) -> &'static [&'static str] {
        match self {
            What::Step => &MODES,
            // Numbers in a row have no channels to come last.
            What::Activation => &["eager", "compile"],
        }
    }

    /// Unit of its times.
    pub fn unit(self) -> &'static str {
        match self {
            What::Step => "ms",
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
    /// Examples a step, or elements.
    pub batch: usize,
    /// `f32` or `bf16`.
    pub precision: String,
}

impl Case {
    /// A training step of one of [`MODELS`].
    pub fn step((model, batch): (&str, usize), activation: &Activation, precision: Precision) -> Self {
        let (model, activation, precision) = (model.to_string(), activation.to_string(), precision.to_string());
        Self { what: What::Step, model, activation, batch, precision }
    }

    /// A function alone.
    pub fn activation(activation: &Activation) -> Self {
        let (activation, precision) = (activation.to_string(), Precision::F32.to_string());
        Self { what: What::Activation, model: String::new(), activation, batch: ELEMENTS, precision }
    }

    /// Arguments of `swish bench`, and of `bench/peer.py`. `formula` is the activation in the form that both read.
    pub fn arguments(&self, formula: &str, steps: usize, threads: usize) -> Vec<String> {
        let (batch, steps, threads) = (self.batch.to_string(), steps.to_string(), threads.to_string());
        let channels = CHANNELS.to_string();
        let words: &[&str] = match self.what {
            What::Step => &[
                "step",
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
        match self.what {
            What::Step => format!("{}, {}, {} images, {}", self.model, self.activation, self.batch, self.precision),
            What::Activation => format!("{} alone", self.activation),
        }
    }
}
