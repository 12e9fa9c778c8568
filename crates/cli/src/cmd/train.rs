//! `swish train`: one cell under the plain recipe of its kind of model.

use super::ranks::{self, TrainOn};
use crate::args::{AnyModel, DataArgs, TextSets, refuse, say};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use swish_core::models::ModelInfo;
use swish_core::models::transformer::TransformerInfo;
use swish_data::DataOptions;
use swish_record::{Profile, RunStore};
use swish_train::cell::{Cell, Precision};
use swish_train::jobs::with_threads;
use swish_train::optimizer::Rule;
use swish_train::progress::Progress;
use swish_train::ranks::follow;
use swish_train::trainer::{RunOptions, run_cell, weights_file};
use swish_train::translation::{LastAverage, TextData, export};
use swish_train::{Recipe, Task, TranslationRecipe, recipes};

/// Train one model with one activation; started again, it goes on where it was killed
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  swish train --model resnet20 --activation swish --dataset cifar10 --data-dir DIR --steps 2000 --batch 128\n  swish train --model mobilenet-v1-025-64 --activation swish --dataset imagenet --data-dir DIR --optimizer rms-prop --lr 0.045\n  swish train --model transformer-small --activation swish --dataset wmt-en-de --data-dir DIR --sets tatoeba,multi30k --precision bf16\n  swish train --model resnet164 --activation swish --dataset cifar10 --data-dir DIR --devices 0,1 --precision bf16\n\nImageNet's images have the model's size. Transformers have Vaswani's recipe: Adam, rates that rise over --warmup steps, dropout,\nlabel smoothing, the mean of the last checkpoints.\nThe run's folder is results/runs/<id>: recipe.json, metrics.csv, run.json, model.safetensors; of a Transformer also tokenizer.json,\nsamples.md and samples.csv.\nThe record is printed as JSON; a cell that has its record is not trained again."
)]
pub struct Args {
    /// Model, as `swish models` lists them
    #[arg(long)]
    model: String,
    /// Activation: a name or an expression
    #[arg(long)]
    activation: String,
    /// Steps [default: 2000; Transformers 6000]
    #[arg(long)]
    steps: Option<u64>,
    /// Images of a batch, or for Transformers its tokens with padding [default: 128; 2048]
    #[arg(long)]
    batch: Option<usize>,
    /// Batches a step, whose gradients are averaged, each with BatchNorm statistics of its own; --devices share them out, where they are
    /// a multiple of their number [default: 1]
    #[arg(long)]
    replicas: Option<u64>,
    /// Base learning rate of the cosine schedule, or for Transformers what Vaswani's rates are multiplied with [default: 0.1; 0.5]
    #[arg(long)]
    lr: Option<f64>,
    /// sgd (momentum 0.9), rms-prop (TensorFlow's, epsilon 1) or adam [default: sgd; Transformers adam]
    #[arg(long)]
    optimizer: Option<Rule>,
    /// Evaluate moving averages of weights and statistics, of this decay at most
    #[arg(long, value_name = "DECAY")]
    ema_decay: Option<f64>,
    /// Weight decay [default: 1e-4; Transformers 0]
    #[arg(long)]
    weight_decay: Option<f64>,
    /// Label smoothing [default: 0; Transformers 0.1]
    #[arg(long)]
    label_smoothing: Option<f64>,
    /// Steps between evaluations; a fifth of all unless given, of Transformers a sixth
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
    /// Write the curve for TensorBoard as well, beside metrics.csv
    #[arg(long)]
    tensorboard: bool,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    sets: TextSets,
    #[command(flatten)]
    text: TextArgs,
    #[command(flatten)]
    on: TrainOn,
}

/// What only Transformers have.
#[derive(Clone, Debug, clap::Args)]
struct TextArgs {
    /// Transformers: ids of the tokenizer [default: 8000]
    #[arg(long)]
    vocab: Option<usize>,
    /// Transformers: longest sentence trained on, in tokens [default: 128]
    #[arg(long)]
    max_len: Option<usize>,
    /// Transformers: dropout [default: 0.1]
    #[arg(long)]
    dropout: Option<f64>,
    /// Transformers: steps over which the rate rises [default: a quarter of all]
    #[arg(long)]
    warmup: Option<u64>,
    /// Transformers: evaluate the mean of so many of the last checkpoints, 0 for none [default: 5]
    #[arg(long, value_name = "CHECKPOINTS")]
    average: Option<usize>,
    /// Transformers: train nothing, but write to this folder what another program needs to train the same run: recipe, tokenizer, first
    /// weights, batches, evaluation sets
    #[arg(long, value_name = "DIR", conflicts_with = "devices")]
    export: Option<PathBuf>,
}

/// Whether the work is that of other processes. They find the data fetched and prepared; a record needs none of them.
fn launches<R: Task>(args: &Args, cell: &Cell<R>, data: &R::Data) -> Result<bool> {
    Ok(args.on.launches() && RunStore::new(&args.results).read(&cell.id(data))?.is_none())
}

pub fn run(args: Args) -> Result<()> {
    args.on.distinct()?;
    match AnyModel::find(&args.model)? {
        AnyModel::Images(info) => images(&args, info),
        AnyModel::Text(info) => translation(&args, info),
    }
}

