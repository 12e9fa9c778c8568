//! Whole networks on a device compared with the same ones on the CPU: loss, logits, the gradient of every parameter, running
//! statistics.

use super::DeviceNetwork;
use crate::activation::Activation;
use crate::models::{ModelInfo, Net};
use crate::nn::{LossAndGradient, LossConfig, Pass, Result, Stored as HostStored};
use candle_core::{DType, Device as Host, Tensor};
use std::fmt;
use std::rc::Rc;
use swish_kernels::conv::Operands;
use swish_kernels::cuda::{Engine, Precision, Stored};
use swish_kernels::rng::Rng;

/// What is compared, each as a share of what it should be: the loss; the gradient's distance by its norm; the largest difference of a
/// running statistic after the step, and of a logit in evaluation, by the largest of them.
const WHAT: [&str; 4] = ["loss", "gradient", "statistics", "logits"];

/// One network compared.
#[derive(Clone, Debug)]
pub struct Row {
    /// The model.
    pub model: &'static str,
    /// The activation.
    pub activation: String,
    /// What maps are stored in.
    pub precision: &'static str,
    /// Differences from the CPU's f32, in the order of loss, gradient, statistics, logits.
    pub errors: [f64; 4],
    /// What they may be: in bf16 twice the difference of the CPU's own bf16, since it depends on the network how far roundings reach.
    pub allowed: [f64; 4],
}

impl Row {
    /// Whether all differences are allowed.
    pub fn passed(&self) -> bool {
        self.errors.iter().zip(self.allowed).all(|(error, allowed)| *error <= allowed)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: ", self.model, self.activation, self.precision)?;
        for ((what, error), allowed) in WHAT.iter().zip(self.errors).zip(self.allowed) {
            write!(f, "{what} {error:.1e} (at most {allowed:.1e}), ")?;
        }
        f.write_str(if self.passed() { "passed" } else { "FAILED" })
    }
}

/// A step's beginning and an evaluation.
struct Found {
    loss: f64,
    gradient: Vec<f32>,
    statistics: Vec<f32>,
    logits: Vec<f32>,
}

impl Found {
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

const CLASSES: usize = 10;
const CONFIG: LossConfig = LossConfig::smoothed(0.1);

fn passes(operands: Operands) -> [Pass; 2] {
    [Pass { dropout_seed: Some(3), operands, ..Pass::train() }, Pass { operands, ..Pass::eval() }]
}

/// The beginning of a training step and an evaluation on `n` random images.
///
/// # Errors
/// The network's and the device's. A difference is no error, but stands in the row.
pub fn compare<D: Engine, E: Stored>(
    device: &Rc<D>,
    info: &'static ModelInfo,
    activation: &Activation,
    n: usize,
    precision: Precision,
) -> Result<Row> {
    let net = Net::new(info, activation, CLASSES, 1, DType::F32, &Host::Cpu)?;
    let [c, h, w] = info.input;
    let mut rng = Rng::new(2);
    let xs = (0..n * h * w * c).map(|_| rng.normal() as f32).collect();
    let targets = (0..n).map(|_| rng.below(CLASSES as u64) as u32).collect();
    let batch = Batch { shape: [n, h, w, c], xs, targets };
    let before = statistics(&net)?;
    let found = on_device::<D, E>(device, &net, &batch, precision)?;
    let there = Found { statistics: statistics(&net)?.concat(), ..found };
    restore(&net, &before)?;
    let exact = on_cpu(&net, &batch, Operands::Exact)?;
    let allowed = if E::BF16 {
        restore(&net, &before)?;
        on_cpu(&net, &batch, Operands::Bf16)?.errors(&exact).map(|error| (2.0 * error).max(0.01))
    } else {
        [1e-4; 4]
    };
    let precision = if E::BF16 { "bf16" } else { "f32" };
    Ok(Row { model: info.name, activation: activation.to_string(), precision, errors: there.errors(&exact), allowed })
}

/// Leaves its statistics in `net`.
fn on_device<D: Engine, E: Stored>(device: &Rc<D>, net: &Net, batch: &Batch, precision: Precision) -> Result<Found> {
    let Batch { shape, xs, targets } = batch;
    let [train, eval] = passes(if E::BF16 { Operands::Bf16 } else { Operands::Exact });
    let [_, h, w, c] = *shape;
    let mut on = DeviceNetwork::<D, E>::new(device, net, [h, w, c], precision)?;
    on.train(*shape, xs, targets, &CONFIG, &train)?;
    let (loss, gradient) = (on.losses(&CONFIG)?.loss, on.gradient()?);
    let logits = on.evaluate(*shape, xs, &eval)?;
    on.download()?;
    Ok(Found { loss, gradient, statistics: Vec::new(), logits })
}

fn on_cpu(net: &Net, batch: &Batch, operands: Operands) -> Result<Found> {
    let [train, eval] = passes(operands);
    let images = Tensor::from_slice(&batch.xs, &batch.shape, &Host::Cpu)?;
    let LossAndGradient { loss, gradient, .. } = net.loss_and_gradient(&images, &batch.targets, &CONFIG, &train)?;
    let gradient = gradient.as_ref().map(f32::of).transpose()?.unwrap_or_default().to_vec();
    let logits = net.forward(&images, &eval)?.flatten_all()?.to_vec1()?;
    Ok(Found { loss, gradient, statistics: statistics(net)?.concat(), logits })
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
    // NaN is larger than any tolerance.
    let difference = |(x, y): (&f32, &f32)| if x.is_finite() { f64::from((x - y).abs()) } else { f64::INFINITY };
    xs.iter().zip(ys).map(difference).fold(0.0, f64::max) / f64::from(largest)
}
