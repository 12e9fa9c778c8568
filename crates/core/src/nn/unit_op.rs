//! The candle operator behind [`super::unit::Unit`]: forward and backward of a whole block.
//!
//! ```text
//! xs ── norm, act (pre) ── convolution ── norm, + join, act (post) ── ys
//! ```
//! Every stage may be absent. Kept for the backward pass: the statistics, and the convolution's output where a norm
//! follows it. What `pre` makes is computed again there: that costs one pass over memory and saves a tensor a block.

use super::storage::{Element, slice, tensor, with_slice};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use swish_kernels::act::Program;
use swish_kernels::conv::{self, Conv2d};
use swish_kernels::{layout, norm};

/// What happens with the second input of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// Added: before the last activation if the block ends with a norm, else to the result.
    Add,
    /// The result is appended to it, channel-wise (DenseNet).
    Concat,
}

/// Statistics that a norm uses: the batch's (kept for the backward pass) or the running ones.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    pub mean: Vec<f64>,
    pub var: Vec<f64>,
}

/// A norm and the activation behind it, with their places in the block's flat variable.
#[derive(Clone, Debug)]
pub(super) struct NormAct {
    pub channels: usize,
    pub eps: f64,
    pub gamma: usize,
    pub beta: usize,
    pub params: Range<usize>,
    pub program: Arc<Program>,
    /// `None`: take the batch's.
    pub running: Option<Statistics>,
}

/// The convolution of a block and the place of its weight.
#[derive(Clone, Debug)]
pub(super) struct ConvStage {
    pub conv: Conv2d,
    pub weight: Range<usize>,
}

struct Kept<T> {
    pre: Option<Scaled<T>>,
    post: Option<Scaled<T>>,
    conv_out: Vec<T>,
}

enum AnyKept {
    F32(Kept<f32>),
    F64(Kept<f64>),
}

/// What the op learns on its way forward and the layer (running statistics) or the backward pass needs later.
#[derive(Default)]
pub(super) struct Trace {
    kept: Mutex<Option<AnyKept>>,
    /// Batch statistics of the pre- and the post-norm.
    pub statistics: Mutex<[Option<Statistics>; 2]>,
}

/// The block as an operator on (xs, params) or (xs, params, other).
pub(super) struct UnitOp {
    pub pre: Option<NormAct>,
    pub conv: Option<ConvStage>,
    pub post: Option<NormAct>,
    pub join: Option<Join>,
    /// Shape of the output, NHWC.
    pub out_shape: [usize; 4],
    pub trace: Arc<Trace>,
    /// Whether a backward pass may follow.
    pub keep: bool,
}

/// A norm's statistics and the affine map that they make with gamma and beta.
struct Scaled<T> {
    mean: Vec<T>,
    inv_std: Vec<T>,
    scale: Vec<T>,
    shift: Vec<T>,
}

impl NormAct {
    fn scaled<T: Element>(&self, xs: &[T], params: &[T]) -> (Scaled<T>, Statistics) {
        let c = self.channels;
        let statistics = self.running.clone().unwrap_or_else(|| {
            let (mut mean, mut var) = (vec![T::ZERO; c], vec![T::ZERO; c]);
            norm::stats(c, xs, &mut mean, &mut var);
            let wide = |v: Vec<T>| v.into_iter().map(T::to_f64).collect();
            Statistics { mean: wide(mean), var: wide(var) }
        });
        let mut s = Scaled { mean: vec![], inv_std: vec![], scale: vec![], shift: vec![] };
        for i in 0..c {
            let (mean, inv_std) = (statistics.mean[i], 1.0 / (statistics.var[i] + self.eps).sqrt());
            let (gamma, beta) = (params[self.gamma + i].to_f64(), params[self.beta + i].to_f64());
            s.mean.push(T::from_f64(mean));
            s.inv_std.push(T::from_f64(inv_std));
            s.scale.push(T::from_f64(gamma * inv_std));
            s.shift.push(T::from_f64(beta - mean * gamma * inv_std));
        }
        (s, statistics)
    }

