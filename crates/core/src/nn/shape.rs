//! Operators on images without parameters: pooling, means, ResNet's shortcut A, and the way in from PyTorch's layout.

use super::buffer::{Buffer, Stored};
use super::error::{Error, Result};
use super::graph;
use super::map::{Map, Node};
use super::padding::Padding;
use super::run::{Kind, Run, typed};
use super::tape::{Backward, Step};
use super::unit_step::{plain, settle};
use candle_core::Tensor;
use rayon::prelude::*;
use std::sync::Arc;
use swish_kernels::conv::Pad;
use swish_kernels::layout::SubsamplePad;
use swish_kernels::pool::Pool2d;
use swish_kernels::{Real, element, layout, pool};

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
    /// Cells around the image.
    pub pad: Padding,
}

impl Pool {
    /// A square window with the same stride and padding in both directions.
    pub fn square(kind: PoolKind, kernel: usize, stride: usize, pad: usize) -> Self {
        Self { kind, kernel: (kernel, kernel), stride: (stride, stride), pad: Padding::Fixed(Pad::all(pad)) }
    }

    /// A square window with TensorFlow's SAME padding.
    pub fn same(kind: PoolKind, kernel: usize, stride: usize) -> Self {
        Self { pad: Padding::Same, ..Self::square(kind, kernel, stride, 0) }
    }

    /// Pools images (n, h, w, c).
    ///
    /// # Errors
    /// [`Error::BadInput`] for images smaller than the window.
    pub fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let [n, h, w, c] = xs.shape();
        let &Self { kind, kernel: (kh, kw), stride, pad } = self;
        let pad = pad.of([h, w], self.kernel, stride);
        if h + pad.top + pad.bottom < kh || w + pad.left + pad.right < kw {
            return Err(Error::BadInput {
                layer: "pool".into(),
                found: xs.shape().to_vec(),
                expected: format!("an image of at least {kh} x {kw} with its padding"),
            });
        }
        let count_padding = kind == PoolKind::AverageWithPadding;
        let image = Pool2d { n: 1, h, w, c, kh, kw, stride, pad, count_padding };
        apply(xs, Op::Pool(kind, image), [n, image.out_h(), image.out_w(), c], run)
    }
}

/// The mean over height and width: (n, h, w, c) to features (n, 1, 1, c) in the type that the network computes in.
///
/// # Errors
/// Those of what is pending on `xs`.
pub fn global_mean(xs: &Map, run: &mut Run<'_>) -> Result<Map> {
    if run.records() {
        let [n, _, _, c] = xs.shape();
        return Ok(run.record(graph::Op::GlobalMean { xs: run.value(xs) }, [n, 1, 1, c]));
    }
    typed!(xs, E => {
        let input = plain::<E>(xs, run)?;
        let [n, h, w, c] = input.shape;
        let mut ys = run.buffer::<<E as swish_kernels::Element>::Real>(n * c);
        let values = E::of(&input.data)?;
        each_image(n, values, &mut ys, |_, xs, ys, wide| {
            pool::global_avg_forward(1, h * w, c, widened(xs, wide), ys);
        });
        let out = Arc::new(Node::new([n, 1, 1, c], Stored::wrap(ys), true));
        if run.pass.train {
            run.tape.push(GlobalMeanStep::<E> { input, out: out.clone(), element: std::marker::PhantomData });
        }
        Ok(Map { node: out, pending: None })
    })
}

/// ResNet's shortcut A (fb.resnet.torch): every `stride`-th pixel, zero channels appended at the end up to `c_out`.
///
/// # Errors
/// [`Error::BadInput`] for a stride of 0 or more channels than `c_out`.
pub fn subsample_pad(xs: &Map, stride: usize, c_out: usize, run: &mut Run<'_>) -> Result<Map> {
    let [n, h, w, c_in] = xs.shape();
    if stride == 0 || c_in > c_out {
        let expected = format!("at most {c_out} channels, and a stride that is not 0 (it is {stride})");
        return Err(Error::BadInput { layer: "shortcut".into(), found: xs.shape().to_vec(), expected });
    }
    let image = SubsamplePad { n: 1, h, w, c_in, c_out, stride, offset: 0 };
    apply(xs, Op::SubsamplePad(image), [n, image.out_h(), image.out_w(), c_out], run)
}

