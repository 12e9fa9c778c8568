//! [`Launch`]: a kernel with its arguments.

use std::ops::Range;

use super::device::{Device, View, ViewMut, Word};
use super::source::Source;

/// One argument of a kernel.
#[derive(Debug)]
pub enum Arg<'a, D: Device> {
    /// `int` or `unsigned`.
    Int(u32),
    /// `unsigned long long`.
    Long(u64),
    /// `float`.
    Float(f32),
    /// A structure of `int` and `float`.
    Words(Vec<u32>),
    /// A pointer into a buffer.
    Pointer {
        /// The buffer.
        buffer: &'a D::Buffer,
        /// Its part, in bytes.
        bytes: Range<usize>,
        /// Whether the kernel writes.
        written: bool,
        /// [`Word::NAME`].
        word: &'static str,
    },
    /// A null pointer.
    Null,
}

macro_rules! plain_args {
    ($($t:ty, $x:ident => $arg:expr;)+) => {
        $(impl<D: Device> From<$t> for Arg<'_, D> { fn from($x: $t) -> Self { $arg } })+
    };
}
plain_args! {
    i32, x => Arg::Int(x as u32);
    u32, x => Arg::Int(x);
    bool, x => Arg::Int(x.into());
    u64, x => Arg::Long(x);
    f32, x => Arg::Float(x);
    Vec<u32>, x => Arg::Words(x);
}

fn pointer<'a, D: Device, T: Word>(view: View<'a, D, T>, written: bool) -> Arg<'a, D> {
    let ((buffer, start), size) = (view.place(), size_of::<T>());
    Arg::Pointer { buffer, bytes: start * size..(start + view.len()) * size, written, word: T::NAME }
}

impl<'a, D: Device, T: Word> From<View<'a, D, T>> for Arg<'a, D> {
    fn from(x: View<'a, D, T>) -> Self {
        pointer(x, false)
    }
}
impl<'a, D: Device, T: Word> From<&'a ViewMut<'_, D, T>> for Arg<'a, D> {
    fn from(x: &'a ViewMut<'_, D, T>) -> Self {
        pointer(x.view(), true)
    }
}
impl<'a, D: Device, X: Into<Arg<'a, D>>> From<Option<X>> for Arg<'a, D> {
    fn from(x: Option<X>) -> Self {
        x.map_or(Arg::Null, Into::into)
    }
}

/// A kernel with its arguments.
#[derive(Debug)]
pub struct Launch<'a, D: Device> {
    /// Where it is.
    pub source: Source<'a>,
    /// Its name.
    pub entry: &'static str,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 2],
    /// The arguments in their order.
    pub args: Vec<Arg<'a, D>>,
}
