//! NCCL: means over the GPUs of several processes. Only to meet the other ranks takes a GPU.
//!
//! cudarc would look for `libnccl.so`, and NVIDIA's packages have `libnccl.so.2` alone, so it is opened here.
#![allow(unsafe_code, reason = "calls of a C library")]

use std::ffi::{CStr, c_char, c_int, c_void};

use libloading::Library;

use super::libraries::{self, Missing};
use super::ranks::{Meeting, Member};

/// Why ranks do not come together, or a mean is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NcclError {
    /// No library.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A library without one of the functions.
    #[error("libnccl lacks {function}: {reason}; version 2.10 or later is needed")]
    Function {
        /// The function.
        function: &'static str,
        /// What the loader says.
        reason: String,
    },
    /// A function that does not do its work.
    #[error("{function} failed: {reason} (code {code}; NCCL_DEBUG=WARN says more)")]
    Failed {
        /// The function.
        function: &'static str,
        /// ncclResult_t.
        code: c_int,
        /// What the library says.
        reason: String,
    },
    /// A library that is too old.
    #[error("libnccl is version {}.{}, but 2.10 or later is needed", found / 10_000, found % 10_000 / 100)]
    TooOld {
        /// Its version, as [`Nccl::version`].
        found: c_int,
    },
    /// More ranks than the library counts.
    #[error("{0} ranks are more than NCCL counts")]
    TooMany(usize),
}

/// The library.
#[derive(Debug)]
pub struct Nccl {
    library: Library,
}

/// ncclUniqueId.
#[repr(C)]
#[derive(Clone, Copy)]
struct UniqueId([u8; Meeting::LEN]);

/// ncclFloat32 and ncclAvg, of nccl.h.
const FLOAT32: c_int = 7;
const AVG: c_int = 4;

type AllReduce =
    unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, c_int, *mut c_void, *mut c_void) -> c_int;
type Abort = unsafe extern "C" fn(*mut c_void) -> c_int;

impl Nccl {
    /// Opens it, for the rest of the process: it has threads of its own.
    ///
    /// # Errors
    /// [`NcclError::Missing`].
    pub fn load() -> Result<Self, NcclError> {
        libraries::keep(&["nccl"]);
        let missing = Missing { library: "libnccl", package: "nvidia-nccl-cu13" };
        Ok(Self { library: libraries::open("nccl").ok_or(missing)? })
    }

    /// Its version, 10000 major + 100 minor + patch.
    ///
    /// # Errors
    /// [`NcclError::Function`], [`NcclError::Failed`].
    pub fn version(&self) -> Result<i32, NcclError> {
        const NAME: &str = "ncclGetVersion";
        let get: unsafe extern "C" fn(*mut c_int) -> c_int = self.function(NAME)?;
        let mut version = 0;
        // SAFETY: the number is there to be written.
        self.done(NAME, unsafe { get(&mut version) })?;
        Ok(version)
    }

    /// A meeting for ranks, of which this process has to be the first: the others find each other through it.
    ///
    /// # Errors
    /// [`NcclError::Function`], [`NcclError::Failed`].
    pub fn meeting(&self) -> Result<Meeting, NcclError> {
        const NAME: &str = "ncclGetUniqueId";
        let get: unsafe extern "C" fn(*mut UniqueId) -> c_int = self.function(NAME)?;
        let mut id = UniqueId([0; Meeting::LEN]);
        // SAFETY: the id is there to be written.
        self.done(NAME, unsafe { get(&mut id) })?;
        Ok(Meeting(id.0))
    }

    /// Meets the other ranks, for whom it waits.
    ///
    /// # Errors
    /// [`NcclError`].
    ///
    /// # Safety
    /// A CUDA context is current, and lives as long as what is returned.
    pub(super) unsafe fn join(self, member: &Member) -> Result<Communicator, NcclError> {
        const NAME: &str = "ncclCommInitRank";
        // The first with means.
        if let found @ ..=20_999 = self.version()? {
            return Err(NcclError::TooOld { found });
        }
        type Init = unsafe extern "C" fn(*mut *mut c_void, c_int, UniqueId, c_int) -> c_int;
        let init: Init = self.function(NAME)?;
        let (all_reduce, abort) = (self.function("ncclAllReduce")?, self.function("ncclCommAbort")?);
        let number = |count: usize| c_int::try_from(count).map_err(|_| NcclError::TooMany(count));
        let (rank, of) = (number(member.rank.number())?, number(member.rank.of())?);
        let mut handle = std::ptr::null_mut();
        // SAFETY: the handle is there to be written; the context is the caller's promise.
        self.done(NAME, unsafe { init(&mut handle, of, UniqueId(member.meeting.0), rank) })?;
        Ok(Communicator { nccl: self, handle, all_reduce, abort })
    }

    fn function<T: Copy>(&self, function: &'static str) -> Result<T, NcclError> {
        // SAFETY: the callers name functions of NCCL with their types.
        let symbol = unsafe { self.library.get::<T>(function) };
        symbol.map(|symbol| *symbol).map_err(|e| NcclError::Function { function, reason: e.to_string() })
    }

    /// Errs where a function says that it failed.
    fn done(&self, function: &'static str, code: c_int) -> Result<(), NcclError> {
        if code == 0 {
            return Ok(());
        }
        let text: Result<unsafe extern "C" fn(c_int) -> *const c_char, _> = self.function("ncclGetErrorString");
        // SAFETY: the library has a text for every code, which lives as long as it.
        let reason =
            text.map_or_else(|e| e.to_string(), |text| unsafe { CStr::from_ptr(text(code)) }.to_string_lossy().into());
        Err(NcclError::Failed { function, code, reason })
    }
}

/// A rank's line to the others.
#[derive(Debug)]
pub(super) struct Communicator {
    nccl: Nccl,
    handle: *mut c_void,
    all_reduce: AllReduce,
    abort: Abort,
}

impl Communicator {
    /// Puts the means over all ranks in the place of `len` f32 at `pointer`, on a stream.
    ///
    /// # Errors
    /// [`NcclError::Failed`].
    ///
    /// # Safety
    /// There are so many numbers in the memory of the context's GPU, which nobody uses until the stream has come so far; the stream is the
    /// context's.
    pub(super) unsafe fn average(&self, pointer: u64, len: usize, stream: *mut c_void) -> Result<(), NcclError> {
        let at = pointer as *mut c_void;
        // SAFETY: by the caller's promise.
        let code = unsafe { (self.all_reduce)(at.cast_const(), at, len, FLOAT32, AVG, self.handle, stream) };
        self.nccl.done("ncclAllReduce", code)
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        // SAFETY: the handle is there and is not used again. Unlike ncclCommDestroy it does not wait for ranks that may be lost.
        let _nobody_to_tell = unsafe { (self.abort)(self.handle) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cuda::Rank;

    #[test]
    fn the_library_has_what_is_asked_of_it() {
        let nccl = match Nccl::load() {
            Ok(nccl) => nccl,
            Err(e) => return eprintln!("SKIPPED: nothing was asked of NCCL: {e}"),
        };
        assert!(nccl.version().unwrap() >= 21_000);
        let (meeting, other) = (nccl.meeting().unwrap(), nccl.meeting().unwrap());
        assert_ne!(meeting, other);
        // SAFETY: without a context NCCL takes one of its own, where there is a GPU.
        match unsafe { nccl.join(&Member { rank: Rank::ALONE, meeting }) } {
            Ok(alone) => drop(alone),
            Err(NcclError::Failed { function: "ncclCommInitRank", code, reason }) => {
                assert!(code != 0 && !reason.is_empty(), "{code} {reason}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}
