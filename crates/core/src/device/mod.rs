//! Networks whose steps run on a device as a whole: a GPU, or in tests its emulation.
//!
//! A model is written down once as a list of operators; which memory each map and gradient lies in is decided before the first step.
//! So a step is a row of launches of known sizes in known places.
//!
//! | module | what it has |
//! |---|---|
//! | `placement` | where parameters lie on a device |
//! | `plan`, `buffers` | where maps and gradients lie, and their memory |
//! | `recorded` | the launches of a pass and of what is behind it, started together |
//! | `norm` | norms with their activations and statistics |
//! | `pass` | every operator forward, and back |
//! | `buckets` | what several devices average while a pass goes back |
//! | `statistics` | running statistics of several devices |
//! | `seat` | a device, alone or one of several |
//! | `text_pass` | the operators of sentences |
//! | [`network`] | a network's parameters on a device |
//! | `images`, `text` | passes of images, and of pairs of sentences |
//! | `decode` | translations written token by token |
//! | `runner` | a network or a Transformer on whichever device was asked for |
//! | [`check`] | networks compared with the CPU |

mod buckets;
mod buffers;
pub mod check;
mod decode;
mod images;
pub mod network;
mod norm;
mod pass;
mod placement;
mod plan;
mod recorded;
mod runner;
mod seat;
mod statistics;
mod text;
mod text_pass;

pub use buckets::BUCKET;
pub use images::Losses;
pub use network::DeviceNetwork;
pub use recorded::Behind;
pub use runner::{Runner, TextRunner, runner, text_runner};
pub use seat::{Seat, find_gpus, meeting};
pub use text::DeviceTransformer;

use crate::nn::{Compute, Error};
use std::rc::Rc;
use swish_kernels::conv::Operands;
use swish_kernels::cuda::ranks::Member;
use swish_kernels::cuda::{Engine, Precision, Stored};

/// What is to be made on a device, whichever it is.
pub trait Make {
    /// What is made.
    type Made;
    /// Why it cannot be.
    type Error: From<Error>;

    /// Makes it on `device`, with maps stored as `E`.
    ///
    /// # Errors
    /// Its own, among them the device's.
    fn make<D: Engine + 'static, E: Stored>(
        self,
        device: &Rc<D>,
        precision: Precision,
    ) -> Result<Self::Made, Self::Error>;
}

/// Makes something on the device asked for, for maps in this precision; `None` for the CPU, where the host's own serves. One of several
/// devices meets the others first, and waits for them.
///
/// # Errors
/// [`Error::OnDevice`] for a GPU that is not there and ranks that do not meet, [`Error::BadDevice`] in a build without CUDA; those of
/// `make`.
pub fn make<M: Make>(seat: impl Into<Seat>, operands: Operands, make: M) -> Result<Option<M::Made>, M::Error> {
    let Seat { compute, member } = seat.into();
    match compute {
        Compute::Cpu => Ok(None),
        Compute::Cuda(number) => on_gpu(number, member.as_ref(), operands, make).map(Some),
    }
}

/// Features behind maps in bf16 need products no better than these.
#[cfg(feature = "cuda")]
fn on_gpu<M: Make>(number: usize, member: Option<&Member>, operands: Operands, make: M) -> Result<M::Made, M::Error> {
    let failed = |error| Error::OnDevice(Box::new(error));
    let mut gpu = swish_kernels::cuda::gpu::Gpu::new(number).map_err(failed)?;
    member.map_or(Ok(()), |member| gpu.join(member)).map_err(failed)?;
    let gpu = Rc::new(gpu);
    match operands {
        Operands::Exact => make.make::<_, f32>(&gpu, Precision::Exact),
        Operands::Bf16 => make.make::<_, half::bf16>(&gpu, Precision::Tf32),
    }
}

#[cfg(not(feature = "cuda"))]
fn on_gpu<M: Make>(number: usize, _: Option<&Member>, _: Operands, _: M) -> Result<M::Made, M::Error> {
    Err(seat::no_cuda(number).into())
}
