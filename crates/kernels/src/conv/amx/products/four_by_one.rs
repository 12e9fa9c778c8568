//! Four left tiles times one right tile.

use std::arch::asm;

use super::super::tile::{Operands, Target, Tiles};
use super::Arguments;

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
pub(in super::super) unsafe fn product_4x1(
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
