//! [`Recorded`]: the launches of a pass, kept to be started together.
//!
//! A pass is hundreds of launches, all of which are the same at every step: what differs, the batch, the seed of dropout and what losses
//! are divided by, lies in memory. So the second pass of a kind is recorded, and from then on one call starts it. The first is not: it
//! asks for memory and chooses algorithms, which no recording can.

use super::network::Head;
use crate::nn::Pass;
use swish_kernels::cuda::Device;

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
}

impl<D: Device> Recorded<D> {
    /// Runs `run`, the launches of a pass with these `heads`.
    pub(super) fn launch(
        &mut self,
        device: &D,
        pass: &Pass,
        heads: &[Head],
        run: impl Fn() -> Result<(), D::Error>,
    ) -> Result<(), D::Error> {
        let mut arguments = Arguments {
            moves: device.moves().get(),
            drops: pass.drops().is_some(),
            norm_momentum: pass.norm_momentum,
            norm_eps: pass.norm_eps,
            heads: heads.to_vec(),
        };
        match self {
            Self::Kept(with, recording) if *with == arguments => return device.replay(recording),
            Self::Run(with) if *with == arguments => match device.record(&run)? {
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
