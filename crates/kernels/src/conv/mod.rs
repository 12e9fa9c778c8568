//! 2-D convolution (cross-correlation, as every framework), forward and both gradients, on NHWC images and OIHW weights.
//!
//! Three routes, all deterministic:
//! - `direct`: a register-blocked kernel on a zero-padded copy of the image; every ungrouped forward and weight gradient, and the data
//!   gradient where the stride is 1;
//! - `depthwise`: one filter a channel, vectorised over channels;
//! - `im2col`: columns and matrix products, for whatever remains (other groups, strided data gradients).

mod depthwise;
mod direct;
mod direct_weight;
mod im2col;
mod padded;
mod tile;

use crate::real::Real;

/// Zero (for maximum pooling: minus infinity) rows and columns around an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pad {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns before.
    pub left: usize,
    /// Columns after.
    pub right: usize,
}

impl Pad {
    /// The same padding on all four sides.
    pub fn all(pad: usize) -> Self {
        Self { top: pad, bottom: pad, left: pad, right: pad }
    }

    /// Padding that keeps the size for an odd kernel and stride 1.
    pub fn same(kh: usize, kw: usize) -> Self {
        Self { top: (kh - 1) / 2, bottom: kh / 2, left: (kw - 1) / 2, right: kw / 2 }
    }
}

/// How exact the factors of the products are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operands {
    /// As they are.
    #[default]
    Exact,
    /// Both rounded to bfloat16 (nearest even) as they are packed; products are summed in the element type.
    Bf16,
}

impl Operands {
    /// The factor as it enters the product.
    #[inline(always)]
    pub(crate) fn round<T: Real>(self, x: T) -> T {
        match self {
            Operands::Exact => x,
            Operands::Bf16 => x.round_bf16(),
        }
    }
}

/// Shape of a convolution. Weights are (c_out, c_in / groups, kh, kw).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Images.
    pub n: usize,
    /// Height of the input.
    pub h: usize,
    /// Width of the input.
    pub w: usize,
    /// Channels of the input.
    pub c_in: usize,
    /// Channels of the output.
    pub c_out: usize,
    /// Height of the kernel.
    pub kh: usize,
    /// Width of the kernel.
    pub kw: usize,
    /// Steps (vertical, horizontal).
    pub stride: (usize, usize),
    /// Zeros around the image.
    pub pad: Pad,
    /// Groups of channels that do not mix; `groups == c_in == c_out` is a depthwise convolution.
    pub groups: usize,
    /// Rounding of the factors.
    pub operands: Operands,
}

/// Positions of a window of `k` cells over `len` cells with `before` and `after` padded ones.
pub(crate) fn positions(len: usize, before: usize, after: usize, k: usize, stride: usize) -> usize {
    (len + before + after).checked_sub(k).map_or(0, |free| free / stride + 1)
}

impl Conv2d {
    /// Height of the output.
    pub fn out_h(&self) -> usize {
        positions(self.h, self.pad.top, self.pad.bottom, self.kh, self.stride.0)
    }

    /// Width of the output.
    pub fn out_w(&self) -> usize {
        positions(self.w, self.pad.left, self.pad.right, self.kw, self.stride.1)
    }

    /// Number of weights.
    pub fn weight_len(&self) -> usize {
        self.c_out * (self.c_in / self.groups) * self.kh * self.kw
    }

    /// Multiply-accumulate operations per image, padding included.
    pub fn macs(&self) -> u64 {
        (self.out_h() * self.out_w()) as u64 * self.weight_len() as u64
    }

    /// Elements of the input.
    pub fn in_len(&self) -> usize {
        self.n * self.h * self.w * self.c_in
    }

    /// Elements of the output.
    pub fn out_len(&self) -> usize {
        self.n * self.out_h() * self.out_w() * self.c_out
    }

    fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.c_in && self.groups == self.c_out
    }

    /// The data gradient as a convolution of the output's gradient with flipped, transposed weights, where it is one.
    fn adjoint(&self) -> Option<Self> {
        let Pad { top, bottom, left, right } = self.pad;
        if self.stride != (1, 1) {
            return None;
        }
        Some(Self {
            h: self.out_h(),
            w: self.out_w(),
            c_in: self.c_out,
            c_out: self.c_in,
            pad: Pad {
                top: (self.kh - 1).checked_sub(top)?,
                bottom: (self.kh - 1).checked_sub(bottom)?,
                left: (self.kw - 1).checked_sub(left)?,
                right: (self.kw - 1).checked_sub(right)?,
            },
            ..*self
        })
    }

    fn check(&self, x_len: usize, weight_len: usize, y_len: usize) {
        assert!(
            self.stride.0 > 0 && self.stride.1 > 0 && self.kh > 0 && self.kw > 0,
            "convolution with an empty kernel or stride 0: {self:?}"
        );
        assert!(
            self.groups > 0
                && self.c_in > 0
                && self.c_out > 0
                && self.c_in.is_multiple_of(self.groups)
                && self.c_out.is_multiple_of(self.groups),
            "no channels, or groups that do not divide them: {self:?}"
        );
        assert!(
            x_len == self.in_len() && weight_len == self.weight_len() && y_len == self.out_len(),
            "lengths of input {x_len}, weight {weight_len}, output {y_len} do not fit {self:?}"
        );
    }
}

/// `ys` (n, out_h, out_w, c_out) from `xs` (n, h, w, c_in) and `weight` (c_out, c_in / groups, kh, kw). `ys` is overwritten.
pub fn forward<T: Real>(conv: &Conv2d, xs: &[T], weight: &[T], ys: &mut [T]) {
    conv.check(xs.len(), weight.len(), ys.len());
    if ys.is_empty() {
        return;
    }
    if conv.is_depthwise() {
        depthwise::forward(conv, xs, &depthwise::pack(conv, weight, false), ys);
    } else if conv.groups == 1 {
        direct::forward(conv, xs, &direct::Panels::forward(conv, weight), ys);
    } else {
        im2col::forward(conv, xs, weight, ys);
    }
}

/// `d_xs`, the gradient of the input, from `d_ys`, that of the output. `d_xs` is overwritten.
pub fn backward_data<T: Real>(conv: &Conv2d, d_ys: &[T], weight: &[T], d_xs: &mut [T]) {
    conv.check(d_xs.len(), weight.len(), d_ys.len());
    if d_ys.is_empty() {
        d_xs.fill(T::ZERO);
        return;
    }
    match conv.adjoint() {
        Some(adjoint) if conv.is_depthwise() => {
            depthwise::forward(&adjoint, d_ys, &depthwise::pack(conv, weight, true), d_xs)
        }
        Some(adjoint) if conv.groups == 1 => {
            direct::forward(&adjoint, d_ys, &direct::Panels::adjoint(conv, weight), d_xs)
        }
        None if conv.is_depthwise() => {
            depthwise::backward_data(conv, d_ys, &depthwise::pack(conv, weight, false), d_xs)
        }
        _ => im2col::backward_data(conv, d_ys, weight, d_xs),
    }
}

/// `d_weight`, the gradient of the weights, summed over images and positions. `d_weight` is overwritten.
pub fn backward_weight<T: Real>(conv: &Conv2d, xs: &[T], d_ys: &[T], d_weight: &mut [T]) {
    conv.check(xs.len(), d_weight.len(), d_ys.len());
    if d_ys.is_empty() {
        d_weight.fill(T::ZERO);
        return;
    }
    if conv.is_depthwise() {
        depthwise::backward_weight(conv, xs, d_ys, d_weight);
    } else if conv.groups == 1 {
        direct_weight::backward_weight(conv, xs, d_ys, d_weight);
    } else {
        im2col::backward_weight(conv, xs, d_ys, d_weight);
    }
}
