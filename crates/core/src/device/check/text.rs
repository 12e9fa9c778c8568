//! Transformers on a device compared with the same ones on the CPU.

use super::{allowed, largest_difference, norm};
use crate::activation::Activation;
use crate::device::DeviceTransformer;
use crate::models::transformer::{Beam, EOS, Hypothesis, TextBatch, TextLoss, Transformer, TransformerConfig};
use crate::nn::{Error, Pass, Result, Stored as HostStored};
use candle_core::{DType, Device as Host, Tensor};
use std::rc::Rc;
use swish_kernels::conv::Operands;
use swish_kernels::cuda::check::Row;
use swish_kernels::cuda::{Engine, Precision, Stored};
use swish_kernels::rng::Rng;

/// What is compared, each as a share of what it should be: the loss of a training step with dropout; the gradient's distance by its norm,
/// of all parameters and of the worst one; the loss of an evaluation; the largest difference of a logit by the largest of them.
const WHAT: [&str; 5] = ["loss", "gradient", "gradient of a parameter", "loss in evaluation", "logits"];

const SMOOTHING: f64 = 0.1;

/// A step's beginning and an evaluation.
struct Found {
    losses: [f64; 2],
    gradient: Vec<f32>,
    logits: Vec<f32>,
}

impl Found {
    fn new(train: &TextLoss, eval: &TextLoss, logits: &Tensor) -> Result<Self> {
        let gradient = train.gradient.as_ref().map(f32::of).transpose()?.unwrap_or_default().to_vec();
        Ok(Self { losses: [train.loss, eval.loss], gradient, logits: logits.flatten_all()?.to_vec1()? })
    }

    /// Differences from `want`, the gradient of `model`.
    fn errors(&self, want: &Self, model: &Transformer) -> [f64; 5] {
        let [loss, eval] = [0, 1].map(|i| (self.losses[i] - want.losses[i]).abs() / want.losses[i].abs());
        let distance = |range: std::ops::Range<usize>| {
            let (got, want) = (&self.gradient[range.clone()], &want.gradient[range]);
            let squares = got.iter().zip(want).map(|(x, y)| f64::from(x - y));
            norm(squares) / norm(want.iter().map(|&g| f64::from(g)))
        };
        let params = model.params.params.iter().map(|param| distance(param.range()));
        // NaN is larger than any tolerance.
        let worst = params.fold(0.0, |worst: f64, error| if error <= worst { worst } else { error });
        [loss, distance(0..want.gradient.len()), worst, eval, largest_difference(&self.logits, &want.logits)]
    }
}

/// The beginning of a training step and an evaluation on sentences of random ids and of these lengths: a row for each of the differences
/// from the CPU's f32. In bf16 they may be twice those of the CPU's own bf16; in f32 those of gradients may be `gradient`.
///
/// # Errors
/// The model's and the device's. A difference is no error, but stands in its row.
pub fn compare_transformer<D: Engine, E: Stored>(
    device: &Rc<D>,
    config: &TransformerConfig,
    activation: &Activation,
    lengths: &[[usize; 2]],
    precision: Precision,
    gradient: f64,
) -> Result<Vec<Row>> {
    let model = Transformer::new(config, activation, 1, DType::F32, &Host::Cpu)?;
    // Biases that are not 0 and factors that are not 1.
    let (mut rng, mut params) = (Rng::new(4), model.params.flat.to_vec1::<f32>()?);
    params.iter_mut().for_each(|param| *param += 0.1 * rng.normal() as f32);
    model.params.flat.set(&Tensor::from_vec(params, model.params.flat.elem_count(), &Host::Cpu)?)?;
    let batch = sentences(config, lengths, 2);
    let exact = on_cpu(&model, &batch, Operands::Exact)?;
    let operands = if E::BF16 { Operands::Bf16 } else { Operands::Exact };
    let mut on = DeviceTransformer::<D, E>::of(device, &model, precision)?;
    let [train, eval] = passes(operands);
    // Nothing of an earlier batch may show.
    on.loss_and_gradient(&sentences(config, &lengths[..1], 2), SMOOTHING, &train)?;
    let done = on.loss_and_gradient(&batch, SMOOTHING, &train)?;
    let there = Found::new(&done, &on.loss(&batch, SMOOTHING, &eval)?, &on.logits(&batch, &eval)?)?;
    let allowed = match E::BF16 {
        true => allowed(on_cpu(&model, &batch, operands)?.errors(&exact, &model)),
        false => [1e-4, gradient, gradient, 1e-4, 1e-4],
    };
    if there.gradient.len() != exact.gradient.len() {
        return Err(Error::NothingKept);
    }
    let counts = [1, there.gradient.len(), there.gradient.len(), 1, there.logits.len()];
    let errors = there.errors(&exact, &model).into_iter().zip(allowed).zip(counts);
    let row = |(function, ((error, tolerance), count)): (&str, ((f64, f64), usize))| Row {
        function: function.to_string(),
        case: format!("Transformer {} {activation}, {} pairs", config.hidden, lengths.len()),
        element: E::NAME,
        count,
        error,
        tolerance,
    };
    Ok(WHAT.into_iter().zip(errors).map(row).collect())
}

