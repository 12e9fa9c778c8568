//! In place of `amx` where the compilation target has none: no convolution takes that route.

use super::Conv2d;
use crate::real::Real;

/// Nothing to reuse.
#[derive(Default)]
pub(super) struct Buffers;

/// There is none.
pub(super) enum Convolution {}

impl Convolution {
    pub(super) fn new<T: Real>(_conv: &Conv2d) -> Option<Self> {
        None
    }

    pub(super) fn pack<T: Real>(&mut self, _conv: &Conv2d, _weight: &[T], _backward: bool) {
        match *self {}
    }

    pub(super) fn forward<T: Real>(&self, _xs: &[T], _ys: &mut [T], _buffers: &mut Buffers) -> bool {
        match *self {}
    }

    pub(super) fn backward_data<T: Real>(&self, _d_ys: &[T], _d_xs: &mut [T], _buffers: &mut Buffers) -> bool {
        match *self {}
    }

    pub(super) fn partial_len(&self) -> usize {
        match *self {}
    }

    pub(super) fn backward_weight<T: Real>(&self, _xs: &[T], _d_ys: &[T], _partial: &mut [T], _buffers: &mut Buffers) {
        match *self {}
    }

    pub(super) fn finish_weight<T: Real>(&self, _partial: &[T], _d_weight: &mut [T]) {
        match *self {}
    }
}
