//! Whole steps that were recorded compared with the same ones started launch by launch, to the bit.

use super::{DeviceLearner, Examples, OnDevice, OnImages};
use crate::averages::{Averages, MovingAverages};
use crate::error::{Error, Result};
use crate::learner::Learner;
use crate::optimizer::{DecayOn, OptimizerConfig, Rule};
use crate::translation::OnText;
use candle_core::{DType, Device as Host, Tensor};
use half::bf16;
use std::rc::Rc;
use swish_core::activation::Activation;
use swish_core::models::transformer::{self, EOS, TextBatch, Transformer, TransformerConfig};
use swish_core::models::{self, ModelInfo, Net};
use swish_core::nn::{LossConfig, Params, Pass};
use swish_kernels::cuda::check::Row;
use swish_kernels::cuda::{Device, Engine, Precision, Stored};
use swish_kernels::rng::Rng;

/// Of two kinds of batches in turn, the larger first: each is run, recorded and then started again, three times.
const STEPS: u64 = 12;
/// The step before which there are evaluations, by the averages and by the weights.
const EVALUATIONS: u64 = 6;
/// A step with a larger batch, for which memory is asked for anew, so that recordings begin anew too.
const LARGER: u64 = 8;
/// How often something recorded is started at least: by steps 2 to 5, and by the second of two evaluations of each kind. Where results in
/// between need more memory than before, recordings begin anew.
const STARTS: u64 = 6;
const CLASSES: usize = 10;
const SGD: Rule = Rule::Sgd { momentum: 0.9, nesterov: true };
const RMS_PROP: Rule = Rule::RmsProp { decay: 0.9, momentum: 0.9, epsilon: 1.0 };
const ADAM: Rule = Rule::Adam { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 };

/// Compares steps of ResNet-20 by every rule and of a Transformer by Adam, in f32 and bf16.
///
/// # Errors
/// The network's and the device's. A difference is no error, but stands in its row.
pub fn run<D: Engine>(device: &Rc<D>) -> Result<Vec<Row>> {
    let (info, config) = (models::find("resnet20")?, transformer::find("transformer_small")?.config);
    let mut rows = images::<D, f32>(device, info, 16, Precision::Exact)?;
    rows.extend(images::<D, bf16>(device, info, 16, Precision::Tf32)?);
    rows.extend(sentences::<D, f32>(device, &config, 8, Precision::Exact)?);
    rows.extend(sentences::<D, bf16>(device, &config, 8, Precision::Tf32)?);
    Ok(rows)
}

/// Steps on `n` images and on one more in turn, and once on two more, by every rule, with clipping, averages and a rate that changes: a row
/// each for the numbers that are not finite, or not what they are where nothing is recorded (logits, losses, weights, statistics, averages
/// and what the rule remembers), and one for how often something recorded was started.
///
/// # Errors
/// The network's and the device's. A difference is no error, but stands in the row.
pub fn images<D: Engine, E: Stored>(
    device: &Rc<D>,
    info: &'static ModelInfo,
    n: usize,
    precision: Precision,
) -> Result<Vec<Row>> {
    let ([c, h, w], activation) = (info.input, "swish".parse::<Activation>()?);
    rows::<D, E>(&**device, &[SGD, RMS_PROP, ADAM], &format!("{}, {n} images", info.name), |rule, record| {
        let net = Net::new(info, &activation, CLASSES, 1, DType::F32, &Host::Cpu)?;
        let mut learner = learner(&net.params, rule)?;
        let on = DeviceLearner::<D, E>::new(device, &net, &learner, precision)?;
        let mut rng = Rng::new(2);
        let mut noise = |n: usize| (0..n * h * w * c).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
        let seen = Tensor::from_vec(noise(n), (n, h, w, c), &Host::Cpu)?;
        let evaluate = |on: &mut DeviceLearner<D, E>| on.forward(&seen, &Pass::eval());
        steps(&**device, on, &mut learner, record, evaluate, |on, pass, lr, more| {
            let n = n + more;
            let labels: Vec<u32> = (0..n).map(|i| (i % CLASSES) as u32).collect();
            let images = Examples::Images { shape: [n, h, w, c], xs: &noise(n), labels: &labels };
            on.batch(&images, &LossConfig::smoothed(0.1), pass, lr)
        })
    })
}

