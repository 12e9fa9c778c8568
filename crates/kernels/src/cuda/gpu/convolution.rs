//! 2-D convolution by cuDNN in all three directions, on NHWC maps and (c_out, kh, kw, c_in / groups) weights of the maps' type.
//!
//! Padding that differs between two sides, which cuDNN does not know, is put around the image first. Algorithms that add up in changing
//! order are not used, so results are the same from run to run.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use cudarc::cudnn::sys;

use super::cudnn::{
    Algorithm, Choice, CudnnError, DataAlgo, Direction, FilterAlgo, ForwardAlgo, Handle, Math, Pointers, Shape, Sizes,
};
use super::{Gpu, GpuError, open_once};
use crate::conv::{Conv2d, Pad};
use crate::cuda::device::{Scratch, Stored, View, ViewMut, int};
use crate::cuda::engine::{Precision, check_convolution};
use crate::cuda::launch::layout;
use crate::cuda::libraries::{self, Missing};

/// Opens cuDNN and what it needs.
///
/// # Errors
/// [`GpuError::Missing`].
pub(super) fn open() -> Result<(), GpuError> {
    libraries::keep(&["nvrtc-builtins", "nvrtc", "cublasLt", "cublas", "cudnn"]);
    // SAFETY: opening the library has no effect but memory.
    match unsafe { sys::is_culib_present() } {
        true => Ok(()),
        false => Err(Missing { library: "libcudnn", package: "nvidia-cudnn-cu13" }.into()),
    }
}

fn failed(what: &'static str) -> impl Fn(CudnnError) -> GpuError {
    move |source| GpuError::Cudnn { what, source }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    conv: Conv2d,
    precision: Precision,
    direction: Direction,
    bf16: bool,
}

/// The library's handle, what it has been asked for, and memory that all convolutions share.
pub(super) struct Convolutions {
    handle: Handle,
    plans: RefCell<HashMap<Key, Rc<dyn Any>>>,
    workspace: RefCell<Scratch<Gpu>>,
    /// An image with its padding.
    frame: RefCell<Scratch<Gpu>>,
    /// The gradient of an image that is to be added to another.
    gradient: RefCell<Scratch<Gpu>>,
}

/// Descriptors of one convolution and the algorithm for one direction.
struct Plan<A> {
    shape: Shape,
    choice: Choice<A>,
}

impl Convolutions {
    fn new(gpu: &Gpu) -> Result<Self, GpuError> {
        open()?;
        gpu.bind()?;
        let handle = Handle::new(&gpu.stream).map_err(failed("opening"))?;
        let [workspace, frame, gradient] = std::array::from_fn(|_| RefCell::default());
        Ok(Self { handle, plans: RefCell::default(), workspace, frame, gradient })
    }

    fn plan<A: Algorithm>(&self, conv: &Conv2d, precision: Precision, bf16: bool) -> Result<Rc<Plan<A>>, GpuError> {
        let key = Key { conv: *conv, precision, direction: A::DIRECTION, bf16 };
        let found = self.plans.borrow().get(&key).cloned();
        if let Some(plan) = found.and_then(|plan| plan.downcast().ok()) {
            return Ok(plan);
        }
        let math = if !bf16 && precision == Precision::Exact { Math::Exact } else { Math::Tensor };
        let shape = Shape::new(bf16, math, &sizes(conv)?).map_err(failed("describing a convolution"))?;
        let choice = A::choose(&self.handle, &shape).map_err(failed("choosing an algorithm"))?;
        let plan = Rc::new(Plan { shape, choice });
        self.plans.borrow_mut().insert(key, plan.clone());
        Ok(plan)
    }
}

/// As the library has them.
fn sizes(conv: &Conv2d) -> Result<Sizes, GpuError> {
    let numbers = |what, values: [usize; 4]| -> Result<[i32; 4], GpuError> {
        let mut numbers = [0; 4];
        for (number, value) in numbers.iter_mut().zip(values) {
            *number = int("convolution", what, value)?;
        }
        Ok(numbers)
    };
    let &Conv2d { n, h, w, c_in, c_out, kh, kw, stride, groups, pad, .. } = conv;
    let [top, left, down, across] = numbers("padding or stride", [pad.top, pad.left, stride.0, stride.1])?;
    Ok(Sizes {
        x: numbers("input", [n, c_in, h, w])?,
        w: numbers("filter", [c_out, c_in / groups, kh, kw])?,
        y: numbers("output", [n, c_out, conv.out_h(), conv.out_w()])?,
        pad: [top, left],
        stride: [down, across],
        groups: int("convolution", "groups", groups)?,
    })
}

fn opened(gpu: &Gpu) -> Result<&Convolutions, GpuError> {
    open_once(&gpu.convolutions, || Convolutions::new(gpu))
}

/// Runs one direction of a convolution whose lengths have been checked: from the addresses of its two factors to that of its result.
fn run<E: Stored, A: Algorithm>(
    gpu: &Gpu,
    (conv, precision): (&Conv2d, Precision),
    what: &'static str,
    factors: [u64; 2],
    to: u64,
    add: bool,
) -> Result<(), GpuError> {
    gpu.bind()?;
    let convolutions = opened(gpu)?;
    let plan = convolutions.plan::<A>(conv, precision, E::BF16)?;
    let mut workspace = convolutions.workspace.borrow_mut();
    let workspace = gpu.address(workspace.get::<u8>(gpu, plan.choice.workspace)?.view());
    let pointers = Pointers { factors, to, workspace, add };
    // SAFETY: the descriptors are those of the shape that the lengths have been checked against.
    unsafe { A::run(plan.choice, &convolutions.handle, &plan.shape, &pointers) }.map_err(failed(what))
}

