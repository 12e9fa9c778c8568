//! 2-D convolution by cuDNN in all three directions, on NHWC maps and (c_out, kh, kw, c_in / groups) weights of the maps' type.
//!
//! Padding that differs between two sides, which cuDNN does not know, is put around the image first. Algorithms that add up in changing
//! order are not used, so results are the same from run to run.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use cudarc::cudnn::sys::{
    self, cudnnConvolutionBwdDataAlgo_t as DataAlgo, cudnnConvolutionBwdFilterAlgo_t as FilterAlgo,
    cudnnConvolutionFwdAlgo_t as ForwardAlgo,
};
use cudarc::cudnn::{
    ConvBackwardData, ConvBackwardFilter, ConvDescriptor, ConvForward, Cudnn, CudnnDataType, CudnnError,
    FilterDescriptor, TensorDescriptor,
};

use super::raw::Raw;
use super::{Gpu, GpuError, open_once};
use crate::conv::{Conv2d, Pad};
use crate::cuda::device::{Scratch, Stored, View, ViewMut, int};
use crate::cuda::engine::{Precision, check_convolution};
use crate::cuda::launch::layout;
use crate::cuda::libraries::{self, Missing};

/// A stored type as the library's.
struct Typed<E>(E);

impl<E: Stored> CudnnDataType for Typed<E> {
    const DATA_TYPE: sys::cudnnDataType_t =
        if E::BF16 { sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16 } else { sys::cudnnDataType_t::CUDNN_DATA_FLOAT };
    type Scalar = f32;
    fn into_scaling_parameter(self) -> f32 {
        self.0.widen()
    }
}

/// What the library multiplies a result and what was there before by.
fn scales<E: Stored>(add: bool) -> (Typed<E>, Typed<E>) {
    (Typed(E::narrow(1.0)), Typed(E::narrow(if add { 1.0 } else { 0.0 })))
}

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
enum Direction {
    Forward,
    Data,
    Weight,
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
    cudnn: Arc<Cudnn>,
    plans: RefCell<HashMap<Key, Rc<dyn Any>>>,
    workspace: RefCell<Scratch<Gpu>>,
    /// An image with its padding.
    frame: RefCell<Scratch<Gpu>>,
    /// The gradient of an image that is to be added to another.
    gradient: RefCell<Scratch<Gpu>>,
}

/// Descriptors of one convolution and the algorithm for one direction.
struct Plan<E, A> {
    x: TensorDescriptor<Typed<E>>,
    w: FilterDescriptor<Typed<E>>,
    y: TensorDescriptor<Typed<E>>,
    conv: ConvDescriptor<f32>,
    algorithm: A,
    workspace: usize,
}

/// What differs between the directions: the choice of an algorithm and the memory that it needs.
trait Direct<E: Stored>: Copy + 'static {
    const DIRECTION: Direction;
    fn choose(plan: &Plan<E, ()>) -> Result<(Self, usize), CudnnError>;
}

impl<E: Stored> Direct<E> for ForwardAlgo {
    const DIRECTION: Direction = Direction::Forward;
    fn choose(Plan { x, w, y, conv, .. }: &Plan<E, ()>) -> Result<(Self, usize), CudnnError> {
        let op = ConvForward { conv, x, w, y };
        let algorithm = op.pick_algorithm()?;
        Ok((algorithm, op.get_workspace_size(algorithm)?))
    }
}

impl<E: Stored> Direct<E> for DataAlgo {
    const DIRECTION: Direction = Direction::Data;
    fn choose(Plan { x, w, y, conv, .. }: &Plan<E, ()>) -> Result<(Self, usize), CudnnError> {
        let op = ConvBackwardData { conv, dx: x, w, dy: y };
        // Algorithm 0 adds up by atomic operations.
        let algorithm = match op.pick_algorithm()? {
            Self::CUDNN_CONVOLUTION_BWD_DATA_ALGO_0 => Self::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1,
            other => other,
        };
        Ok((algorithm, op.get_workspace_size(algorithm)?))
    }
}

impl<E: Stored> Direct<E> for FilterAlgo {
    const DIRECTION: Direction = Direction::Weight;
    fn choose(Plan { x, w, y, conv, .. }: &Plan<E, ()>) -> Result<(Self, usize), CudnnError> {
        let op = ConvBackwardFilter { conv, x, dw: w, dy: y };
        // Algorithms 0 and 3 add up by atomic operations.
        let algorithm = match op.pick_algorithm()? {
            Self::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0 | Self::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3 => {
                Self::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1
            }
            other => other,
        };
        Ok((algorithm, op.get_workspace_size(algorithm)?))
    }
}

impl Convolutions {
    fn new(gpu: &Gpu) -> Result<Self, GpuError> {
        open()?;
        let cudnn = Cudnn::new(gpu.stream.clone()).map_err(failed("opening"))?;
        let [workspace, frame, gradient] = std::array::from_fn(|_| RefCell::default());
        Ok(Self { cudnn, plans: RefCell::default(), workspace, frame, gradient })
    }

