//! Whole networks on a device compared with the same ones on the CPU: loss, logits, the gradient of every parameter, running
//! statistics.

mod recorded;
mod text;

pub use recorded::{compare_recorded, compare_recorded_transformer};
pub use text::{compare_search, compare_transformer};

use super::DeviceNetwork;
use crate::activation::{Activation, ParseError};
use crate::models::{ModelInfo, Net, transformer};
use crate::nn::{Error, LossAndGradient, LossConfig, Pass, Result, Stored as HostStored};
use candle_core::{DType, Device as Host, Tensor};
use half::bf16;
use std::rc::Rc;
use swish_kernels::conv::Operands;
use swish_kernels::cuda::check::Row;
use swish_kernels::cuda::{Engine, Precision, Stored};
use swish_kernels::rng::Rng;

/// What is compared, each as a share of what it should be: the loss; the gradient's distance by its norm; the largest difference of a
/// running statistic after the step, and of a logit in evaluation, by the largest of them.
const WHAT: [&str; 4] = ["loss", "gradient", "running statistics", "logits"];

/// Every family at its full size, with as many images as the CPU runs in seconds.
const NETWORKS: [(&str, &str, usize); 10] = [
    ("resnet20", "swish", 8),
    ("resnet32_b", "prelu", 4),
    ("resnet164", "swish", 2),
    ("wrn28_10", "gelu", 2),
    ("densenet100_12_bc", "max(x, sin(x))", 2),
    ("mobilenet_v1_same", "swish", 2),
    ("nasnet_a_mobile", "swish", 2),
    ("inception_v3_tfpool", "elu", 2),
    ("inception_v4", "swish", 2),
    ("inception_resnet_v2", "swish", 2),
];

/// Those whose recorded passes are compared: uneven padding and dropout among them.
const RECORDED: [(&str, &str, usize); 3] =
    [("resnet164", "swish", 8), ("nasnet_a_mobile", "swish", 2), ("inception_v3_tfpool", "prelu", 2)];

/// Lengths of sources and targets that a Transformer is compared with.
const PAIRS: [[usize; 2]; 4] = [[17, 23], [30, 12], [1, 1], [25, 31]];

/// How far gradients in f32 may be off, as a share of their norm, where a device adds up products in another order than the CPU: then a
/// maximum can move to another pixel of its window, and a batch of two images makes much of that. PyTorch's gradients on NHWC and NCHW
/// maps are 2e-3 to 5e-3 apart in Inception-v3, and 2e-3 in NASNet, with losses the same to 2e-7; a mistake makes 0.1 and more.
pub const OTHER_ORDER: f64 = 0.02;

/// Compares networks of every family, in f32 and bf16.
///
/// # Errors
/// The network's and the device's. A difference is no error, but stands in its row.
pub fn run<D: Engine>(device: &Rc<D>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let parsed = |model: &str, activation: &str| -> Result<Activation> {
        let unknown = |error: ParseError| Error::BadConfig { model: model.into(), reason: error.to_string() };
        activation.parse().map_err(unknown)
    };
    for (model, activation, n) in NETWORKS {
        let (info, activation) = (crate::models::find(model)?, parsed(model, activation)?);
        rows.extend(compare::<D, f32>(device, info, &activation, n, Precision::Exact, OTHER_ORDER)?);
        rows.extend(compare::<D, bf16>(device, info, &activation, n, Precision::Tf32, OTHER_ORDER)?);
    }
    let info = transformer::find("transformer_base")?;
    let activation = parsed(info.name, "swish")?;
    rows.extend(compare_transformer::<D, f32>(
        device,
        &info.config,
        &activation,
        &PAIRS,
        Precision::Exact,
        OTHER_ORDER,
    )?);
    rows.extend(compare_transformer::<D, bf16>(
        device,
        &info.config,
        &activation,
        &PAIRS,
        Precision::Tf32,
        OTHER_ORDER,
    )?);
    rows.push(compare_search(device, &info.config, &activation, &[30, 12, 1, 25])?);
    rows.push(compare_recorded_transformer::<D, bf16>(device, &info.config, &activation, &PAIRS, Precision::Tf32)?);
    for (model, activation, n) in RECORDED {
        let (info, activation) = (crate::models::find(model)?, parsed(model, activation)?);
        rows.push(compare_recorded::<D, f32>(device, info, &activation, n, Precision::Exact)?);
        rows.push(compare_recorded::<D, bf16>(device, info, &activation, n, Precision::Tf32)?);
    }
    Ok(rows)
}

/// A step's beginning and an evaluation.
struct Found {
    loss: f64,
    gradient: Vec<f32>,
    statistics: Vec<f32>,
    logits: Vec<f32>,
}

impl Found {
    /// The statistics are the network's.
    fn new(done: LossAndGradient, logits: &Tensor, net: &Net) -> Result<Self> {
        let gradient = done.gradient.as_ref().map(f32::of).transpose()?.unwrap_or_default().to_vec();
        let logits = logits.flatten_all()?.to_vec1()?;
        Ok(Self { loss: done.loss, gradient, statistics: statistics(net)?.concat(), logits })
    }

    /// Differences from `want`.
    fn errors(&self, want: &Self) -> [f64; 4] {
        let distance = norm(self.gradient.iter().zip(&want.gradient).map(|(x, y)| f64::from(x - y)));
        [
            (self.loss - want.loss).abs() / want.loss.abs(),
            distance / norm(want.gradient.iter().map(|&g| f64::from(g))),
            largest_difference(&self.statistics, &want.statistics),
            largest_difference(&self.logits, &want.logits),
        ]
    }
}

