//! Two left tiles times two right tiles.

use std::arch::asm;

use super::super::tile::{Operands, Target, Tiles};
use super::Arguments;

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
pub(crate) unsafe fn product_2x2(
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
