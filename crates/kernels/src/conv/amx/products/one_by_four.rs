//! One left tile times four right tiles.

use std::arch::asm;

use super::super::tile::{Operands, Target, Tiles};
use super::Arguments;

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
pub(in super::super) unsafe fn product_1x4(
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