/// Every second pixel in both directions, from the second on; ceil(size / 2) of them, where the one beyond the image is zero. With every
/// second pixel from the first on it makes NASNet's factorised reduction.
///
/// # Errors
/// Those of what is pending on `xs`.
pub fn every_other_pixel(xs: &Map, run: &mut Run<'_>) -> Result<Map> {
    let [n, h, w, c] = xs.shape();
    let image = SubsamplePad { n: 1, h, w, c_in: c, c_out: c, stride: 2, offset: 1 };
    apply(xs, Op::SubsamplePad(image), [n, image.out_h(), image.out_w(), c], run)
}

/// Dropout with probability `p`, where the pass trains and has a seed; `site` tells places of one network apart.
///
/// # Errors
/// [`Error::BadInput`] for a `p` that is no probability.
pub fn dropout(xs: &Map, p: f64, site: u64, run: &mut Run<'_>) -> Result<Map> {
    if !(0.0..=1.0).contains(&p) {
        let expected = format!("a probability, not {p}");
        return Err(Error::BadInput { layer: "dropout".into(), found: xs.shape().to_vec(), expected });
    }
    // Whoever runs a record has seeds of its own.
    let seed = if run.records() { Some(0) } else { run.pass.dropout_seed };
    match seed {
        Some(seed) if run.pass.train && p > 0.0 => {
            let seed = swish_kernels::rng::at(seed, site);
            apply(xs, Op::Dropout { p, site, seed }, xs.shape(), run)
        }
        _ => Ok(xs.clone()),
    }
}

/// From PyTorch's (n, c, h, w) to the (n, h, w, c) that all layers here take.
///
/// # Errors
/// Candle's, for a tensor that has not four dimensions.
pub fn from_nchw(xs: &Tensor) -> Result<Tensor> {
    Ok(xs.permute((0, 2, 3, 1))?.contiguous()?)
}

/// A parameter-free operator on one image.
#[derive(Clone, Copy)]
enum Op {
    Pool(PoolKind, Pool2d),
    /// Every `stride`-th pixel, zero channels appended.
    SubsamplePad(SubsamplePad),
    /// The mask of image i is that of the seed's stream i.
    Dropout {
        p: f64,
        site: u64,
        seed: u64,
    },
}

impl Op {
    /// On `n` images at once.
    fn recorded(self, xs: graph::Value, n: usize) -> graph::Op {
        match self {
            Self::Pool(kind, pool) => graph::Op::Pool { kind, pool: Pool2d { n, ..pool }, xs },
            Self::SubsamplePad(shape) => graph::Op::SubsamplePad { shape: SubsamplePad { n, ..shape }, xs },
            Self::Dropout { p, site, .. } => graph::Op::Dropout { p, site, rows: false, xs },
        }
    }
}

fn apply(xs: &Map, op: Op, shape: [usize; 4], run: &mut Run<'_>) -> Result<Map> {
    if run.records() {
        return Ok(run.record(op.recorded(run.value(xs), shape[0]), shape));
    }
    typed!(xs, E => {
        let input = plain::<E>(xs, run)?;
        let mut ys = run.buffer::<E>(shape.iter().product());
        let argmax = forward::<E>(op, shape[0], E::of(&input.data)?, &mut ys);
        let out = Arc::new(Node::new(shape, E::wrap(ys), true));
        if run.pass.train {
            run.tape.push(ShapeStep::<E> { op, input, out: out.clone(), argmax, element: std::marker::PhantomData });
        }
        Ok(Map { node: out, pending: None })
    })
}

/// Returns where each maximum was found, if the operator looks for one.
fn forward<E: Kind>(op: Op, n: usize, xs: &[E], ys: &mut [E]) -> Vec<Vec<u32>> {
    each_image(n, xs, ys, |i, xs, ys: &mut [E], wide| {
        let xs = widened(xs, wide);
        let mut argmax = Vec::new();
        made(ys, |ys| match op {
            Op::Pool(PoolKind::Max, image) => {
                argmax.resize(ys.len(), 0);
                pool::max_forward(&image, xs, ys, &mut argmax);
            }
            Op::Pool(_, image) => pool::avg_forward(&image, xs, ys),
            Op::SubsamplePad(image) => layout::subsample_pad_forward(&image, xs, ys),
            Op::Dropout { p, seed, .. } => {
                swish_kernels::dropout::forward(p, swish_kernels::rng::at(seed, i as u64), xs, ys)
            }
        });
        argmax
    })
}

