//! Softmax cross-entropy; see [`crate::loss`].

use super::{Grid, Stored, Subject, args, fits, int, run, source};
use crate::cuda::device::{Device, Misfit, Scratch, Slice, View, ViewMut};

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

/// Losses of one pass after the other, which stay on the device until they are asked for. Where the next one goes is known there, so that
/// [`Totals::add`] can be recorded; how many there are the host knows from how often it was run.
#[derive(Debug)]
pub struct Totals<D: Device> {
    there: Slice<D, f32>,
    /// How many there are; 1 where one was not finite.
    state: Slice<D, u32>,
}

impl<D: Device> Totals<D> {
    /// None yet, with room for so many.
    ///
    /// # Errors
    /// The device's.
    pub fn new(device: &D, room: usize) -> Result<Self, D::Error> {
        int("total_loss", "room", room)?;
        Ok(Self { there: Slice::zeros(device, room)?, state: Slice::zeros(device, 2)? })
    }

    /// How many there is room for. Those beyond are lost.
    pub fn room(&self) -> usize {
        self.there.len()
    }

    /// The next one is `losses[0]`, plus `aux_weight` times `losses[1]` where that weight is not 0, less `least`.
    ///
    /// # Errors
    /// Other than two losses, and the device's.
    pub fn add(&mut self, device: &D, losses: View<'_, D, f32>, aux_weight: f64, least: f64) -> Result<(), D::Error> {
        const NAME: &str = "total_loss";
        fits(NAME, "losses", losses.len(), 2)?;
        let (totals, state) = (self.there.view_mut(), self.state.view_mut());
        let room = totals.len() as u32;
        let args = args![losses, &totals, room, &state, aux_weight as f32, least as f32];
        run(device, source::<f32>(Subject::Loss, 1), NAME, Grid::blocks(NAME, 1)?, args)
    }

    /// One number, which is not 0 once one of them was not finite: [`super::optim`] reads it.
    pub fn stop(&self) -> View<'_, D, u32> {
        self.state.view().range(1..2)
    }

    /// The first `len` of them, after which there are none; waits for the device.
    ///
    /// # Errors
    /// The device's, also those of what was launched before.
    pub fn take(&mut self, device: &D, len: usize) -> Result<Vec<f32>, D::Error> {
        let mut losses = self.there.to_vec(device)?;
        losses.truncate(len);
        self.state.view_mut().range(0..1).zero(device)?;
        Ok(losses)
    }

    /// Forgets them, and that one was not finite.
    ///
    /// # Errors
    /// The device's.
    pub fn clear(&mut self, device: &D) -> Result<(), D::Error> {
        self.state.view_mut().zero(device)
    }
}
