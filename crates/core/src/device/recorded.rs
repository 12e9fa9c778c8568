//! [`Recorded`]: the launches of a pass, or of a whole step, kept to be started together.
//!
//! A pass, with what a step does behind it, is hundreds of launches, all of which are the same at every step: what differs, the batch, the
//! seed of dropout, what losses are divided by, the rate, lies in memory. So the second pass of a kind is recorded, and from then on one
//! call starts it. The first is not: it asks for memory and chooses algorithms, which no recording can.

use super::buffers::Ready;
use super::network::{DeviceNetwork, Head, Kind, on_device};
use crate::nn::{Error, Network, Pass, Result};
use swish_kernels::cuda::{Device, Engine, Stored};

/// What a step launches behind its training pass; on a device that learns by itself they are recorded together. So it is the same for as
/// long as the network lives, and what changes from step to step it reads from the device. It runs no passes and forgets none.
pub type Behind<'a, D, E, M = Network> =
    &'a mut dyn FnMut(&mut DeviceNetwork<D, E, M>) -> Result<(), <D as Device>::Error>;

/// What is known of the launches of a kind of passes.
pub(super) enum Recorded<D: Device> {
    /// Nothing.
    Nothing,
    /// They were run with these arguments, so that there is memory for all of them.
    Run(Arguments),
    /// All of them.
    Kept(Arguments, D::Recording),
    /// The device cannot keep them.
    Never,
}

/// What launches have as arguments beside the places and sizes of a plan.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arguments {
    /// [`Device::moves`].
    moves: u64,
    drops: bool,
    norm_momentum: Option<f64>,
    norm_eps: Option<f64>,
    heads: Vec<Head>,
    /// Whether the weights are those that were exchanged for the network's.
    exchanged: bool,
    /// Whether they have what a step does behind its pass.
    whole: bool,
}

impl<D: Device> Recorded<D> {
    /// Runs `run`, launches with these arguments.
    fn launch(
        &mut self,
        device: &D,
        mut arguments: Arguments,
        mut run: impl FnMut() -> Result<(), D::Error>,
    ) -> Result<(), D::Error> {
        match self {
            Self::Kept(with, recording) if *with == arguments => return device.replay(recording),
            Self::Run(with) if *with == arguments => match device.record(&mut run)? {
                Some(recording) => {
                    device.replay(&recording)?;
                    *self = Self::Kept(arguments, recording);
                    return Ok(());
                }
                None => *self = Self::Never,
            },
            _ => {}
        }
        run()?;
        if !matches!(self, Self::Never) {
            arguments.moves = device.moves().get();
            *self = Self::Run(arguments);
        }
        Ok(())
    }
}

impl<D: Engine, E: Stored> Ready<D, E> {
    /// Runs `run`, launches with these arguments, from a recording where that can be.
    fn launch(
        &self,
        device: &D,
        arguments: Arguments,
        mut run: impl FnMut() -> Result<(), D::Error>,
    ) -> Result<(), D::Error> {
        if !self.buckets.is_empty() {
            // NCCL wants a mean recorded by all ranks or by none; but each has batches, and so recordings, of its own.
            return run();
        }
        self.recorded.borrow_mut().launch(device, arguments, run)
    }
}

impl<D: Engine, E: Stored, M> DeviceNetwork<D, E, M> {
    /// Those of a pass with these `heads`.
    fn arguments(&self, pass: &Pass, heads: &[Head], whole: bool) -> Arguments {
        Arguments {
            moves: self.device.moves().get(),
            drops: pass.drops().is_some(),
            norm_momentum: pass.norm_momentum,
            norm_eps: pass.norm_eps,
            heads: heads.to_vec(),
            exchanged: self.exchanged,
            whole,
        }
    }

    /// A training pass on what has been brought, and what comes behind it.
    pub(super) fn train_pass(
        &mut self,
        kind: Kind,
        pass: &Pass,
        heads: &[Head],
        behind: Option<Behind<'_, D, E, M>>,
    ) -> Result<()> {
        // Out of the network, which what comes behind borrows.
        let Some(ready) = self.ready.remove(&kind) else { return Err(Error::NothingKept) };
        let done = self.train_ready(&ready, pass, heads, behind);
        self.ready.insert(kind, ready);
        done.map_err(on_device)
    }

    fn train_ready(
        &mut self,
        ready: &Ready<D, E>,
        pass: &Pass,
        heads: &[Head],
        mut behind: Option<Behind<'_, D, E, M>>,
    ) -> Result<(), D::Error> {
        let device = self.device.clone();
        // Means over several devices are not recorded.
        let whole = behind.is_some() && device.rank().is_alone();
        let arguments = self.arguments(pass, heads, whole);
        ready.launch(&device, arguments, || {
            self.run_forward(ready, pass)?;
            ready.forget_gradients();
            heads.iter().try_for_each(|head| self.cross_entropy(ready, head))?;
            self.run_backward(ready, pass)?;
            behind.as_mut().filter(|_| whole).map_or(Ok(()), |behind| behind(self))
        })?;
        behind.filter(|_| !whole).map_or(Ok(()), |behind| behind(self))
    }

    /// An evaluation pass on what has been brought, and the losses of these logits.
    pub(super) fn evaluation_pass(&self, ready: &Ready<D, E>, pass: &Pass, heads: &[Head]) -> Result<()> {
        let run = || {
            self.run_forward(ready, pass)?;
            heads.iter().try_for_each(|head| self.cross_entropy(ready, head))
        };
        ready.launch(&self.device, self.arguments(pass, heads, false), run).map_err(on_device)
    }
}
