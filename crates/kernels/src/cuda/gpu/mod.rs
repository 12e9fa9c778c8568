//! [`Gpu`]: one NVIDIA GPU through CUDA's driver. All libraries are opened at run time, so a program with this feature starts on any
//! machine and says what it lacks.
//!
//! | module | what it is for |
//! |---|---|
//! | [`info`] | which GPUs there are |
//! | `cache` | compiled kernels on disk |
//! | `convolution`, `cudnn` | convolution by cuDNN, and its descriptors and algorithms |
//! | `product` | products of matrices by cuBLASLt |
//! | `raw` | parts of buffers as it takes them |
//! | `staging` | large copies to the GPU |
//! | `group` | means over several GPUs by NCCL |
//! | [`error`] | what can go wrong |
#![allow(unsafe_code, reason = "kernels are launched and memory is copied through raw pointers")]

mod cache;
mod convolution;
mod cudnn;
pub mod error;
mod group;
pub mod info;
mod product;
mod raw;
mod staging;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;

use cudarc::cublaslt::CudaBlasLT;
use cudarc::driver::{
    CudaContext, CudaFunction, CudaGraph, CudaModule, CudaSlice, CudaStream, DevicePtr, result,
    sys::{CUgraphInstantiate_flags, CUmemPool_attribute, CUresult, CUstreamCaptureMode},
};
use cudarc::nvrtc::Ptx;

use super::device::{Arg, Device, Launch, Stored, View, ViewMut, Word};
use super::engine::{Engine, Matrices, Precision};
use super::nvrtc::{Nvrtc, OPTIONS};
use super::ranks::Rank;
use super::source::{Key, Source, module_name};
use crate::conv::Conv2d;
use cache::Cache;
use convolution::Convolutions;
pub use error::GpuError;
use group::Group;
pub use group::meeting;
use staging::Staging;

/// A GPU with one stream of work: everything happens in the order of the calls, but for means over several GPUs, which go on beside it.
/// For one thread.
pub struct Gpu {
    /// The GPUs that it learns with. Let go first, while the context is there.
    group: Option<Group>,
    /// Large copies that may still be on their way. As the group.
    staging: RefCell<Staging>,
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    /// What kernels are compiled for, such as `sm_90`.
    arch: String,
    cache: Cache,
    nvrtc: OnceCell<Nvrtc>,
    modules: RefCell<HashMap<Key, Arc<CudaModule>>>,
    functions: RefCell<HashMap<(Key, &'static str), CudaFunction>>,
    convolutions: OnceCell<Convolutions>,
    blas: OnceCell<CudaBlasLT>,
    recording: Cell<bool>,
    replays: Cell<u64>,
    moves: Cell<u64>,
}

impl Gpu {
    /// Opens GPU number `ordinal`.
    ///
    /// # Errors
    /// [`GpuError`]: no driver, one too old, no such GPU.
    pub fn new(ordinal: usize) -> Result<Self, GpuError> {
        let count = info::count()?;
        if ordinal >= count {
            return Err(GpuError::NoSuchDevice { ordinal, count });
        }
        let driver = |what| move |source| GpuError::Driver { what, source };
        let context = CudaContext::new(ordinal).map_err(driver("opening the GPU"))?;
        // SAFETY: all memory is used on the one stream below, or on a group's, which waits for it and is waited for.
        unsafe { context.disable_event_tracking() };
        keep_memory(&context);
        let stream = context.new_stream().map_err(driver("making a stream"))?;
        let (major, minor) = context.compute_capability().map_err(driver("asking for the compute capability"))?;
        Ok(Self {
            group: None,
            staging: RefCell::default(),
            context,
            stream,
            arch: format!("sm_{major}{minor}"),
            cache: Cache::from_environment(),
            nvrtc: OnceCell::new(),
            modules: RefCell::default(),
            functions: RefCell::default(),
            convolutions: OnceCell::new(),
            blas: OnceCell::new(),
            recording: Cell::default(),
            replays: Cell::default(),
            moves: Cell::default(),
        })
    }

