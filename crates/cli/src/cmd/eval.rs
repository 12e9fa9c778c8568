//! `swish eval`: accuracy or BLEU of given weights on a data set.

use crate::args::{AnyModel, BeamArgs, ComputeArgs, DataArgs, TextSets, Weights, positive, refuse, say};
use anyhow::{Context, Result, bail};
use candle_core::{DType, Device};
use serde::Serialize;
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use swish_core::activation::Activation;
use swish_core::device::runner;
use swish_core::models::transformer::TransformerInfo;
use swish_core::models::{ModelInfo, Net};
use swish_core::nn::{Pass, weights};
use swish_data::imagenet::{self, ImageNetOptions, ImageNetTransform, Resize};
use swish_data::{Augment, Data, DataOptions, Dataset, Normalise};
use swish_train::cell::Precision;
use swish_train::evaluate::{self, Counts, evaluate_by};
use swish_train::jobs::with_threads;
use swish_train::preprocess::Preprocess;
use swish_train::translation::Translator;

/// Evaluate weights (a run's model.safetensors, PyTorch's or timm's) on a test or validation set; of Transformers loss and BLEU
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  swish eval --model resnet20 --activation swish --weights results/runs/ID/model.safetensors --dataset cifar10 --data-dir DIR\n  swish eval --model inception_v4 --activation relu --weights hub:timm/inception_v4.tf_in1k --dataset imagenet --data-dir DIR\n  swish eval --model mobilenet_v1 --activation relu6 --weights FILE --norm-eps 1e-5 --dataset imagenet --val val.tar.gz --classes classes.tsv
  swish eval --model transformer-small --activation swish --weights results/runs/ID/model.safetensors --data-dir DIR --eval-sets newstest2014

Published weights have their authors' function and no other: relu in timm's inception_v3, inception_v4 and inception_resnet_v2, relu6 in its
mobilenetv1_100 (here mobilenet_v1), which also has BatchNorm's epsilon 1e-5. timm's accuracies are of images whose shorter side was resized to
size / 0.875 (0.8975 for inception_resnet_v2), bicubic with antialias, and whose middle was cut out, with mean 0.5 and deviation 0.5; those of
slim's models are of slim's preprocessing. Weights for other means and deviations (torchvision's) do not
fit. An auxiliary head, which published weights mostly lack, plays no part."
)]
pub struct Args {
    /// Model, as `swish models` lists them
    #[arg(long)]
    model: String,
    /// Activation: a name or an expression
    #[arg(long)]
    activation: String,
    /// Weights and running statistics: a safetensors file, or hub:OWNER/NAME or hub:OWNER/NAME@REVISION for its model.safetensors
    #[arg(long)]
    weights: Weights,
    /// CIFAR's normalisation: fb (fb.resnet.torch, DenseNet, `swish train`; the default), wrn (Wide ResNet), tf (per image)
    #[arg(long)]
    normalise: Option<String>,
    /// ImageNet's preprocessing, of the middle 87.5 % of both sides to the model's size and to -1..1: slim (TensorFlow 1's bilinear; the
    /// default), antialias (Pillow's and torchvision's bilinear)
    #[arg(long)]
    preprocess: Option<String>,
    /// List of ImageNet's classes, a wnid a line: a part of ImageNet then has the labels of the whole, as weights for all of it need
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// An ImageNet validation set alone, instead of --data-dir: folder of class folders, or .tar or .tar.gz of one
    #[arg(long, value_name = "PATH")]
    val: Option<PathBuf>,
    /// What BatchNorm adds to variances, where the weights were trained with another value than the model's
    #[arg(long, value_name = "EPSILON", value_parser = positive)]
    norm_eps: Option<f64>,
    /// Also write a line for each class that has examples: class, name, examples, top1, top5 (CSV)
    #[arg(long, value_name = "FILE")]
    per_class: Option<PathBuf>,
    /// Examples a step, as memory allows; changes no result but the last digits of the loss
    #[arg(long)]
    batch: Option<NonZeroUsize>,
    /// f32 or bf16
    #[arg(long, default_value = "f32")]
    precision: Precision,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    sets: TextSets,
    #[command(flatten)]
    beam: BeamArgs,
    #[command(flatten)]
    compute: ComputeArgs,
}

/// A line of `--per-class`.
#[derive(Serialize)]
struct Line<'a> {
    class: usize,
    name: &'a str,
    examples: usize,
    top1: f64,
    top5: f64,
}

pub fn run(args: Args) -> Result<()> {
    with_threads(args.compute.threads(), || match AnyModel::find(&args.model)? {
        AnyModel::Images(info) => images(&args, info),
        AnyModel::Text(info) => translation(&args, info),
    })?
}

fn translation(args: &Args, info: &TransformerInfo) -> Result<()> {
    let images = [
        ("--normalise", args.normalise.is_some()),
        ("--preprocess", args.preprocess.is_some()),
        ("--classes", args.classes.is_some()),
        ("--val", args.val.is_some()),
        ("--norm-eps", args.norm_eps.is_some()),
        ("--per-class", args.per_class.is_some()),
        ("--batch", args.batch.is_some()),
    ];
    refuse(&images, "models that take images", info.name)?;
    let (activation, file) = (args.activation.parse::<Activation>()?, args.weights.file()?);
    let (tokenizer, device) = (args.beam.tokenizer.as_deref(), args.compute.device());
    let mut translator = Translator::open(info.name, &activation, &file, tokenizer, args.precision, device)?;
    let corpus = args.data.text(&args.sets)?;
    let found = translator.evaluate(&corpus.eval, &args.beam.search())?;
    say(json!({
        "model": info.name, "activation": activation.to_string(), "weights": args.weights.to_string(),
        "data_source": corpus.source.to_string(), "data_version": corpus.version, "beam": args.beam.search().width,
        "scores": found.sets,
    }))
}

