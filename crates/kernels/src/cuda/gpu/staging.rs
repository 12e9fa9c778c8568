//! [`Staging`]: pinned memory that large copies to the GPU go through.
//!
//! The driver reads pageable memory only when the stream has come as far as the copy, and the host waits for that: a batch of images would
//! hold it until the step before is done. Of pinned memory the copy goes on by itself.

use std::ffi::c_void;

use cudarc::driver::{CudaEvent, DriverError, result};

use super::Gpu;

/// Of so many bytes the driver keeps a copy itself, and nobody waits.
const SMALL: usize = 64 << 10;
/// Bytes of a piece at most.
const MOST: usize = 256 << 20;

/// Two pieces in turn: one is filled while the other is on its way.
#[derive(Default)]
pub(super) struct Staging {
    pieces: [Option<Piece>; 2],
    next: usize,
}

impl Staging {
    /// Copies to the address `to` on the GPU, in the order of its stream. The bytes have been read when it returns.
    ///
    /// # Safety
    /// There is memory for all of them at `to`, and the GPU's context is current.
    pub(super) unsafe fn copy(&mut self, gpu: &Gpu, bytes: &[u8], to: u64) -> Result<(), DriverError> {
        let stream = gpu.stream.cu_stream();
        for (part, at) in bytes.chunks(MOST).zip((to..).step_by(MOST)) {
            let piece = match part.len() > SMALL {
                true => Piece::with_room(&mut self.pieces[self.next], gpu, part.len())?,
                false => None,
            };
            let Some(piece) = piece else {
                // SAFETY: the caller's word. The driver has read pageable memory when the call returns.
                unsafe { result::memcpy_htod_async(at, part, stream) }?;
                continue;
            };
            self.next = 1 - self.next;
            // SAFETY: there is room, and nothing on its way reads it any more. The copy's source stays as it is until `sent` is reached.
            unsafe {
                std::ptr::copy_nonoverlapping(part.as_ptr(), piece.pointer.cast(), part.len());
                let source = std::slice::from_raw_parts(piece.pointer.cast::<u8>(), part.len());
                result::memcpy_htod_async(at, source, stream)?;
            }
            piece.sent.record(&gpu.stream)?;
        }
        Ok(())
    }
}

/// Pinned memory.
struct Piece {
    pointer: *mut c_void,
    len: usize,
    /// The stream has come past its last copy.
    sent: CudaEvent,
}

impl Piece {
    /// A piece that nothing on its way reads any more; a new one where it is too short, and none where the system has no such memory left.
    fn with_room<'a>(slot: &'a mut Option<Self>, gpu: &Gpu, len: usize) -> Result<Option<&'a mut Self>, DriverError> {
        if let Some(piece) = slot {
            piece.sent.synchronize()?;
        }
        match slot.take().filter(|piece| piece.len >= len) {
            Some(piece) => Ok(Some(slot.insert(piece))),
            None => {
                let sent = gpu.context.new_event(None)?;
                // SAFETY: without flags it is the host's memory, which the GPU can read.
                let pointer = unsafe { result::malloc_host(len, 0) };
                Ok(pointer.ok().map(|pointer| slot.insert(Self { pointer, len, sent })))
            }
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // SAFETY: it was asked for in `with_room`; what still reads it is waited for.
        let _harmless_where_refused = unsafe { self.sent.synchronize().and_then(|()| result::free_host(self.pointer)) };
    }
}
