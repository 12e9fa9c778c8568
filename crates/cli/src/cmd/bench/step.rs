//! `swish bench step`: a training step.

use super::machine::{cpu, peak_rss_mib, simd};
use super::text;
use super::times::Times;
use crate::args::{AnyModel, Whole, say};
use crate::cmd::ranks::{self, TrainOn};
use anyhow::{Result, bail};
use candle_core::{DType, Device, Tensor};
use serde_json::json;
use std::path::Path;
use std::time::Instant;
use swish_core::activation::Activation;
use swish_core::device::Seat;
use swish_core::models::{ModelInfo, Net};
use swish_core::nn::{LossConfig, Pass};
use swish_data::{Augment, Dataset, Draft, Images, Normalise};
use swish_kernels::rng::Rng;
use swish_record::provenance;
use swish_train::cell::Precision;
use swish_train::jobs::with_threads;
use swish_train::learner::Learner;
use swish_train::on_device::{self, Examples, OnDevice, OnImages};
use swish_train::optimizer::Rule;
use swish_train::recipes;
use swish_train::session::train_step;

/// Time a training step on random images, or sentences of 32 tokens: one JSON line
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  swish bench step --model resnet20 --batch 128 --activation swish --steps 20\n  swish bench step --model resnet164 --batch 256 --precision bf16 --devices 0,1"
)]
pub struct Args {
    /// Model, as `swish models` lists them
    #[arg(long)]
    pub model: String,
    /// Activation: a name or an expression
    #[arg(long, default_value = "swish")]
    pub activation: String,
    /// Examples a step; for Transformers target tokens, beside as many source tokens
    #[arg(long, default_value_t = 128, value_parser = Whole(1..=65_536))]
    pub batch: usize,
    /// Steps that count; two more warm up
    #[arg(long, default_value_t = 10, value_parser = Whole(1..=1_000_000))]
    pub steps: usize,
    /// f32 or bf16
    #[arg(long, default_value = "f32")]
    pub precision: Precision,
    #[command(flatten)]
    pub on: TrainOn,
}

pub fn run(args: Args) -> Result<()> {
    args.on.distinct()?;
    let (_, batch) = args.on.batches(None, args.batch)?;
    let (model, activation) = (AnyModel::find(&args.model)?, args.activation.parse()?);
    args.on.found()?;
    if args.on.launches() {
        return args.on.launch();
    }
    let threads = args.on.threads();
    with_threads(threads, || match model {
        AnyModel::Images(info) => step(&args, info, &activation, batch, threads),
        AnyModel::Text(info) => text::step(&args, info, &activation, batch, threads),
    })?
}

/// Shares a step's batches out among the devices, and says that this one has begun.
pub fn begin<D: OnDevice + ?Sized>(on: &TrainOn, seat: Seat, device: Option<&mut D>) -> Result<()> {
    if let Some(device) = device {
        device.share(on.count() as u64)?;
    }
    if seat.member.is_some() {
        ranks::begun(Path::new(""));
    }
    Ok(())
}

/// Steps with batches of so many on each device.
fn step(args: &Args, info: &'static ModelInfo, activation: &Activation, batch: usize, threads: usize) -> Result<()> {
    let classes = info.classes;
    let net = Net::new(info, activation, classes, 1, DType::F32, &Device::Cpu)?;
    let mut recipe = recipes::plain(info, Dataset::Cifar10, 1);
    // As the recipes of the paper's networks have it.
    recipe.optimizer.rule = Rule::Sgd { momentum: 0.9, nesterov: true };
    // An auxiliary head, where the network has one, is a part of its training.
    recipe.aux_weight = LossConfig::AUX_WEIGHT;
    let mut learner = Learner::new(&net.params, &recipe.optimizer, None);
    let seat = args.on.seat()?;
    let mut on_device = on_device::open(seat, &net, &learner, args.precision)?;
    begin(&args.on, seat, on_device.as_deref_mut())?;
    let [c, h, w] = info.input;
    let mut rng = Rng::new(1);
    let pixels: Vec<f32> = (0..batch * h * w * c).map(|_| rng.normal() as f32).collect();
    let shape = [batch, h, w, c];
    let labels: Vec<u32> = (0..batch).map(|_| rng.below(classes as u64) as u32).collect();
    let xs = Tensor::from_slice(&pixels, &shape, &Device::Cpu)?;
    let draft = on_device.as_mut().map(|device| kept(&mut **device, [h, w], &labels, classes, &mut rng)).transpose()?;
    let config = LossConfig { smoothing: recipe.label_smoothing, aux_weight: recipe.aux_weight };
    let pass = Pass { operands: args.precision.operands(), ..Pass::train() };
    let mut milliseconds = Vec::new();
    for i in 0..args.steps + 2 {
        let start = Instant::now();
        let loss = match on_device.as_mut().zip(draft.as_ref()) {
            Some((device, draft)) => {
                device.batch(&Examples::Kept(draft), &config, &pass, Some(0.01))?;
                device.losses(args.on.count() as u64)?.pop().unwrap_or(f64::NAN)
            }
            None => train_step(&net, &mut learner.optimizer, &recipe, (&xs, &labels), 0.01, &pass)?,
        };
        if !loss.is_finite() {
            bail!("the loss became {loss}: these times would mean nothing");
        }
        if i >= 2 {
            milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let ms = Times::of(milliseconds);
    say(json!({
        "model": info.name, "activation": activation.to_string(), "batch": args.batch, "steps": args.steps,
        "precision": args.precision.to_string(), "params": net.params.size(false).params + net.params.size(true).params,
        "device": on_device.map_or_else(|| seat.compute.to_string(), |device| device.name()), "threads": threads,
        "ms_median": ms.median, "ms_p20": ms.p20, "ms_p80": ms.p80,
        "images_per_second": args.batch as f64 / (ms.median / 1e3), "peak_rss_mib": peak_rss_mib()?,
        "cpu": cpu(), "simd": simd(),
        "commit": provenance::commit(), "dirty": provenance::dirty(),
    }))
}

/// Random images that the device keeps, as those of CIFAR in training, and what makes a batch of them.
fn kept(device: &mut dyn OnImages, [h, w]: [usize; 2], labels: &[u32], classes: usize, rng: &mut Rng) -> Result<Draft> {
    let n = labels.len();
    let pixels = (0..n * h * w * 3).map(|_| rng.below(256) as u8).collect();
    let images = Images { pixels, labels: labels.iter().map(|&label| label as u16).collect(), h, w, classes };
    device.keep(&images, &Augment::none(Normalise::fb_resnet(Dataset::Cifar10)))?;
    Ok(Draft { indices: (0..n as u32).collect(), seeds: vec![0; n], labels: labels.to_vec() })
}