fn images(args: &Args, info: &'static ModelInfo) -> Result<()> {
    let text = [
        ("--sets", !args.sets.sets.is_empty()),
        ("--eval-sets", !args.sets.eval_sets.is_empty()),
        ("--tokenizer", args.beam.tokenizer.is_some()),
        ("--greedy", args.beam.greedy),
    ];
    refuse(&text, "Transformers", info.name)?;
    let activation: Activation = args.activation.parse()?;
    let [_, h, w] = info.input;
    let (preprocess, name) = preprocess(args, h)?;
    let (size, dataset) = (preprocess.image_size(), args.data.images()?);
    if (h, w) != (size, size) {
        bail!("{dataset} has images of {size}x{size}, but {} takes {h}x{w}; is it another --dataset?", info.name);
    }
    let data = open(args)?;
    let images = preprocess.source(&data, None, args.compute.workers())?;
    let file = args.weights.file()?;
    let net = Net::undrawn(info, &activation, images.classes(), DType::F32, &Device::Cpu)?;
    weights::load_for_evaluation(&net.params, &weights::read_file(&file)?, &file)
        .with_context(|| format!("weights for {} classes, as the data have", images.classes()))?;

    let pass = Pass { operands: args.precision.operands(), norm_eps: args.norm_eps, ..Pass::eval() };
    let batch = args.batch.map_or(evaluate::batch((h, w)), NonZeroUsize::get);
    let mut on_device = runner(args.compute.device(), &net, [h, w, 3], pass.operands)?;
    let (e, classes) = evaluate_by(net.classes, images.eval_batches(batch)?, (h, w), |xs| {
        Ok(match &mut on_device {
            Some(device) => device.forward(xs, &pass)?,
            None => net.forward(xs, &pass)?,
        })
    })?;
    if let Some(file) = &args.per_class {
        write_classes(file, data.class_names(), &classes)?;
    }
    say(json!({
        "model": info.name, "activation": activation.to_string(), "weights": args.weights.to_string(),
        "dataset": dataset.to_string(), "data_source": data.source().to_string(), "data_version": data.version(),
        "preprocess": name, "examples": images.eval_len(), "loss": e.loss, "top1": e.top1, "top5": e.top5,
    }))
}

/// The preprocessing of the data set, with its name.
fn preprocess(args: &Args, size: usize) -> Result<(Preprocess, &str)> {
    let Args { normalise, preprocess, .. } = args;
    let dataset = args.data.images()?;
    if dataset == Dataset::ImageNet {
        let name = preprocess.as_deref().unwrap_or("slim");
        let resize = match (name, normalise) {
            (_, Some(_)) => bail!("--normalise is for cifar10 and cifar100; imagenet has --preprocess"),
            ("slim", _) => Resize::Tf1,
            ("antialias", _) => Resize::Antialias,
            (other, _) => bail!("--preprocess {other}: expected slim or antialias"),
        };
        return Ok((Preprocess::ImageNet(ImageNetTransform { size, resize }), name));
    }
    let name = normalise.as_deref().unwrap_or("fb");
    let normalise = match (name, preprocess) {
        (_, Some(_)) => bail!("--preprocess is for imagenet; {dataset} has --normalise"),
        ("fb", _) => Normalise::fb_resnet(dataset),
        ("wrn", _) => Normalise::wide_resnet(),
        ("tf", _) => Normalise::tf_resnet(),
        (other, _) => bail!("--normalise {other}: expected fb, wrn or tf"),
    };
    Ok((Augment::none(normalise).into(), name))
}

fn open(args: &Args) -> Result<Data> {
    let (dataset, classes) = (args.data.images()?, args.classes.clone());
    let data = match &args.val {
        Some(_) if dataset != Dataset::ImageNet => bail!("--val is for imagenet; {dataset} is read from --data-dir"),
        None if classes.is_none() => return args.data.load(),
        _ if dataset != Dataset::ImageNet => {
            bail!("--classes is for imagenet; {dataset} always has all of its classes")
        }
        Some(val) => imagenet::open_val(val, classes.as_deref(), &DataOptions::default_cache())?,
        None => imagenet::load(&ImageNetOptions { classes, ..ImageNetOptions::new(args.data.options()) })?,
    };
    eprintln!("{}", data.note);
    Ok(data.into())
}

fn write_classes(file: &Path, names: &[String], classes: &[Counts]) -> Result<()> {
    let mut lines = Vec::new();
    for (class, (name, counts)) in names.iter().zip(classes).enumerate().filter(|(_, (_, counts))| counts.examples > 0)
    {
        let (top1, top5) = (counts.percent(counts.top1), counts.percent(counts.top5));
        lines.push(Line { class, name, examples: counts.examples, top1, top5 });
    }
    let bytes = swish_record::to_csv(&file.display().to_string(), &lines)?;
    Ok(swish_record::write_atomic(file, bytes)?)
}
