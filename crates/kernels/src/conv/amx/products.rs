//! The products that stay in the tile registers.
//!
//! A product sums, over a list of steps of 32 factors, tiles of 16 rows of the left operand (read in place, at a byte offset for each
//! step) times tiles of the right operand (packed one after the other in pairs of rows, as the instruction wants them). With three
//! planes an operand is the sum of three bfloat16 numbers and the six products of leading planes are added, first the five small ones
//! over all steps, then the large one: so the rounding errors are those of as many additions as there are factors.

use std::arch::asm;

use super::tile::{Operands, Target, Tiles};

/// The part of the arguments that the loops read from memory; the offsets are written out in them.
#[repr(C)]
struct Arguments {
    left_plane: usize,
    right_plane: usize,
    targets: [Target; 4],
    exact: usize,
}

impl Arguments {
    fn new(operands: &Operands<'_>, targets: [Target; 4]) -> Self {
        Self {
            left_plane: operands.left_plane,
            right_plane: operands.right_plane,
            targets,
            exact: operands.exact.into(),
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

/// Zeros; then past the small products where there are none.
macro_rules! begin {
    () => {
        "
        tilezero tmm0
        tilezero tmm1
        tilezero tmm2
        tilezero tmm3
        cmp qword ptr [{args} + 80], 0
        je 22f
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

/// The hint T1 for the right tiles, which mostly come from the second-level cache, leaves the first one to the left tiles.
macro_rules! small_2x2 {
    () => {
        concat!(
            "
        20:
        mov {o}, qword ptr [{steps}]
        test {o}, {o}
        js 21f
        tileloaddt1 tmm6, [{w0} + {lw}*1]
        tileloaddt1 tmm7, [{w1} + {lw}*1]
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
        tileloaddt1 tmm6, [{p} + {lw}*1]
        tileloaddt1 tmm7, [{q} + {lw}*1]
        lea {p}, [{a0} + {o}]
        lea {q}, [{a1} + {o}]
        ",
            four_by_two_loads!(),
            "
        lea {p}, [{w0} + {r}]
        lea {q}, [{w1} + {r}]
        tileloaddt1 tmm6, [{p} + {lw}*1]
        tdpbf16ps tmm0, tmm4, tmm6
        tileloaddt1 tmm7, [{q} + {lw}*1]
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
        tileloaddt1 tmm6, [{w0} + {lw}*1]
        tileloadd tmm4, [{p} + {la}*1]
        tdpbf16ps tmm0, tmm4, tmm6
        tileloaddt1 tmm7, [{w1} + {lw}*1]
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

/// The products of two left and two right tiles: target `2 * i + j` gets left `i` times right `j`, summed over the steps.
///
/// # Safety
/// For every step, 16 rows of 64 bytes must be readable from each `left` and 1024 bytes from the step's tile of each `right`, in every
/// plane; each target must be writable for 16 rows of 64 bytes and overlap nothing else.
pub(super) unsafe fn product_2x2(
    _tiles: &Tiles,
    operands: &Operands<'_>,
    left: [*const u16; 2],
    right: [*const u16; 2],
    targets: [Target; 4],
) {
    let arguments = Arguments::new(operands, targets);
    let (first, right) = (operands.first_step(), right.map(|right| operands.first_tile(right)));
    // SAFETY: the caller vouches for every address; `_tiles` shows that the tiles are configured.
    unsafe {
        asm!(
            begin!(),
            small_2x2!(),
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
    targets: [Target; 4],
) {
    let arguments = Arguments::new(operands, targets);
    let (first, right) = (operands.first_step(), operands.first_tile(right));
    // SAFETY: the caller vouches for every address; `_tiles` shows that the tiles are configured.
    unsafe {
        asm!(
            begin!(),
            small_4x1!(),
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
    targets: [Target; 4],
) {
    let arguments = Arguments::new(operands, targets);
    let (first, right) = (operands.first_step(), right.map(|right| operands.first_tile(right)));
    // SAFETY: the caller vouches for every address; `_tiles` shows that the tiles are configured.
    unsafe {
        asm!(
            begin!(),
            small_1x4!(),
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
