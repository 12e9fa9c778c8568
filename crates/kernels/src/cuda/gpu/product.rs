//! Fully connected layers by cuBLASLt; see [`crate::linear`]. Weights are (c_out, c_in) of the maps' type.
//!
//! cuBLAS counts columns first, so every matrix here is to it the transpose. It counts on matrices that start at multiples
//! of [`ALIGNMENT`], as whole [slices](crate::cuda::device::Slice) do; others are refused.

use std::sync::Arc;

use cudarc::cublaslt::{CudaBlasLT, Matmul, MatmulConfig, MatmulShared, Workspace, result::CublasError, sys};
use cudarc::driver::CudaStream;
use half::bf16;

use super::{Gpu, GpuError, Precision, Raw, aligned, open_once};
use crate::cuda::device::{Device, Misfit, Scratch, Stored, View, ViewMut, fits, int};
use crate::cuda::launch::{layout, sums};
use crate::cuda::libraries::{self, Missing};

/// Bytes that matrices start at a multiple of: what cuBLASLt's choice of an algorithm counts on unless told otherwise.
pub const ALIGNMENT: u64 = 256;

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

/// The library with products of f32 as they are; its own rounds their factors.
struct Exact<'a>(&'a CudaBlasLT);

impl MatmulShared for Exact<'_> {
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

impl Matmul<f32> for Exact<'_> {
    fn matrix_type() -> sys::cudaDataType {
        sys::cudaDataType_t::CUDA_R_32F
    }
    fn compute_type() -> sys::cublasComputeType_t {
        sys::cublasComputeType_t::CUBLAS_COMPUTE_32F
    }
}

/// A type that products are made of.
pub trait Element: Stored {
    #[doc(hidden)]
    fn product(
        blas: &CudaBlasLT,
        precision: Precision,
        config: MatmulConfig,
        factors: [View<'_, Gpu, Self>; 2],
        to: ViewMut<'_, Gpu, Self>,
        gpu: &Gpu,
    ) -> Result<(), CublasError>;
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
    let (a, b, mut c) = (Raw::new(gpu, a), Raw::new(gpu, b), Raw::new(gpu, to.view()));
    // SAFETY: by the caller's promise.
    unsafe { blas.matmul(config, &a, &b, &mut c, None, None) }
}

impl Element for f32 {
    fn product(
        blas: &CudaBlasLT,
        precision: Precision,
        config: MatmulConfig,
        factors: [View<'_, Gpu, f32>; 2],
        to: ViewMut<'_, Gpu, f32>,
        gpu: &Gpu,
    ) -> Result<(), CublasError> {
        // SAFETY: `Matrices::multiply` has checked the lengths.
        unsafe {
            match precision {
                Precision::Exact => run(&Exact(blas), config, factors, &to, gpu),
                Precision::Tf32 => run(blas, config, factors, &to, gpu),
            }
        }
    }
}

impl Element for bf16 {
    fn product(
        blas: &CudaBlasLT,
        _: Precision,
        config: MatmulConfig,
        factors: [View<'_, Gpu, bf16>; 2],
        to: ViewMut<'_, Gpu, bf16>,
        gpu: &Gpu,
    ) -> Result<(), CublasError> {
        // SAFETY: `Matrices::multiply` has checked the lengths.
        unsafe { run(blas, config, factors, &to, gpu) }
    }
}

/// `to` (rows, columns) = a b, where a is (rows, inner), or lies as (inner, rows), and b is (inner, columns), or lies as
/// (columns, inner).
#[derive(Clone, Copy)]
struct Matrices {
    rows: usize,
    columns: usize,
    inner: usize,
    a_transposed: bool,
    b_transposed: bool,
}

impl Matrices {
    fn multiply<E: Element>(
        self,
        gpu: &Gpu,
        function: &'static str,
        precision: Precision,
        a: View<'_, Gpu, E>,
        b: View<'_, Gpu, E>,
        to: ViewMut<'_, Gpu, E>,
    ) -> Result<(), GpuError> {
        let Self { rows, columns, inner, a_transposed, b_transposed } = self;
        if rows * columns * inner == 0 {
            let (what, value) = ("a size", format!("{rows} x {columns} x {inner}"));
            return Err(Misfit::Value { function, what, value, expected: "at least 1 each" }.into());
        }
        for (what, view, expected) in [
            ("first factor", a, rows * inner),
            ("second factor", b, inner * columns),
            ("product", to.view(), rows * columns),
        ] {
            fits(function, what, view.len(), expected)?;
            aligned(function, what, gpu.address(view), ALIGNMENT)?;
        }
        for size in [rows, columns, inner] {
            int(function, "size", size)?;
        }
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
            beta: 0.0,
            ldc: columns as i64,
            stride_a: None,
            stride_b: None,
            stride_c: None,
            stride_bias: None,
            batch_size: None,
        };
        let done = E::product(blas, precision, config, [b, a], to, gpu);
        done.map_err(|source| GpuError::Cublas { what: function, source })
    }
}

/// `ys` (n, c_out) from `xs` (n, c_in), `weight` (c_out, c_in) and `bias` (c_out).
///
/// # Errors
/// Lengths that disagree, and the GPU's.
pub fn forward<E: Element>(
    gpu: &Gpu,
    [n, c_in, c_out]: [usize; 3],
    precision: Precision,
    xs: View<'_, Gpu, E>,
    weight: View<'_, Gpu, E>,
    bias: Option<View<'_, Gpu, f32>>,
    mut ys: ViewMut<'_, Gpu, E>,
) -> Result<(), GpuError> {
    let product = Matrices { rows: n, columns: c_out, inner: c_in, a_transposed: false, b_transposed: true };
    product.multiply(gpu, "product::forward", precision, xs, weight, ys.reborrow())?;
    match bias {
        Some(bias) => layout::add_bias(gpu, bias, ys),
        None => Ok(()),
    }
}

/// Gradients of [`forward`] that are wanted; all are overwritten.
pub struct Grads<'a, E> {
    /// Of the input, (n, c_in).
    pub d_xs: Option<ViewMut<'a, Gpu, E>>,
    /// Of the weight, (c_out, c_in).
    pub d_weight: ViewMut<'a, Gpu, E>,
    /// Of the bias, (c_out).
    pub d_bias: Option<ViewMut<'a, Gpu, f32>>,
}

/// Gradients from `d_ys` (n, c_out).
///
/// # Errors
/// Lengths that disagree, and the GPU's.
#[expect(clippy::too_many_arguments, reason = "the tensors of one function")]
pub fn backward<E: Element>(
    gpu: &Gpu,
    scratch: &mut Scratch<Gpu>,
    [n, c_in, c_out]: [usize; 3],
    precision: Precision,
    xs: View<'_, Gpu, E>,
    weight: View<'_, Gpu, E>,
    d_ys: View<'_, Gpu, E>,
    grads: Grads<'_, E>,
) -> Result<(), GpuError> {
    const NAME: &str = "product::backward";
    if let Some(d_xs) = grads.d_xs {
        let product = Matrices { rows: n, columns: c_in, inner: c_out, a_transposed: false, b_transposed: false };
        product.multiply(gpu, NAME, precision, d_ys, weight, d_xs)?;
    }
    let product = Matrices { rows: c_out, columns: c_in, inner: n, a_transposed: true, b_transposed: false };
    product.multiply(gpu, NAME, precision, d_ys, xs, grads.d_weight)?;
    match grads.d_bias {
        Some(d_bias) => sums::column_sums(gpu, scratch, d_ys, d_bias),
        None => Ok(()),
    }
}
