//! [`Seat`]: a device, alone or one of several that learn together.

use crate::nn::{Compute, Error, Result};
use swish_kernels::cuda::ranks::{Meeting, Member};

/// A device, and which of several that learn together it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seat {
    /// The device.
    pub compute: Compute,
    /// `None` for one that learns by itself.
    pub member: Option<Member>,
}

impl From<Compute> for Seat {
    fn from(compute: Compute) -> Self {
        Self { compute, member: None }
    }
}

/// A meeting for the ranks of a run, of which this process has to be the first and to live until all have met.
///
/// # Errors
/// [`Error::OnDevice`] without NCCL, [`Error::BadDevice`] in a build without CUDA.
#[cfg(feature = "cuda")]
pub fn meeting() -> Result<Meeting> {
    swish_kernels::cuda::gpu::meeting().map_err(|error| Error::OnDevice(Box::new(error)))
}

/// A meeting for the ranks of a run: with CUDA.
///
/// # Errors
/// [`Error::BadDevice`].
#[cfg(not(feature = "cuda"))]
pub fn meeting() -> Result<Meeting> {
    Err(no_cuda(0))
}

/// Errs where one of the GPUs is not there.
///
/// # Errors
/// [`Error::OnDevice`] that names it, [`Error::BadDevice`] in a build without CUDA.
#[cfg(feature = "cuda")]
pub fn find_gpus(numbers: &[usize]) -> Result<()> {
    use swish_kernels::cuda::gpu::{GpuError, info};
    if numbers.is_empty() {
        return Ok(());
    }
    let on_device = |error: GpuError| Error::OnDevice(Box::new(error));
    let count = info::count().map_err(on_device)?;
    match numbers.iter().find(|number| **number >= count) {
        Some(&ordinal) => Err(on_device(GpuError::NoSuchDevice { ordinal, count })),
        None => Ok(()),
    }
}

/// Errs where one of the GPUs is not there: without CUDA the first.
///
/// # Errors
/// [`Error::BadDevice`].
#[cfg(not(feature = "cuda"))]
pub fn find_gpus(numbers: &[usize]) -> Result<()> {
    numbers.first().map_or(Ok(()), |&number| Err(no_cuda(number)))
}

/// What a CPU build says of a GPU.
#[cfg(not(feature = "cuda"))]
pub(super) fn no_cuda(number: usize) -> Error {
    let reason = "this is a CPU build; use `cpu`, or build with CUDA (`make build-cuda`)";
    Error::BadDevice { name: Compute::Cuda(number).to_string(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_without_a_gpu_lack_none_where_none_is_asked_for() {
        assert!(find_gpus(&[]).is_ok());
        assert!(find_gpus(&[1000]).is_err());
    }
}
