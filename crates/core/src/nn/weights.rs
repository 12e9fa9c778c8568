//! Weights as safetensors under PyTorch's names: what `state_dict` has, buffers included.

use super::error::{Error, Result};
use super::params::{Buffer, Param, Params, Role};
use candle_core::{Device, Tensor};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Reads every tensor of a safetensors file.
///
/// # Errors
/// [`Error::BadFile`] when the file is missing, truncated or not safetensors.
pub fn read_file(file: &Path) -> Result<HashMap<String, Tensor>> {
    let bad = |reason: String| Error::BadFile { file: file.to_path_buf(), reason };
    // candle mentions the file in some of its messages and a back-trace in others: one line is kept.
    candle_core::safetensors::load(file, &Device::Cpu)
        .map_err(|e| bad(e.to_string().lines().next().unwrap_or("no reason given").to_string()))
}

/// What the header of a safetensors file says besides its tensors.
///
/// # Errors
/// [`Error::BadFile`] when the file is missing, truncated or not safetensors.
pub fn read_metadata(file: &Path) -> Result<HashMap<String, String>> {
    let bad = |reason: String| Error::BadFile { file: file.to_path_buf(), reason };
    let bytes = std::fs::read(file).map_err(|e| bad(e.to_string()))?;
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
    Ok(metadata.metadata().clone().unwrap_or_default())
}

/// How the names of parameters end.
const PARAMETERS: [&str; 4] = [".weight", ".bias", ".beta", ".alpha"];

/// PyTorch's count of training batches, which nothing depends on.
const UNUSED: &str = ".num_batches_tracked";

/// As [`load`], for evaluation: running statistics have to be there, since it would take them to be 0 and 1, and nothing that the model
/// has not may be. An auxiliary head may be missing whole, as it is in published weights: its parameters then keep their values.
///
/// # Errors
/// As [`load`].
pub fn load_for_evaluation(params: &Params, tensors: &HashMap<String, Tensor>, file: &Path) -> Result<()> {
    let names = params.params.iter().map(|p| &p.name).chain(params.buffers.iter().map(|b| &b.name));
    let own: HashSet<&str> = names.map(String::as_str).collect();
    let surplus = tensors.keys().filter(|name| !own.contains(name.as_str()) && !name.ends_with(UNUSED)).min();
    if let Some(name) = surplus {
        return Err(Error::SurplusTensor { file: file.to_path_buf(), name: name.clone() });
    }
    let headless = !params.params.iter().any(|p| p.auxiliary && tensors.contains_key(&p.name));
    let optional = |auxiliary: bool| auxiliary && headless;
    let mut tensors = tensors.clone();
    for p in params.params.iter().filter(|p| optional(p.auxiliary)) {
        tensors.insert(p.name.clone(), params.tensor(p)?.force_contiguous()?);
    }
    set(params, &tensors, file, |buffer| !optional(buffer.auxiliary))
}

/// Sets all parameters, and the buffers that `tensors` has, from tensors named as in PyTorch.
///
/// `file` is named in errors. Tensors that are no parameters (`num_batches_tracked`, a checkpoint's momentum) are passed
/// over. A buffer that is missing keeps its value; [`load_for_evaluation`] refuses that.
///
/// # Errors
/// [`Error::MissingTensor`], [`Error::MissingActivation`], [`Error::WrongShape`] and [`Error::SurplusTensor`]; nothing has been
/// changed then.
pub fn load(params: &Params, tensors: &HashMap<String, Tensor>, file: &Path) -> Result<()> {
    set(params, tensors, file, |_| false)
}

/// [`load`], for which the buffers that are `required` have to be there.
fn set(
    params: &Params,
    tensors: &HashMap<String, Tensor>,
    file: &Path,
    required: impl Fn(&Buffer) -> bool,
) -> Result<()> {
    let own: HashSet<&str> = params.params.iter().map(|p| p.name.as_str()).collect();
    let is_parameter = |name: &str| PARAMETERS.iter().any(|end| name.ends_with(end));
    let surplus = tensors.keys().filter(|name| is_parameter(name) && !own.contains(name.as_str())).min();
    if let Some(name) = surplus {
        return Err(Error::SurplusTensor { file: file.to_path_buf(), name: name.clone() });
    }
    let lacking = |p: &&Param| p.role == Role::Activation && !tensors.contains_key(&p.name);
    if let Some(p) = params.params.iter().find(lacking) {
        return Err(Error::MissingActivation {
            file: file.to_path_buf(),
            name: p.name.clone(),
            expected: p.shape.clone(),
        });
    }
    let checked = |name: &str, shape: &[usize]| match tensors.get(name) {
        None => Err(Error::MissingTensor { file: file.to_path_buf(), name: name.into(), expected: shape.to_vec() }),
        Some(t) if t.dims() != shape => Err(Error::WrongShape {
            file: file.to_path_buf(),
            name: name.into(),
            found: t.dims().to_vec(),
            expected: shape.to_vec(),
        }),
        Some(t) => Ok(t),
    };
    let flat = &params.flat;
    let mut pieces = Vec::new();
    for p in &params.params {
        // Parameters stand in the order of their offsets.
        pieces.push(checked(&p.name, &p.shape)?.flatten_all()?.to_dtype(flat.dtype())?.to_device(flat.device())?);
    }
    let mut buffers = Vec::new();
    for b in params.buffers.iter().filter(|b| required(b) || tensors.contains_key(&b.name)) {
        let old = b.get();
        let new = checked(&b.name, old.dims())?.to_dtype(old.dtype())?.to_device(old.device())?;
        buffers.push((b, new));
    }
    flat.set(&Tensor::cat(&pieces, 0)?)?;
    buffers.into_iter().for_each(|(buffer, value)| buffer.set(value));
    Ok(())
}

/// All parameters and buffers as (name, f32 or f64 tensor on the CPU), in the order of definition.
pub fn state_dict(params: &Params) -> Result<Vec<(String, Tensor)>> {
    // Not `copy`, which copies the whole variable of which a parameter is a view.
    let cpu = |t: Tensor| -> Result<Tensor> { Ok(t.to_device(&Device::Cpu)?.force_contiguous()?) };
    let mut out = Vec::new();
    for p in &params.params {
        out.push((p.name.clone(), cpu(params.tensor(p)?)?));
    }
    for b in &params.buffers {
        out.push((b.name.clone(), cpu(b.get())?));
    }
    Ok(out)
}

/// The bytes of a safetensors file with these tensors (f32, f64 or u32).
pub fn to_bytes(tensors: &[(String, Tensor)], metadata: Option<HashMap<String, String>>) -> Result<Vec<u8>> {
    let views = tensors.iter().map(|(name, t)| (name.as_str(), t));
    safetensors::serialize(views, metadata).map_err(|e| Error::Candle(candle_core::Error::wrap(e)))
}
