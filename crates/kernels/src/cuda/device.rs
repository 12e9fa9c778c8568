//! [`Device`]: what runs kernels; its memory as typed slices.
#![allow(unsafe_code, reason = "numbers are copied to and from a device as bytes")]

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Range;

use half::bf16;

pub use super::launched::{Arg, Launch};
use crate::element::Element;

/// Something that runs kernels: a GPU, or the tests' emulation. What is asked of it is done in the order of the calls.
pub trait Device: Sized {
    /// A piece of its memory. Kernels write through shared references; that two do not write the same part is [`ViewMut`]'s care.
    type Buffer: std::fmt::Debug;
    /// What can go wrong.
    type Error: std::error::Error + From<Misfit> + Send + Sync + 'static;

    /// `bytes` of memory with anything in them, from a multiple of 256 bytes on.
    ///
    /// # Errors
    /// The device's.
    fn alloc(&self, bytes: usize) -> Result<Self::Buffer, Self::Error>;

    /// Copies to the device, from byte `at` on.
    ///
    /// # Errors
    /// The device's.
    fn write(&self, bytes: &[u8], to: &Self::Buffer, at: usize) -> Result<(), Self::Error>;

    /// Copies from the device, from byte `at` on, when all that was launched before is done.
    ///
    /// # Errors
    /// The device's; also those of kernels launched before.
    fn read(&self, from: &Self::Buffer, at: usize, bytes: &mut [u8]) -> Result<(), Self::Error>;

    /// Waits until all that was launched is done.
    ///
    /// # Errors
    /// Those of what was launched.
    fn wait(&self) -> Result<(), Self::Error>;

    /// Sets `len` bytes from `at` on to 0.
    ///
    /// # Errors
    /// The device's.
    fn zero(&self, buffer: &Self::Buffer, at: usize, len: usize) -> Result<(), Self::Error>;

    /// Copies `len` bytes from byte `from.1` of one piece of memory to byte `to.1` of another.
    ///
    /// # Errors
    /// The device's.
    fn copy(&self, from: (&Self::Buffer, usize), to: (&Self::Buffer, usize), len: usize) -> Result<(), Self::Error>;

    /// Starts a kernel.
    ///
    /// # Errors
    /// The device's.
    fn launch(&self, launch: &Launch<'_, Self>) -> Result<(), Self::Error>;

    /// Launches that can be started together.
    type Recording;

    /// Keeps what `run` launches instead of starting it. `run` may fill memory with zeros and copy it, but neither ask for any nor copy from
    /// or to the host. `None` where the device cannot keep these launches.
    ///
    /// # Errors
    /// Those of `run`, and the device's.
    fn record(&self, run: impl FnOnce() -> Result<(), Self::Error>) -> Result<Option<Self::Recording>, Self::Error>;

    /// Starts what was recorded, with the arguments of then on what their memory holds now.
    ///
    /// # Errors
    /// The device's.
    fn replay(&self, recording: &Self::Recording) -> Result<(), Self::Error>;

    /// How often something recorded has been started.
    fn replays(&self) -> u64;

    /// How often memory has moved that recordings know. What was recorded before that must not be started any more.
    fn moves(&self) -> &Cell<u64>;

    /// Memory has moved, as that of a [`Scratch`] which grows.
    fn has_moved(&self) {
        self.moves().set(self.moves().get() + 1);
    }
}

/// Arguments that do not fit a function.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Misfit {
    /// A slice of the wrong length.
    #[error("{function}: {what} has {found} elements; expected {expected}")]
    Length {
        /// The function.
        function: &'static str,
        /// The argument.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length that fits.
        expected: usize,
    },
    /// A number out of range.
    #[error("{function}: {what} is {value}; expected {expected}")]
    Value {
        /// The function.
        function: &'static str,
        /// The argument.
        what: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
}

/// A number that devices store.
pub trait Word: Copy + Default + Send + Sync + 'static {
    /// As in Rust.
    const NAME: &'static str;
}

