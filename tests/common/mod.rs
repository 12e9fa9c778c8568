//! What the whole-program tests share.
#![allow(dead_code, reason = "each test uses its part")]

pub mod data;
pub mod python;

use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use swish_core::models::{self, ModelInfo, Net};
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
    info: &'static ModelInfo,
    pub weights: HashMap<String, Tensor>,
}

impl Generated {
    /// For as many classes as the model's data set has.
    pub fn new(model: &str, activation: &str, seed: u64) -> Self {
        let (info, activation) = (models::find(model).unwrap(), activation.parse().unwrap());
        let net = Net::undrawn(info, &activation, info.classes, DType::F32, &Device::Cpu).unwrap();
        let mut generated = Self { seed, info, weights: HashMap::new() };
        for p in &net.params.params {
            let u = generated.uniform(&p.name, p.elements());
            let fan_in: usize = p.shape[1..].iter().product();
            let value = |u: f32| match p.name.rsplit('.').next() {
                _ if p.shape.len() >= 2 => u * (6.0 / fan_in as f64).sqrt() as f32,
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

    /// Float32 values in [-1, 1): the upper 24 bits of SplitMix64 seeded by FNV-1a of "seed:name".
    pub fn uniform(&self, name: &str, n: usize) -> Vec<f32> {
        let seed = fnv1a64(&format!("{}:{name}", self.seed));
        (0..n as u64).map(|i| ((at(seed, i) >> 40) as f64 * 2f64.powi(-23) - 1.0) as f32).collect()
    }

    /// `input` (batch, 3, height, width) and `target` (batch).
    pub fn input(&self, batch: usize) -> HashMap<String, Tensor> {
        let scale = 3f64.sqrt() as f32;
        let [c, h, w] = self.info.input;
        let xs: Vec<f32> = self.uniform("input", batch * c * h * w).into_iter().map(|u| u * scale).collect();
        let classes = self.info.classes as u64;
        let seed = fnv1a64(&format!("{}:target", self.seed));
        let target: Vec<i64> = (0..batch as u64).map(|i| ((at(seed, i) >> 33) % classes) as i64).collect();
        HashMap::from([
            ("input".to_string(), Tensor::from_vec(xs, (batch, c, h, w), &Device::Cpu).unwrap()),
            ("target".to_string(), Tensor::from_vec(target, batch, &Device::Cpu).unwrap()),
        ])
    }
}
