//! Loss and accuracy of a network on a data set.

use crate::error::Result;
use candle_core::{DType, Device, Tensor};
use swish_core::models::Net;
use swish_core::nn::{Pass, softmax_cross_entropy};
use swish_data::{Batch, Batches};

/// What an evaluation finds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of examples whose class has the largest logit, in percent.
    pub top1: f64,
    /// Share of examples whose class is among the five largest logits, in percent.
    pub top5: f64,
}

/// The batch's images as a tensor (n, h, w, 3).
pub fn images(batch: Batch, (h, w): (usize, usize), device: &Device) -> Result<(Tensor, Vec<u32>)> {
    let xs = Tensor::from_vec(batch.xs, (batch.n, h, w, 3), device)?;
    Ok((xs, batch.labels))
}

/// Evaluates on all images of `batches`, which are `size` pixels high and wide, with running statistics.
///
/// # Errors
/// Those of the batches; memory.
pub fn evaluate(net: &Net, batches: Batches, size: (usize, usize), pass: &Pass, device: &Device) -> Result<Evaluation> {
    let (mut total, mut sum) = (0usize, Evaluation::default());
    for batch in batches {
        let (xs, labels) = images(batch?, size, device)?;
        let logits = net.forward(&xs, pass)?;
        let n = labels.len();
        sum.loss += softmax_cross_entropy(&logits, &labels, 0.0)?.to_dtype(DType::F64)?.to_scalar::<f64>()? * n as f64;
        for (row, &label) in logits.to_dtype(DType::F32)?.to_vec2::<f32>()?.iter().zip(&labels) {
            let rank = rank(row, label as usize);
            sum.top1 += f64::from(u8::from(rank < 1));
            sum.top5 += f64::from(u8::from(rank < 5));
        }
        total += n;
    }
    let n = total.max(1) as f64;
    Ok(Evaluation { loss: sum.loss / n, top1: 100.0 * sum.top1 / n, top5: 100.0 * sum.top5 / n })
}

/// How many other classes stand before the label's; equal logits count before it, so a constant network is not right.
fn rank(logits: &[f32], label: usize) -> usize {
    let own = logits[label];
    let behind = |l: f32| l.partial_cmp(&own) == Some(std::cmp::Ordering::Less);
    logits.iter().enumerate().filter(|&(i, &l)| i != label && !behind(l)).count()
}

#[cfg(test)]
mod tests {
    use super::rank;

    #[test]
    fn ties_and_nan_never_count_as_right() {
        assert_eq!(rank(&[0.1, 0.9, 0.3], 1), 0);
        assert_eq!(rank(&[0.1, 0.9, 0.3], 0), 2);
        assert_eq!(rank(&[0.5, 0.5], 0), 1);
        assert_eq!(rank(&[f32::NAN, 1.0], 1), 1);
        assert_eq!(rank(&[f32::NAN, 1.0], 0), 1);
    }
}
