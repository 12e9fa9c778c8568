//! In place of `amx` where the compilation target has none.

use std::ops::Range;

use super::{Mat, MatMut};
use crate::conv::Operands;
use crate::real::Real;

/// There is none.
pub(super) enum Tiled {}

impl Tiled {
    pub(super) fn new<T: Real>(_: usize, _: usize, _: Mat<'_, T>, _: Operands, _: bool) -> Option<Self> {
        None
    }

    pub(super) fn product<T: Real>(&self, _: usize, _: Range<usize>, _: Mat<'_, T>, _: MatMut<'_, T>, _: bool) {
        match *self {}
    }
}
