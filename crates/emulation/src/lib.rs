//! [`Host`]: a device for tests without a GPU. It compiles kernels as C++ with the system's compiler and runs them in processes of their
//! own; its convolutions and products are the CPU's.
//!
//! A kernel runs as written, thread by thread: barriers and shuffles hold what they hold on a GPU, every view lies between bytes that must
//! not change, memory that nobody has written is NaN, and a recording that outlives its memory fails. What it cannot show is the order in
//! which a GPU runs blocks, and its speed. Several hosts learn together by [`Peers`]. [`on_each_device`] makes tests for it and for a GPU.

mod each;
mod engine;
mod memory;
mod process;
mod ranks;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use each::Sums;
pub use memory::Buffer;
use process::{Call, Process};
pub use ranks::Peers;
use swish_kernels::cuda::device::{Device, Launch};
use swish_kernels::cuda::source::{Key, entries, module_name};
use swish_kernels::cuda::{Misfit, Source};

const OPTIONS: &[&str] = &["-std=c++17", "-O1", "-w", "-ffp-contract=off", "-fno-strict-aliasing"];

/// Processes kept waiting for the next launch of their kernels.
const PROCESSES: usize = 32;

/// A lock for each program, held while it is compiled.
static COMPILING: Mutex<BTreeMap<PathBuf, Arc<Mutex<()>>>> = Mutex::new(BTreeMap::new());

/// What can go wrong in the emulation.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Arguments.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// Files and processes.
    #[error("emulation of CUDA: {0}")]
    Io(#[from] std::io::Error),
    /// A kernel that does not compile.
    #[error("{file} does not compile:\n{message}", file = file.display())]
    Compile {
        /// Its text as C++.
        file: PathBuf,
        /// The compiler's words.
        message: String,
    },
    /// What cannot be recorded.
    #[error("emulation of CUDA: {0} while launches are recorded")]
    Recording(&'static str),
    /// A kernel that does what it must not.
    #[error("{entry}: {message}")]
    Run {
        /// Its name.
        entry: String,
        /// What it did.
        message: String,
    },
    /// A rank whose thread has ended.
    #[error("rank {rank} is lost")]
    Lost {
        /// Its number.
        rank: usize,
    },
    /// A rank that does not come to a mean.
    #[error("rank {rank} has not come to a mean within {} s", patience.as_secs())]
    Silent {
        /// Its number.
        rank: usize,
        /// How long it was waited for.
        patience: Duration,
    },
}

/// What a launch, or a call of a library, does.
type Act = Box<dyn Fn(&Host) -> Result<(), HostError>>;

/// The emulation, for one thread. Its memory is in this process; a launch sends what it points to to the kernel's process and takes back
/// what was written.
pub struct Host {
    compiler: String,
    folder: PathBuf,
    compiled: RefCell<HashMap<Key, Rc<Path>>>,
    waiting: RefCell<HashMap<PathBuf, Process>>,
    group: Option<Rc<ranks::Group>>,
    /// What is being recorded.
    recording: RefCell<Option<Vec<Act>>>,
    moves: Cell<u64>,
    replays: Cell<u64>,
    launches: Cell<u64>,
}

impl Host {
    /// Keeps compiled kernels in `folder` from run to run. `None`, after saying so, where there is no C++ compiler.
    pub fn new(folder: &Path) -> Option<Self> {
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_string());
        match Command::new(&compiler).arg("--version").output() {
            Ok(output) if output.status.success() => {
                let folder = folder.join("cuda-emulation");
                Some(Self {
                    compiler,
                    folder,
                    compiled: RefCell::default(),
                    waiting: RefCell::default(),
                    group: None,
                    recording: RefCell::default(),
                    moves: Cell::default(),
                    replays: Cell::default(),
                    launches: Cell::default(),
                })
            }
            _ => {
                eprintln!("SKIPPED: no C++ compiler `{compiler}`, so no CUDA kernel is run");
                None
            }
        }
    }

    /// A launch with other kernels than the source's.
    ///
    /// # Errors
    /// As [`Device::launch`].
    pub fn launch_text(&self, kernels: &str, launch: &Launch<'_, Self>) -> Result<(), HostError> {
        self.run(&self.build(&launch.source, kernels)?, &Call::new(launch))
    }

    /// How often a kernel, a library, a copy or a fill has been started by itself, and not as a part of something recorded.
    pub fn launches(&self) -> u64 {
        self.launches.get()
    }

    /// Does something, or keeps it where launches are recorded.
    fn act(&self, act: impl Fn(&Self) -> Result<(), HostError> + 'static) -> Result<(), HostError> {
        if let Some(recorded) = &mut *self.recording.borrow_mut() {
            recorded.push(Box::new(act));
            return Ok(());
        }
        self.launches.set(self.launches.get() + 1);
        act(self)
    }

    /// Errs where launches are recorded.
    fn not_recorded(&self, what: &'static str) -> Result<(), HostError> {
        if self.recording.borrow().is_some() { Err(HostError::Recording(what)) } else { Ok(()) }
    }

    /// The program of a launch's kernels.
    fn program(&self, launch: &Launch<'_, Self>) -> Result<Rc<Path>, HostError> {
        let key = launch.source.key();
        if let Some(path) = self.compiled.borrow().get(&key) {
            return Ok(path.clone());
        }
        let path: Rc<Path> = self.build(&launch.source, &launch.source.text())?.into();
        self.compiled.borrow_mut().insert(key, path.clone());
        Ok(path)
    }

    /// Compiles kernels that are not in the folder.
    fn build(&self, source: &Source<'_>, kernels: &str) -> Result<PathBuf, HostError> {
        let calls: String = entries(kernels)
            .map(|name| format!("    if (!strcmp(entry, \"{name}\")) return run({name}, given, count);\n"))
            .collect();
        let text = format!(
            "{}{kernels}{}\nvoid start(const char* entry, const Given* given, unsigned count) {{\n{calls}    fail(\"no such kernel\");\n}}\n",
            include_str!("before.h"),
            include_str!("after.h"),
        );
        std::fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(module_name(source, &text, OPTIONS, &self.compiler));
        // Tests side by side wait for each other's kernels instead of compiling them too.
        let lock = COMPILING.lock().unwrap_or_else(PoisonError::into_inner).entry(path.clone()).or_default().clone();
        let _held = lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !path.exists() {
            self.compile(&text, &path)?;
        }
        Ok(path)
    }

    fn compile(&self, text: &str, path: &Path) -> Result<(), HostError> {
        // Other processes may compile the same: each its own file, then renamed.
        let own = format!("{}.{}-{:?}", path.display(), std::process::id(), std::thread::current().id());
        let (own, file) = (PathBuf::from(&own), PathBuf::from(format!("{own}.cpp")));
        std::fs::write(&file, text)?;
        let output = Command::new(&self.compiler).args(OPTIONS).arg("-o").arg(&own).arg(&file).output()?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(HostError::Compile { file, message });
        }
        std::fs::remove_file(&file)?;
        Ok(std::fs::rename(&own, path)?)
    }

    /// Runs a launch in the program's process, which is started where none waits. One that has failed is not used again.
    fn run(&self, program: &Path, call: &Call) -> Result<(), HostError> {
        let mut waiting = self.waiting.borrow_mut();
        let mut process = match waiting.remove(program) {
            Some(process) => process,
            None => Process::start(program)?,
        };
        process.run(call)?;
        if waiting.len() >= PROCESSES {
            waiting.clear();
        }
        waiting.insert(program.to_path_buf(), process);
        Ok(())
    }
}

