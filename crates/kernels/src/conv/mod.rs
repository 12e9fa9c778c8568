//! 2-D convolution (cross-correlation, as every framework), forward and both gradients, on NHWC images and OIHW weights.
//!
//! [`Prepared`] packs the weights once and runs groups of images on the calling thread; the functions [`forward`], [`backward_data`] and
//! [`backward_weight`] run a whole batch on all threads.
//!
//! Four routes, all deterministic:
//! - `amx`: the matrix unit of x86 processors that have one, under Linux; everything ungrouped in f32;
//! - `direct`: a register-blocked kernel on a zero-padded copy of the image; everything ungrouped, the data gradient with a stride as
//!   several convolutions (`phases`);
//! - `depthwise`: one filter a channel, vectorised over channels, without a padded copy;
//! - `im2col`: columns and matrix products, for whatever remains (other groups, data gradients with more padding than kernel).

mod ahead;
#[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), path = "amx_none.rs")]
pub(crate) mod amx;
mod batch;
mod depthwise;
mod direct;
mod direct_weight;
mod im2col;
mod lanes;
mod padded;
mod phases;
mod prepared;
mod tile;

pub use batch::{backward_data, backward_weight, forward};
pub use prepared::{Prepared, Scratch};

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
    /// Both rounded to bfloat16 (nearest even) as they are packed; products are summed in the element type. Not in a depthwise
    /// convolution, whose few products would not be faster for it.
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

    /// Panics where the shape is none.
    fn check(&self) {
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
    }

    /// Panics where the shape is none or slices do not have its lengths.
    fn check_lengths(&self, x_len: usize, weight_len: usize, y_len: usize) {
        self.check();
        assert!(
            x_len == self.in_len() && weight_len == self.weight_len() && y_len == self.out_len(),
            "lengths of input {x_len}, weight {weight_len}, output {y_len} do not fit {self:?}"
        );
    }
}