macro_rules! words {
    ($($t:ident)+) => { $(impl Word for $t { const NAME: &'static str = stringify!($t); })+ };
}
words!(u8 u32 u64 f32 f64 bf16);

/// A number that maps are stored in: f32 or bf16.
pub trait Stored: Word + Element<Real = f32> {
    /// Elements of 16 bytes, the widest load.
    const WIDE: usize = 16 / size_of::<Self>();
    /// Whether it is bf16.
    const BF16: bool;
}
impl Stored for f32 {
    const BF16: bool = false;
}
impl Stored for bf16 {
    const BF16: bool = true;
}

/// Numbers in a device's memory.
#[derive(Debug)]
pub struct Slice<D: Device, T> {
    buffer: D::Buffer,
    len: usize,
    /// Numbers that the memory is large enough for.
    room: usize,
    word: PhantomData<T>,
}

impl<D: Device, T: Word> Slice<D, T> {
    /// `len` numbers, whichever.
    ///
    /// # Errors
    /// The device's.
    pub fn new(device: &D, len: usize) -> Result<Self, D::Error> {
        Ok(Self { buffer: device.alloc(len * size_of::<T>())?, len, room: len, word: PhantomData })
    }

    /// `len` zeros.
    ///
    /// # Errors
    /// The device's.
    pub fn zeros(device: &D, len: usize) -> Result<Self, D::Error> {
        let mut slice = Self::new(device, len)?;
        slice.view_mut().zero(device)?;
        Ok(slice)
    }

    /// A copy of `values`.
    ///
    /// # Errors
    /// The device's.
    pub fn of(device: &D, values: &[T]) -> Result<Self, D::Error> {
        let mut slice = Self::new(device, values.len())?;
        slice.view_mut().write(device, values)?;
        Ok(slice)
    }

    /// Holds a copy of other `values` from now on, in the same memory where that is large enough.
    ///
    /// # Errors
    /// The device's.
    pub fn set(&mut self, device: &D, values: &[T]) -> Result<(), D::Error> {
        if values.len() > self.room {
            *self = Self::new(device, values.len())?;
        }
        self.len = values.len();
        self.view_mut().write(device, values)
    }

    /// How many numbers.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, to read.
    pub fn view(&self) -> View<'_, D, T> {
        View { buffer: &self.buffer, start: 0, len: self.len, word: PhantomData }
    }

    /// All of them, to write.
    pub fn view_mut(&mut self) -> ViewMut<'_, D, T> {
        ViewMut(self.view())
    }

    /// A copy in the host's memory.
    ///
    /// # Errors
    /// The device's.
    pub fn to_vec(&self, device: &D) -> Result<Vec<T>, D::Error> {
        self.view().to_vec(device)
    }
}

/// A part of a [`Slice`], to read.
#[derive(Debug)]
pub struct View<'a, D: Device, T> {
    buffer: &'a D::Buffer,
    start: usize,
    len: usize,
    word: PhantomData<T>,
}

impl<D: Device, T> Clone for View<'_, D, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<D: Device, T> Copy for View<'_, D, T> {}

impl<'a, D: Device, T: Word> View<'a, D, T> {
    /// How many numbers.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory, and the number of the first element in it.
    pub fn place(&self) -> (&'a D::Buffer, usize) {
        (self.buffer, self.start)
    }

    /// Some of the numbers.
    ///
    /// # Panics
    /// As slices of the host do.
    pub fn range(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} elements", self.len);
        Self { start: self.start + range.start, len: range.len(), ..*self }
    }

    /// A copy in the host's memory.
    ///
    /// # Errors
    /// The device's.
    pub fn to_vec(&self, device: &D) -> Result<Vec<T>, D::Error> {
        let mut values = vec![T::default(); self.len];
        // SAFETY: the bytes of `values`, all of whose patterns are numbers.
        let bytes = unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(&*values)) };
        device.read(self.buffer, self.start * size_of::<T>(), bytes)?;
        Ok(values)
    }
}

/// A part of a [`Slice`], to write; no two of them overlap.
#[derive(Debug)]
pub struct ViewMut<'a, D: Device, T>(View<'a, D, T>);