/// Translations by beam search of sentences of random ids and of these lengths: a row for those that are not the CPU's, in f32 and with
/// weights so large that one token is much likelier than the next.
///
/// # Errors
/// The model's and the device's. A difference is no error, but stands in the row.
pub fn compare_search<D: Engine>(
    device: &Rc<D>,
    config: &TransformerConfig,
    activation: &Activation,
    lengths: &[usize],
) -> Result<Row> {
    let model = Transformer::new(config, activation, 1, DType::F32, &Host::Cpu)?;
    let (mut rng, mut params) = (Rng::new(4), model.params.flat.to_vec1::<f32>()?);
    params.iter_mut().for_each(|param| *param += 0.1 * rng.normal() as f32);
    model.params.flat.set(&Tensor::from_vec(params, model.params.flat.elem_count(), &Host::Cpu)?)?;
    let pairs: Vec<[usize; 2]> = lengths.iter().map(|&length| [length, 1]).collect();
    let batch = sentences(config, &pairs, 2);
    let sources: Vec<Vec<u32>> =
        batch.src.chunks(batch.src_len).zip(lengths).map(|(ids, &length)| ids[..length].to_vec()).collect();
    // No end of a sentence by chance: all of it is searched.
    let beam = Beam { extra: 8, ..Beam::default() };
    let want = model.translate(&sources, &beam, &Pass::eval())?;
    let mut on = DeviceTransformer::<D, f32>::of(device, &model, Precision::Exact)?;
    let got = on.translate(&sources, &beam, &Pass::eval())?;
    let same = |got: &Hypothesis, want: &Hypothesis| {
        got.ids == want.ids && (got.score - want.score).abs() <= 1e-4 * want.score.abs()
    };
    let differing = want.iter().zip(&got).filter(|(want, got)| !same(got, want)).count();
    let error = if got.len() == want.len() { differing as f64 / want.len() as f64 } else { f64::INFINITY };
    let case = format!("Transformer {} {activation}, {} sentences", config.hidden, lengths.len());
    Ok(Row { function: "translations".into(), case, element: "f32", count: want.len(), error, tolerance: 0.0 })
}

fn passes(operands: Operands) -> [Pass; 2] {
    [Pass { dropout_seed: Some(3), operands, ..Pass::train() }, Pass { operands, ..Pass::eval() }]
}

fn on_cpu(model: &Transformer, batch: &TextBatch, operands: Operands) -> Result<Found> {
    let [train, eval] = passes(operands);
    let done = model.loss_and_gradient(batch, SMOOTHING, &train)?;
    Found::new(&done, &model.loss(batch, SMOOTHING, &eval)?, &model.logits(batch, &eval)?)
}

/// Pairs of so many ids, the last one the end of the sentence.
pub(super) fn sentences(config: &TransformerConfig, lengths: &[[usize; 2]], seed: u64) -> TextBatch {
    let mut rng = Rng::new(seed);
    let mut sentence = |len: usize| -> Vec<u32> {
        let ids = (1..len).map(|_| 2 + rng.below(config.vocab as u64 - 2) as u32);
        ids.chain([EOS]).collect()
    };
    let pairs: Vec<[Vec<u32>; 2]> = lengths.iter().map(|pair| pair.map(&mut sentence)).collect();
    TextBatch::of(pairs.iter().map(|[src, tgt]| (&src[..], &tgt[..])))
}
