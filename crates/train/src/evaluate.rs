//! Loss and accuracy of a network on a data set.

use crate::error::Result;
use crate::task::Outcome;
use candle_core::{DType, Device, Tensor};
use swish_core::models::Net;
use swish_core::nn::{Pass, softmax_cross_entropy};
use swish_data::{Batch, Batches};
use swish_record::{Row, RunRecord};

/// Pixels that a step of an evaluation takes; it decides speed and memory, not numbers.
const PIXELS: usize = 250 * 32 * 32;
/// Examples of it at least.
const EXAMPLES: usize = 16;

/// Examples that a step of an evaluation takes, of this height and width.
pub fn batch((h, w): (usize, usize)) -> usize {
    (PIXELS / (h * w)).max(EXAMPLES)
}

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

impl Outcome for Evaluation {
    fn loss(&self) -> f64 {
        self.loss
    }

    fn words(&self) -> String {
        format!("top-1 {:.2} %", self.top1)
    }

    fn fill_row(&self, row: &mut Row) {
        (row.test_loss, row.test_top1) = (Some(self.loss), Some(self.top1));
    }

    fn fill_record(&self, record: &mut RunRecord) {
        (record.top1, record.top5) = (Some(self.top1), Some(self.top5));
    }
}

/// The batch's images as a tensor (n, h, w, 3).
pub fn images(batch: Batch, (h, w): (usize, usize)) -> Result<(Tensor, Vec<u32>)> {
    let xs = Tensor::from_vec(batch.xs, (batch.n, h, w, 3), &Device::Cpu)?;
    Ok((xs, batch.labels))
}

/// How many examples of a class there are, and how many are right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Examples.
    pub examples: usize,
    /// Those whose class has the largest logit.
    pub top1: usize,
    /// Those whose class is among the five largest logits.
    pub top5: usize,
}

impl Counts {
    /// So many of the examples, in percent.
    pub fn percent(&self, right: usize) -> f64 {
        100.0 * right as f64 / self.examples.max(1) as f64
    }
}

/// Evaluates on all images of `batches`, which are `size` pixels high and wide, with running statistics.
///
/// # Errors
/// Those of the batches; memory.
pub fn evaluate(net: &Net, batches: Batches, size: (usize, usize), pass: &Pass) -> Result<Evaluation> {
    Ok(evaluate_classes(net, batches, size, pass)?.0)
}

/// As [`evaluate`], with the counts of each class of the network.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_classes(
    net: &Net,
    batches: Batches,
    size: (usize, usize),
    pass: &Pass,
) -> Result<(Evaluation, Vec<Counts>)> {
    evaluate_by(net.classes, batches, size, |xs| Ok(net.forward(xs, pass)?))
}

/// As [`evaluate_classes`], with the logits (n, classes) of images (n, h, w, 3) by `forward`, on whichever device.
///
/// # Errors
/// As [`evaluate`], and those of `forward`.
pub fn evaluate_by(
    classes: usize,
    batches: Batches,
    size: (usize, usize),
    mut forward: impl FnMut(&Tensor) -> Result<Tensor>,
) -> Result<(Evaluation, Vec<Counts>)> {
    let (mut loss, mut classes) = (0.0, vec![Counts::default(); classes]);
    for batch in batches {
        let (xs, labels) = images(batch?, size)?;
        let logits = forward(&xs)?;
        let mean = softmax_cross_entropy(&logits, &labels, 0.0)?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        loss += mean * labels.len() as f64;
        for (row, &label) in logits.to_dtype(DType::F32)?.to_vec2::<f32>()?.iter().zip(&labels) {
            let rank = rank(row, label as usize);
            let counts = &mut classes[label as usize];
            counts.examples += 1;
            counts.top1 += usize::from(rank < 1);
            counts.top5 += usize::from(rank < 5);
        }
    }
    let mut all = Counts::default();
    for class in &classes {
        all.examples += class.examples;
        all.top1 += class.top1;
        all.top5 += class.top5;
    }
    let found = Evaluation {
        loss: loss / all.examples.max(1) as f64,
        top1: all.percent(all.top1),
        top5: all.percent(all.top5),
    };
    Ok((found, classes))
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
