//! Softmax cross-entropy; see [`crate::loss`].

use super::{Grid, Stored, Subject, args, fits, int, run, source};
use crate::cuda::device::{Device, Misfit, Scratch, View, ViewMut};

/// A target that has no part in the loss, as padding.
pub const IGNORED: u32 = u32::MAX;

/// `loss[0]` = sum over the rows of `logits` (n, classes) of the cross-entropy with `(1 - smoothing) onehot(target) + smoothing /
/// classes`, divided by `count[0]`; `d_logits` gets `weight` times its gradient, where the network's loss has other terms. For the mean
/// `count[0]` is n, less the rows of target [`IGNORED`].
///
/// Another target that is no class gives NaN: the device cannot stop for it.
///
/// # Errors
/// Lengths that disagree, no classes, smoothing out of range, and the device's.
#[expect(clippy::too_many_arguments, reason = "the tensors and constants of one function")]
pub fn softmax_cross_entropy<D: Device, E: Stored>(
    device: &D,
    scratch: &mut Scratch<D>,
    logits: View<'_, D, E>,
    targets: View<'_, D, u32>,
    smoothing: f64,
    count: View<'_, D, f32>,
    weight: f64,
    loss: ViewMut<'_, D, f32>,
    d_logits: Option<ViewMut<'_, D, E>>,
) -> Result<(), D::Error> {
    const NAME: &str = "softmax_cross_entropy";
    let (n, bad) = (targets.len(), |what, value, expected| Misfit::Value { function: NAME, what, value, expected });
    if n == 0 || logits.is_empty() {
        return Err(bad("the batch", "empty".into(), "at least one example and one class").into());
    }
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(bad("label smoothing", smoothing.to_string(), "0 to 1").into());
    }
    let classes = logits.len() / n;
    fits(NAME, "logits", logits.len(), n * classes)?;
    fits(NAME, "loss", loss.len(), 1)?;
    fits(NAME, "count", count.len(), 1)?;
    fits(NAME, "d_logits", d_logits.as_ref().map_or(logits.len(), ViewMut::len), logits.len())?;
    let losses = scratch.get::<f32>(device, n)?;
    let kernels = source::<E>(Subject::Loss, 1);
    let (classes, rows) = (int(NAME, "classes", classes)?, int(NAME, "examples", n)?);
    let (smoothing, weight) = (smoothing as f32, weight as f32);
    let args = args![logits, targets, &losses, d_logits.as_ref(), classes, smoothing, count, weight];
    run(device, kernels, NAME, Grid::blocks(NAME, n)?, args)?;
    run(device, kernels, "mean_loss", Grid::blocks(NAME, 1)?, args![losses.view(), &loss, rows, count])
}

/// `total[0]` = `losses[0]`, plus `aux_weight` times `losses[1]` where that weight is not 0, less `least`. Where it is not finite, `stop`
/// is set to 1, and left alone otherwise: [`super::optim`] reads it.
///
/// # Errors
/// Lengths other than 2, 1 and 1, and the device's.
pub fn total<D: Device>(
    device: &D,
    losses: View<'_, D, f32>,
    aux_weight: f64,
    least: f64,
    total: ViewMut<'_, D, f32>,
    stop: ViewMut<'_, D, u32>,
) -> Result<(), D::Error> {
    const NAME: &str = "total_loss";
    for (what, found, expected) in [("losses", losses.len(), 2), ("total", total.len(), 1), ("stop", stop.len(), 1)] {
        fits(NAME, what, found, expected)?;
    }
    let args = args![losses, &total, &stop, aux_weight as f32, least as f32];
    run(device, source::<f32>(Subject::Loss, 1), NAME, Grid::blocks(NAME, 1)?, args)
}