    fn plan<E: Stored, A: Direct<E>>(&self, conv: &Conv2d, precision: Precision) -> Result<Rc<Plan<E, A>>, GpuError> {
        let key = Key { conv: *conv, precision, direction: A::DIRECTION, bf16: E::BF16 };
        let found = self.plans.borrow().get(&key).cloned();
        if let Some(plan) = found.and_then(|plan| plan.downcast().ok()) {
            return Ok(plan);
        }
        let size = |what, value| int("convolution", what, value);
        let tensor = |c, h, w| -> Result<TensorDescriptor<Typed<E>>, GpuError> {
            let dims = [size("n", conv.n)?, size("channels", c)?, size("height", h)?, size("width", w)?];
            let format = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
            self.cudnn.create_4d_tensor(format, dims).map_err(failed("describing a map"))
        };
        let x = tensor(conv.c_in, conv.h, conv.w)?;
        let y = tensor(conv.c_out, conv.out_h(), conv.out_w())?;
        let filter = [conv.c_out, conv.c_in / conv.groups, conv.kh, conv.kw];
        let mut dims = [0; 4];
        for (dim, value) in dims.iter_mut().zip(filter) {
            *dim = size("filter", value)?;
        }
        let format = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
        let w = self.cudnn.create_4d_filter(format, dims).map_err(failed("describing weights"))?;
        let pad = [size("pad", conv.pad.top)?, size("pad", conv.pad.left)?];
        let stride = [size("stride", conv.stride.0)?, size("stride", conv.stride.1)?];
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let described = self.cudnn.create_conv2d::<f32>(pad, stride, [1, 1], mode);
        let mut description = described.map_err(failed("describing a convolution"))?;
        description.set_group_count(size("groups", conv.groups)?).map_err(failed("setting groups"))?;
        let math = match (E::BF16, precision) {
            (false, Precision::Exact) => sys::cudnnMathType_t::CUDNN_FMA_MATH,
            _ => sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
        };
        description.set_math_type(math).map_err(failed("setting the precision"))?;
        let open = Plan { x, w, y, conv: description, algorithm: (), workspace: 0 };
        let (algorithm, workspace) = A::choose(&open).map_err(failed("choosing an algorithm"))?;
        let Plan { x, w, y, conv, .. } = open;
        let plan = Rc::new(Plan { x, w, y, conv, algorithm, workspace });
        self.plans.borrow_mut().insert(key, plan.clone());
        Ok(plan)
    }
}

fn opened(gpu: &Gpu) -> Result<&Convolutions, GpuError> {
    open_once(&gpu.convolutions, || Convolutions::new(gpu))
}

/// Runs `launch(plan, workspace)`.
fn with_plan<E: Stored, A: Direct<E>>(
    gpu: &Gpu,
    conv: &Conv2d,
    precision: Precision,
    what: &'static str,
    launch: impl FnOnce(&Plan<E, A>, Option<&mut Raw<'_, u8>>) -> Result<(), CudnnError>,
) -> Result<(), GpuError> {
    gpu.bind()?;
    let convolutions = opened(gpu)?;
    let plan = convolutions.plan::<E, A>(conv, precision)?;
    let mut workspace = convolutions.workspace.borrow_mut();
    let workspace = workspace.get::<u8>(gpu, plan.workspace)?;
    let mut raw = Raw::new(gpu, workspace.view());
    launch(&plan, (plan.workspace > 0).then_some(&mut raw)).map_err(failed(what))
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
    let (xs, weight, mut ys) = (Raw::new(gpu, xs), Raw::new(gpu, weight), Raw::new(gpu, ys.view()));
    with_plan::<E, ForwardAlgo>(gpu, conv, precision, NAME, |plan, workspace| {
        let op = ConvForward { conv: &plan.conv, x: &plan.x, w: &plan.w, y: &plan.y };
        // SAFETY: the descriptors are those of the shape that the lengths have been checked against.
        unsafe { op.launch(plan.algorithm, workspace, scales::<E>(false), &xs, &weight, &mut ys) }
    })
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
    let (d_ys, weight, mut d_xs) = (Raw::new(gpu, d_ys), Raw::new(gpu, weight), Raw::new(gpu, d_xs.view()));
    with_plan::<E, DataAlgo>(gpu, conv, precision, NAME, |plan, workspace| {
        let op = ConvBackwardData { conv: &plan.conv, dx: &plan.x, w: &plan.w, dy: &plan.y };
        // SAFETY: as in `forward`.
        unsafe { op.launch(plan.algorithm, workspace, scales::<E>(add), &mut d_xs, &weight, &d_ys) }
    })
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
    let (xs, d_ys, mut d_weight) = (Raw::new(gpu, xs), Raw::new(gpu, d_ys), Raw::new(gpu, d_weight.view()));
    with_plan::<E, FilterAlgo>(gpu, conv, precision, NAME, |plan, workspace| {
        let op = ConvBackwardFilter { conv: &plan.conv, x: &plan.x, dw: &plan.w, dy: &plan.y };
        // SAFETY: as in `forward`.
        unsafe { op.launch(plan.algorithm, workspace, scales::<E>(false), &xs, &mut d_weight, &d_ys) }
    })
}
