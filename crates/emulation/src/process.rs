//! [`Process`]: a compiled kernel's process, which runs one launch after the other. `after.h` is the other side.

use std::io::{BufReader, BufWriter, Read, Write};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use swish_kernels::cuda::device::{Arg, Launch};

use crate::memory::Place;
use crate::{Host, HostError};

/// A launch without its kernels' source. It knows where the memory lies that it works on.
pub(crate) struct Call {
    entry: &'static str,
    sizes: [u32; 5],
    args: Vec<Value>,
}

/// An argument.
enum Value {
    Null,
    /// A letter for its type, and its bytes.
    Plain(u8, Vec<u8>),
    Pointer {
        buffer: Place,
        bytes: Range<usize>,
        written: bool,
        word: &'static str,
    },
}

impl Call {
    pub(crate) fn new(launch: &Launch<'_, Host>) -> Self {
        let ([x, y, z], [width, height]) = (launch.grid, launch.block);
        let plain = |letter, bytes: &[u8]| Value::Plain(letter, bytes.to_vec());
        let value = |arg: &Arg<'_, Host>| match arg {
            Arg::Null => Value::Null,
            Arg::Int(x) => plain(b'i', &x.to_ne_bytes()),
            Arg::Long(x) => plain(b'l', &x.to_ne_bytes()),
            Arg::Float(x) => plain(b'f', &x.to_ne_bytes()),
            Arg::Words(words) => Value::Plain(b'w', words.iter().flat_map(|word| word.to_ne_bytes()).collect()),
            Arg::Pointer { buffer, bytes, written, word } => {
                Value::Pointer { buffer: buffer.place().clone(), bytes: bytes.clone(), written: *written, word }
            }
        };
        Self { entry: launch.entry, sizes: [x, y, z, width, height], args: launch.args.iter().map(value).collect() }
    }
}

pub(crate) struct Process {
    child: Child,
    /// Taken when the process is to end.
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(program: &Path) -> Result<Self, HostError> {
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => {
                Ok(Self { child, input: Some(BufWriter::new(input)), output: BufReader::new(output) })
            }
            _ => Err(std::io::Error::other("a process without pipes").into()),
        }
    }

    /// Sends what the arguments point to and takes back what was written.
    pub(crate) fn run(&mut self, call: &Call) -> Result<(), HostError> {
        let parts = parts(&call.args);
        let failed = |message| Err(HostError::Run { entry: call.entry.to_string(), message });
        if let Some(input) = &mut self.input
            && let Err(error) = send(call, &parts, input)
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            return Err(error.into());
        }
        // A process that has ended while it was sent to has said why.
        let mut word = [0];
        if self.output.read_exact(&mut word).is_err() {
            return failed(format!("the process ended: {}", self.child.wait()?));
        }
        if word != [0] {
            let mut message = String::new();
            self.output.read_to_string(&mut message)?;
            return failed(message);
        }
        for part in &parts {
            let mut buffer = part.buffer.bytes_mut();
            for range in &part.written {
                self.output.read_exact(&mut buffer[range.clone()])?;
            }
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends where its input does.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// A part of a buffer that arguments point to; no two of them overlap.
struct Part<'a> {
    buffer: &'a Place,
    bytes: Range<usize>,
    /// What the kernel may write of it, in order and apart.
    written: Vec<Range<usize>>,
}

/// The parts of all buffers: views that overlap are one.
fn parts(args: &[Value]) -> Vec<Part<'_>> {
    let mut views: Vec<(&Place, Range<usize>, bool)> = args
        .iter()
        .filter_map(|arg| match arg {
            Value::Pointer { buffer, bytes, written, .. } => Some((buffer, bytes.clone(), *written)),
            _ => None,
        })
        .collect();
    views.sort_by_key(|(buffer, bytes, _)| (buffer.address(), bytes.start));
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (buffer, bytes, written) in views {
        match parts.last_mut() {
            Some(last) if last.buffer.is(buffer) && bytes.start < last.bytes.end => {
                last.bytes.end = last.bytes.end.max(bytes.end);
            }
            _ => parts.push(Part { buffer, bytes: bytes.clone(), written: Vec::new() }),
        }
        let Some(part) = parts.last_mut().filter(|_| written) else { continue };
        match part.written.last_mut() {
            Some(last) if bytes.start <= last.end => last.end = last.end.max(bytes.end),
            _ => part.written.push(bytes),
        }
    }
    parts
}

fn send(call: &Call, parts: &[Part<'_>], to: &mut impl Write) -> std::io::Result<()> {
    let small = |to: &mut dyn Write, value: usize| to.write_all(&(value as u32).to_ne_bytes());
    let large = |to: &mut dyn Write, value: usize| to.write_all(&(value as u64).to_ne_bytes());
    let text = |to: &mut dyn Write, text: &str| small(to, text.len()).and_then(|()| to.write_all(text.as_bytes()));
    text(to, call.entry)?;
    for size in call.sizes {
        to.write_all(&size.to_ne_bytes())?;
    }
    small(to, parts.len())?;
    for Part { buffer, bytes, written } in parts {
        large(to, bytes.start)?;
        large(to, bytes.len())?;
        small(to, written.len())?;
        for range in written {
            large(to, range.start - bytes.start)?;
            large(to, range.end - bytes.start)?;
        }
        to.write_all(&buffer.bytes()[bytes.clone()])?;
    }
    small(to, call.args.len())?;
    for arg in &call.args {
        match arg {
            Value::Null => to.write_all(b"0")?,
            Value::Plain(letter, bytes) => {
                to.write_all(&[*letter])?;
                small(to, bytes.len())?;
                to.write_all(bytes)?;
            }
            Value::Pointer { buffer, bytes, word, .. } => {
                let holds = |part: &Part<'_>| {
                    part.buffer.is(buffer) && part.bytes.start <= bytes.start && bytes.end <= part.bytes.end
                };
                let place = parts.iter().position(holds).unwrap_or(parts.len());
                to.write_all(b"p")?;
                small(to, place)?;
                large(to, bytes.start - parts.get(place).map_or(0, |part| part.bytes.start))?;
                text(to, word)?;
            }
        }
    }
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Buffer;

    #[test]
    fn views_that_overlap_are_one_part() {
        let buffers = [(); 2].map(|()| Buffer::new(Vec::new()));
        let [one, other] = buffers.each_ref().map(Buffer::place);
        let arg =
            |buffer: &Place, bytes, written| Value::Pointer { buffer: buffer.clone(), bytes, written, word: "f32" };
        let args = [
            arg(one, 64..128, true),
            arg(other, 0..8, false),
            arg(one, 0..64, false),
            arg(one, 96..160, true),
            arg(one, 150..200, false),
            arg(other, 8..8, true),
        ];
        let ends = |range: Range<usize>| (range.start, range.end);
        let mut found: Vec<_> = parts(&args)
            .into_iter()
            .map(|Part { buffer, bytes, written }| {
                (buffer.is(other), ends(bytes), written.into_iter().map(ends).collect())
            })
            .collect();
        found.sort();
        let want: [(bool, (usize, usize), Vec<_>); 4] = [
            (false, (0, 64), vec![]),
            (false, (64, 200), vec![(64, 160)]),
            (true, (0, 8), vec![]),
            (true, (8, 8), vec![(8, 8)]),
        ];
        assert_eq!(found, want);
    }
}
