//! [`Host`]: a device that compiles kernels as C++ with the system's compiler and runs them in a process of their own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use swish_kernels::cuda::device::{Arg, Device, Launch};
use swish_kernels::cuda::source::{Key, entries, module_name};
use swish_kernels::cuda::{Misfit, Source};

const OPTIONS: &[&str] = &["-std=c++17", "-O1", "-w", "-ffp-contract=off", "-fno-strict-aliasing"];

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error(transparent)]
    Misfit(#[from] Misfit),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Run(String),
}

/// The emulation. Its memory is in this process; every launch sends it to the kernel's process and back.
pub struct Host {
    compiler: String,
    compiled: RefCell<HashMap<Key, Rc<Path>>>,
}

impl Host {
    /// `None`, after saying so, where there is no C++ compiler.
    pub fn new() -> Option<Self> {
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_string());
        match Command::new(&compiler).arg("--version").output() {
            Ok(output) if output.status.success() => Some(Self { compiler, compiled: RefCell::default() }),
            _ => {
                eprintln!("SKIPPED: no C++ compiler `{compiler}`, so no CUDA kernel is run");
                None
            }
        }
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

    /// A launch with other kernels than the source's.
    pub fn launch_text(&self, kernels: &str, launch: &Launch<'_, Self>) -> Result<(), HostError> {
        run(&self.build(&launch.source, kernels)?, launch)
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
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda-emulation");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(module_name(source, &text, OPTIONS, &self.compiler));
        if !path.exists() {
            self.compile(&text, &path)?;
        }
        Ok(path)
    }

    fn compile(&self, text: &str, path: &Path) -> Result<(), HostError> {
        // Another thread may compile the same: each its own file, then renamed.
        let own = PathBuf::from(format!("{}.{:?}", path.display(), std::thread::current().id()));
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
        run(&self.program(launch)?, launch)
    }
}

/// Sends the buffers and arguments to a program and takes the buffers back.
fn run(program: &Path, launch: &Launch<'_, Host>) -> Result<(), HostError> {
    let mut buffers: Vec<&RefCell<Vec<u8>>> = Vec::new();
    let mut args = Vec::new();
    for arg in &launch.args {
        match arg {
            Arg::Null => args.push(b'0'),
            Arg::Int(x) => value(&mut args, b'i', &x.to_ne_bytes()),
            Arg::Long(x) => value(&mut args, b'l', &x.to_ne_bytes()),
            Arg::Float(x) => value(&mut args, b'f', &x.to_ne_bytes()),
            Arg::Words(words) => {
                value(&mut args, b'w', &words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>());
            }
            Arg::Pointer { buffer, bytes, word, .. } => {
                let place = buffers.iter().position(|b| std::ptr::eq(*b, *buffer)).unwrap_or_else(|| {
                    buffers.push(buffer);
                    buffers.len() - 1
                });
                args.push(b'p');
                args.extend((place as u32).to_ne_bytes());
                args.extend((bytes.start as u64).to_ne_bytes());
                text(&mut args, word);
            }
        }
    }
    let mut input = Vec::new();
    text(&mut input, launch.entry);
    for size in launch.grid.iter().chain(&launch.block) {
        input.extend(size.to_ne_bytes());
    }
    input.extend((buffers.len() as u32).to_ne_bytes());
    for buffer in &buffers {
        input.extend((buffer.borrow().len() as u64).to_ne_bytes());
        input.extend(&*buffer.borrow());
    }
    input.extend((launch.args.len() as u32).to_ne_bytes());
    input.extend(args);
    let mut output = output_of(program, &input, launch.entry)?;
    for buffer in buffers {
        let mut old = buffer.borrow_mut();
        let rest = output.split_off(old.len());
        check_untouched(launch, buffer, &old, &output)?;
        *old = std::mem::replace(&mut output, rest);
    }
    Ok(())
}

/// Errs where a kernel has written outside of the parts that it was given to write.
fn check_untouched(
    launch: &Launch<'_, Host>,
    buffer: &RefCell<Vec<u8>>,
    old: &[u8],
    new: &[u8],
) -> Result<(), HostError> {
    let written = |byte: usize| {
        launch.args.iter().any(|arg| match arg {
            Arg::Pointer { buffer: b, bytes, written, .. } => {
                *written && std::ptr::eq(*b, buffer) && bytes.contains(&byte)
            }
            _ => false,
        })
    };
    match (0..old.len()).find(|&byte| old[byte] != new[byte] && !written(byte)) {
        Some(byte) => {
            Err(HostError::Run(format!("{} has written byte {byte} of a buffer, outside its view", launch.entry)))
        }
        None => Ok(()),
    }
}

fn output_of(program: &Path, input: &[u8], entry: &str) -> Result<Vec<u8>, HostError> {
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may have ended with an error before it has read all.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(HostError::Run(format!("{entry}: {}: {message}", output.status)))
}

fn value(args: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    args.push(kind);
    args.extend((bytes.len() as u32).to_ne_bytes());
    args.extend(bytes);
}

fn text(to: &mut Vec<u8>, text: &str) {
    to.extend((text.len() as u32).to_ne_bytes());
    to.extend(text.as_bytes());
}
