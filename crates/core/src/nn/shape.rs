//! Operators on images without parameters: pooling, means, ResNet's shortcut A, and the way in from PyTorch's layout.

use super::error::Result;
use super::pass::Pass;
use super::storage::{Element, dispatch, slice, tensor, with_slice};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result as CandleResult, Shape, Tensor};
use std::sync::{Mutex, PoisonError};
use swish_kernels::conv::Pad;
use swish_kernels::layout::SubsamplePad;
use swish_kernels::pool::Pool2d;
use swish_kernels::{layout, pool};

/// How a pooling window is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest value; padding never wins.
    Max,
    /// The mean over the window's cells inside the image (TensorFlow's SAME).
    Average,
    /// The mean over all cells of the window, padding included (PyTorch's default).
    AverageWithPadding,
}

/// Pooling with any window, stride and padding.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// How a window is summed up.
    pub kind: PoolKind,
    /// Window height and width.
    pub kernel: (usize, usize),
    /// Vertical and horizontal stride.
    pub stride: (usize, usize),
    /// Padding on the four sides.
    pub pad: Pad,
}

/// A parameter-free operator on an image batch (n, h, w, c).
enum Op {
    Pool(PoolKind, Pool2d),
    GlobalMean,
    /// Every `stride`-th pixel, zero channels appended.
    SubsamplePad(SubsamplePad),
    Dropout {
        p: f64,
        seed: u64,
    },
}

struct ShapeOp {
    op: Op,
    in_shape: [usize; 4],
    /// Where each maximum was found.
    argmax: Mutex<Vec<u32>>,
}

impl Pool {
    /// A square window with the same stride and padding in both directions.
    pub fn square(kind: PoolKind, kernel: usize, stride: usize, pad: usize) -> Self {
        let pad = Pad { top: pad, bottom: pad, left: pad, right: pad };
        Self { kind, kernel: (kernel, kernel), stride: (stride, stride), pad }
    }

    /// Pools images (n, h, w, c).
    pub fn forward(&self, xs: &Tensor, pass: &Pass) -> Result<Tensor> {
        let (n, h, w, c) = xs.dims4()?;
        let &Self { kind, kernel: (kh, kw), stride, pad } = self;
        if h + pad.top + pad.bottom < kh || w + pad.left + pad.right < kw {
            return Err(super::error::Error::BadInput {
                layer: "pool".into(),
                found: xs.dims().to_vec(),
                expected: format!("an image of at least {kh} x {kw} with its padding"),
            });
        }
        let count_padding = kind == PoolKind::AverageWithPadding;
        let geometry = Pool2d { n, h, w, c, kh, kw, stride, pad, count_padding };
        apply(xs, Op::Pool(kind, geometry), pass)
    }
}

/// The mean over height and width: (n, h, w, c) to (n, c).
pub fn global_mean(xs: &Tensor, pass: &Pass) -> Result<Tensor> {
    apply(xs, Op::GlobalMean, pass)
}

/// ResNet's shortcut A (fb.resnet.torch): every `stride`-th pixel, zero channels appended at the end up to `c_out`.
pub fn subsample_pad(xs: &Tensor, stride: usize, c_out: usize, pass: &Pass) -> Result<Tensor> {
    let (n, h, w, c_in) = xs.dims4()?;
    apply(xs, Op::SubsamplePad(SubsamplePad { n, h, w, c_in, c_out, stride }), pass)
}

/// Dropout with probability `p`, where the pass trains and has a seed; `site` tells places of one network apart.
pub fn dropout(xs: &Tensor, p: f64, site: u64, pass: &Pass) -> Result<Tensor> {
    match pass.dropout_seed {
        Some(seed) if pass.train && p > 0.0 => {
            let seed = swish_kernels::rng::at(seed, site);
            apply(xs, Op::Dropout { p, seed }, pass)
        }
        _ => Ok(xs.clone()),
    }
}

/// From PyTorch's (n, c, h, w) to the (n, h, w, c) that all layers here take.
pub fn from_nchw(xs: &Tensor) -> Result<Tensor> {
    Ok(xs.permute((0, 2, 3, 1))?.contiguous()?)
}

