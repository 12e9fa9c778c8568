//! Memory of a running network: the buffers of maps and gradients go back to a pool when they are dropped, so that a step takes those of
//! the step before it.

use super::error::{Error, Result};
use candle_core::{Device, Tensor};
use half::bf16;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use swish_kernels::{Element, Real};

/// Free memory of a network.
#[derive(Default)]
pub struct Memory {
    f32: Mutex<Vec<Free<f32>>>,
    f64: Mutex<Vec<Free<f64>>>,
    bf16: Mutex<Vec<Free<bf16>>>,
    passes: AtomicUsize,
}

/// A buffer that nobody uses.
pub struct Free<E> {
    values: Vec<E>,
    /// The pass in which it was freed.
    pass: usize,
}

impl Memory {
    /// Gives back what the last pass has not used: a network that goes over to batches of another size keeps one set of buffers.
    pub(crate) fn end_pass(&self) {
        let pass = self.passes.fetch_add(1, Ordering::Relaxed);
        fn retain<E>(free: &Mutex<Vec<Free<E>>>, pass: usize) {
            free.lock().unwrap_or_else(PoisonError::into_inner).retain(|free| free.pass == pass);
        }
        retain(&self.f32, pass);
        retain(&self.f64, pass);
        retain(&self.bf16, pass);
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

/// Elements of one type from a [`Memory`]; their first values are left over from an earlier use.
pub struct Buffer<E: Stored> {
    values: Vec<E>,
    len: usize,
    memory: Arc<Memory>,
}

impl<E: Stored> Buffer<E> {
    /// A buffer whose elements the caller overwrites.
    pub(crate) fn new(memory: &Arc<Memory>, len: usize) -> Self {
        let mut free = E::free(memory).lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |free: &Free<E>| (len..=len + len / 4).contains(&free.values.len());
        // Of those that fit best the one freed last: the caches may still hold it.
        let fitting = free.iter().enumerate().rev().filter(|(_, free)| fits(free));
        let best = fitting.min_by_key(|(_, free)| free.values.len()).map(|(i, _)| i);
        let values = best.map(|i| free.remove(i).values);
        drop(free);
        let mut values = values.unwrap_or_else(|| vec![E::default(); len]);
        if cfg!(debug_assertions) {
            // So that tests see what is read before it is written.
            values.fill(E::narrow(<E::Real as Real>::from_f64(f64::NAN)));
        }
        Self { values, len, memory: memory.clone() }
    }

    /// A buffer with these elements.
    pub(crate) fn copy(memory: &Arc<Memory>, values: &[E]) -> Self {
        let mut copy = Self::new(memory, values.len());
        copy.copy_from_slice(values);
        copy
    }

    /// A buffer of zeros.
    pub(crate) fn zeros(memory: &Arc<Memory>, len: usize) -> Self {
        let mut buffer = Self::new(memory, len);
        buffer.fill(E::default());
        buffer
    }
}

impl<E: Stored> Deref for Buffer<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        &self.values[..self.len]
    }
}

impl<E: Stored> DerefMut for Buffer<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.values[..self.len]
    }
}

impl<E: Stored> Drop for Buffer<E> {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        let pass = self.memory.passes.load(Ordering::Relaxed);
        E::free(&self.memory).lock().unwrap_or_else(PoisonError::into_inner).push(Free { values, pass });
    }
}

impl<E: Stored> Clone for Buffer<E> {
    fn clone(&self) -> Self {
        Self::copy(&self.memory, self)
    }
}

/// A buffer of any of the types.
#[derive(Clone)]
pub enum Data {
    /// Single precision.
    F32(Buffer<f32>),
    /// Double precision.
    F64(Buffer<f64>),
    /// Half the memory.
    Bf16(Buffer<bf16>),
}

impl Data {
    /// The elements as a flat tensor.
    ///
    /// # Errors
    /// Candle's, when memory is out.
    pub fn to_tensor(&self) -> Result<Tensor> {
        let device = &Device::Cpu;
        Ok(match self {
            Self::F32(values) => Tensor::from_slice(values, values.len(), device)?,
            Self::F64(values) => Tensor::from_slice(values, values.len(), device)?,
            Self::Bf16(values) => Tensor::from_slice(values, values.len(), device)?,
        })
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, len) = match self {
            Self::F32(b) => ("f32", b.len()),
            Self::F64(b) => ("f64", b.len()),
            Self::Bf16(b) => ("bf16", b.len()),
        };
        write!(f, "{len} x {name}")
    }
}

/// An element type that feature maps are stored in.
pub trait Stored: Element {
    /// The pool's memory of this type.
    fn free(memory: &Memory) -> &Mutex<Vec<Free<Self>>>;
    /// The buffer inside, if it is of this type.
    fn get(data: &Data) -> Option<&Buffer<Self>>;
    /// As [`Stored::get`], to write.
    fn get_mut(data: &mut Data) -> Option<&mut Buffer<Self>>;
    /// The buffer as one of any type.
    fn wrap(buffer: Buffer<Self>) -> Data;

    /// The elements.
    ///
    /// # Errors
    /// [`Error::Mixed`] for those of another type.
    fn of(data: &Data) -> Result<&[Self]> {
        Self::get(data).map(|b| &**b).ok_or_else(|| Error::Mixed { found: format!("{data:?}") })
    }

    /// As [`Stored::of`], to write.
    ///
    /// # Errors
    /// [`Error::Mixed`] for those of another type.
    fn of_mut(data: &mut Data) -> Result<&mut [Self]> {
        let found = format!("{data:?}");
        Self::get_mut(data).map(|b| &mut **b).ok_or(Error::Mixed { found })
    }
}

macro_rules! stored {
    ($t:ty, $variant:ident, $field:ident) => {
        impl Stored for $t {
            fn free(memory: &Memory) -> &Mutex<Vec<Free<Self>>> {
                &memory.$field
            }
            fn get(data: &Data) -> Option<&Buffer<Self>> {
                match data {
                    Data::$variant(buffer) => Some(buffer),
                    _ => None,
                }
            }
            fn get_mut(data: &mut Data) -> Option<&mut Buffer<Self>> {
                match data {
                    Data::$variant(buffer) => Some(buffer),
                    _ => None,
                }
            }
            fn wrap(buffer: Buffer<Self>) -> Data {
                Data::$variant(buffer)
            }
        }
    };
}
stored!(f32, F32, f32);
stored!(f64, F64, f64);
stored!(bf16, Bf16, bf16);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Buffer, Memory};
    use std::sync::Arc;

    #[test]
    fn memory_comes_back_and_serves_what_fits() {
        let memory = Arc::new(Memory::default());
        let first = Buffer::<f32>::zeros(&memory, 100);
        let place = first.as_ptr();
        drop(first);
        assert_ne!(Buffer::<f32>::new(&memory, 50).as_ptr(), place, "half as long would waste the rest");
        let mut again = Buffer::<f32>::new(&memory, 90);
        assert_eq!((again.as_ptr(), again.len()), (place, 90));
        again.fill(2.0);
        let copy = again.clone();
        assert_eq!((&*copy, copy.len()), (&*again, 90));
        drop(again);
        memory.end_pass();
        assert_eq!(memory.f32.lock().unwrap().len(), 2, "freed in this pass");
        memory.end_pass();
        assert!(memory.f32.lock().unwrap().is_empty(), "a pass went by without a use");
    }
}
