//! `swish eval`: accuracy of given weights on a data set.

use crate::args::{ComputeArgs, DataArgs, say};
use anyhow::{Result, bail};
use candle_core::{DType, Device};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use swish_core::activation::Activation;
use swish_core::models::{self, Net};
use swish_core::nn::{Pass, weights};
use swish_data::{Augment, Normalise};
use swish_train::cell::Precision;
use swish_train::evaluate::evaluate;
use swish_train::jobs::with_threads;
use swish_train::preprocess::Preprocess;

/// Evaluate weights (a run's model.safetensors, or PyTorch's names) on a test set
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  swish eval --model resnet20 --activation swish --weights results/runs/ID/model.safetensors --dataset cifar10 --data-dir DIR"
)]
pub struct Args {
    /// Model, as `swish models` lists them
    #[arg(long)]
    model: String,
    /// Activation: a name or an expression
    #[arg(long)]
    activation: String,
    /// Weights and running statistics (safetensors)
    #[arg(long)]
    weights: PathBuf,
    /// Normalisation of the images: fb (fb.resnet.torch, DenseNet, `swish train`), wrn (Wide ResNet), tf (per image)
    #[arg(long, default_value = "fb")]
    normalise: String,
    /// Examples a step
    #[arg(long, default_value_t = 250)]
    batch: usize,
    /// f32 or bf16
    #[arg(long, default_value = "f32")]
    precision: Precision,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    compute: ComputeArgs,
}

pub fn run(args: Args) -> Result<()> {
    let device = args.compute.device()?;
    if args.batch == 0 {
        bail!("--batch 0: expected at least 1");
    }
    with_threads(args.compute.threads(), || eval(&args, &device))?
}

fn eval(args: &Args, device: &Device) -> Result<()> {
    let augment = Augment::none(match args.normalise.as_str() {
        "fb" => Normalise::fb_resnet(args.data.dataset),
        "wrn" => Normalise::wide_resnet(),
        "tf" => Normalise::tf_resnet(),
        other => bail!("--normalise {other}: expected fb, wrn or tf"),
    });
    let activation: Activation = args.activation.parse()?;
    let info = models::find(&args.model)?;
    let net = Net::undrawn(info, &activation, args.data.dataset.classes(), DType::F32, device)?;
    let tensors = weights::read_file(&args.weights)?;
    weights::load(&net.params, &tensors, &args.weights)?;
    weights::require_buffers(&net.params, &tensors, &args.weights)?;
    let data = args.data.load()?;
    let pass = Pass { operands: args.precision.operands(), ..Pass::eval() };
    let images = Preprocess::from(augment).source(&data, None, NonZeroUsize::MIN)?;
    let e = evaluate(&net, images.eval_batches(args.batch)?, images.image_size(), &pass, device)?;
    say(json!({
        "model": info.name, "activation": activation.to_string(), "dataset": data.dataset().to_string(),
        "data_source": data.source().to_string(), "data_version": data.version(), "examples": images.eval_len(),
        "loss": e.loss, "top1": e.top1, "top5": e.top5,
    }))
}
