//! The tile registers: their configuration, and the products that stay in them.
//!
//! A product sums, over a list of steps of 32 factors, tiles of 16 rows of the left operand (read in place, at a byte offset for each
//! step) times tiles of the right operand (packed one after the other in pairs of rows, as the instruction wants them). With three
//! planes an operand is the sum of three bfloat16 numbers and the six products of leading planes are added, first the five small ones
//! over all steps, then the large one: so the rounding errors are those of as many additions as there are factors. Either may be done
//! alone, and for some of the steps, with the sums before in memory.

use std::arch::asm;
use std::marker::PhantomData;

use crate::simd::{Level, level};

/// Rows of a tile; its columns are as many f32 numbers or pairs of bfloat16 numbers.
pub(super) const ROWS: usize = 16;
/// Factors summed by one instruction.
pub(super) const DEPTH: usize = 32;
/// Numbers of a bfloat16 tile.
pub(super) const TILE: usize = ROWS * DEPTH;
/// f32 numbers of a tile of sums.
pub(super) const SUMS: usize = ROWS * ROWS;

/// The tile registers, each 16 rows of 64 bytes, while this value lives.
pub(super) struct Tiles {
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
    pub(super) fn configure() -> Self {
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
pub(super) struct Steps {
    marked: Vec<isize>,
}

impl Steps {
    /// Replaces the steps by those at these offsets, in elements.
    pub(super) fn set(&mut self, offsets: impl Iterator<Item = usize>) {
        self.marked.clear();
        self.marked.push(-1);
        self.marked.extend(offsets.map(|offset| (offset * size_of::<u16>()) as isize));
        self.marked.push(-1);
    }

    /// The offsets, in elements.
    pub(super) fn offsets(&self) -> impl Iterator<Item = usize> {
        self.marked[1..=self.len()].iter().map(|&bytes| bytes as usize / size_of::<u16>())
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.marked.len().saturating_sub(2)
    }

    fn first(&self) -> *const isize {
        self.marked[1..].as_ptr()
    }

    fn last(&self) -> *const isize {
        self.marked[self.len()..].as_ptr()
    }
}

/// Where a tile of sums goes.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Target {
    pub(super) first: *mut f32,
    /// Bytes from one row of the tile to the next.
    pub(super) row: usize,
}

/// What all products of a pass share.
#[derive(Clone, Copy)]
pub(super) struct Operands<'a> {
    pub(super) steps: &'a Steps,
    /// Whether there are three planes and the small products are added.
    pub(super) small: bool,
    /// Whether the large product is added.
    pub(super) large: bool,
    /// Bytes from one row of a left tile to the next.
    pub(super) left_row: usize,
    /// Bytes from one plane of the left operand to the next.
    pub(super) left_plane: usize,
    /// Bytes from one plane of the right operand to the next.
    pub(super) right_plane: usize,
}

impl Operands<'_> {
    /// The loop over the small products goes forwards through the steps, the other one backwards.
    fn first_step(&self) -> *const isize {
        if self.small { self.steps.first() } else { self.steps.last() }
    }

    /// The tile of that step.
    fn first_tile(&self, right: *const u16) -> *const u16 {
        if self.small { right } else { right.wrapping_add(self.steps.len() * TILE).wrapping_sub(TILE) }
    }
}

/// The part of the arguments that the loops read from memory; the offsets are written out in them.
#[repr(C)]
struct Arguments {
    left_plane: usize,
    right_plane: usize,
    targets: [Target; 4],
    sums: *const f32,
    small: usize,
    large: usize,
}

impl Arguments {
    fn new(operands: &Operands<'_>, sums: *const f32, targets: [Target; 4]) -> Self {
        Self {
            left_plane: operands.left_plane,
            right_plane: operands.right_plane,
            targets,
            sums,
            small: operands.small.into(),
            large: operands.large.into(),
        }
    }
}

macro_rules! store_tiles {
    () => {
        "
        mov {p}, qword ptr [{args} + 16]
        mov {o}, qword ptr [{args} + 24]
        tilestored [{p} + {o}*1], tmm0
        mov {p}, qword ptr [{args} + 32]
        mov {o}, qword ptr [{args} + 40]
        tilestored [{p} + {o}*1], tmm1
        mov {p}, qword ptr [{args} + 48]
        mov {o}, qword ptr [{args} + 56]
        tilestored [{p} + {o}*1], tmm2
        mov {p}, qword ptr [{args} + 64]
        mov {o}, qword ptr [{args} + 72]
        tilestored [{p} + {o}*1], tmm3
        "
    };
}