fn images(args: &Args, info: &ModelInfo) -> Result<()> {
    let TextSets { sets, eval_sets } = &args.sets;
    let TextArgs { vocab, max_len, dropout, warmup, average, export } = &args.text;
    let text = [
        ("--sets", !sets.is_empty()),
        ("--eval-sets", !eval_sets.is_empty()),
        ("--vocab", vocab.is_some()),
        ("--max-len", max_len.is_some()),
        ("--dropout", dropout.is_some()),
        ("--warmup", warmup.is_some()),
        ("--average", average.is_some()),
        ("--export", export.is_some()),
    ];
    refuse(&text, "Transformers", info.name)?;
    let plain = recipes::plain(info, args.data.images()?, args.steps.unwrap_or(2000));
    let mut recipe = Recipe { ema_decay: args.ema_decay, ..plain };
    (recipe.replicas, recipe.batch) = args.on.batches(args.replicas, args.batch.unwrap_or(recipe.batch))?;
    recipe.label_smoothing = args.label_smoothing.unwrap_or(recipe.label_smoothing);
    recipe.optimizer.rule = args.optimizer.unwrap_or(recipe.optimizer.rule);
    recipe.schedule.lr = args.lr.unwrap_or(recipe.schedule.lr);
    recipe.optimizer.weight_decay = args.weight_decay.unwrap_or(recipe.optimizer.weight_decay);
    recipe.eval_every = args.eval_every.unwrap_or(recipe.eval_every);
    recipe.log_every = recipe.log_every.min(recipe.eval_every);
    let cell = cell(args, recipe)?;
    // Before any data are fetched.
    args.on.found()?;
    let data = args.data.open()?;
    args.on.note(data.note());
    if launches(args, &cell, &data)? {
        drop(data);
        return args.on.launch();
    }
    train(args, &cell, &data)
}

fn translation(args: &Args, info: &TransformerInfo) -> Result<()> {
    refuse(&[("--ema-decay", args.ema_decay.is_some())], "models that take images (--average for others)", info.name)?;
    let mut recipe = recipes::plain_translation(info, args.steps.unwrap_or(6000));
    (recipe.replicas, recipe.tokens) = args.on.batches(args.replicas, args.batch.unwrap_or(recipe.tokens))?;
    recipe.schedule.lr = args.lr.unwrap_or(recipe.schedule.lr);
    recipe.optimizer.rule = args.optimizer.unwrap_or(recipe.optimizer.rule);
    recipe.optimizer.weight_decay = args.weight_decay.unwrap_or(recipe.optimizer.weight_decay);
    recipe.label_smoothing = args.label_smoothing.unwrap_or(recipe.label_smoothing);
    recipe.eval_every = args.eval_every.unwrap_or(recipe.eval_every);
    recipe.log_every = recipe.log_every.min(recipe.eval_every);
    let text = &args.text;
    recipe.vocab = text.vocab.unwrap_or(recipe.vocab);
    recipe.max_len = text.max_len.unwrap_or(recipe.max_len.min(recipe.tokens));
    recipe.dropout = text.dropout.unwrap_or(recipe.dropout);
    recipe.schedule = recipe.schedule.clone().with_warmup(|steps| text.warmup.unwrap_or(steps));
    recipe.average = match (text.average, recipe.average) {
        (Some(0), _) => None,
        (Some(checkpoints), Some(average)) => Some(LastAverage { checkpoints, ..average }),
        (_, average) => average,
    };
    let cell: Cell<TranslationRecipe> = cell(args, recipe)?;
    args.on.found()?;
    let corpus = args.data.open_text(&args.sets)?;
    args.on.note(&corpus.note);
    let data = TextData::prepare(Arc::new(corpus), &cell.recipe, Some(&DataOptions::default_cache()))?;
    args.on.note(&data.note());
    if launches(args, &cell, &data)? {
        drop(data);
        return args.on.launch();
    }
    match &text.export {
        Some(dir) => Ok(export(&cell, &data, dir)?),
        None => train(args, &cell, &data),
    }
}

fn cell<R: Task>(args: &Args, recipe: R) -> Result<Cell<R>> {
    recipe.check()?;
    Ok(Cell {
        recipe,
        activation: args.activation.parse()?,
        seed: args.seed,
        precision: args.precision,
        profile: Profile::Reduced,
    })
}

fn train<R: Task>(args: &Args, cell: &Cell<R>, data: &R::Data) -> Result<()> {
    let Ok(checkpoint_every) = Duration::try_from_secs_f64(args.checkpoint_seconds) else {
        bail!("--checkpoint-seconds {}: expected a number of seconds, 0 or more", args.checkpoint_seconds)
    };
    let seat = args.on.seat()?;
    let options = RunOptions {
        store: RunStore::new(&args.results),
        experiment: "train".into(),
        device: seat,
        threads: args.on.threads(),
        checkpoint_every,
        keep_weights: true,
        tensorboard: args.tensorboard,
        progress: Progress::default(),
        begun: seat.member.map(|_| ranks::begun as fn(&Path)),
    };
    if seat.member.is_some_and(|member| !member.rank.is_first()) {
        return Ok(with_threads(options.threads, || follow(cell, data, &options))??);
    }
    let record = with_threads(options.threads, || run_cell(cell, data, &options))??;
    let weights = weights_file(&options.store, &record.id);
    if weights.exists() {
        eprintln!("weights: {}", weights.display());
    }
    say(serde_json::to_string_pretty(&record)?)?;
    match record.err {
        Some(why) => bail!("{}: {why}", cell.label()),
        None => Ok(()),
    }
}
