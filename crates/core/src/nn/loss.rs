//! The training loss.

use super::error::{Error, Result};
use super::params::Values;
use candle_core::{CpuStorage, CustomOp1, Layout, Result as CandleResult, Shape, Storage, Tensor};
use std::sync::Arc;
use swish_kernels::{Real, loss};

/// Mean softmax cross-entropy of `logits` (n, classes) against `targets` (n class numbers), a scalar tensor.
///
/// `smoothing` e turns a target into (1 - e) one-hot + e / classes, as TensorFlow and PyTorch do.
///
/// # Errors
/// A target that is not below the number of classes, or a number of targets that is not n.
pub fn softmax_cross_entropy(logits: &Tensor, targets: &[u32], smoothing: f64) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    if targets.len() != n {
        return Err(Error::BadInput {
            layer: "softmax cross-entropy".into(),
            found: vec![targets.len()],
            expected: format!("{n} targets, one a row of the logits"),
        });
    }
    let op = CrossEntropy { classes, targets: targets.into(), smoothing };
    Ok(logits.contiguous()?.apply_op1(op)?)
}

struct CrossEntropy {
    classes: usize,
    targets: Arc<[u32]>,
    smoothing: f64,
}

impl CrossEntropy {
    fn run<T: Real>(&self, logits: &[T], d_logits: Option<&mut [T]>) -> CandleResult<f64> {
        loss::softmax_cross_entropy(self.classes, logits, &self.targets, self.smoothing, d_logits)
            .map_err(candle_core::Error::wrap)
    }

    /// The gradient of the loss, times `scale`.
    fn gradient<T: Real>(&self, logits: &[T], scale: f64) -> CandleResult<Vec<T>> {
        let mut d_logits = vec![T::ZERO; logits.len()];
        self.run(logits, Some(&mut d_logits))?;
        d_logits.iter_mut().for_each(|d| *d *= T::from_f64(scale));
        Ok(d_logits)
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "softmax-cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let loss = match Values::of(logits, layout).map_err(candle_core::Error::wrap)? {
            Values::F32(logits) => CpuStorage::F32(vec![self.run(logits, None)? as f32]),
            Values::F64(logits) => CpuStorage::F64(vec![self.run(logits, None)?]),
        };
        Ok((loss, Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _loss: &Tensor, d_loss: &Tensor) -> CandleResult<Option<Tensor>> {
        let scale = d_loss.to_dtype(candle_core::DType::F64)?.to_scalar::<f64>()?;
        let logits = logits.contiguous()?;
        let (storage, layout) = logits.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else {
            candle_core::bail!("{}: expected a tensor on the CPU", self.name())
        };
        let device = logits.device();
        Ok(Some(match Values::of(storage, layout).map_err(candle_core::Error::wrap)? {
            Values::F32(values) => Tensor::from_vec(self.gradient(values, scale)?, logits.dims(), device)?,
            Values::F64(values) => Tensor::from_vec(self.gradient(values, scale)?, logits.dims(), device)?,
        }))
    }
}
