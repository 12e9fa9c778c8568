//! `swish train`: one cell under the plain recipe.

use crate::args::{ComputeArgs, DataArgs, say};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::time::Duration;
use swish_record::{Profile, RunStore};
use swish_train::cell::{Cell, Precision};
use swish_train::jobs::with_threads;
use swish_train::optimizer::Rule;
use swish_train::progress::Progress;
use swish_train::trainer::{RunOptions, run_cell, weights_file};
use swish_train::{Recipe, Task, recipes};

/// Train one model with one activation; started again, it goes on where it was killed
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  swish train --model resnet20 --activation swish --dataset cifar10 --data-dir DIR --steps 2000 --batch 128\n  swish train --model mobilenet-v1-025-64 --activation swish --dataset imagenet --data-dir DIR --optimizer rms-prop --lr 0.045\n\nImageNet's images have the model's size.\nThe run's folder is results/runs/<id>: recipe.json, metrics.csv, run.json, model.safetensors.\nThe record is printed as JSON; a cell that has its record is not trained again."
)]
pub struct Args {
    /// Model, as `swish models` lists them
    #[arg(long)]
    model: String,
    /// Activation: a name or an expression
    #[arg(long)]
    activation: String,
    /// Steps
    #[arg(long, default_value_t = 2000)]
    steps: u64,
    /// Examples a step
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Base learning rate of the cosine schedule
    #[arg(long, default_value_t = 0.1)]
    lr: f64,
    /// sgd (momentum 0.9), rms-prop (TensorFlow's, epsilon 1) or adam
    #[arg(long, default_value = "sgd")]
    optimizer: Rule,
    /// Evaluate moving averages of weights and statistics, of this decay at most
    #[arg(long, value_name = "DECAY")]
    ema_decay: Option<f64>,
    /// Weight decay
    #[arg(long, default_value_t = 1e-4)]
    weight_decay: f64,
    /// Label smoothing
    #[arg(long, default_value_t = 0.0)]
    label_smoothing: f64,
    /// Steps between evaluations; a fifth of all unless given
    #[arg(long)]
    eval_every: Option<u64>,
    /// Seed of weights, order and augmentation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// f32 or bf16
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// Folder of results
    #[arg(long, default_value = "results")]
    results: PathBuf,
    /// Seconds between checkpoints
    #[arg(long, default_value_t = 30.0)]
    checkpoint_seconds: f64,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    compute: ComputeArgs,
}

pub fn run(args: Args) -> Result<()> {
    let Ok(checkpoint_every) = Duration::try_from_secs_f64(args.checkpoint_seconds) else {
        bail!("--checkpoint-seconds {}: expected a number of seconds, 0 or more", args.checkpoint_seconds)
    };
    let device = args.compute.device()?;
    let plain = recipes::plain(swish_core::models::find(&args.model)?, args.data.dataset, args.steps);
    let (batch, label_smoothing, ema_decay) = (args.batch, args.label_smoothing, args.ema_decay);
    let mut recipe = Recipe { batch, label_smoothing, ema_decay, ..plain };
    recipe.optimizer.rule = args.optimizer;
    recipe.schedule.lr = args.lr;
    recipe.optimizer.weight_decay = args.weight_decay;
    recipe.eval_every = args.eval_every.unwrap_or(recipe.eval_every);
    recipe.log_every = recipe.log_every.min(recipe.eval_every);
    recipe.check()?;
    let cell = Cell {
        recipe,
        activation: args.activation.parse()?,
        seed: args.seed,
        precision: args.precision,
        profile: Profile::Reduced,
    };
    let data = args.data.load()?;
    let options = RunOptions {
        store: RunStore::new(&args.results),
        experiment: "train".into(),
        device,
        threads: args.compute.threads(),
        checkpoint_every,
        keep_weights: true,
        progress: Progress::default(),
    };
    let record = with_threads(options.threads, || run_cell(&cell, &data, &options))??;
    eprintln!("weights: {}", weights_file(&options.store, &record.id).display());
    say(serde_json::to_string_pretty(&record)?)?;
    match record.err {
        Some(why) => bail!("{}: {why}", cell.label()),
        None => Ok(()),
    }
}
