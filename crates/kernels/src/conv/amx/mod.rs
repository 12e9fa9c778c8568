//! Ungrouped convolution in f32 on the matrix unit of x86 processors (AMX), which multiplies bfloat16 numbers and sums in f32.
//!
//! With [`Operands::Bf16`](super::Operands) factors are rounded once. With `Exact`, each is the sum of three bfloat16 numbers, exact to 24
//! bits, and the six products that matter in f32 are added: the results are as exact as those of f32 arithmetic, except that subnormal
//! numbers become zeros, and that factors beyond the largest bfloat16 number, 3.39e38, give NaN.
//!
//! A number that is not finite makes the results that depend on it so, and may make neighbours in the same image or call NaN, where it
//! meets zero weights.
#![allow(unsafe_code, reason = "vector and tile instructions; the level is checked before any of them")]

mod canvas;
mod pass;
pub(crate) mod products;
mod reach;
pub(crate) mod split;
pub(crate) mod tile;
mod transpose;
mod weight_gradient;
pub(crate) mod weights;

use std::any::TypeId;

use self::pass::Pass;
use self::tile::Steps;
use self::weight_gradient::WeightGradient;
use super::Conv2d;
use crate::real::Real;
use crate::simd::{Level, level};
use crate::spare::Spare;

/// What one thread reuses from call to call.
#[derive(Default)]
pub(super) struct Buffers {
    xs: Spare<u16>,
    d_ys: Spare<u16>,
    left: Spare<u16>,
    right: Spare<u16>,
    steps: Steps,
}

/// A convolution with its packed weights.
pub(super) struct Convolution {
    forward: Option<Pass>,
    backward: Option<Pass>,
    weight_gradient: WeightGradient,
}

impl Convolution {
    /// Without weights, where this route computes the weight gradient of `conv` in `T`.
    pub(super) fn new<T: Real>(conv: &Conv2d) -> Option<Self> {
        let sizes = [conv.out_h(), conv.out_w(), conv.h, conv.w];
        let possible = level() >= Level::Amx && T::IS_F32 && conv.groups == 1 && !sizes.contains(&0);
        possible.then(|| Self { forward: None, backward: None, weight_gradient: WeightGradient::new(conv) })
    }

    /// Packs `weight` (c_out, c_in, kh, kw).
    pub(super) fn pack<T: Real>(&mut self, conv: &Conv2d, weight: &[T], backward: bool) {
        let weight = as_f32(weight);
        self.forward = Some(Pass::forward(conv, weight));
        self.backward = backward.then(|| Pass::backward(conv, weight));
    }

    /// `ys` from `xs`; false where no weights are packed.
    pub(super) fn forward<T: Real>(&self, xs: &[T], ys: &mut [T], buffers: &mut Buffers) -> bool {
        run(self.forward.as_ref(), xs, ys, buffers)
    }

    /// `d_xs` from `d_ys`; false where no weights are packed.
    pub(super) fn backward_data<T: Real>(&self, d_ys: &[T], d_xs: &mut [T], buffers: &mut Buffers) -> bool {
        run(self.backward.as_ref(), d_ys, d_xs, buffers)
    }

    /// Length of the sums of the weight gradient.
    pub(super) fn partial_len(&self) -> usize {
        self.weight_gradient.partial_len()
    }

    /// Adds the weight gradient to `partial`.
    pub(super) fn backward_weight<T: Real>(&self, xs: &[T], d_ys: &[T], partial: &mut [T], buffers: &mut Buffers) {
        // SAFETY: a `Convolution` exists only at the level AMX, which includes these instructions.
        unsafe { self.weight_gradient.run(as_f32(xs), as_f32(d_ys), as_f32_mut(partial), buffers) };
    }

    /// The gradient from the sums.
    pub(super) fn finish_weight<T: Real>(&self, partial: &[T], d_weight: &mut [T]) {
        self.weight_gradient.finish(as_f32(partial), as_f32_mut(d_weight));
    }
}

fn run<T: Real>(pass: Option<&Pass>, xs: &[T], ys: &mut [T], buffers: &mut Buffers) -> bool {
    let Some(pass) = pass else { return false };
    // SAFETY: a `Pass` belongs to a `Convolution`, which exists only at the level AMX, which includes these instructions.
    unsafe { pass.run(as_f32(xs), as_f32_mut(ys), buffers) };
    true
}

fn check_f32<T: Real>() {
    assert!(TypeId::of::<T>() == TypeId::of::<f32>(), "AMX computes in f32 only");
}

pub(crate) fn as_f32<T: Real>(xs: &[T]) -> &[f32] {
    check_f32::<T>();
    // SAFETY: T is f32.
    unsafe { std::slice::from_raw_parts(xs.as_ptr().cast(), xs.len()) }
}

pub(crate) fn as_f32_mut<T: Real>(xs: &mut [T]) -> &mut [f32] {
    check_f32::<T>();
    // SAFETY: T is f32.
    unsafe { std::slice::from_raw_parts_mut(xs.as_mut_ptr().cast(), xs.len()) }
}
