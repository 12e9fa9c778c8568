//! Transformers under `swish bench`: a training step on random sentences, and their translation.

use super::machine::{cpu, peak_rss_mib, simd};
use super::times::Times;
use super::{step, translate};
use crate::args::say;
use anyhow::{Result, bail};
use candle_core::{DType, Device};
use serde_json::json;
use std::time::Instant;
use swish_core::activation::Activation;
use swish_core::device::{TextRunner, text_runner};
use swish_core::models::transformer::{Beam, EOS, TextBatch, Transformer, TransformerInfo, find};
use swish_core::nn::{Pass, Stored};
use swish_kernels::rng::Rng;
use swish_record::provenance;
use swish_train::learner::Learner;
use swish_train::optimizer::{DecayOn, OptimizerConfig};
use swish_train::translation::on_device;

/// Tokens of a sentence, its end included.
const TOKENS: usize = 32;

/// Random sentences.
fn sentences(rng: &mut Rng, vocab: usize, n: usize) -> Vec<Vec<u32>> {
    let mut id = || 2 + rng.below(vocab as u64 - 2) as u32;
    (0..n).map(|_| (1..TOKENS).map(|_| id()).chain([EOS]).collect()).collect()
}

/// Steps with batches of so many target tokens, and as many source tokens, on each device.
pub fn step(
    args: &step::Args,
    info: &TransformerInfo,
    activation: &Activation,
    batch: usize,
    threads: usize,
) -> Result<()> {
    let model = Transformer::new(&info.config, activation, 1, DType::F32, &Device::Cpu)?;
    let config = OptimizerConfig { rule: "adam".parse()?, weight_decay: 0.0, decay_on: DecayOn::All, clip_norm: None };
    let mut learner = Learner::new(&model.params, &config, None);
    let (seat, devices) = (args.on.seat()?, args.on.count());
    let mut on_device = on_device::open(seat, &model, &learner, args.precision)?;
    step::begin(&args.on, seat, on_device.as_deref_mut())?;
    let n = batch.div_ceil(TOKENS);
    let mut rng = Rng::new(1);
    let [src, tgt] = [(); 2].map(|()| sentences(&mut rng, info.config.vocab, n));
    let batch = TextBatch::of(src.iter().zip(&tgt).map(|(src, tgt)| (&src[..], &tgt[..])));
    let mut milliseconds = Vec::new();
    for i in 0..args.steps + 2 {
        let pass = Pass { operands: args.precision.operands(), dropout_seed: Some(i as u64), ..Pass::train() };
        let start = Instant::now();
        let loss = match &mut on_device {
            Some(device) => {
                device.batch(&batch, 0.1, &pass, Some(1e-4))?;
                device.losses(devices as u64)?.pop().unwrap_or(f64::NAN)
            }
            None => {
                let done = model.loss_and_gradient(&batch, 0.1, &pass)?;
                if let Some(gradient) = &done.gradient {
                    learner.optimizer.step(f32::of(gradient)?, 1e-4)?;
                }
                done.loss
            }
        };
        if !loss.is_finite() {
            bail!("the loss became {loss}: these times would mean nothing");
        }
        if i >= 2 {
            milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let ms = Times::of(milliseconds);
    let tokens = n * TOKENS * devices;
    say(json!({
        "model": info.name, "activation": activation.to_string(), "batch": tokens, "steps": args.steps,
        "precision": args.precision.to_string(), "params": model.params.count(),
        "device": on_device.map_or_else(|| seat.compute.to_string(), |device| device.name()), "threads": threads,
        "ms_median": ms.median, "ms_p20": ms.p20, "ms_p80": ms.p80,
        "tokens_per_second": tokens as f64 / (ms.median / 1e3), "peak_rss_mib": peak_rss_mib()?,
        "cpu": cpu(), "simd": simd(),
        "commit": provenance::commit(), "dirty": provenance::dirty(),
    }))
}

/// Random sentences by random weights: nothing that could be read, but as much work.
pub fn translate(args: &translate::Args, threads: usize) -> Result<()> {
    let info = find(&args.model)?;
    let activation: Activation = args.activation.parse()?;
    let model = Transformer::new(&info.config, &activation, 1, DType::F32, &Device::Cpu)?;
    let src = sentences(&mut Rng::new(1), info.config.vocab, args.batch);
    let beam = Beam { width: args.beam, max_len: TOKENS, ..Beam::default() };
    let pass = Pass { operands: args.precision.operands(), ..Pass::eval() };
    let params = model.params.count();
    let on_device = text_runner(args.compute.device(), &model, pass.operands)?;
    let mut model: Box<dyn TextRunner> = on_device.unwrap_or_else(|| Box::new(model));
    let (mut milliseconds, mut tokens) = (Vec::new(), 0);
    for i in 0..args.steps + 1 {
        let start = Instant::now();
        let found = model.translate(&src, &beam, &pass)?;
        if i >= 1 {
            milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        }
        tokens = found.iter().map(|hypothesis| hypothesis.ids.len()).sum();
    }
    let ms = Times::of(milliseconds);
    let seconds = ms.median / 1e3;
    say(json!({
        "model": info.name, "activation": activation.to_string(), "batch": src.len(), "beam": beam.width,
        "steps": args.steps, "precision": args.precision.to_string(), "params": params, "device": model.name(),
        "threads": threads, "ms_median": ms.median, "ms_p20": ms.p20, "ms_p80": ms.p80, "tokens": tokens,
        "tokens_per_second": tokens as f64 / seconds, "sentences_per_second": src.len() as f64 / seconds,
        "peak_rss_mib": peak_rss_mib()?, "cpu": cpu(), "simd": simd(),
        "commit": provenance::commit(), "dirty": provenance::dirty(),
    }))
}