    fn apply<T: Element>(&self, xs: &[T], s: &Scaled<T>, params: &[T], residual: Option<&[T]>) -> Vec<T> {
        let mut ys = vec![T::ZERO; xs.len()];
        let affine = norm::Affine { scale: &s.scale, shift: &s.shift };
        norm::apply(&self.program, self.channels, xs, affine, residual, &params[self.params.clone()], &mut ys);
        ys
    }

    /// Gradients to the norm's input and, when asked for, to the residual; those of the parameters go to `d_params`.
    fn backward<T: Element>(
        &self,
        xs: &[T],
        s: &Scaled<T>,
        params: &[T],
        d_params: &mut [T],
        d_ys: &[T],
        residual: Option<&[T]>,
    ) -> (Vec<T>, Option<Vec<T>>) {
        let c = self.channels;
        let mut d_xs = vec![T::ZERO; xs.len()];
        let mut d_residual = residual.map(|r| vec![T::ZERO; r.len()]);
        let (mut d_gamma, mut d_beta) = (vec![T::ZERO; c], vec![T::ZERO; c]);
        let mut d_act = vec![T::ZERO; self.params.len()];
        norm::backward(
            &self.program,
            c,
            &norm::NormSaved {
                xs,
                mean: &s.mean,
                inv_std: &s.inv_std,
                gamma: &params[self.gamma..self.gamma + c],
                beta: &params[self.beta..self.beta + c],
                residual,
                params: &params[self.params.clone()],
            },
            d_ys,
            true,
            norm::NormGrads {
                d_xs: &mut d_xs,
                d_residual: d_residual.as_deref_mut(),
                d_gamma: &mut d_gamma,
                d_beta: &mut d_beta,
                d_params: &mut d_act,
            },
        );
        d_params[self.gamma..self.gamma + c].copy_from_slice(&d_gamma);
        d_params[self.beta..self.beta + c].copy_from_slice(&d_beta);
        d_params[self.params.clone()].copy_from_slice(&d_act);
        (d_xs, d_residual)
    }
}

/// The tensors of a block while it runs.
struct Inputs<'a, T> {
    xs: &'a [T],
    params: &'a [T],
    other: Option<&'a [T]>,
}

impl UnitOp {
    fn forward<T: Element>(&self, io: Inputs<'_, T>) -> (Vec<T>, Kept<T>) {
        let mut seen = [None, None];
        let mut made_by_pre = None;
        let pre = self.pre.as_ref().map(|stage| {
            let (scaled, statistics) = stage.scaled(io.xs, io.params);
            seen[0] = Some(statistics);
            made_by_pre = Some(stage.apply(io.xs, &scaled, io.params, None));
            scaled
        });
        let conv_out = self.conv.as_ref().map(|stage| {
            let mut ys = vec![T::ZERO; self.conv_len()];
            let xs = made_by_pre.as_deref().unwrap_or(io.xs);
            conv::forward(&stage.conv, xs, &io.params[stage.weight.clone()], &mut ys);
            ys
        });
        let mut ys = conv_out.or(made_by_pre).unwrap_or_else(|| io.xs.to_vec());
        let mut conv_out = Vec::new();
        let post = self.post.as_ref().map(|stage| {
            let (scaled, statistics) = stage.scaled(&ys, io.params);
            seen[1] = Some(statistics);
            let out = stage.apply(&ys, &scaled, io.params, self.added(io.other));
            conv_out = std::mem::replace(&mut ys, out);
            scaled
        });
        ys = match (self.join, io.other) {
            (Some(Join::Add), Some(other)) if self.post.is_none() => {
                ys.iter_mut().zip(other).for_each(|(y, &o)| *y += o);
                ys
            }
            (Some(Join::Concat), Some(other)) => self.concat(other, &ys),
            _ => ys,
        };
        *self.trace.statistics.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        (ys, Kept { pre, post, conv_out })
    }

