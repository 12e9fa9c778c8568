//! Several GPUs that learn together: means over them by NCCL, on a stream of their own beside that of the kernels.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::{CudaEvent, CudaStream, result};

use super::{Gpu, GpuError};
use crate::cuda::device::View;
use crate::cuda::nccl::{Communicator, Nccl};
use crate::cuda::ranks::{Meeting, Member, Rank};

/// A GPU's part in a group. Nothing here waits on the host or asks for memory once it is made, so it can be captured into a graph.
pub(super) struct Group {
    pub(super) rank: Rank,
    communicator: Communicator,
    stream: Arc<CudaStream>,
    /// What was launched has come so far.
    launched: CudaEvent,
    /// The means have come so far.
    averaged: CudaEvent,
    /// Whether means are under way that nobody waits for yet.
    asked: Cell<bool>,
}

/// A meeting for ranks, of which this process has to be the first.
///
/// # Errors
/// [`GpuError::Nccl`].
pub fn meeting() -> Result<Meeting, GpuError> {
    Ok(Nccl::load()?.meeting()?)
}

impl Gpu {
    /// Meets the ranks that it learns with, for whom it waits; a single one has nobody to meet.
    ///
    /// # Errors
    /// [`GpuError`]: no NCCL, ranks that do not come together.
    pub fn join(&mut self, member: &Member) -> Result<(), GpuError> {
        if member.rank.is_alone() {
            return Ok(());
        }
        let driver = |what| move |source| GpuError::Driver { what, source };
        self.bind()?;
        // SAFETY: the GPU's context is current, and lives as long as `self`, which has the group.
        let communicator = unsafe { Nccl::load()?.join(member) }?;
        // The fewer blocks of a mean wait behind a convolution's many, the sooner it is done.
        let (_, highest) =
            result::stream::get_priority_range().map_err(driver("asking for the streams' priorities"))?;
        let stream = self.context.new_stream_with_priority(highest).map_err(driver("making a stream"))?;
        let event = || self.context.new_event(None).map_err(driver("making an event"));
        let (launched, averaged) = (event()?, event()?);
        self.group =
            Some(Group { rank: member.rank, communicator, stream, launched, averaged, asked: Cell::new(false) });
        Ok(())
    }
}

impl Group {
    /// [`Engine::average`](crate::cuda::Engine::average).
    pub(super) fn average(&self, gpu: &Gpu, xs: View<'_, Gpu, f32>) -> Result<(), GpuError> {
        if xs.is_empty() {
            return Ok(());
        }
        let failed = |source| GpuError::Driver { what: "waiting for kernels before a mean", source };
        gpu.bind()?;
        self.launched.record(&gpu.stream).map_err(failed)?;
        self.stream.wait(&self.launched).map_err(failed)?;
        // SAFETY: the view lies in the GPU's memory. Nobody uses it until `wait` has been called: that is the callers' part of the
        // contract, which the emulation checks.
        let begun =
            unsafe { self.communicator.average(gpu.address(xs), xs.len(), self.stream.cu_stream().cast::<c_void>()) };
        begun?;
        self.asked.set(true);
        Ok(())
    }

    /// [`Engine::averaged`](crate::cuda::Engine::averaged).
    pub(super) fn wait(&self, gpu: &Gpu) -> Result<(), GpuError> {
        if !self.asked.take() {
            return Ok(());
        }
        let failed = |source| GpuError::Driver { what: "waiting for means", source };
        self.averaged.record(&self.stream).map_err(failed)?;
        gpu.stream.wait(&self.averaged).map_err(failed)
    }
}
