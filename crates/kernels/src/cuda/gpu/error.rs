//! [`GpuError`]: what is missing or went wrong, and what to do.

use cudarc::cublaslt::result::CublasError;
use cudarc::cudnn::CudnnError;
use cudarc::driver::DriverError;

use crate::cuda::device::Misfit;
use crate::cuda::libraries::Missing;
use crate::cuda::nccl::NcclError;
use crate::cuda::nvrtc::NvrtcError;

/// CUDA version that is needed, as the driver counts: 1000 major + 10 minor.
pub const MIN_DRIVER: i32 = 13_000;

/// Why something could not be done on a GPU.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// No driver at all.
    #[error(
        "no GPU: NVIDIA's driver (libcuda.so.1) is not installed on this machine; use the CPU, or install driver 580 or later"
    )]
    NoDriver,
    /// A driver for older CUDA.
    #[error("the GPU's driver is for CUDA {}.{}, but {}.{} is needed; install driver 580 or later", found / 1000, found % 1000 / 10, MIN_DRIVER / 1000, MIN_DRIVER % 1000 / 10)]
    DriverTooOld {
        /// Its version.
        found: i32,
    },
    /// A driver, but nothing for it to drive.
    #[error("no GPU: NVIDIA's driver finds none ({0}); check `nvidia-smi` and CUDA_VISIBLE_DEVICES")]
    NoDevice(String),
    /// Fewer GPUs than that.
    #[error("no GPU number {ordinal}: there are {count}, counted from 0")]
    NoSuchDevice {
        /// The number asked for.
        ordinal: usize,
        /// How many there are.
        count: usize,
    },
    /// A library.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Arguments.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The compiler.
    #[error(transparent)]
    Nvrtc(#[from] NvrtcError),
    /// Means over several GPUs.
    #[error(transparent)]
    Nccl(#[from] NcclError),
    /// Memory.
    #[error("the GPU has no {bytes} bytes left ({source}); use a smaller batch")]
    Memory {
        /// How much was asked for.
        bytes: usize,
        /// What the driver says.
        source: DriverError,
    },
    /// What cannot be recorded.
    #[error("{0} on the GPU while launches are recorded")]
    Recording(&'static str),
    /// The driver.
    #[error("{what} failed on the GPU: {source}")]
    Driver {
        /// What was done.
        what: &'static str,
        /// What the driver says.
        source: DriverError,
    },
    /// cuDNN.
    #[error("cuDNN failed at {what}: {source:?}")]
    Cudnn {
        /// What was done.
        what: &'static str,
        /// What it says.
        source: CudnnError,
    },
    /// cuBLASLt.
    #[error("cuBLASLt failed at {what}: {source:?}")]
    Cublas {
        /// What was done.
        what: &'static str,
        /// What it says.
        source: CublasError,
    },
}

impl GpuError {
    /// Whether this machine has no GPU that could be used, nor a driver for one.
    pub fn is_none_here(&self) -> bool {
        matches!(self, Self::NoDriver | Self::DriverTooOld { .. } | Self::NoDevice(_))
    }
}