/// The sums before, or zeros; then past the small products where they are not wanted.
macro_rules! begin {
    () => {
        "
        mov {p}, qword ptr [{args} + 80]
        test {p}, {p}
        je 24f
        tileloadd tmm0, [{p} + {lw}*1]
        tileloadd tmm1, [{p} + {lw}*1 + 1024]
        tileloadd tmm2, [{p} + {lw}*1 + 2048]
        tileloadd tmm3, [{p} + {lw}*1 + 3072]
        jmp 25f
        24:
        tilezero tmm0
        tilezero tmm1
        tilezero tmm2
        tilezero tmm3
        25:
        cmp qword ptr [{args} + 88], 0
        je 26f
        "
    };
}

/// Past the large product where it is not wanted.
macro_rules! middle {
    () => {
        "
        26:
        cmp qword ptr [{args} + 96], 0
        je 23f
        "
    };
}

/// Two left tiles in planes {p} and {q} against the right tiles in tmm6 and tmm7.
macro_rules! four_by_two_loads {
    () => {
        "
        tileloadd tmm4, [{p} + {la}*1]
        tdpbf16ps tmm0, tmm4, tmm6
        tdpbf16ps tmm1, tmm4, tmm7
        tileloadd tmm5, [{q} + {la}*1]
        tdpbf16ps tmm2, tmm5, tmm6
        tdpbf16ps tmm3, tmm5, tmm7
        "
    };
}

macro_rules! small_2x2 {
    () => {
        concat!(
            "
        20:
        mov {o}, qword ptr [{steps}]
        test {o}, {o}
        js 21f
        tileloadd tmm6, [{w0} + {lw}*1]
        tileloadd tmm7, [{w1} + {lw}*1]
        mov {r}, qword ptr [{args}]
        lea {p}, [{a0} + {o}]
        lea {q}, [{a1} + {o}]
        add {p}, {r}
        add {q}, {r}
        ",
            four_by_two_loads!(),
            "
        add {p}, {r}
        add {q}, {r}
        ",
            four_by_two_loads!(),
            "
        mov {r}, qword ptr [{args} + 8]
        lea {p}, [{w0} + {r}*2]
        lea {q}, [{w1} + {r}*2]
        tileloadd tmm6, [{p} + {lw}*1]
        tileloadd tmm7, [{q} + {lw}*1]
        lea {p}, [{a0} + {o}]
        lea {q}, [{a1} + {o}]
        ",
            four_by_two_loads!(),
            "
        lea {p}, [{w0} + {r}]
        lea {q}, [{w1} + {r}]
        tileloadd tmm6, [{p} + {lw}*1]
        tdpbf16ps tmm0, tmm4, tmm6
        tileloadd tmm7, [{q} + {lw}*1]
        tdpbf16ps tmm1, tmm4, tmm7
        tdpbf16ps tmm2, tmm5, tmm6
        tdpbf16ps tmm3, tmm5, tmm7
        mov {r}, qword ptr [{args}]
        lea {p}, [{a0} + {o}]
        lea {q}, [{a1} + {o}]
        add {p}, {r}
        add {q}, {r}
        ",
            four_by_two_loads!(),
            "
        add {steps}, 8
        add {w0}, 1024
        add {w1}, 1024
        jmp 20b
        21:
        sub {steps}, 8
        sub {w0}, 1024
        sub {w1}, 1024
        "
        )
    };
}

macro_rules! large_2x2 {
    () => {
        "
        22:
        mov {o}, qword ptr [{steps}]
        test {o}, {o}
        js 23f
        lea {p}, [{a0} + {o}]
        tileloadd tmm6, [{w0} + {lw}*1]
        tileloadd tmm4, [{p} + {la}*1]
        tdpbf16ps tmm0, tmm4, tmm6
        tileloadd tmm7, [{w1} + {lw}*1]
        tdpbf16ps tmm1, tmm4, tmm7
        lea {p}, [{a1} + {o}]
        tileloadd tmm5, [{p} + {la}*1]
        tdpbf16ps tmm2, tmm5, tmm6
        tdpbf16ps tmm3, tmm5, tmm7
        sub {steps}, 8
        sub {w0}, 1024
        sub {w1}, 1024
        jmp 22b
        23:
        "
    };
}

