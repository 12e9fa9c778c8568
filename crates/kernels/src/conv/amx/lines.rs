//! Memory in whole cache lines, so that packed tiles do not straddle them.

/// A cache line of bfloat16 numbers.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u16; 32]);

/// bfloat16 numbers (as bits) in a buffer that starts with a cache line and only grows.
#[derive(Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
}

impl Lines {
    /// Zeros.
    pub(super) fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0; 32]); len.div_ceil(32)] }
    }

    /// The first `len` numbers, whatever they are.
    pub(super) fn get(&mut self, len: usize) -> &mut [u16] {
        let lines = len.div_ceil(32);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0; 32]));
        }
        let first = self.lines.as_mut_ptr().cast::<u16>();
        // SAFETY: `lines` lines of 32 numbers without gaps are initialised and borrowed with `self`; len is at most 32 * lines.
        unsafe { std::slice::from_raw_parts_mut(first, len) }
    }

    /// All of them.
    pub(super) fn as_slice(&self) -> &[u16] {
        // SAFETY: the lines hold 32 numbers each without gaps and are borrowed with `self`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), 32 * self.lines.len()) }
    }

    /// All of them, to write.
    pub(super) fn as_mut_slice(&mut self) -> &mut [u16] {
        let len = 32 * self.lines.len();
        self.get(len)
    }
}
