//! From candle's storage to the slices that the kernels take, and back.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, Layout, Result, Storage, Tensor};
use swish_kernels::Real;

/// An element type of the networks: f32 for training, f64 for checks.
pub(crate) trait Element: Real {
    fn slice(storage: &CpuStorage) -> Option<&[Self]>;
    fn storage(values: Vec<Self>) -> CpuStorage;
}

macro_rules! element {
    ($t:ty, $variant:ident) => {
        impl Element for $t {
            fn slice(storage: &CpuStorage) -> Option<&[Self]> {
                match storage {
                    CpuStorage::$variant(values) => Some(values),
                    _ => None,
                }
            }
            fn storage(values: Vec<Self>) -> CpuStorage {
                CpuStorage::$variant(values)
            }
        }
    };
}
element!(f32, F32);
element!(f64, F64);

/// The contiguous slice behind a storage and its layout.
pub(crate) fn slice<'a, T: Element>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let Some(values) = T::slice(storage) else {
        candle_core::bail!("expected {}, got {:?}", std::any::type_name::<T>(), storage.dtype())
    };
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&values[from..to]),
        None => candle_core::bail!("expected a contiguous tensor, got {:?}", layout.stride()),
    }
}

/// Calls `f` with the contiguous values of a CPU tensor.
pub(crate) fn with_slice<T: Element, R>(tensor: &Tensor, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(slice(storage, layout)?),
        _ => candle_core::bail!("expected a tensor on the CPU, got {:?}", tensor.device()),
    }
}

/// A CPU tensor that takes the values over without a copy.
pub(crate) fn tensor<T: Element>(values: Vec<T>, shape: &[usize]) -> Result<Tensor> {
    let storage = Storage::Cpu(T::storage(values));
    Ok(Tensor::from_storage(storage, shape, candle_core::op::BackpropOp::none(), false))
}

/// Runs `$body` with `$t` bound to the element type of `$dtype`.
macro_rules! dispatch {
    ($dtype:expr, $name:expr, $t:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => candle_core::bail!("{}: element type {other:?} is not supported, use F32 or F64", $name),
        }
    };
}
pub(crate) use dispatch;
