//! `swish forward` of a Transformer: source and target ids instead of images.

use super::{Args, gradients, scalar};
use anyhow::{Result, anyhow, bail};
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::path::Path;
use swish_core::activation::Activation;
use swish_core::device::text_runner;
use swish_core::models::transformer::{TextBatch, Transformer, TransformerConfig, TransformerInfo};
use swish_core::nn::{Pass, weights};

/// The logits of every target position, and with --train loss and gradients.
pub fn outputs(
    args: &Args,
    info: &TransformerInfo,
    activation: &Activation,
    dtype: DType,
    pass: &Pass,
) -> Result<Vec<(String, Tensor)>> {
    let config = TransformerConfig { vocab: args.classes.unwrap_or(info.config.vocab), ..info.config };
    let model = Transformer::undrawn(&config, activation, dtype, &Device::Cpu)?;
    let file = args.weights.file()?;
    weights::load(&model.params, &weights::read_file(&file)?, &file)?;
    let input = weights::read_file(&args.input)?;
    let ((n, src_len), src) = ids(&input, "src", &args.input)?;
    let ((targets, tgt_len), tgt) = ids(&input, "tgt", &args.input)?;
    if targets != n {
        bail!("{}: {n} rows of `src`, but {targets} of `tgt`; expected one target a source", args.input.display());
    }
    let batch = TextBatch { n, src_len, tgt_len, src, tgt };
    let mut on_device = text_runner(args.compute.device(), &model, pass.operands)?;
    let logits = match &mut on_device {
        Some(device) => device.logits(&batch, pass)?,
        None => model.logits(&batch, pass)?,
    };
    let mut out = vec![("logits".to_string(), logits)];
    if pass.train {
        let done = match &mut on_device {
            Some(device) => device.loss_and_gradient(&batch, 0.0, pass)?,
            None => model.loss_and_gradient(&batch, 0.0, pass)?,
        };
        out.push(("loss".to_string(), scalar(done.loss, dtype)?));
        out.extend(gradients(&model.params, done.loss, done.gradient)?);
    }
    Ok(out)
}

/// The tensor `name`, (rows, length), as ids.
fn ids(input: &HashMap<String, Tensor>, name: &str, file: &Path) -> Result<((usize, usize), Vec<u32>)> {
    let missing = || anyhow!("{}: tensor `{name}` is missing; expected ids (n, length)", file.display());
    let tensor = input.get(name).ok_or_else(missing)?;
    let &[n, len] = tensor.dims() else {
        bail!("{}: tensor `{name}` has shape {:?}, expected ids (n, length)", file.display(), tensor.dims());
    };
    Ok(((n, len), super::whole_numbers(tensor, name, file)?))
}