/// The same convolution of an image with its padding already around it; `None` where cuDNN can pad.
fn framed(conv: &Conv2d) -> Option<Conv2d> {
    let Pad { top, bottom, left, right } = conv.pad;
    (top != bottom || left != right).then(|| Conv2d {
        h: conv.h + top + bottom,
        w: conv.w + left + right,
        pad: Pad::default(),
        ..*conv
    })
}

/// [`Engine::convolve`](crate::cuda::Engine::convolve).
pub(super) fn forward<E: Stored>(
    gpu: &Gpu,
    conv: &Conv2d,
    precision: Precision,
    xs: View<'_, Gpu, E>,
    weight: View<'_, Gpu, E>,
    ys: ViewMut<'_, Gpu, E>,
) -> Result<(), GpuError> {
    const NAME: &str = "convolve";
    check_convolution(NAME, conv, xs, weight, ys.view())?;
    if let Some(inner) = framed(conv) {
        let mut frame = opened(gpu)?.frame.borrow_mut();
        let mut image = frame.get(gpu, inner.in_len())?;
        layout::pad_forward(gpu, [conv.n, conv.h, conv.w, conv.c_in], conv.pad, xs, image.reborrow())?;
        return forward(gpu, &inner, precision, image.view(), weight, ys);
    }
    let factors = [gpu.address(xs), gpu.address(weight)];
    run::<E, ForwardAlgo>(gpu, (conv, precision), NAME, factors, gpu.address(ys.view()), false)
}

/// [`Engine::convolve_back`](crate::cuda::Engine::convolve_back).
pub(super) fn backward_data<E: Stored>(
    gpu: &Gpu,
    conv: &Conv2d,
    precision: Precision,
    d_ys: View<'_, Gpu, E>,
    weight: View<'_, Gpu, E>,
    d_xs: ViewMut<'_, Gpu, E>,
    add: bool,
) -> Result<(), GpuError> {
    const NAME: &str = "convolve_back";
    check_convolution(NAME, conv, d_xs.view(), weight, d_ys)?;
    if let Some(inner) = framed(conv) {
        let (mut frame, mut spare) = (opened(gpu)?.frame.borrow_mut(), opened(gpu)?.gradient.borrow_mut());
        let mut image = frame.get(gpu, inner.in_len())?;
        backward_data(gpu, &inner, precision, d_ys, weight, image.reborrow(), false)?;
        let shape = [conv.n, conv.h, conv.w, conv.c_in];
        if !add {
            return layout::pad_backward(gpu, shape, conv.pad, image.view(), d_xs);
        }
        let mut gradient = spare.get(gpu, conv.in_len())?;
        layout::pad_backward(gpu, shape, conv.pad, image.view(), gradient.reborrow())?;
        return layout::add(gpu, gradient.view(), d_xs);
    }
    let factors = [gpu.address(weight), gpu.address(d_ys)];
    run::<E, DataAlgo>(gpu, (conv, precision), NAME, factors, gpu.address(d_xs.view()), add)
}

/// [`Engine::convolve_weight`](crate::cuda::Engine::convolve_weight).
pub(super) fn backward_weight<E: Stored>(
    gpu: &Gpu,
    conv: &Conv2d,
    precision: Precision,
    xs: View<'_, Gpu, E>,
    d_ys: View<'_, Gpu, E>,
    d_weight: ViewMut<'_, Gpu, E>,
) -> Result<(), GpuError> {
    const NAME: &str = "convolve_weight";
    check_convolution(NAME, conv, xs, d_weight.view(), d_ys)?;
    if let Some(inner) = framed(conv) {
        let mut frame = opened(gpu)?.frame.borrow_mut();
        let mut image = frame.get(gpu, inner.in_len())?;
        layout::pad_forward(gpu, [conv.n, conv.h, conv.w, conv.c_in], conv.pad, xs, image.reborrow())?;
        return backward_weight(gpu, &inner, precision, image.view(), d_ys, d_weight);
    }
    let factors = [gpu.address(xs), gpu.address(d_ys)];
    run::<E, FilterAlgo>(gpu, (conv, precision), NAME, factors, gpu.address(d_weight.view()), false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::conv::Operands;

    /// Descriptors need cuDNN, but no GPU: what the library says of the output's shape is what ours is.
    #[test]
    fn cudnn_reads_shapes_as_we_do() {
        if let Err(error) = open() {
            eprintln!("SKIPPED: nothing was described to cuDNN: {error}");
            return;
        }
        let pad = Pad { top: 1, bottom: 1, left: 2, right: 2 };
        let conv = Conv2d {
            n: 3,
            h: 19,
            w: 14,
            c_in: 8,
            c_out: 12,
            kh: 3,
            kw: 5,
            stride: (2, 1),
            pad,
            groups: 1,
            operands: Operands::Exact,
        };
        let even = Conv2d { kh: 2, kw: 1, pad: Pad::default(), ..conv };
        for conv in [conv, even, Conv2d { groups: 4, ..conv }] {
            for (bf16, math) in [(false, Math::Exact), (false, Math::Tensor), (true, Math::Tensor)] {
                let shape = Shape::new(bf16, math, &sizes(&conv).unwrap()).unwrap();
                let expected = [conv.n, conv.c_out, conv.out_h(), conv.out_w()].map(|size| size as i32);
                assert_eq!(shape.output().unwrap(), expected, "{conv:?}");
            }
        }
    }
}
