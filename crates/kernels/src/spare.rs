//! Large buffers that come back: what a training step needs for packed weights and sums, the next one needs again, and memory fresh from
//! the system would be cleared page by page each time.
#![allow(unsafe_code, reason = "numbers of several types are stored in the same memory, whole cache lines")]

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Types that any bits are a value of.
///
/// # Safety
/// Every pattern of bits is a valid value, the size divides that of a cache line, and no more than its alignment is needed.
pub unsafe trait Plain: Copy + Send + Sync + 'static {}

// SAFETY: an integer.
unsafe impl Plain for u16 {}
// SAFETY: every pattern of bits is a number or NaN.
unsafe impl Plain for f32 {}
// SAFETY: every pattern of bits is a number or NaN.
unsafe impl Plain for f64 {}

/// Smaller buffers are left to the allocator.
const SMALLEST: usize = 1 << 10;
/// Requests after which a buffer that none of them wanted is given back to the system: those of a step of the deepest network, several
/// times.
const PATIENCE: usize = 8 << 10;

/// Buffers that nobody uses, each with the number of the request before which it came back.
struct Pool {
    free: Vec<(usize, Vec<Line>)>,
    requests: usize,
}

fn pool() -> MutexGuard<'static, Pool> {
    static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new(), requests: 0 });
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// Of the buffers that fit best the one that came back last.
    fn take(&mut self, lines: usize) -> Option<Vec<Line>> {
        self.requests += 1;
        let fits = |buffer: &Vec<Line>| (lines..=lines + lines / 4).contains(&buffer.len());
        let fitting = self.free.iter().enumerate().rev().filter(|(_, (_, buffer))| fits(buffer));
        let best = fitting.min_by_key(|(_, (_, buffer))| buffer.len()).map(|(i, _)| i)?;
        Some(self.free.remove(best).1)
    }

    fn give(&mut self, buffer: Vec<Line>) {
        let now = self.requests;
        self.free.retain(|(since, _)| now - since < PATIENCE);
        self.free.push((now, buffer));
    }
}

/// `len` elements in whole cache lines, whose first values are left over from an earlier use.
pub(crate) struct Spare<T> {
    lines: Vec<Line>,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Plain> Spare<T> {
    /// A buffer whose elements the caller overwrites.
    pub(crate) fn new(len: usize) -> Self {
        let lines = (len * size_of::<T>()).div_ceil(size_of::<Line>());
        let free = if lines < SMALLEST { None } else { pool().take(lines) };
        let mut lines = free.unwrap_or_else(|| vec![Line([0; 64]); lines]);
        if cfg!(debug_assertions) {
            // NaN, so that tests see what is read before it is written.
            lines.fill(Line([0xff; 64]));
        }
        Self { lines, len, element: PhantomData }
    }

    /// The first `len` elements, whatever they are: the buffer grows where it is shorter.
    pub(crate) fn grown(&mut self, len: usize) -> &mut [T] {
        if self.len < len {
            *self = Self::new(len);
        }
        &mut self[..len]
    }
}

impl<T> Drop for Spare<T> {
    fn drop(&mut self) {
        if self.lines.len() >= SMALLEST {
            pool().give(std::mem::take(&mut self.lines));
        }
    }
}

impl<T: Plain> Default for Spare<T> {
    fn default() -> Self {
        Self::new(0)
    }
}

impl<T: Plain> Deref for Spare<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the lines hold `len` elements without gaps, of which every pattern of bits is one, and are borrowed with `self`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Plain> DerefMut for Spare<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, PATIENCE, Pool, Spare};

    #[test]
    fn a_buffer_has_its_elements_and_begins_with_a_cache_line() {
        let mut buffer = Spare::<f64>::new(13);
        buffer.fill(2.5);
        assert_eq!((buffer.len(), buffer.iter().sum::<f64>()), (13, 32.5));
        assert_eq!(buffer.as_ptr().addr() % 64, 0);
        let mut bits = Spare::<u16>::default();
        assert!(bits.is_empty());
        bits.grown(100).fill(7);
        assert_eq!(bits.grown(50), [7; 50]);
    }

    #[test]
    fn the_best_of_the_free_buffers_is_taken_and_an_idle_one_is_dropped() {
        let mut pool = Pool { free: Vec::new(), requests: 0 };
        for lines in [100, 90, 300] {
            pool.give(vec![Line([0; 64]); lines]);
        }
        assert_eq!(pool.take(85).map(|b| b.len()), Some(90));
        assert!(pool.take(50).is_none(), "half as long would waste the rest");
        assert_eq!(pool.take(100).map(|b| b.len()), Some(100));
        pool.requests += PATIENCE;
        pool.give(vec![Line([0; 64]); 10]);
        assert_eq!(pool.free.len(), 1);
    }
}