/// Runs `work(i, xs, ys, scratch)` on every image.
fn each_image<A: Sync, B: Send, T: Send, R: Send>(
    n: usize,
    xs: &[A],
    ys: &mut [B],
    work: impl Fn(usize, &[A], &mut [B], &mut Vec<T>) -> R + Sync,
) -> Vec<R> {
    let (from, to) = ((xs.len() / n).max(1), (ys.len() / n).max(1));
    xs.par_chunks(from)
        .zip(ys.par_chunks_mut(to))
        .enumerate()
        .map_init(Vec::new, |scratch, (i, (xs, ys))| work(i, xs, ys, scratch))
        .collect()
}

/// The elements in the type to compute in.
fn widened<'a, E: Kind>(xs: &'a [E], wide: &'a mut Vec<E::Real>) -> &'a [E::Real] {
    match E::as_real(xs) {
        Some(xs) => xs,
        None => {
            wide.resize(xs.len(), E::Real::ZERO);
            element::load(xs, wide);
            wide
        }
    }
}

/// Lets `work` make the elements in the type to compute in.
fn made<E: Kind>(ys: &mut [E], work: impl FnOnce(&mut [E::Real])) {
    if let Some(ys) = E::as_real_mut(ys) {
        return work(ys);
    }
    let mut made = vec![E::Real::ZERO; ys.len()];
    work(&mut made);
    element::store(&made, ys);
}

struct ShapeStep<E> {
    op: Op,
    input: Arc<Node>,
    out: Arc<Node>,
    argmax: Vec<Vec<u32>>,
    element: std::marker::PhantomData<E>,
}

impl<E: Kind> Step for ShapeStep<E> {
    fn backward(self: Box<Self>, back: &mut Backward<'_>) -> Result<()> {
        let gradient = back.gradients.take(self.out.id).ok_or_else(|| Error::NoGradient { layer: "pool".into() })?;
        if !self.input.tracked {
            return Ok(());
        }
        let d_ys = settle::<E>(&gradient, &self.out, &back.memory)?;
        let mut d_xs = Buffer::<E>::new(&back.memory, E::of(&self.input.data)?.len());
        each_image(self.out.shape[0], E::of(&d_ys)?, &mut d_xs, |i, d_ys, d_xs: &mut [E], wide| {
            let d_ys = widened(d_ys, wide);
            made(d_xs, |d_xs| match self.op {
                Op::Pool(PoolKind::Max, image) => pool::max_backward(&image, &self.argmax[i], d_ys, d_xs),
                Op::Pool(_, image) => pool::avg_backward(&image, d_ys, d_xs),
                Op::SubsamplePad(image) => layout::subsample_pad_backward(&image, d_ys, d_xs),
                Op::Dropout { p, seed, .. } => {
                    swish_kernels::dropout::backward(p, swish_kernels::rng::at(seed, i as u64), d_ys, d_xs);
                }
            });
        });
        back.gradients.add::<E>(self.input.id, Arc::new(E::wrap(d_xs)))
    }
}

struct GlobalMeanStep<E> {
    input: Arc<Node>,
    out: Arc<Node>,
    element: std::marker::PhantomData<E>,
}

impl<E: Kind> Step for GlobalMeanStep<E> {
    fn backward(self: Box<Self>, back: &mut Backward<'_>) -> Result<()> {
        let no_gradient = || Error::NoGradient { layer: "global mean".into() };
        let gradient = back.gradients.take(self.out.id).ok_or_else(no_gradient)?;
        if !self.input.tracked {
            return Ok(());
        }
        let [n, h, w, c] = self.input.shape;
        let settled = settle::<E::Real>(&gradient, &self.out, &back.memory)?;
        let d_ys = <E::Real as Stored>::of(&settled)?;
        let mut d_xs = Buffer::<E>::new(&back.memory, E::of(&self.input.data)?.len());
        each_image(n, d_ys, &mut d_xs, |_, d_ys, d_xs: &mut [E], made: &mut Vec<E::Real>| {
            made.resize(d_xs.len(), E::Real::ZERO);
            pool::global_avg_backward(1, h * w, c, d_ys, made);
            element::store(made, d_xs);
        });
        back.gradients.add::<E>(self.input.id, Arc::new(E::wrap(d_xs)))
    }
}
