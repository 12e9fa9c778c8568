//! NVRTC: CUDA C++ to code for one architecture, at run time and on any machine.
#![allow(unsafe_code, reason = "calls of a C library")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use libloading::Library;

use super::libraries::{self, Missing};

/// How kernels are compiled.
pub const OPTIONS: &[&str] = &["--std=c++17"];

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum NvrtcError {
    /// No library.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A library without one of the functions.
    #[error("libnvrtc lacks {function}: {reason}; version 12 or later is needed")]
    Function {
        /// The function.
        function: &'static str,
        /// What the loader says.
        reason: String,
    },
    /// A function that does not do its work.
    #[error("{function} failed (code {code})")]
    Failed {
        /// The function.
        function: &'static str,
        /// nvrtcResult.
        code: c_int,
    },
    /// The compiler refuses the text.
    #[error("NVRTC cannot compile {module} for {arch} (code {code}):\n{log}")]
    Compile {
        /// The module's name.
        module: String,
        /// Architecture.
        arch: String,
        /// nvrtcResult.
        code: c_int,
        /// What it says.
        log: String,
    },
}

/// The library.
#[derive(Debug)]
pub struct Nvrtc {
    library: Library,
}

type Program = *mut c_void;

/// A text of a program: the functions for its size and for its bytes.
struct Output {
    names: [&'static str; 2],
    size: unsafe extern "C" fn(Program, *mut usize) -> c_int,
    bytes: unsafe extern "C" fn(Program, *mut c_char) -> c_int,
}

impl Output {
    /// # Safety
    /// The program is there.
    unsafe fn read(&self, program: Program) -> Result<Vec<u8>, NvrtcError> {
        let mut size = 0;
        // SAFETY: `size` is there to be written.
        done(self.names[0], unsafe { (self.size)(program, &mut size) })?;
        let mut bytes = vec![0u8; size];
        // SAFETY: the buffer has as many bytes as the library asks for.
        done(self.names[1], unsafe { (self.bytes)(program, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }
}

/// Errs where a function says that it failed.
fn done(function: &'static str, code: c_int) -> Result<(), NvrtcError> {
    if code == 0 { Ok(()) } else { Err(NvrtcError::Failed { function, code }) }
}

impl Nvrtc {
    /// Opens it.
    ///
    /// # Errors
    /// [`NvrtcError::Missing`].
    pub fn load() -> Result<Self, NvrtcError> {
        // It asks for its second part by name alone.
        libraries::keep(&["nvrtc-builtins"]);
        let missing = Missing { library: "libnvrtc", package: "nvidia-cuda-nvrtc" };
        Ok(Self { library: libraries::open("nvrtc").ok_or(missing)? })
    }

    fn function<T: Copy>(&self, function: &'static str) -> Result<T, NvrtcError> {
        // SAFETY: the callers name functions of NVRTC with their types.
        let symbol = unsafe { self.library.get::<T>(function) };
        symbol.map(|symbol| *symbol).map_err(|e| NvrtcError::Function { function, reason: e.to_string() })
    }

    /// Major and minor version.
    ///
    /// # Errors
    /// [`NvrtcError::Function`], [`NvrtcError::Failed`].
    pub fn version(&self) -> Result<(i32, i32), NvrtcError> {
        const NAME: &str = "nvrtcVersion";
        let version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int = self.function(NAME)?;
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both are there to be written.
        done(NAME, unsafe { version(&mut major, &mut minor) })?;
        Ok((major, minor))
    }

    fn output(&self, names: [&'static str; 2]) -> Result<Output, NvrtcError> {
        Ok(Output { names, size: self.function(names[0])?, bytes: self.function(names[1])? })
    }

    /// The code (CUBIN) of a text for an architecture such as `sm_90`.
    ///
    /// # Errors
    /// [`NvrtcError`].
    pub fn compile(&self, module: &str, text: &str, arch: &str) -> Result<Vec<u8>, NvrtcError> {
        type Create = unsafe extern "C" fn(
            *mut Program,
            *const c_char,
            *const c_char,
            c_int,
            *const *const c_char,
            *const *const c_char,
        ) -> c_int;
        let create: Create = self.function("nvrtcCreateProgram")?;
        let compile: unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int =
            self.function("nvrtcCompileProgram")?;
        let destroy: unsafe extern "C" fn(*mut Program) -> c_int = self.function("nvrtcDestroyProgram")?;
        let log = self.output(["nvrtcGetProgramLogSize", "nvrtcGetProgramLog"])?;
        let code = self.output(["nvrtcGetCUBINSize", "nvrtcGetCUBIN"])?;
        let refused = |code, log| NvrtcError::Compile { module: module.into(), arch: arch.into(), code, log };
        let c_string = |text: &str| CString::new(text).map_err(|_| refused(-1, "a text with a zero byte".to_string()));
        let (source, name) = (c_string(text)?, c_string(&format!("{module}.cu"))?);
        let mut options = vec![c_string(&format!("--gpu-architecture={arch}"))?];
        for option in OPTIONS {
            options.push(c_string(option)?);
        }
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let mut program = std::ptr::null_mut();
        // SAFETY: strings end with zero and live until the program is destroyed; it has no headers.
        let status =
            unsafe { create(&mut program, source.as_ptr(), name.as_ptr(), 0, std::ptr::null(), std::ptr::null()) };
        if status != 0 {
            return Err(refused(status, "no program".to_string()));
        }
        // SAFETY: the program is there until it is destroyed, once, behind its last use.
        unsafe {
            let status = compile(program, options.len() as c_int, options.as_ptr());
            let result = match status {
                0 => code.read(program),
                _ => {
                    let log = log.read(program).unwrap_or_default();
                    let log = CStr::from_bytes_until_nul(&log).map(|log| log.to_string_lossy().into_owned());
                    Err(refused(status, log.unwrap_or_default()))
                }
            };
            destroy(&mut program);
            result
        }
    }
}
