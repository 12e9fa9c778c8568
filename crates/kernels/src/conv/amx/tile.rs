//! The tile registers: their configuration, and what is multiplied in them.

use std::arch::asm;
use std::marker::PhantomData;

use crate::simd::{Level, level};

/// Rows of a tile; its columns are as many f32 numbers or pairs of bfloat16 numbers.
pub(crate) const ROWS: usize = 16;
/// Factors summed by one instruction.
pub(crate) const DEPTH: usize = 32;
/// Numbers of a bfloat16 tile.
pub(crate) const TILE: usize = ROWS * DEPTH;
/// f32 numbers of a tile of sums.
pub(crate) const SUMS: usize = ROWS * ROWS;

/// The tile registers, each 16 rows of 64 bytes, while this value lives.
pub(crate) struct Tiles {
    /// The configuration belongs to the thread.
    _not_send: PhantomData<*const ()>,
}

#[repr(C, align(64))]
struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Tiles {
    /// # Panics
    /// Where the level is below AMX.
    pub(crate) fn configure() -> Self {
        const REGISTERS: usize = 8;
        static CONFIG: Config = {
            let mut config = Config { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
            let mut i = 0;
            while i < REGISTERS {
                config.row_bytes[i] = 64;
                config.rows[i] = ROWS as u8;
                i += 1;
            }
            config
        };
        assert!(level() >= Level::Amx, "tile registers without AMX");
        // SAFETY: the level says that the processor has AMX and the system lets the process use it; the configuration is 64 bytes long
        // and valid for palette 1.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack, readonly, preserves_flags)) };
        Self { _not_send: PhantomData }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: a `Tiles` exists only where the instruction does.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}

/// The byte offsets of the steps in the left operand, a negative number before and after them.
#[derive(Clone, Default)]
pub(crate) struct Steps {
    marked: Vec<isize>,
}

impl Steps {
    /// Replaces the steps by those at these offsets, in elements.
    pub(crate) fn set(&mut self, offsets: impl Iterator<Item = usize>) {
        self.marked.clear();
        self.marked.push(-1);
        self.marked.extend(offsets.map(|offset| (offset * size_of::<u16>()) as isize));
        self.marked.push(-1);
    }

    /// The offsets, in elements.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = usize> {
        self.marked[1..=self.len()].iter().map(|&bytes| bytes as usize / size_of::<u16>())
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.marked.len().saturating_sub(2)
    }

    pub(crate) fn first(&self) -> *const isize {
        self.marked[1..].as_ptr()
    }

    pub(crate) fn last(&self) -> *const isize {
        self.marked[self.len()..].as_ptr()
    }
}

/// Where a tile of sums goes.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Target {
    pub(crate) first: *mut f32,
    /// Bytes from one row of the tile to the next.
    pub(crate) row: usize,
}

/// What all products of a pass share.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a> {
    pub(crate) steps: &'a Steps,
    /// One plane an operand, or three.
    pub(crate) exact: bool,
    /// Bytes from one row of a left tile to the next.
    pub(crate) left_row: usize,
    /// Bytes from one plane of the left operand to the next.
    pub(crate) left_plane: usize,
    /// Bytes from one plane of the right operand to the next.
    pub(crate) right_plane: usize,
}

impl Operands<'_> {
    /// The loop over the small products goes forwards through the steps, the other one backwards.
    pub(crate) fn first_step(&self) -> *const isize {
        if self.exact { self.steps.first() } else { self.steps.last() }
    }

    /// The tile of that step.
    pub(crate) fn first_tile(&self, right: *const u16) -> *const u16 {
        if self.exact { right } else { right.wrapping_add(self.steps.len() * TILE).wrapping_sub(TILE) }
    }
}