    /// Gradients to xs (unless unwanted), to the block's parameters, and to the other input unless that is the
    /// block's own (see [`Self::passes_on`]).
    fn backward<T: Element>(
        &self,
        io: Inputs<'_, T>,
        kept: &Kept<T>,
        d_ys: &[T],
        want_d_xs: bool,
    ) -> (Option<Vec<T>>, Vec<T>, Option<Vec<T>>) {
        let mut d_params = vec![T::ZERO; io.params.len()];
        let mut d_other = None;
        // What flows back from the end of the block to the convolution's output.
        let mut d: Cow<'_, [T]> = match self.join {
            Some(Join::Concat) => {
                let (d_first, d_second) = self.split(d_ys);
                d_other = Some(d_first);
                d_second.into()
            }
            _ => d_ys.into(),
        };
        if let (Some(stage), Some(scaled)) = (&self.post, &kept.post) {
            let residual = self.added(io.other);
            let (d_norm, d_residual) = stage.backward(&kept.conv_out, scaled, io.params, &mut d_params, &d, residual);
            d_other = d_residual.or(d_other);
            d = d_norm.into();
        }
        let want_d_xs = want_d_xs || self.pre.is_some();
        if let Some(stage) = &self.conv {
            let weight = stage.weight.clone();
            let again = match (&self.pre, &kept.pre) {
                (Some(pre), Some(scaled)) => Some(pre.apply(io.xs, scaled, io.params, None)),
                _ => None,
            };
            let xs = again.as_deref().unwrap_or(io.xs);
            conv::backward_weight(&stage.conv, xs, &d, &mut d_params[weight.clone()]);
            if !want_d_xs {
                return (None, d_params, d_other);
            }
            let mut d_xs = again.unwrap_or_else(|| vec![T::ZERO; io.xs.len()]);
            conv::backward_data(&stage.conv, &d, &io.params[weight], &mut d_xs);
            d = d_xs.into();
        }
        if let (Some(stage), Some(scaled)) = (&self.pre, &kept.pre) {
            let (d_norm, _) = stage.backward(io.xs, scaled, io.params, &mut d_params, &d, None);
            d = d_norm.into();
        }
        (Some(d.into_owned()), d_params, d_other)
    }

    fn added<'a, T>(&self, other: Option<&'a [T]>) -> Option<&'a [T]> {
        other.filter(|_| self.join == Some(Join::Add))
    }

    /// Whether the other input is added to the very result, so that its gradient is the result's.
    fn passes_on(&self) -> bool {
        self.post.is_none() && self.join == Some(Join::Add)
    }

    fn conv_len(&self) -> usize {
        self.conv.as_ref().map_or(0, |s| s.conv.n * s.conv.out_h() * s.conv.out_w() * s.conv.c_out)
    }

    /// Rows of the output, its channels, and those of them that the block itself makes.
    fn rows(&self) -> (usize, usize, usize) {
        let [n, h, w, c] = self.out_shape;
        let own = self.conv.as_ref().map_or(c, |s| s.conv.c_out);
        (n * h * w, c, own)
    }

    fn concat<T: Element>(&self, other: &[T], ys: &[T]) -> Vec<T> {
        let (rows, c, own) = self.rows();
        let mut out = vec![T::ZERO; rows * c];
        layout::concat_channels(rows, other, c - own, ys, own, &mut out);
        out
    }

    fn split<T: Element>(&self, d_ys: &[T]) -> (Vec<T>, Vec<T>) {
        let (rows, c, own) = self.rows();
        let (mut first, mut second) = (vec![T::ZERO; rows * (c - own)], vec![T::ZERO; rows * own]);
        layout::split_channels(rows, d_ys, &mut first, c - own, &mut second, own);
        (first, second)
    }

    fn run(
        &self,
        xs: (&CpuStorage, &Layout),
        params: (&CpuStorage, &Layout),
        other: Option<(&CpuStorage, &Layout)>,
    ) -> Result<(CpuStorage, Shape)> {
        fn typed<T: Element>(
            op: &UnitOp,
            (xs, lx): (&CpuStorage, &Layout),
            (params, lp): (&CpuStorage, &Layout),
            other: Option<(&CpuStorage, &Layout)>,
        ) -> Result<(CpuStorage, Kept<T>)> {
            let other = other.map(|(s, l)| slice::<T>(s, l)).transpose()?;
            let (ys, kept) = op.forward(Inputs { xs: slice(xs, lx)?, params: slice(params, lp)?, other });
            Ok((T::storage(ys), kept))
        }
        let (storage, kept) = match xs.0.dtype() {
            DType::F32 => {
                let (s, k) = typed::<f32>(self, xs, params, other)?;
                (s, AnyKept::F32(k))
            }
            DType::F64 => {
                let (s, k) = typed::<f64>(self, xs, params, other)?;
                (s, AnyKept::F64(k))
            }
            other => {
                candle_core::bail!("block: element type {other:?} is not supported, use F32 or F64")
            }
        };
        if self.keep {
            *self.trace.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        }
        Ok((storage, Shape::from(self.out_shape.to_vec())))
    }

    fn gradients(
        &self,
        xs: &Tensor,
        params: &Tensor,
        other: Option<&Tensor>,
        d_ys: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let kept = self.trace.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        match kept {
            Some(AnyKept::F32(kept)) => self.typed_gradients(xs, params, other, d_ys, &kept),
            Some(AnyKept::F64(kept)) => self.typed_gradients(xs, params, other, d_ys, &kept),
            None => {
                candle_core::bail!("block: a second backward pass through the same forward pass")
            }
        }
    }

    fn typed_gradients<T: Element>(
        &self,
        xs: &Tensor,
        params: &Tensor,
        other: Option<&Tensor>,
        d_ys: &Tensor,
        kept: &Kept<T>,
    ) -> Result<[Option<Tensor>; 3]> {
        let go = |other_values: Option<&[T]>| {
            with_slice(xs, |x| {
                with_slice(params, |p| {
                    with_slice(d_ys, |d| {
                        let io = Inputs { xs: x, params: p, other: other_values };
                        Ok(self.backward(io, kept, d, xs.track_op()))
                    })
                })
            })
        };
        let (d_xs, d_params, d_other) = match other {
            Some(other) => with_slice(other, |o| go(Some(o)))?,
            None => go(None)?,
        };
        Ok([
            d_xs.map(|d| tensor(d, xs.dims())).transpose()?,
            Some(tensor(d_params, params.dims())?),
            match (d_other, other) {
                (None, Some(_)) if self.passes_on() => Some(d_ys.clone()),
                (Some(d), Some(o)) => Some(tensor(d, o.dims())?),
                _ => None,
            },
        ])
    }
}

impl CustomOp2 for UnitOp {
    fn name(&self) -> &'static str {
        "unit"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, lx: &Layout, params: &CpuStorage, lp: &Layout) -> Result<(CpuStorage, Shape)> {
        self.run((xs, lx), (params, lp), None)
    }

    fn bwd(
        &self,
        xs: &Tensor,
        params: &Tensor,
        _ys: &Tensor,
        d_ys: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [d_xs, d_params, _] = self.gradients(xs, params, None, d_ys)?;
        Ok((d_xs, d_params))
    }
}

impl CustomOp3 for UnitOp {
    fn name(&self) -> &'static str {
        "unit"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        lx: &Layout,
        params: &CpuStorage,
        lp: &Layout,
        other: &CpuStorage,
        lo: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.run((xs, lx), (params, lp), Some((other, lo)))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        params: &Tensor,
        other: &Tensor,
        _ys: &Tensor,
        d_ys: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [d_xs, d_params, d_other] = self.gradients(xs, params, Some(other), d_ys)?;
        Ok((d_xs, d_params, d_other))
    }
}
