//! The products that stay in the tile registers.
//!
//! A product sums, over a list of steps of 32 factors, tiles of 16 rows of the left operand (read in place, at a byte offset for each
//! step) times tiles of the right operand (packed one after the other in pairs of rows, as the instruction wants them). With three
//! planes an operand is the sum of three bfloat16 numbers and the six products of leading planes are added, first the five small ones
//! over all steps, then the large one: so the rounding errors are those of as many additions as there are factors.
//!
//! | module | left tiles x right tiles |
//! |---|---|
//! | `two_by_two` | both operands are used twice |
//! | `four_by_one` | for at most 16 output channels |
//! | `one_by_four` | weight gradients of few input channels |

use super::tile::{Operands, Target};

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

mod four_by_one;
mod one_by_four;
mod two_by_two;

pub(super) use four_by_one::product_4x1;
pub(super) use one_by_four::product_1x4;
pub(crate) use two_by_two::product_2x2;