fn apply(xs: &Tensor, op: Op, pass: &Pass) -> Result<Tensor> {
    let (n, h, w, c) = match (&op, xs.dims()) {
        // Dropout works on any shape: the rows' layout does not matter to it.
        (Op::Dropout { .. }, _) => (xs.elem_count(), 1, 1, 1),
        _ => xs.dims4()?,
    };
    let op = ShapeOp { op, in_shape: [n, h, w, c], argmax: Mutex::default() };
    let xs = xs.contiguous()?;
    let shape = op.out_shape(xs.dims());
    let ys = if pass.train { xs.apply_op1(op)? } else { xs.apply_op1_no_bwd(&op)? };
    Ok(ys.reshape(shape)?)
}

impl ShapeOp {
    fn out_shape(&self, dims: &[usize]) -> Vec<usize> {
        let [n, _, _, c] = self.in_shape;
        match &self.op {
            Op::Pool(_, p) => vec![n, p.out_h(), p.out_w(), c],
            Op::GlobalMean => vec![n, c],
            Op::SubsamplePad(s) => vec![n, s.out_h(), s.out_w(), s.c_out],
            Op::Dropout { .. } => dims.to_vec(),
        }
    }

    fn forward<T: Element>(&self, xs: &[T], ys: &mut [T]) {
        let [n, h, w, c] = self.in_shape;
        match &self.op {
            Op::Pool(PoolKind::Max, p) => {
                let mut argmax = vec![0; ys.len()];
                pool::max_forward(p, xs, ys, &mut argmax);
                *self.argmax.lock().unwrap_or_else(PoisonError::into_inner) = argmax;
            }
            Op::Pool(_, p) => pool::avg_forward(p, xs, ys),
            Op::GlobalMean => pool::global_avg_forward(n, h * w, c, xs, ys),
            Op::SubsamplePad(s) => layout::subsample_pad_forward(s, xs, ys),
            Op::Dropout { p, seed } => swish_kernels::dropout::forward(*p, *seed, xs, ys),
        }
    }

    fn backward<T: Element>(&self, d_ys: &[T], d_xs: &mut [T]) {
        let [n, h, w, c] = self.in_shape;
        match &self.op {
            Op::Pool(PoolKind::Max, p) => {
                let argmax = self.argmax.lock().unwrap_or_else(PoisonError::into_inner);
                pool::max_backward(p, &argmax, d_ys, d_xs);
            }
            Op::Pool(_, p) => pool::avg_backward(p, d_ys, d_xs),
            Op::GlobalMean => pool::global_avg_backward(n, h * w, c, d_ys, d_xs),
            Op::SubsamplePad(s) => layout::subsample_pad_backward(s, d_ys, d_xs),
            Op::Dropout { p, seed } => swish_kernels::dropout::backward(*p, *seed, d_ys, d_xs),
        }
    }
}

impl CustomOp1 for ShapeOp {
    fn name(&self) -> &'static str {
        match self.op {
            Op::Pool(..) => "pool",
            Op::GlobalMean => "global-mean",
            Op::SubsamplePad(_) => "subsample-pad",
            Op::Dropout { .. } => "dropout",
        }
    }

    fn cpu_fwd(&self, xs: &CpuStorage, lx: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let shape = Shape::from(self.out_shape(lx.dims()));
        dispatch!(xs.dtype(), self.name(), T => {
            let mut ys = vec![T::default(); shape.elem_count()];
            self.forward::<T>(slice(xs, lx)?, &mut ys);
            Ok((T::storage(ys), shape))
        })
    }

    fn bwd(&self, xs: &Tensor, _ys: &Tensor, d_ys: &Tensor) -> CandleResult<Option<Tensor>> {
        dispatch!(xs.dtype(), self.name(), T => {
            let mut d_xs = vec![T::default(); xs.elem_count()];
            with_slice::<T, ()>(d_ys, |d| {
                self.backward(d, &mut d_xs);
                Ok(())
            })?;
            Ok(Some(tensor(d_xs, xs.dims())?))
        })
    }
}