    fn module(&self, source: &Source<'_>) -> Result<Arc<CudaModule>, GpuError> {
        let key = source.key();
        if let Some(module) = self.modules.borrow().get(&key) {
            return Ok(module.clone());
        }
        let text = source.text();
        let name = module_name(source, &text, OPTIONS, &self.arch);
        let load = |code| self.context.load_module(Ptx::from_binary(code));
        // What the driver refuses, such as another compiler's code, is compiled anew.
        let module = match self.cache.get(&name).and_then(|code| load(code).ok()) {
            Some(module) => module,
            None => {
                let code = open_once(&self.nvrtc, || Ok(Nvrtc::load()?))?.compile(&name, &text, &self.arch)?;
                self.cache.put(&name, &code);
                load(code).map_err(|source| GpuError::Driver { what: "loading compiled kernels", source })?
            }
        };
        self.modules.borrow_mut().insert(key, module.clone());
        Ok(module)
    }

    fn function(&self, source: &Source<'_>, entry: &'static str) -> Result<CudaFunction, GpuError> {
        let key = (source.key(), entry);
        if let Some(function) = self.functions.borrow().get(&key) {
            return Ok(function.clone());
        }
        let function = self.module(source)?.load_function(entry);
        let function = function.map_err(|source| GpuError::Driver { what: "finding a kernel", source })?;
        self.functions.borrow_mut().insert(key, function.clone());
        Ok(function)
    }

    /// Makes the GPU the one that the thread's next calls are for.
    fn bind(&self) -> Result<(), GpuError> {
        self.context.bind_to_thread().map_err(|source| GpuError::Driver { what: "turning to the GPU", source })
    }

    /// Errs where launches are recorded.
    fn not_recorded(&self, what: &'static str) -> Result<(), GpuError> {
        if self.recording.get() { Err(GpuError::Recording(what)) } else { Ok(()) }
    }

    fn pointer(&self, buffer: &CudaSlice<u8>) -> u64 {
        buffer.device_ptr(&self.stream).0
    }

    /// Where a view starts.
    fn address<T: Word>(&self, view: View<'_, Self, T>) -> u64 {
        let (buffer, start) = view.place();
        self.pointer(buffer) + (start * size_of::<T>()) as u64
    }
}

/// Memory that is given back stays with the process, for the next that asks: otherwise every wait for the GPU hands it to the system.
fn keep_memory(context: &CudaContext) {
    let mut all = u64::MAX;
    // SAFETY: the attribute is a number of 8 bytes, which the call reads. A GPU without such a pool refuses, and is slower.
    let _slower_where_refused = unsafe {
        result::device::get_default_mem_pool(context.cu_device()).and_then(|pool| {
            let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
            result::mem_pool::set_attribute(pool, attribute, std::ptr::from_mut(&mut all).cast())
        })
    };
}

/// The value of a cell, made where it is empty.
fn open_once<T>(cell: &OnceCell<T>, open: impl FnOnce() -> Result<T, GpuError>) -> Result<&T, GpuError> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = open()?;
    Ok(cell.get_or_init(|| value))
}

impl Device for Gpu {
    type Buffer = CudaSlice<u8>;
    type Error = GpuError;
    type Recording = CudaGraph;

