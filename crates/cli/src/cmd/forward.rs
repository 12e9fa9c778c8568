//! `swish forward`: logits, loss and gradients of a model with given weights, for comparison with other programs.

mod text;

use crate::args::{AnyModel, CLASSES, ComputeArgs, Weights, positive, refuse};
use anyhow::{Context, Result, anyhow, bail};
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use swish_core::activation::Activation;
use swish_core::device::runner;
use swish_core::models::Net;
use swish_core::nn::shape::from_nchw;
use swish_core::nn::{Data, LossAndGradient, LossConfig, Params, Pass, weights};
use swish_train::cell::Precision;
use swish_train::jobs::with_threads;

/// Run a model once on given weights and input: logits, and with --train loss and gradients
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  swish forward --model resnet20 --activation swish --classes 10 --weights W.safetensors --input I.safetensors --output O.safetensors --train\n\nI holds `input` (n,3,h,w) f32 and with --train `target` (n). Weights have PyTorch's names.\nO gets `logits`, and with --train (batch statistics, no dropout) `loss`, `grad/NAME` of every parameter\nand `buf/NAME` of every running statistic, which take on the batch's own. Networks with an auxiliary head\nalso give `aux_logits`, `loss_main` and `loss_aux`; their loss is loss_main + 0.4 loss_aux.\nFor Transformers I holds `src` and `tgt` (n, length), padded with 0, and --classes is the vocabulary."
)]
pub struct Args {
    /// Model, as `swish models` lists them
    #[arg(long)]
    model: String,
    /// Activation: a name or an expression
    #[arg(long)]
    activation: String,
    /// Number of classes; without it those of the data set that the model is made for
    #[arg(long, value_parser = CLASSES)]
    classes: Option<usize>,
    /// Weights and running statistics: a safetensors file, or hub:OWNER/NAME or hub:OWNER/NAME@REVISION for its model.safetensors
    #[arg(long)]
    weights: Weights,
    /// What BatchNorm adds to variances in evaluation, where the weights were trained with another value than the model's
    #[arg(long, value_name = "EPSILON", value_parser = positive, conflicts_with = "train")]
    norm_eps: Option<f64>,
    /// Images and targets (safetensors)
    #[arg(long)]
    input: PathBuf,
    /// Where the result goes (safetensors)
    #[arg(long)]
    output: PathBuf,
    /// Training mode: loss and gradients too
    #[arg(long)]
    train: bool,
    /// f32, bf16, or f64 for checks
    #[arg(long, default_value = "f32")]
    precision: String,
    #[command(flatten)]
    compute: ComputeArgs,
}

pub fn run(args: Args) -> Result<()> {
    with_threads(args.compute.threads(), || forward(&args))?
}

fn forward(args: &Args) -> Result<()> {
    let (dtype, precision) = match args.precision.as_str() {
        "f64" => (DType::F64, Precision::F32),
        other => (DType::F32, other.parse()?),
    };
    if dtype == DType::F64 {
        args.compute.device().cpu_only()?;
    }
    let activation: Activation = args.activation.parse()?;
    let operands = precision.operands();
    let info = match AnyModel::find(&args.model)? {
        AnyModel::Images(info) => info,
        AnyModel::Text(info) => {
            refuse(&[("--norm-eps", args.norm_eps.is_some())], "models that take images", info.name)?;
            let pass = Pass { train: args.train, operands, ..Pass::train() };
            return write(args, &text::outputs(args, info, &activation, dtype, &pass)?);
        }
    };
    let net = Net::undrawn(info, &activation, args.classes.unwrap_or(info.classes), dtype, &Device::Cpu)?;
    let file = args.weights.file()?;
    let tensors = weights::read_file(&file)?;
    let load = if args.train { weights::load } else { weights::load_for_evaluation };
    load(&net.params, &tensors, &file)?;
    let input = weights::read_file(&args.input)?;
    let xs = images(&input, &args.input, dtype)?;
    let [c, h, w] = info.input;
    let mut on_device = runner(args.compute.device(), &net, [h, w, c], operands)?;
    let out = if args.train {
        let pass = Pass { norm_momentum: Some(1.0), operands, ..Pass::train() };
        let targets = targets(&input, &args.input)?;
        let config = LossConfig::smoothed(0.0);
        let done = match &mut on_device {
            Some(device) => {
                let done = device.loss_and_gradient(&xs, &targets, &config, &pass)?;
                device.download()?;
                done
            }
            None => net.loss_and_gradient(&xs, &targets, &config, &pass)?,
        };
        train_outputs(&net, done)?
    } else {
        let pass = Pass { operands, norm_eps: args.norm_eps, ..Pass::eval() };
        let logits = match &mut on_device {
            Some(device) => device.forward(&xs, &pass)?,
            None => net.forward(&xs, &pass)?,
        };
        vec![("logits".to_string(), logits)]
    };
    write(args, &out)
}

