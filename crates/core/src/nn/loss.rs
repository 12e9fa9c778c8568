//! The training loss.

use super::error::Result;
use super::storage::{Element, dispatch, slice, tensor, with_slice};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result as CandleResult, Shape, Tensor};
use std::sync::Arc;
use swish_kernels::loss;

/// Mean softmax cross-entropy of `logits` (n, classes) against `targets` (n class numbers), a scalar tensor.
///
/// `smoothing` e turns a target into (1 - e) one-hot + e / classes, as TensorFlow and PyTorch do.
///
/// # Errors
/// A target that is not below the number of classes, or a number of targets that is not n.
pub fn softmax_cross_entropy(logits: &Tensor, targets: &[u32], smoothing: f64) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    if targets.len() != n {
        return Err(super::error::Error::BadInput {
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
    fn run<T: Element>(&self, logits: &[T], d_logits: Option<&mut [T]>) -> CandleResult<f64> {
        loss::softmax_cross_entropy(self.classes, logits, &self.targets, self.smoothing, d_logits)
            .map_err(candle_core::Error::wrap)
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "softmax-cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        dispatch!(logits.dtype(), self.name(), T => {
            let loss = self.run::<T>(slice(logits, layout)?, None)?;
            Ok((T::storage(vec![<T as swish_kernels::Real>::from_f64(loss)]), Shape::from(())))
        })
    }

    fn bwd(&self, logits: &Tensor, _loss: &Tensor, d_loss: &Tensor) -> CandleResult<Option<Tensor>> {
        dispatch!(logits.dtype(), self.name(), T => {
            let mut d_logits = vec![T::default(); logits.elem_count()];
            with_slice::<T, _>(logits, |x| self.run(x, Some(&mut d_logits)))?;
            let scale = with_slice::<T, _>(d_loss, |d| Ok(d[0]))?;
            d_logits.iter_mut().for_each(|d| *d *= scale);
            Ok(Some(tensor(d_logits, logits.dims())?))
        })
    }
}
