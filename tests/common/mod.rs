//! What the whole-program tests share.

pub mod data;
pub mod python;

use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use swish_core::models::transformer::{Transformer, TransformerConfig, find};
use swish_core::models::{self, Net};
use swish_core::nn::Params;
use swish_kernels::rng::{at, fnv1a64};

/// The tool, with an empty environment for data and no terminal.
pub fn swish() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swish"));
    command.env_remove("SWISH_DATA").env("HF_HUB_OFFLINE", "1");
    command
}

/// A folder of `../shared`, or a loud word that the test is skipped.
pub fn shared(path: &str) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    if dir.exists() {
        return Some(dir);
    }
    eprintln!("SKIPPED: ../shared/{path} is missing");
    None
}

/// Weights and inputs that are functions of (seed, name, element index), see `golden/make.py`.
pub struct Generated {
    seed: u64,
    input: Input,
    pub weights: HashMap<String, Tensor>,
}

/// What a model reads.
enum Input {
    Images { size: [usize; 3], classes: usize },
    Text { vocab: usize, lengths: [usize; 2] },
}

impl Generated {
    /// For as many classes as the model's data set has; Transformers with the vocabularies of the reference.
    pub fn new(model: &str, activation: &str, seed: u64) -> Self {
        let activation = activation.parse().unwrap();
        if let Ok(info) = find(model) {
            let (vocab, lengths) = if model == "transformer_tiny" { (96, [11, 9]) } else { (1000, [24, 20]) };
            let config = TransformerConfig { vocab, ..info.config };
            let net = Transformer::undrawn(&config, &activation, DType::F32, &Device::Cpu).unwrap();
            return Self::of(&net.params, Input::Text { vocab, lengths }, 1.0, seed);
        }
        let info = models::find(model).unwrap();
        let net = Net::undrawn(info, &activation, info.classes, DType::F32, &Device::Cpu).unwrap();
        Self::of(&net.params, Input::Images { size: info.input, classes: info.classes }, 2.0, seed)
    }

    /// Weights of variance `gain` / fan-in.
    fn of(params: &Params, input: Input, gain: f64, seed: u64) -> Self {
        let mut generated = Self { seed, input, weights: HashMap::new() };
        for p in &params.params {
            let u = generated.uniform(&p.name, p.elements());
            let fan_in: usize = p.shape[1..].iter().product();
            let value = |u: f32| match p.name.rsplit('.').next() {
                _ if p.shape.len() >= 2 => u * (3.0 * gain / fan_in as f64).sqrt() as f32,
                Some("weight" | "beta") => 1.0 + u * 0.25,
                Some("alpha") => 0.25 + u * 0.125,
                _ => u * 0.25,
            };
            let values: Vec<f32> = u.into_iter().map(value).collect();
            let tensor = Tensor::from_vec(values, p.shape.as_slice(), &Device::Cpu).unwrap();
            generated.weights.insert(p.name.clone(), tensor);
        }
        generated
    }

    /// Classes, or ids of the vocabulary.
    pub fn classes(&self) -> usize {
        match self.input {
            Input::Images { classes, .. } => classes,
            Input::Text { vocab, .. } => vocab,
        }
    }

    /// Float32 values in [-1, 1): the upper 24 bits of SplitMix64 seeded by FNV-1a of "seed:name".
    pub fn uniform(&self, name: &str, n: usize) -> Vec<f32> {
        let seed = fnv1a64(&format!("{}:{name}", self.seed));
        (0..n as u64).map(|i| ((at(seed, i) >> 40) as f64 * 2f64.powi(-23) - 1.0) as f32).collect()
    }

    /// Whole numbers in `low..high`.
    fn integers(&self, name: &str, n: usize, low: u64, high: u64) -> Vec<i64> {
        let seed = fnv1a64(&format!("{}:{name}", self.seed));
        (0..n as u64).map(|i| (low + (at(seed, i) >> 33) % (high - low)) as i64).collect()
    }

    /// `input` (batch, 3, height, width) and `target` (batch); for text `src` and `tgt` (batch, length), of which row i ends with 2 i and
    /// with i padding ids.
    pub fn input(&self, batch: usize) -> HashMap<String, Tensor> {
        let tensor = |name: &str, values: Vec<i64>, shape: &[usize]| {
            (name.to_string(), Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
        };
        match self.input {
            Input::Images { size: [c, h, w], classes } => {
                let scale = 3f64.sqrt() as f32;
                let xs: Vec<f32> = self.uniform("input", batch * c * h * w).into_iter().map(|u| u * scale).collect();
                let target = self.integers("target", batch, 0, classes as u64);
                HashMap::from([
                    ("input".to_string(), Tensor::from_vec(xs, (batch, c, h, w), &Device::Cpu).unwrap()),
                    tensor("target", target, &[batch]),
                ])
            }
            Input::Text { vocab, lengths } => {
                let ids = |name: &str, len: usize, padding: usize| {
                    let mut ids = self.integers(name, batch * len, 1, vocab as u64);
                    for (row, ids) in ids.chunks_exact_mut(len).enumerate() {
                        ids[len - padding * row..].fill(0);
                    }
                    tensor(name, ids, &[batch, len])
                };
                HashMap::from([ids("src", lengths[0], 2), ids("tgt", lengths[1], 1)])
            }
        }
    }
}