impl Device for Host {
    type Buffer = Buffer;
    type Error = HostError;
    type Recording = Vec<Act>;

    fn alloc(&self, bytes: usize) -> Result<Buffer, HostError> {
        self.not_recorded("memory is asked for")?;
        // NaN, so that what is read before it is written shows.
        Ok(Buffer::new(vec![0xff; bytes]))
    }

    fn write(&self, bytes: &[u8], to: &Buffer, at: usize) -> Result<(), HostError> {
        self.not_recorded("memory is written")?;
        to.place().bytes_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn read(&self, from: &Buffer, at: usize, bytes: &mut [u8]) -> Result<(), HostError> {
        self.not_recorded("memory is read")?;
        bytes.copy_from_slice(&from.place().bytes()[at..at + bytes.len()]);
        Ok(())
    }

    /// Nothing is done later here.
    fn wait(&self) -> Result<(), HostError> {
        self.not_recorded("the device is waited for")
    }

    fn zero(&self, buffer: &Buffer, at: usize, len: usize) -> Result<(), HostError> {
        let place = buffer.place().clone();
        self.act(move |_| {
            place.bytes_mut()[at..at + len].fill(0);
            Ok(())
        })
    }

    fn copy(
        &self,
        (from, from_at): (&Buffer, usize),
        (to, to_at): (&Buffer, usize),
        len: usize,
    ) -> Result<(), HostError> {
        let (from, to) = (from.place().clone(), to.place().clone());
        self.act(move |_| {
            let bytes = from.bytes()[from_at..from_at + len].to_vec();
            to.bytes_mut()[to_at..to_at + len].copy_from_slice(&bytes);
            Ok(())
        })
    }

    fn launch(&self, launch: &Launch<'_, Self>) -> Result<(), HostError> {
        let (program, call) = (self.program(launch)?, Call::new(launch));
        self.act(move |host| host.run(&program, &call))
    }

    fn record(&self, run: impl FnOnce() -> Result<(), HostError>) -> Result<Option<Vec<Act>>, HostError> {
        self.not_recorded("a recording begins")?;
        *self.recording.borrow_mut() = Some(Vec::new());
        let done = run();
        let recorded = self.recording.borrow_mut().take();
        done.map(|()| recorded)
    }

    fn replay(&self, recording: &Vec<Act>) -> Result<(), HostError> {
        self.not_recorded("a recording starts")?;
        self.replays.set(self.replays.get() + 1);
        recording.iter().try_for_each(|act| act(self))
    }

    fn replays(&self) -> u64 {
        self.replays.get()
    }

    fn moves(&self) -> &Cell<u64> {
        &self.moves
    }
}
