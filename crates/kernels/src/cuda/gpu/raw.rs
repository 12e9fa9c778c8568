//! [`Raw`]: a part of a buffer as cudarc's libraries take it.

use std::marker::PhantomData;
use std::sync::Arc;

use cudarc::driver::{CudaStream, DevicePtr, DevicePtrMut, DeviceSlice, SyncOnDrop};

use super::Gpu;
use crate::cuda::device::{View, Word};

/// A part of a buffer as cudarc's libraries take it. It carries no events: there is one stream.
pub(super) struct Raw<'a, T> {
    pointer: u64,
    len: usize,
    stream: &'a Arc<CudaStream>,
    word: PhantomData<T>,
}

impl<'a, T> Raw<'a, T> {
    /// `T` is what the library calls the numbers' type.
    pub(super) fn new<W: Word>(gpu: &'a Gpu, view: View<'a, Gpu, W>) -> Self {
        Self { pointer: gpu.address(view), len: view.len(), stream: &gpu.stream, word: PhantomData }
    }
}

impl<T> DeviceSlice<T> for Raw<'_, T> {
    fn len(&self) -> usize {
        self.len
    }
    fn stream(&self) -> &Arc<CudaStream> {
        self.stream
    }
}

impl<T> DevicePtr<T> for Raw<'_, T> {
    fn device_ptr<'a>(&'a self, _: &'a CudaStream) -> (u64, SyncOnDrop<'a>) {
        (self.pointer, SyncOnDrop::Sync(None))
    }
}

impl<T> DevicePtrMut<T> for Raw<'_, T> {
    fn device_ptr_mut<'a>(&'a mut self, _: &'a CudaStream) -> (u64, SyncOnDrop<'a>) {
        (self.pointer, SyncOnDrop::Sync(None))
    }
}
