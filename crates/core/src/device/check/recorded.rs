//! Passes that were recorded compared with the same ones started launch by launch, to the bit.

use super::text::sentences;
use super::{Batch, CLASSES, CONFIG};
use crate::activation::Activation;
use crate::device::{DeviceNetwork, DeviceTransformer};
use crate::models::transformer::{Transformer, TransformerConfig};
use crate::models::{ModelInfo, Net};
use crate::nn::{Error, Pass, Result, Stored as HostStored};
use candle_core::{DType, Device as Host, Tensor};
use std::rc::Rc;
use swish_kernels::cuda::check::Row;
use swish_kernels::cuda::{Engine, Precision, Stored};

/// The loss and the gradient of a pass.
type Found = (f64, Vec<f32>);

/// Training passes of a network for images, on two batches with a seed each: a row for the numbers that are not the same each time.
///
/// # Errors
/// The network's and the device's. A difference is no error, but stands in the row.
pub fn compare_recorded<D: Engine, E: Stored>(
    device: &Rc<D>,
    info: &'static ModelInfo,
    activation: &Activation,
    n: usize,
    precision: Precision,
) -> Result<Row> {
    let net = Net::new(info, activation, CLASSES, 1, DType::F32, &Host::Cpu)?;
    let [c, h, w] = info.input;
    let mut on = DeviceNetwork::<D, E>::new(device, &net, [h, w, c], precision)?;
    let images = |batch: &Batch| Tensor::from_slice(&batch.xs, &batch.shape, &Host::Cpu);
    let batches = [1, 2].map(|seed| Batch::random(info, n, seed));
    let larger = images(&Batch::random(info, n + 3, 3))?;
    let (differing, count) = repeat(&**device, |which| {
        let Some(which) = which else {
            on.forward(&larger, &Pass::eval())?;
            return Ok(None);
        };
        let (batch, pass) = (&batches[which], Pass { dropout_seed: Some(which as u64), ..Pass::train() });
        let done = on.loss_and_gradient(&images(batch)?, &batch.targets, &CONFIG, &pass)?;
        found(done.loss, done.gradient.as_ref())
    })?;
    Ok(row(format!("{} {activation}, {n} images", info.name), E::NAME, differing, count))
}

/// Training passes of a Transformer on two batches of sentences of these lengths, with a seed each, as [`compare_recorded`].
///
/// # Errors
/// The model's and the device's. A difference is no error, but stands in the row.
pub fn compare_recorded_transformer<D: Engine, E: Stored>(
    device: &Rc<D>,
    config: &TransformerConfig,
    activation: &Activation,
    lengths: &[[usize; 2]],
    precision: Precision,
) -> Result<Row> {
    let model = Transformer::new(config, activation, 1, DType::F32, &Host::Cpu)?;
    let mut on = DeviceTransformer::<D, E>::of(device, &model, precision)?;
    let batches = [1, 2].map(|seed| sentences(config, lengths, seed));
    let longer: Vec<[usize; 2]> = lengths.iter().map(|pair| pair.map(|length| length + 9)).collect();
    let longer = sentences(config, &longer, 3);
    let (differing, count) = repeat(&**device, |which| {
        let Some(which) = which else {
            on.loss(&longer, 0.1, &Pass::eval())?;
            return Ok(None);
        };
        let pass = Pass { dropout_seed: Some(which as u64), ..Pass::train() };
        let done = on.loss_and_gradient(&batches[which], 0.1, &pass)?;
        found(done.loss, done.gradient.as_ref())
    })?;
    Ok(row(format!("Transformer {} {activation}, {} pairs", config.hidden, lengths.len()), E::NAME, differing, count))
}

fn found(loss: f64, gradient: Option<&crate::nn::Data>) -> Result<Option<Found>> {
    let gradient = gradient.map(f32::of).transpose()?.ok_or(Error::NothingKept)?;
    Ok(Some((loss, gradient.to_vec())))
}

/// Runs one batch and the other in turn, with a pass of another kind, `None`, in between, which may move memory. How many numbers differ
/// from those of the same batch's first pass, and of how many; all of them where nothing was started from a recording.
fn repeat<D: Engine>(
    device: &D,
    mut run: impl FnMut(Option<usize>) -> Result<Option<Found>>,
) -> Result<(usize, usize)> {
    let replays = device.replays();
    let mut first: [Option<Found>; 2] = [None, None];
    let (mut differing, mut count) = (0, 0);
    for which in [Some(0), Some(1), Some(0), Some(1), None, Some(0), Some(1), Some(0)] {
        let (Some(which), Some(found)) = (which, run(which)?) else { continue };
        let Some(first) = &first[which] else {
            first[which] = Some(found);
            continue;
        };
        count += 1 + found.1.len();
        differing += usize::from(found.0.to_bits() != first.0.to_bits());
        differing += found.1.iter().zip(&first.1).filter(|(x, y)| x.to_bits() != y.to_bits()).count();
    }
    Ok((if device.replays() == replays { count } else { differing }, count))
}

fn row(case: String, element: &'static str, differing: usize, count: usize) -> Row {
    let error = differing as f64 / count as f64;
    Row { function: "recorded passes".into(), case, element, count, error, tolerance: 0.0 }
}