/// As [`images`], of a Transformer on pairs of sentences, by Adam.
///
/// # Errors
/// The model's and the device's. A difference is no error, but stands in the row.
pub fn sentences<D: Engine, E: Stored>(
    device: &Rc<D>,
    config: &TransformerConfig,
    n: usize,
    precision: Precision,
) -> Result<Vec<Row>> {
    let activation: Activation = "swish".parse()?;
    rows::<D, E>(&**device, &[ADAM], &format!("Transformer {}, {n} pairs", config.hidden), |rule, record| {
        let model = Transformer::new(config, &activation, 1, DType::F32, &Host::Cpu)?;
        let mut learner = learner(&model.params, rule)?;
        let on = DeviceLearner::<D, E, Transformer>::of(device, &model, &learner, precision)?;
        let mut rng = Rng::new(2);
        let mut pairs = |n: usize| {
            let mut sentence = |len: usize| -> Vec<u32> {
                let words = (1..len).map(|_| EOS + 1 + rng.below((config.vocab - 1) as u64 - u64::from(EOS)) as u32);
                words.chain([EOS]).collect()
            };
            let sides: Vec<[Vec<u32>; 2]> = (0..n).map(|i| [sentence(5 + i), sentence(n + 5 - i)]).collect();
            TextBatch::of(sides.iter().map(|[src, tgt]| (&src[..], &tgt[..])))
        };
        let seen = pairs(n);
        let evaluate = |on: &mut DeviceLearner<D, E, Transformer>| Ok(on.runner().logits(&seen, &Pass::eval())?);
        steps(&**device, on, &mut learner, record, evaluate, |on, pass, lr, more| {
            on.batch(&pairs(n + more), 0.1, pass, lr)
        })
    })
}

fn learner(params: &Params, rule: Rule) -> Result<Learner> {
    let optimizer = OptimizerConfig { rule, weight_decay: 1e-3, decay_on: DecayOn::Weights, clip_norm: Some(1.0) };
    let averages = Averages::Moving(MovingAverages::new(params, 0.9)?);
    Ok(Learner::new(params, &optimizer, Some(averages)))
}

/// What comes of some steps: logits, losses, then what a checkpoint has.
fn steps<D: Engine, E: Stored, M>(
    device: &D,
    mut on: DeviceLearner<D, E, M>,
    learner: &mut Learner,
    record: bool,
    evaluate: impl Fn(&mut DeviceLearner<D, E, M>) -> Result<Tensor>,
    mut batch: impl FnMut(&mut DeviceLearner<D, E, M>, &Pass, Option<f64>, usize) -> Result<()>,
) -> Result<Vec<f32>> {
    let mut found = Vec::new();
    // What was recorded before is not started any more.
    let forget = || {
        if !record {
            device.has_moved();
        }
    };
    for step in 0..STEPS {
        if step == EVALUATIONS {
            for _ in 0..2 {
                on.swap_averages()?;
                for _ in 0..2 {
                    forget();
                    found.push(evaluate(&mut on)?);
                }
            }
        }
        forget();
        let pass = Pass { dropout_seed: Some(step), ..Pass::train() };
        let more = if step == LARGER { 2 } else { ((step + 1) % 2) as usize };
        batch(&mut on, &pass, Some(0.001 / (step + 1) as f64), more)?;
    }
    found.push(Tensor::new(on.losses(1)?, &Host::Cpu)?.to_dtype(DType::F32)?);
    on.download(learner)?;
    found.extend(learner.tensors()?.into_iter().map(|(_, tensor)| tensor));
    let mut numbers = Vec::new();
    for tensor in found {
        numbers.extend(tensor.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(numbers)
}

/// Rows for what `run` gives by each rule where steps are recorded and where they are not.
fn rows<D: Device, E: Stored>(
    device: &D,
    rules: &[Rule],
    case: &str,
    mut run: impl FnMut(Rule, bool) -> Result<Vec<f32>>,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &rule in rules {
        let mut counted = |record| Ok::<_, Error>((device.replays(), run(rule, record)?, device.replays()));
        let ((before, recorded, between), (_, alone, after)) = (counted(true)?, counted(false)?);
        let wrong = |(x, y): &(&f32, &f32)| x.to_bits() != y.to_bits() || !x.is_finite();
        let differing = recorded.iter().zip(&alone).filter(wrong).count();
        let error = if recorded.len() == alone.len() { differing as f64 / alone.len() as f64 } else { f64::NAN };
        let missing = STARTS.saturating_sub(between - before) + (after - between);
        for (what, count, error) in [("numbers", alone.len(), error), ("starts", STARTS as usize, missing as f64)] {
            let (function, case) = (format!("recorded steps, {what}"), format!("{case}, {rule}"));
            rows.push(Row { function, case, element: E::NAME, count, error, tolerance: 0.0 });
        }
    }
    Ok(rows)
}