    fn alloc(&self, bytes: usize) -> Result<Self::Buffer, GpuError> {
        self.not_recorded("memory is asked for")?;
        // SAFETY: any bytes are numbers. CUDA does not give out empty pieces.
        let buffer = unsafe { self.stream.alloc(bytes.max(16)) };
        buffer.map_err(|source| match source.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => GpuError::Memory { bytes, source },
            _ => GpuError::Driver { what: "asking for memory", source },
        })
    }

    fn write(&self, bytes: &[u8], to: &Self::Buffer, at: usize) -> Result<(), GpuError> {
        assert!(at + bytes.len() <= to.len(), "a copy beyond its buffer");
        if bytes.is_empty() {
            return Ok(());
        }
        self.not_recorded("memory is written")?;
        self.bind()?;
        // SAFETY: the range lies in the buffer, and the context is current.
        let copied = unsafe { self.staging.borrow_mut().copy(self, bytes, self.pointer(to) + at as u64) };
        copied.map_err(|source| GpuError::Driver { what: "copying to the GPU", source })
    }

    fn read(&self, from: &Self::Buffer, at: usize, bytes: &mut [u8]) -> Result<(), GpuError> {
        assert!(at + bytes.len() <= from.len(), "a copy beyond its buffer");
        self.not_recorded("memory is read")?;
        if bytes.is_empty() {
            return self.wait();
        }
        self.bind()?;
        // SAFETY: the range lies in the buffer; `bytes` outlives the synchronisation below.
        let copied =
            unsafe { result::memcpy_dtoh_async(bytes, self.pointer(from) + at as u64, self.stream.cu_stream()) };
        copied.map_err(|source| GpuError::Driver { what: "copying from the GPU", source })?;
        self.wait()
    }

    fn wait(&self) -> Result<(), GpuError> {
        self.not_recorded("the GPU is waited for")?;
        self.stream.synchronize().map_err(|source| GpuError::Driver { what: "running kernels", source })
    }

    fn zero(&self, buffer: &Self::Buffer, at: usize, len: usize) -> Result<(), GpuError> {
        assert!(at + len <= buffer.len(), "a fill beyond its buffer");
        if len == 0 {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: the range lies in the buffer.
        let filled =
            unsafe { result::memset_d8_async(self.pointer(buffer) + at as u64, 0, len, self.stream.cu_stream()) };
        filled.map_err(|source| GpuError::Driver { what: "filling memory", source })
    }

    fn copy(&self, from: (&CudaSlice<u8>, usize), to: (&CudaSlice<u8>, usize), len: usize) -> Result<(), GpuError> {
        let place = |(buffer, at): (&CudaSlice<u8>, usize)| {
            assert!(at + len <= buffer.len(), "a copy beyond its buffer");
            self.pointer(buffer) + at as u64
        };
        let (from, to) = (place(from), place(to));
        if len == 0 {
            return Ok(());
        }
        self.bind()?;
        // SAFETY: both ranges lie in their buffers.
        let copied = unsafe { result::memcpy_dtod_async(to, from, len, self.stream.cu_stream()) };
        copied.map_err(|source| GpuError::Driver { what: "copying on the GPU", source })
    }

    fn launch(&self, launch: &Launch<'_, Self>) -> Result<(), GpuError> {
        self.bind()?;
        let function = self.function(&launch.source, launch.entry)?;
        // Every argument as whole words of 8 bytes, and where it begins.
        let (mut words, mut starts) = (Vec::<u64>::with_capacity(launch.args.len() + 16), Vec::new());
        for arg in &launch.args {
            starts.push(words.len());
            match arg {
                Arg::Int(x) => words.push(u64::from(*x)),
                Arg::Long(x) => words.push(*x),
                Arg::Float(x) => words.push(u64::from(x.to_bits())),
                Arg::Null => words.push(0),
                Arg::Pointer { buffer, bytes, .. } => words.push(self.pointer(buffer) + bytes.start as u64),
                Arg::Words(list) => {
                    let pairs = list.chunks(2).map(|pair| {
                        let high = pair.get(1).copied().unwrap_or(0);
                        u64::from(pair[0]) | u64::from(high) << 32
                    });
                    words.extend(pairs);
                }
            }
        }
        let mut params: Vec<*mut c_void> =
            starts.into_iter().map(|start| std::ptr::from_mut(&mut words[start]).cast()).collect();
        let [x, y, z] = launch.grid;
        let failed = |source| GpuError::Driver { what: launch.entry, source };
        // SAFETY: `params` point to arguments of the kernel's types, in its order and to memory of the lengths that it works on: the
        // launching functions see to that, and the emulation of the tests checks the same launches.
        let launched = unsafe {
            let block = (launch.block[0], launch.block[1], 1);
            result::launch_kernel(function.cu_function(), (x, y, z), block, 0, self.stream.cu_stream(), &mut params)
        };
        launched.map_err(failed)
    }

    /// A graph of CUDA. What the driver, cuDNN or cuBLASLt cannot capture is no error, but runs as before.
    fn record(&self, run: impl FnOnce() -> Result<(), GpuError>) -> Result<Option<CudaGraph>, GpuError> {
        self.not_recorded("a recording begins")?;
        // Other threads may ask for memory meanwhile.
        let begun = self.stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
        if begun.is_err() {
            return Ok(None);
        }
        self.recording.set(true);
        let done = run();
        self.recording.set(false);
        let graph = self.stream.end_capture(CUgraphInstantiate_flags(0));
        match done {
            // What cannot be captured says so itself or spoils the capture. Any other mistake shows when it is run.
            Ok(()) => Ok(graph.ok().flatten()),
            Err(GpuError::Driver { .. } | GpuError::Cudnn { .. } | GpuError::Cublas { .. } | GpuError::Nccl(_)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn replay(&self, graph: &CudaGraph) -> Result<(), GpuError> {
        self.not_recorded("a recording starts")?;
        self.replays.set(self.replays.get() + 1);
        graph.launch().map_err(|source| GpuError::Driver { what: "starting what was recorded", source })
    }

    fn replays(&self) -> u64 {
        self.replays.get()
    }

    fn moves(&self) -> &Cell<u64> {
        &self.moves
    }
}

impl Engine for Gpu {
    fn name(&self) -> String {
        self.context.name().unwrap_or_else(|_| "GPU".into())
    }

    fn convolve<E: Stored>(
        &self,
        conv: &Conv2d,
        precision: Precision,
        xs: View<'_, Self, E>,
        weight: View<'_, Self, E>,
        ys: ViewMut<'_, Self, E>,
    ) -> Result<(), GpuError> {
        convolution::forward(self, conv, precision, xs, weight, ys)
    }

    fn convolve_back<E: Stored>(
        &self,
        conv: &Conv2d,
        precision: Precision,
        d_ys: View<'_, Self, E>,
        weight: View<'_, Self, E>,
        d_xs: ViewMut<'_, Self, E>,
        add: bool,
    ) -> Result<(), GpuError> {
        convolution::backward_data(self, conv, precision, d_ys, weight, d_xs, add)
    }

    fn convolve_weight<E: Stored>(
        &self,
        conv: &Conv2d,
        precision: Precision,
        xs: View<'_, Self, E>,
        d_ys: View<'_, Self, E>,
        d_weight: ViewMut<'_, Self, E>,
    ) -> Result<(), GpuError> {
        convolution::backward_weight(self, conv, precision, xs, d_ys, d_weight)
    }

    fn multiply<E: Stored>(
        &self,
        matrices: &Matrices,
        precision: Precision,
        a: View<'_, Self, E>,
        b: View<'_, Self, E>,
        to: ViewMut<'_, Self, E>,
        add: bool,
    ) -> Result<(), GpuError> {
        product::multiply(self, matrices, precision, a, b, &to, add)
    }

    fn rank(&self) -> Rank {
        self.group.as_ref().map_or(Rank::ALONE, |group| group.rank)
    }

    fn average(&self, xs: ViewMut<'_, Self, f32>) -> Result<(), GpuError> {
        self.group.as_ref().map_or(Ok(()), |group| group.average(self, xs.view()))
    }

    fn averaged(&self) -> Result<(), GpuError> {
        self.group.as_ref().map_or(Ok(()), |group| group.wait(self))
    }
}
