//! Depthwise convolution: one filter a channel, vectors over channels, read where the image lies. Windows at an edge have fewer taps,
//! so nothing is copied and nothing padded.
//!
//! Factors are never rounded, whatever [`super::Operands`] say: there are no products over channels to make faster by it.

mod axis;
mod gather;
mod weight;

pub(super) use weight::{backward_weight, finish, partial_len};

use super::Conv2d;
use super::tile::NARROW;
use crate::real::Real;
use axis::Axis;
use gather::Gather;

/// The filters as (position, channel), the channels filled up with zeros to whole vectors.
pub(super) fn pack<T: Real>(conv: &Conv2d, weight: &[T]) -> Vec<T> {
    let taps = conv.kh * conv.kw;
    let channels = conv.c_in.next_multiple_of(NARROW);
    let mut packed = vec![T::ZERO; taps * channels];
    for (tap, filters) in packed.chunks_exact_mut(channels).enumerate() {
        for (packed, weight) in filters.iter_mut().zip(weight.chunks_exact(taps)) {
            *packed = weight[tap];
        }
    }
    packed
}

/// `ys` from `xs` and packed filters.
pub(super) fn forward<T: Real>(conv: &Conv2d, xs: &[T], packed: &[T], ys: &mut [T]) {
    let [vertical, horizontal] = axes(conv);
    Gather { vertical, horizontal, channels: conv.c_in, kernel_width: conv.kw }.images(xs, packed, ys);
}

/// `d_xs` from `d_ys` and packed filters. With a stride, pixels that differ in their place between two windows have other taps.
pub(super) fn backward_data<T: Real>(conv: &Conv2d, d_ys: &[T], packed: &[T], d_xs: &mut [T]) {
    let [vertical, horizontal] = axes(conv);
    for vertical in vertical.adjoint() {
        for horizontal in horizontal.adjoint() {
            Gather { vertical, horizontal, channels: conv.c_in, kernel_width: conv.kw }.images(d_ys, packed, d_xs);
        }
    }
}

/// The vertical and the horizontal axis of the forward pass.
fn axes(conv: &Conv2d) -> [Axis; 2] {
    [
        Axis::forward((conv.h, conv.out_h()), conv.kh, conv.stride.0, conv.pad.top),
        Axis::forward((conv.w, conv.out_w()), conv.kw, conv.stride.1, conv.pad.left),
    ]
}