/// The products of two left and two right tiles: target `2 * i + j` gets left `i` times right `j`, summed over the steps, and added to the
/// four tiles at `sums` unless that is null.
///
/// # Safety
/// For every step, 16 rows of 64 bytes must be readable from each `left` and 1024 bytes from the step's tile of each `right`, in every
/// plane; `sums` must be null or readable for 4096 bytes; each target must be writable for 16 rows of 64 bytes and overlap nothing else,
/// except its own tile of `sums`.
pub(super) unsafe fn product_2x2(
    _tiles: &Tiles,
    operands: &Operands<'_>,
    left: [*const u16; 2],
    right: [*const u16; 2],
    sums: *const f32,
    targets: [Target; 4],
) {
    let arguments = Arguments::new(operands, sums, targets);
    let (first, right) = (operands.first_step(), right.map(|right| operands.first_tile(right)));
    // SAFETY: the caller vouches for every address; `_tiles` shows that the tiles are configured.
    unsafe {
        asm!(
            begin!(),
            small_2x2!(),
            middle!(),
            large_2x2!(),
            store_tiles!(),
            a0 = in(reg) left[0],
            a1 = in(reg) left[1],
            w0 = inout(reg) right[0] => _,
            w1 = inout(reg) right[1] => _,
            steps = inout(reg) first => _,
            la = in(reg) operands.left_row,
            lw = in(reg) 64usize,
            args = in(reg) &raw const arguments,
            o = out(reg) _,
            p = out(reg) _,
            q = out(reg) _,
            r = out(reg) _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

/// Four left tiles at offset {o} against the right tile `$w`.
macro_rules! four_by_four_loads {
    ($w:literal) => {
        concat!(
            "
        lea {p}, [{a0} + {o}]
        tileloadd tmm4, [{p} + {la}*1]
        tdpbf16ps tmm0, tmm4, ",
            $w,
            "
        lea {p}, [{a1} + {o}]
        tileloadd tmm5, [{p} + {la}*1]
        tdpbf16ps tmm1, tmm5, ",
            $w,
            "
        lea {p}, [{a2} + {o}]
        tileloadd tmm4, [{p} + {la}*1]
        tdpbf16ps tmm2, tmm4, ",
            $w,
            "
        lea {p}, [{a3} + {o}]
        tileloadd tmm5, [{p} + {la}*1]
        tdpbf16ps tmm3, tmm5, ",
            $w,
            "
        "
        )
    };
}

macro_rules! small_4x1 {
    () => {
        concat!(
            "
        20:
        mov {o}, qword ptr [{steps}]
        test {o}, {o}
        js 21f
        tileloadd tmm6, [{w} + {lw}*1]
        mov {p}, qword ptr [{args} + 8]
        add {p}, {w}
        tileloadd tmm7, [{p} + {lw}*1]
        add {o}, qword ptr [{args}]
        ",
            four_by_four_loads!("tmm6"),
            four_by_four_loads!("tmm7"),
            "
        add {o}, qword ptr [{args}]
        ",
            four_by_four_loads!("tmm6"),
            "
        mov {o}, qword ptr [{steps}]
        mov {p}, qword ptr [{args} + 8]
        lea {p}, [{w} + {p}*2]
        tileloadd tmm6, [{p} + {lw}*1]
        ",
            four_by_four_loads!("tmm7"),
            four_by_four_loads!("tmm6"),
            "
        add {steps}, 8
        add {w}, 1024
        jmp 20b
        21:
        sub {steps}, 8
        sub {w}, 1024
        "
        )
    };
}

macro_rules! large_4x1 {
    () => {
        concat!(
            "
        22:
        mov {o}, qword ptr [{steps}]
        test {o}, {o}
        js 23f
        tileloadd tmm6, [{w} + {lw}*1]
        ",
            four_by_four_loads!("tmm6"),
            "
        sub {steps}, 8
        sub {w}, 1024
        jmp 22b
        23:
        "
        )
    };
}

/// The products of four left tiles and one right tile: target `i` gets left `i` times right, summed over the steps.
///
/// # Safety
/// As for [`product_2x2`].
pub(super) unsafe fn product_4x1(
    _tiles: &Tiles,
    operands: &Operands<'_>,
    left: [*const u16; 4],
    right: *const u16,
    sums: *const f32,
    targets: [Target; 4],
) {
    let arguments = Arguments::new(operands, sums, targets);
    let (first, right) = (operands.first_step(), operands.first_tile(right));
    // SAFETY: the caller vouches for every address; `_tiles` shows that the tiles are configured.
    unsafe {
        asm!(
            begin!(),
            small_4x1!(),
            middle!(),
            large_4x1!(),
            store_tiles!(),
            a0 = in(reg) left[0],
            a1 = in(reg) left[1],
            a2 = in(reg) left[2],
            a3 = in(reg) left[3],
            w = inout(reg) right => _,
            steps = inout(reg) first => _,
            la = in(reg) operands.left_row,
            lw = in(reg) 64usize,
            args = in(reg) &raw const arguments,
            o = out(reg) _,
            p = out(reg) _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

/// The left tile in plane {p} against four right tiles at {r}, with the sums in registers 0 to 3.
macro_rules! one_left_tile {
    ($left:literal) => {
        concat!(
            "
        lea {p}, [{w0} + {r}]
        tileloadd tmm5, [{p} + {lw}*1]
        tdpbf16ps tmm0, ",
            $left,
            ", tmm5
        lea {p}, [{w1} + {r}]
        tileloadd tmm6, [{p} + {lw}*1]
        tdpbf16ps tmm1, ",
            $left,
            ", tmm6
        lea {p}, [{w2} + {r}]
        tileloadd tmm5, [{p} + {lw}*1]
        tdpbf16ps tmm2, ",
            $left,
            ", tmm5
        lea {p}, [{w3} + {r}]
        tileloadd tmm6, [{p} + {lw}*1]
        tdpbf16ps tmm3, ",
            $left,
            ", tmm6
        "
        )
    };
}

macro_rules! small_1x4 {
    () => {
        concat!(
            "
        20:
        mov {r}, qword ptr [{steps}]
        test {r}, {r}
        js 21f
        lea {p}, [{a} + {r}]
        tileloadd tmm4, [{p} + {la}*1]
        add {p}, qword ptr [{args}]
        tileloadd tmm7, [{p} + {la}*1]
        mov {r}, qword ptr [{args} + 8]
        ",
            one_left_tile!("tmm4"),
            one_left_tile!("tmm7"),
            "
        add {r}, {r}
        ",
            one_left_tile!("tmm4"),
            "
        mov {r}, qword ptr [{steps}]
        add {r}, qword ptr [{args}]
        add {r}, qword ptr [{args}]
        lea {p}, [{a} + {r}]
        tileloadd tmm4, [{p} + {la}*1]
        xor {r:e}, {r:e}
        ",
            one_left_tile!("tmm7"),
            one_left_tile!("tmm4"),
            "
        add {steps}, 8
        add {w0}, 1024
        add {w1}, 1024
        add {w2}, 1024
        add {w3}, 1024
        jmp 20b
        21:
        sub {steps}, 8
        sub {w0}, 1024
        sub {w1}, 1024
        sub {w2}, 1024
        sub {w3}, 1024
        "
        )
    };
}

macro_rules! large_1x4 {
    () => {
        concat!(
            "
        22:
        mov {r}, qword ptr [{steps}]
        test {r}, {r}
        js 23f
        lea {p}, [{a} + {r}]
        tileloadd tmm4, [{p} + {la}*1]
        xor {r:e}, {r:e}
        ",
            one_left_tile!("tmm4"),
            "
        sub {steps}, 8
        sub {w0}, 1024
        sub {w1}, 1024
        sub {w2}, 1024
        sub {w3}, 1024
        jmp 22b
        23:
        "
        )
    };
}

/// The products of one left tile and four right tiles: target `i` gets left times right `i`, summed over the steps.
///
/// # Safety
/// As for [`product_2x2`].
pub(super) unsafe fn product_1x4(
    _tiles: &Tiles,
    operands: &Operands<'_>,
    left: *const u16,
    right: [*const u16; 4],
    sums: *const f32,
    targets: [Target; 4],
) {
    let arguments = Arguments::new(operands, sums, targets);
    let (first, right) = (operands.first_step(), right.map(|right| operands.first_tile(right)));
    // SAFETY: the caller vouches for every address; `_tiles` shows that the tiles are configured.
    unsafe {
        asm!(
            begin!(),
            small_1x4!(),
            middle!(),
            large_1x4!(),
            store_tiles!(),
            a = in(reg) left,
            w0 = inout(reg) right[0] => _,
            w1 = inout(reg) right[1] => _,
            w2 = inout(reg) right[2] => _,
            w3 = inout(reg) right[3] => _,
            steps = inout(reg) first => _,
            la = in(reg) operands.left_row,
            lw = in(reg) 64usize,
            args = in(reg) &raw const arguments,
            o = out(reg) _,
            p = out(reg) _,
            r = out(reg) _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
