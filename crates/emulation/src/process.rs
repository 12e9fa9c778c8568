//! [`Process`]: a compiled kernel at work.

use crate::host::{Host, HostError};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use swish_kernels::cuda::device::{Arg, Launch};

/// A program that runs one launch after the other, until its input ends.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: ChildStderr,
}

impl Process {
    pub(crate) fn start(program: &Path) -> Result<Self, HostError> {
        let mut command = Command::new(program);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(input), Some(output), Some(errors)) => Ok(Self { child, input, output, errors }),
            _ => Err(HostError::Run(format!("{} has no standard streams", program.display()))),
        }
    }

    /// Sends the buffers and arguments of a launch and takes the buffers back.
    pub(crate) fn run(&mut self, launch: &Launch<'_, Host>) -> Result<(), HostError> {
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
        if self.input.write_all(&input).and_then(|()| self.input.flush()).is_err() {
            return Err(self.failure(launch.entry));
        }
        for buffer in buffers {
            let mut old = buffer.borrow_mut();
            let mut new = vec![0; old.len()];
            if self.output.read_exact(&mut new).is_err() {
                return Err(self.failure(launch.entry));
            }
            check_untouched(launch, buffer, &old, &new)?;
            *old = new;
        }
        Ok(())
    }

    /// Why the process has ended.
    fn failure(&mut self, entry: &str) -> HostError {
        let mut message = String::new();
        let read = self.errors.read_to_string(&mut message);
        match read.and_then(|_| self.child.wait()) {
            Ok(status) => HostError::Run(format!("{entry}: {status}: {message}")),
            Err(error) => HostError::Io(error),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
    if old == new {
        return Ok(());
    }
    match (0..old.len()).find(|&byte| old[byte] != new[byte] && !written(byte)) {
        Some(byte) => {
            Err(HostError::Run(format!("{} has written byte {byte} of a buffer, outside its view", launch.entry)))
        }
        None => Ok(()),
    }
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
