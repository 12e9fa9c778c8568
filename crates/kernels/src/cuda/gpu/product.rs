//! Products of matrices by cuBLASLt.
//!
//! cuBLAS counts columns first, so every matrix here is to it the transpose.

use std::sync::Arc;

use cudarc::cublaslt::{CudaBlasLT, Matmul, MatmulConfig, MatmulShared, Workspace, result::CublasError, sys};
use cudarc::driver::CudaStream;

use super::raw::Raw;
use super::{Gpu, GpuError, open_once};
use crate::cuda::device::{Device, Stored, View, ViewMut, int};
use crate::cuda::engine::{Matrices, Precision};
use crate::cuda::libraries::{self, Missing};

/// Memory that the library's handle asks for at most.
const WORKSPACE: usize = 32 << 20;

/// Opens cuBLASLt.
///
/// # Errors
/// [`GpuError::Missing`].
pub(super) fn open() -> Result<(), GpuError> {
    libraries::keep(&["cublasLt"]);
    // SAFETY: opening the library has no effect but memory.
    match unsafe { sys::is_culib_present() } {
        true => Ok(()),
        false => Err(Missing { library: "libcublasLt", package: "nvidia-cublas" }.into()),
    }
}

/// The library for products of any stored type; those of f32 with their factors rounded where `TF32` is set.
struct Library<'a, const TF32: bool>(&'a CudaBlasLT);

impl<const TF32: bool> MatmulShared for Library<'_, TF32> {
    fn handle(&self) -> &sys::cublasLtHandle_t {
        self.0.handle()
    }
    fn workspace(&self) -> &Workspace {
        self.0.workspace()
    }
    fn stream(&self) -> &Arc<CudaStream> {
        self.0.stream()
    }
}

impl<E: Stored, const TF32: bool> Matmul<E> for Library<'_, TF32> {
    fn matrix_type() -> sys::cudaDataType {
        if E::BF16 { sys::cudaDataType_t::CUDA_R_16BF } else { sys::cudaDataType_t::CUDA_R_32F }
    }
    fn compute_type() -> sys::cublasComputeType_t {
        match (E::BF16, TF32) {
            (false, true) => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
            _ => sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
        }
    }
}

/// # Safety
/// The lengths are those of `config`.
unsafe fn run<E: Stored, M: Matmul<E>>(
    blas: &M,
    config: MatmulConfig,
    [a, b]: [View<'_, Gpu, E>; 2],
    to: &ViewMut<'_, Gpu, E>,
    gpu: &Gpu,
) -> Result<(), CublasError> {
    let (a, b, mut c) = (Raw::<E>::new(gpu, a), Raw::new(gpu, b), Raw::new(gpu, to.view()));
    // SAFETY: by the caller's promise.
    unsafe { blas.matmul(config, &a, &b, &mut c, None, None) }
}

/// [`Engine::multiply`](crate::cuda::Engine::multiply).
pub(super) fn multiply<E: Stored>(
    gpu: &Gpu,
    matrices: &Matrices,
    precision: Precision,
    a: View<'_, Gpu, E>,
    b: View<'_, Gpu, E>,
    to: &ViewMut<'_, Gpu, E>,
    add: bool,
) -> Result<(), GpuError> {
    const NAME: &str = "multiply";
    matrices.check(NAME, a, b, to.view())?;
    let &Matrices { batch, rows, columns, inner, a_transposed, b_transposed } = matrices;
    for size in [rows, columns, inner] {
        int(NAME, "size", size)?;
    }
    let count = int(NAME, "number of products", batch)?;
    let stride = |len: usize| (batch > 1).then_some(len as i64);
    gpu.bind()?;
    let blas = open_once(&gpu.blas, || {
        open()?;
        // The handle panics where its workspace cannot be had, so as much is asked for, and let go, before.
        drop(gpu.alloc(WORKSPACE)?);
        CudaBlasLT::new(gpu.stream.clone()).map_err(|source| GpuError::Cublas { what: "opening", source })
    })?;
    let config = MatmulConfig {
        transa: b_transposed,
        transb: a_transposed,
        transc: false,
        m: columns as u64,
        n: rows as u64,
        k: inner as u64,
        alpha: 1.0,
        lda: if b_transposed { inner } else { columns } as i64,
        ldb: if a_transposed { rows } else { inner } as i64,
        beta: if add { 1.0 } else { 0.0 },
        ldc: columns as i64,
        stride_a: stride(inner * columns),
        stride_b: stride(rows * inner),
        stride_c: stride(rows * columns),
        stride_bias: None,
        batch_size: (batch > 1).then_some(count),
    };
    // SAFETY: `Matrices::check` has compared the lengths with the sizes.
    let done = unsafe {
        match precision {
            Precision::Exact => run(&Library::<false>(blas), config, [b, a], to, gpu),
            Precision::Tf32 => run(&Library::<true>(blas), config, [b, a], to, gpu),
        }
    };
    done.map_err(|source| GpuError::Cublas { what: NAME, source })
}