/// The images of a comparison and their classes.
struct Batch {
    shape: [usize; 4],
    xs: Vec<f32>,
    targets: Vec<u32>,
}

impl Batch {
    fn random(info: &ModelInfo, n: usize, seed: u64) -> Self {
        let ([c, h, w], mut rng) = (info.input, Rng::new(seed));
        let xs = (0..n * h * w * c).map(|_| rng.normal() as f32).collect();
        let targets = (0..n).map(|_| rng.below(CLASSES as u64) as u32).collect();
        Self { shape: [n, h, w, c], xs, targets }
    }
}

const CLASSES: usize = 10;
const CONFIG: LossConfig = LossConfig::smoothed(0.1);

fn passes(operands: Operands) -> [Pass; 2] {
    [Pass { dropout_seed: Some(3), operands, ..Pass::train() }, Pass { operands, ..Pass::eval() }]
}

/// The beginning of a training step and an evaluation on `n` random images: a row for each of the differences from the CPU's f32. In
/// bf16 they may be twice those of the CPU's own bf16, since it depends on the network how far roundings reach; in f32 that of the gradient
/// may be `gradient`.
///
/// # Errors
/// The network's and the device's. A difference is no error, but stands in the row.
pub fn compare<D: Engine, E: Stored>(
    device: &Rc<D>,
    info: &'static ModelInfo,
    activation: &Activation,
    n: usize,
    precision: Precision,
    gradient: f64,
) -> Result<Vec<Row>> {
    let net = Net::new(info, activation, CLASSES, 1, DType::F32, &Host::Cpu)?;
    let batch = Batch::random(info, n, 2);
    let before = statistics(&net)?;
    let there = on_device::<D, E>(device, &net, &batch, precision)?;
    restore(&net, &before)?;
    let exact = on_cpu(&net, &batch, Operands::Exact)?;
    let allowed = if E::BF16 {
        restore(&net, &before)?;
        allowed(on_cpu(&net, &batch, Operands::Bf16)?.errors(&exact))
    } else {
        [1e-4, gradient, 1e-4, 1e-4]
    };
    let counts = [1, there.gradient.len(), there.statistics.len(), there.logits.len()];
    let errors = there.errors(&exact).into_iter().zip(allowed).zip(counts);
    let row = |(function, ((error, tolerance), count)): (&str, ((f64, f64), usize))| Row {
        function: function.to_string(),
        case: format!("{} {activation}, {n} images", info.name),
        element: E::NAME,
        count,
        error,
        tolerance,
    };
    Ok(WHAT.into_iter().zip(errors).map(row).collect())
}

/// Leaves its statistics in `net`.
fn on_device<D: Engine, E: Stored>(device: &Rc<D>, net: &Net, batch: &Batch, precision: Precision) -> Result<Found> {
    let [train, eval] = passes(if E::BF16 { Operands::Bf16 } else { Operands::Exact });
    let [_, h, w, c] = batch.shape;
    let images = Tensor::from_slice(&batch.xs, &batch.shape, &Host::Cpu)?;
    let mut on = DeviceNetwork::<D, E>::new(device, net, [h, w, c], precision)?;
    let done = on.loss_and_gradient(&images, &batch.targets, &CONFIG, &train)?;
    let logits = on.forward(&images, &eval)?;
    on.download()?;
    Found::new(done, &logits, net)
}

fn on_cpu(net: &Net, batch: &Batch, operands: Operands) -> Result<Found> {
    let [train, eval] = passes(operands);
    let images = Tensor::from_slice(&batch.xs, &batch.shape, &Host::Cpu)?;
    let done = net.loss_and_gradient(&images, &batch.targets, &CONFIG, &train)?;
    Found::new(done, &net.forward(&images, &eval)?, net)
}

/// What bf16 may be off where the CPU's own is off by so much.
fn allowed<const N: usize>(errors: [f64; N]) -> [f64; N] {
    errors.map(|error| (2.0 * error).clamp(0.01, 0.9))
}

fn statistics(net: &Net) -> Result<Vec<Vec<f32>>> {
    net.params.buffers.iter().map(|buffer| Ok(buffer.get().to_vec1()?)).collect()
}

fn restore(net: &Net, statistics: &[Vec<f32>]) -> Result<()> {
    for (buffer, values) in net.params.buffers.iter().zip(statistics) {
        buffer.set(Tensor::from_slice(values, values.len(), &Host::Cpu)?);
    }
    Ok(())
}

fn norm(xs: impl Iterator<Item = f64>) -> f64 {
    xs.map(|x| x * x).sum::<f64>().sqrt()
}

fn largest_difference(xs: &[f32], ys: &[f32]) -> f64 {
    let largest = ys.iter().fold(0f32, |largest, y| largest.max(y.abs()));
    // NaN, or one too many, is larger than any tolerance.
    let difference = |(x, y): (&f32, &f32)| if (x - y).is_finite() { f64::from((x - y).abs()) } else { f64::INFINITY };
    if xs.len() != ys.len() {
        return f64::INFINITY;
    }
    xs.iter().zip(ys).map(difference).fold(0.0, f64::max) / f64::from(largest)
}