fn write(args: &Args, out: &[(String, Tensor)]) -> Result<()> {
    swish_record::write_atomic(&args.output, weights::to_bytes(out, None)?)?;
    Ok(())
}

fn scalar(value: f64, dtype: DType) -> Result<Tensor> {
    Ok(Tensor::new(value, &Device::Cpu)?.to_dtype(dtype)?)
}

/// `grad/NAME` of every parameter.
fn gradients(params: &Params, loss: f64, gradient: Option<Data>) -> Result<Vec<(String, Tensor)>> {
    let flat = gradient.with_context(|| format!("the loss is {loss}: it has no gradient"))?.to_tensor()?;
    let of = |p: &swish_core::nn::Param| Ok((format!("grad/{}", p.name), p.view(&flat)?.force_contiguous()?));
    params.params.iter().map(of).collect()
}

fn train_outputs(net: &Net, done: LossAndGradient) -> Result<Vec<(String, Tensor)>> {
    let dtype = net.params.flat.dtype();
    let mut out = vec![("logits".to_string(), done.logits), ("loss".to_string(), scalar(done.loss, dtype)?)];
    if let (Some(logits), Some(loss)) = (done.aux_logits, done.aux) {
        out.push(("aux_logits".to_string(), logits));
        out.push(("loss_main".to_string(), scalar(done.main, dtype)?));
        out.push(("loss_aux".to_string(), scalar(loss, dtype)?));
    }
    out.extend(gradients(&net.params, done.loss, done.gradient)?);
    out.extend(net.params.buffers.iter().map(|b| (format!("buf/{}", b.name), b.get())));
    Ok(out)
}

fn images(input: &HashMap<String, Tensor>, file: &Path, dtype: DType) -> Result<Tensor> {
    let missing = || anyhow!("{}: tensor `input` is missing; expected images (n,3,h,w)", file.display());
    let xs = input.get("input").ok_or_else(missing)?;
    match xs.dims() {
        [_, 3, _, _] => Ok(from_nchw(&xs.to_dtype(dtype)?)?),
        other => bail!("{}: tensor `input` has shape {other:?}, expected images (n,3,h,w)", file.display()),
    }
}

fn targets(input: &HashMap<String, Tensor>, file: &Path) -> Result<Vec<u32>> {
    let missing = || anyhow!("{}: tensor `target` is missing; --train needs the n class numbers", file.display());
    let target = input.get("target").ok_or_else(missing)?;
    whole_numbers(target, "target", file)
}

/// Class numbers or ids.
fn whole_numbers(tensor: &Tensor, name: &str, file: &Path) -> Result<Vec<u32>> {
    if !tensor.dtype().is_int() {
        bail!("{}: tensor `{name}` is {:?}, expected whole numbers", file.display(), tensor.dtype());
    }
    let values = tensor.to_dtype(DType::I64)?.flatten_all()?.to_vec1::<i64>()?;
    let checked = values
        .into_iter()
        .map(|v| u32::try_from(v).map_err(|_| anyhow!("{}: {name} {v} is not a class number or id", file.display())));
    checked.collect()
}
