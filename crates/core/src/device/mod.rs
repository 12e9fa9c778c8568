//! Networks whose steps run on a device as a whole: a GPU, or in tests its emulation.
//!
//! A model is written down once as a list of operators; which memory each map and gradient lies in is decided before the first step.
//! So a step is a row of launches of known sizes in known places.
//!
//! | module | what it has |
//! |---|---|
//! | `placement` | where parameters lie on a device |
//! | `plan`, `buffers` | where maps and gradients lie, and their memory |
//! | `norm` | norms with their activations and statistics |
//! | `pass` | every operator forward, and back |
//! | `text_pass` | the operators of sentences |
//! | [`network`] | a network's parameters on a device |
//! | `images`, `text` | passes of images, and of pairs of sentences |
//! | `runner` | a network on whichever device was asked for |
//! | [`check`] | networks compared with the CPU |

mod buffers;
pub mod check;
mod images;
pub mod network;
mod norm;
mod pass;
mod placement;
mod plan;
mod runner;
mod text;
mod text_pass;

pub use images::Losses;
pub use network::DeviceNetwork;
pub use runner::{Runner, runner};
pub use text::DeviceTransformer;

use crate::nn::Error;

/// The error of a build without CUDA that is asked for a GPU.
pub fn no_cuda(number: usize) -> Error {
    let reason = "this is a CPU build; use `cpu`, or build with CUDA (`make build-cuda`)";
    Error::BadDevice { name: crate::nn::Compute::Cuda(number).to_string(), reason }
}

/// GPU number `number`.
///
/// # Errors
/// [`Error::OnDevice`] with what is missing.
#[cfg(feature = "cuda")]
pub fn gpu(number: usize) -> crate::nn::Result<std::rc::Rc<swish_kernels::cuda::gpu::Gpu>> {
    let gpu = swish_kernels::cuda::gpu::Gpu::new(number).map_err(|error| Error::OnDevice(Box::new(error)))?;
    Ok(std::rc::Rc::new(gpu))
}

/// How exact products of f32 are for maps in this precision: the features behind maps in bf16 need be no better than these.
#[cfg(feature = "cuda")]
pub fn products(operands: swish_kernels::conv::Operands) -> swish_kernels::cuda::Precision {
    match operands {
        swish_kernels::conv::Operands::Exact => swish_kernels::cuda::Precision::Exact,
        swish_kernels::conv::Operands::Bf16 => swish_kernels::cuda::Precision::Tf32,
    }
}
