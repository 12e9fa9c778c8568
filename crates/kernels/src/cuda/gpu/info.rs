//! Which GPUs and libraries there are.

use cudarc::driver::sys::CUdevice_attribute_enum as Attribute;
use cudarc::driver::{CudaContext, result, sys};

use super::error::{GpuError, MIN_DRIVER};
use crate::cuda::nccl::Nccl;
use crate::cuda::nvrtc::Nvrtc;

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its number.
    pub ordinal: usize,
    /// Its name.
    pub name: String,
    /// Compute capability.
    pub capability: (i32, i32),
    /// Multiprocessors.
    pub multiprocessors: i32,
    /// Memory, bytes.
    pub memory: usize,
    /// Of it free now.
    pub free: usize,
}

/// The driver's CUDA version (1000 major + 10 minor).
///
/// # Errors
/// [`GpuError::NoDriver`], [`GpuError::DriverTooOld`].
pub fn driver_version() -> Result<i32, GpuError> {
    // SAFETY: opening the driver's library has no effect but memory.
    if !unsafe { sys::is_culib_present() } {
        return Err(GpuError::NoDriver);
    }
    let mut found = 0;
    // SAFETY: the library is there, and so is what it writes to.
    let status = unsafe { sys::cuDriverGetVersion(&mut found) };
    if status != sys::CUresult::CUDA_SUCCESS {
        return Err(GpuError::NoDevice(format!("{status:?}")));
    }
    if found < MIN_DRIVER { Err(GpuError::DriverTooOld { found }) } else { Ok(found) }
}

/// Number of GPUs, at least 1.
///
/// # Errors
/// [`GpuError`] where there is no driver, one too old, or no GPU.
pub fn count() -> Result<usize, GpuError> {
    driver_version()?;
    result::init().map_err(|e| GpuError::NoDevice(format!("{:?}", e.0)))?;
    match CudaContext::device_count() {
        Ok(count @ 1..) => Ok(count as usize),
        Ok(_) => Err(GpuError::NoDevice("none is visible".to_string())),
        Err(e) => Err(GpuError::NoDevice(format!("{:?}", e.0))),
    }
}

/// All GPUs.
///
/// # Errors
/// As [`count`], and the driver's.
pub fn all() -> Result<Vec<Info>, GpuError> {
    let failed = |source| GpuError::Driver { what: "asking what the GPU is", source };
    let of = |ordinal| {
        let context = CudaContext::new(ordinal)?;
        let (free, memory) = context.mem_get_info()?;
        Ok(Info {
            ordinal,
            name: context.name()?,
            capability: context.compute_capability()?,
            multiprocessors: context.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
            memory,
            free,
        })
    };
    (0..count()?).map(|ordinal| of(ordinal).map_err(failed)).collect()
}

/// Each library's name, and its version or why there is none.
pub fn libraries() -> Vec<(&'static str, Result<String, String>)> {
    let nvrtc = Nvrtc::load().and_then(|nvrtc| nvrtc.version());
    let nvrtc = nvrtc.map(|(major, minor)| format!("{major}.{minor}")).map_err(|e| e.to_string());
    let cudnn = super::convolution::open().map(|()| {
        let version = cudarc::cudnn::result::get_version();
        format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
    });
    let cublas = super::product::open().map(|()| {
        // SAFETY: the library is there.
        let version = unsafe { cudarc::cublaslt::sys::cublasLtGetVersion() };
        format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
    });
    let nccl = Nccl::load().and_then(|nccl| nccl.version());
    let nccl = nccl.map(|version| format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100));
    let nccl = nccl.map_err(|e| e.to_string());
    let text = |e: super::GpuError| e.to_string();
    vec![("NVRTC", nvrtc), ("cuDNN", cudnn.map_err(text)), ("cuBLASLt", cublas.map_err(text)), ("NCCL", nccl)]
}
