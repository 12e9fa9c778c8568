//! The training loss.

use super::buffer::{Buffer, Data, Memory, Stored};
use super::error::{Error, Result};
use super::map::Map;
use super::params::Values;
use candle_core::{CpuStorage, CustomOp1, Layout, Result as CandleResult, Shape, Storage, Tensor};
use std::sync::Arc;
use swish_kernels::{Real, loss};

/// How the logits of a training step make a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossConfig {
    /// Label smoothing e: a target is (1 - e) one-hot + e / classes, for the auxiliary head too.
    pub smoothing: f64,
    /// Weight of the auxiliary head's cross-entropy beside the main one's, for networks that have such a head. With 0 it is not run.
    pub aux_weight: f64,
}

impl LossConfig {
    /// The weight that all networks of slim with an auxiliary head have.
    pub const AUX_WEIGHT: f64 = 0.4;

    /// With this label smoothing, and slim's weight of the auxiliary head.
    pub const fn smoothed(smoothing: f64) -> Self {
        Self { smoothing, aux_weight: Self::AUX_WEIGHT }
    }
}

/// What a training step starts from.
#[derive(Debug)]
pub struct LossAndGradient {
    /// The loss: `main`, and `aux` times its weight.
    pub loss: f64,
    /// Mean softmax cross-entropy of the batch.
    pub main: f64,
    /// That of the auxiliary head, where the network has one.
    pub aux: Option<f64>,
    /// (n, classes).
    pub logits: Tensor,
    /// The auxiliary head's, (n, classes).
    pub aux_logits: Option<Tensor>,
    /// The gradient of the loss, laid out as `params.flat`; `None` where the loss is not finite.
    pub gradient: Option<Data>,
}

/// Mean cross-entropy of logits (n, 1, 1, classes), and its gradient times `weight`.
pub(super) fn weighted(
    logits: &Map,
    targets: &[u32],
    smoothing: f64,
    weight: f64,
    memory: &Arc<Memory>,
) -> Result<(f64, Data)> {
    let [n, h, w, classes] = logits.shape();
    if n != targets.len() || h * w != 1 {
        let expected = format!("one target for each row of logits {:?}", logits.dims());
        return Err(Error::BadInput { layer: "cross-entropy".into(), found: vec![targets.len()], expected });
    }
    fn typed<T: Real + Stored>(
        classes: usize,
        logits: &[T],
        (targets, smoothing, weight): (&[u32], f64, f64),
        memory: &Arc<Memory>,
    ) -> Result<(f64, Data)> {
        let mut d_logits = Buffer::<T>::new(memory, logits.len());
        let loss = loss::softmax_cross_entropy(classes, logits, targets, smoothing, Some(&mut d_logits))
            .map_err(candle_core::Error::wrap)?;
        if weight != 1.0 {
            d_logits.iter_mut().for_each(|d| *d *= T::from_f64(weight));
        }
        Ok((loss, T::wrap(d_logits)))
    }
    let rest = (targets, smoothing, weight);
    match &logits.node.data {
        Data::F64(values) => typed::<f64>(classes, values, rest, memory),
        Data::F32(values) => typed::<f32>(classes, values, rest, memory),
        Data::Bf16(_) => Err(Error::Mixed { found: "logits in bf16".into() }),
    }
}

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