impl<'a, D: Device, T: Word> ViewMut<'a, D, T> {
    /// How many numbers.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The same numbers for a shorter time.
    pub fn reborrow(&mut self) -> ViewMut<'_, D, T> {
        ViewMut(self.0)
    }

    /// The same numbers, to read.
    pub fn view(&self) -> View<'_, D, T> {
        self.0
    }

    /// The first `middle` numbers and the others.
    ///
    /// # Panics
    /// As slices of the host do.
    pub fn split_at(self, middle: usize) -> (Self, Self) {
        (ViewMut(self.0.range(0..middle)), ViewMut(self.0.range(middle..self.0.len)))
    }

    /// Some of the numbers.
    ///
    /// # Panics
    /// As slices of the host do.
    pub fn range(self, range: Range<usize>) -> Self {
        ViewMut(self.0.range(range))
    }

    /// Several parts, which follow one another and do not overlap.
    ///
    /// # Panics
    /// If they do, or lie beyond the end.
    pub fn ranges<const N: usize>(self, ranges: [Range<usize>; N]) -> [Self; N] {
        let mut end = 0;
        ranges.map(|range| {
            assert!(end <= range.start, "{range:?} begins before {end}");
            end = range.end;
            ViewMut(self.0.range(range))
        })
    }

    /// Copies `values` to the device.
    ///
    /// # Errors
    /// [`Misfit::Length`], and the device's.
    pub fn write(&mut self, device: &D, values: &[T]) -> Result<(), D::Error> {
        fits("write", "the source", values.len(), self.0.len)?;
        // SAFETY: the bytes of `values`, which have no padding.
        let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) };
        device.write(bytes, self.0.buffer, self.0.start * size_of::<T>())
    }

    /// Copies other numbers of the device, as they are.
    ///
    /// # Errors
    /// [`Misfit::Length`], and the device's.
    pub fn copy(&mut self, device: &D, from: View<'_, D, T>) -> Result<(), D::Error> {
        fits("copy", "the source", from.len, self.0.len)?;
        let size = size_of::<T>();
        device.copy((from.buffer, from.start * size), (self.0.buffer, self.0.start * size), from.len * size)
    }

    /// Sets all to 0.
    ///
    /// # Errors
    /// The device's.
    pub fn zero(&mut self, device: &D) -> Result<(), D::Error> {
        device.zero(self.0.buffer, self.0.start * size_of::<T>(), self.0.len * size_of::<T>())
    }
}

/// Memory for results in between, which grows to what is asked for and is then used again.
#[derive(Debug)]
pub struct Scratch<D: Device>(Option<Slice<D, u64>>);

impl<D: Device> Default for Scratch<D> {
    fn default() -> Self {
        Self(None)
    }
}

impl<D: Device> Scratch<D> {
    /// `len` numbers, whichever.
    pub(super) fn get<T: Word>(&mut self, device: &D, len: usize) -> Result<ViewMut<'_, D, T>, D::Error> {
        let words = (len * size_of::<T>()).div_ceil(size_of::<u64>());
        let slice = match self.0.take() {
            Some(slice) if slice.len >= words => self.0.insert(slice),
            too_small => {
                if too_small.is_some() {
                    device.has_moved();
                }
                // Before the larger one is asked for.
                drop(too_small);
                self.0.insert(Slice::new(device, words)?)
            }
        };
        Ok(ViewMut(View { buffer: &slice.buffer, start: 0, len, word: PhantomData }))
    }
}

/// Errs where a length is not what it has to be.
pub(super) fn fits(function: &'static str, what: &'static str, found: usize, expected: usize) -> Result<(), Misfit> {
    if found == expected { Ok(()) } else { Err(Misfit::Length { function, what, found, expected }) }
}

/// A size as `int`.
pub(super) fn int(function: &'static str, what: &'static str, value: usize) -> Result<i32, Misfit> {
    let too_large = |_| Misfit::Value { function, what, value: value.to_string(), expected: "less than 2^31" };
    i32::try_from(value).map_err(too_large)
}
