//! [`Host`]: a device that compiles kernels as C++ with the system's compiler and runs them in processes of their own.

use crate::process::Process;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use swish_kernels::cuda::device::{Device, Launch};
use swish_kernels::cuda::source::{Key, entries, module_name};
use swish_kernels::cuda::{Misfit, Source};

const OPTIONS: &[&str] = &["-std=c++17", "-O1", "-w", "-ffp-contract=off", "-fno-strict-aliasing"];

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Arguments.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// A process or file.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A kernel that does not compile, or that has done what it must not.
    #[error("{0}")]
    Run(String),
}

/// The emulation. Its memory is in this process; every launch sends what it uses to the kernel's process and back.
pub struct Host {
    compiler: String,
    folder: PathBuf,
    processes: RefCell<HashMap<Key, Rc<RefCell<Process>>>>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Host, kernels in {}", self.folder.display())
    }
}

impl Host {
    /// A device whose compiled kernels are kept in `folder`. `None`, after saying so, where there is no C++ compiler.
    pub fn new(folder: &Path) -> Option<Self> {
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_string());
        match Command::new(&compiler).arg("--version").output() {
            Ok(output) if output.status.success() => {
                Some(Self { compiler, folder: folder.join("cuda-emulation"), processes: RefCell::default() })
            }
            _ => {
                eprintln!("SKIPPED: no C++ compiler `{compiler}`, so no CUDA kernel is run");
                None
            }
        }
    }

    /// A running program of a launch's kernels.
    fn process(&self, launch: &Launch<'_, Self>) -> Result<Rc<RefCell<Process>>, HostError> {
        let key = launch.source.key();
        if let Some(process) = self.processes.borrow().get(&key) {
            return Ok(process.clone());
        }
        let process = Process::start(&self.build(&launch.source, &launch.source.text())?)?;
        let process = Rc::new(RefCell::new(process));
        self.processes.borrow_mut().insert(key, process.clone());
        Ok(process)
    }

    /// A launch with other kernels than the source's, which may end their process.
    ///
    /// # Errors
    /// As [`Device::launch`].
    pub fn launch_text(&self, kernels: &str, launch: &Launch<'_, Self>) -> Result<(), HostError> {
        Process::start(&self.build(&launch.source, kernels)?)?.run(launch)
    }

    /// Compiles kernels; what was compiled before is kept from run to run.
    fn build(&self, source: &Source<'_>, kernels: &str) -> Result<PathBuf, HostError> {
        let calls: String = entries(kernels)
            .map(|name| format!("    if (!strcmp(entry, \"{name}\")) return run({name}, given, count);\n"))
            .collect();
        let text = format!(
            "{}{kernels}{}\nvoid start(const char* entry, const Given* given, unsigned count) {{\n{calls}    fail(\"no kernel %s\", entry);\n}}\n",
            include_str!("before.h"),
            include_str!("after.h"),
        );
        std::fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(module_name(source, &text, OPTIONS, &self.compiler));
        if !path.exists() {
            self.compile(&text, &path)?;
        }
        Ok(path)
    }

    fn compile(&self, text: &str, path: &Path) -> Result<(), HostError> {
        // Others may compile the same: each its own file, then renamed.
        let id = (std::process::id(), std::thread::current().id());
        let own = PathBuf::from(format!("{}.{}.{:?}", path.display(), id.0, id.1));
        let file = PathBuf::from(format!("{}.cpp", own.display()));
        std::fs::write(&file, text)?;
        let output = Command::new(&self.compiler).args(OPTIONS).arg("-o").arg(&own).arg(&file).output()?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(HostError::Run(format!("{} does not compile:\n{message}", file.display())));
        }
        std::fs::remove_file(&file)?;
        Ok(std::fs::rename(&own, path)?)
    }
}

impl Device for Host {
    type Buffer = RefCell<Vec<u8>>;
    type Error = HostError;

    fn alloc(&self, bytes: usize) -> Result<Self::Buffer, HostError> {
        // NaN, so that what is read before it is written shows.
        Ok(RefCell::new(vec![0xff; bytes]))
    }

    fn write(&self, bytes: &[u8], to: &Self::Buffer, at: usize) -> Result<(), HostError> {
        to.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn read(&self, from: &Self::Buffer, at: usize, bytes: &mut [u8]) -> Result<(), HostError> {
        bytes.copy_from_slice(&from.borrow()[at..at + bytes.len()]);
        Ok(())
    }

    fn zero(&self, buffer: &Self::Buffer, at: usize, len: usize) -> Result<(), HostError> {
        buffer.borrow_mut()[at..at + len].fill(0);
        Ok(())
    }

    fn launch(&self, launch: &Launch<'_, Self>) -> Result<(), HostError> {
        self.process(launch)?.borrow_mut().run(launch)
    }
}
