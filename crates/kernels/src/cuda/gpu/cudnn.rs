//! cuDNN's descriptors, let go with their owners, and its algorithms for convolution in each direction.
//!
//! An algorithm belongs together with a math type: the library answers for the pair. So a choice has both, and its math type stays set.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::cudnn::{result, sys};
use cudarc::driver::CudaStream;

pub(super) use cudarc::cudnn::CudnnError;
pub(super) use sys::{
    cudnnConvolutionBwdDataAlgo_t as DataAlgo, cudnnConvolutionBwdFilterAlgo_t as FilterAlgo,
    cudnnConvolutionFwdAlgo_t as ForwardAlgo,
};

/// Memory of an algorithm at most, where one with less can do the same.
const MOST_WORKSPACE: usize = 1 << 30;

/// A raw handle or descriptor with its destructor.
macro_rules! owned {
    ($(#[$doc:meta])* $name:ident: $raw:ident, $destroy:ident) => {
        $(#[$doc])*
        pub(super) struct $name(sys::$raw);

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: it was made by the library, and nobody else has it.
                let _harmless_where_refused = unsafe { result::$destroy(self.0) };
            }
        }
    };
}
owned! {
    /// The library.
    Opened: cudnnHandle_t, destroy_handle
}
owned! {
    /// A map's.
    Tensor: cudnnTensorDescriptor_t, destroy_tensor_descriptor
}
owned! {
    /// A weight's.
    Filter: cudnnFilterDescriptor_t, destroy_filter_descriptor
}
owned! {
    /// Padding, strides and groups.
    Descriptor: cudnnConvolutionDescriptor_t, destroy_convolution_descriptor
}

/// The library for one stream, which it outlives nowhere.
pub(super) struct Handle {
    opened: Opened,
    _stream: Arc<CudaStream>,
}

impl Handle {
    /// What is run goes to this stream.
    pub(super) fn new(stream: &Arc<CudaStream>) -> Result<Self, CudnnError> {
        let opened = Opened(result::create_handle()?);
        // SAFETY: both are there, and the stream stays as long as the handle.
        unsafe { result::set_stream(opened.0, stream.cu_stream().cast()) }?;
        Ok(Self { opened, _stream: stream.clone() })
    }
}

/// A convolution in numbers.
pub(super) struct Sizes {
    /// (n, c, h, w), whatever the layout.
    pub(super) x: [i32; 4],
    /// (c_out, c_in / groups, kh, kw).
    pub(super) w: [i32; 4],
    /// As `x`.
    pub(super) y: [i32; 4],
    pub(super) pad: [i32; 2],
    pub(super) stride: [i32; 2],
    pub(super) groups: i32,
}

/// The products of a convolution: how exact, for whatever algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Math {
    /// Those of f32 as they are.
    Exact,
    /// By the matrix units, where an algorithm can.
    Tensor,
}

/// Descriptors of a convolution of NHWC maps.
pub(super) struct Shape {
    x: Tensor,
    w: Filter,
    y: Tensor,
    conv: Descriptor,
    math: Math,
}

impl Shape {
    pub(super) fn new(bf16: bool, math: Math, sizes: &Sizes) -> Result<Self, CudnnError> {
        let kind =
            if bf16 { sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16 } else { sys::cudnnDataType_t::CUDNN_DATA_FLOAT };
        let format = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;
        let tensor = |sizes| {
            let tensor = Tensor(result::create_tensor_descriptor()?);
            // SAFETY: it has just been made.
            unsafe { result::set_tensor4d_descriptor(tensor.0, format, kind, sizes) }?;
            Ok::<_, CudnnError>(tensor)
        };
        let (x, y) = (tensor(sizes.x)?, tensor(sizes.y)?);
        let w = Filter(result::create_filter_descriptor()?);
        let conv = Descriptor(result::create_convolution_descriptor()?);
        let &Sizes { pad: [top, left], stride: [down, across], groups, .. } = sizes;
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let sums = sys::cudnnDataType_t::CUDNN_DATA_FLOAT;
        // SAFETY: both have just been made.
        unsafe {
            result::set_filter4d_descriptor(w.0, kind, format, sizes.w)?;
            result::set_convolution2d_descriptor(conv.0, top, left, down, across, 1, 1, mode, sums)?;
            result::set_convolution_group_count(conv.0, groups)?;
        }
        let shape = Self { x, w, y, conv, math };
        shape.set_math(match math {
            Math::Exact => sys::cudnnMathType_t::CUDNN_FMA_MATH,
            Math::Tensor => sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
        })?;
        Ok(shape)
    }

    fn set_math(&self, math: sys::cudnnMathType_t) -> Result<(), CudnnError> {
        // SAFETY: the descriptor is there.
        unsafe { result::set_convolution_math_type(self.conv.0, math) }
    }

    /// (n, c, h, w) of the output, as the library makes it of the others.
    #[cfg(test)]
    pub(super) fn output(&self) -> Result<[i32; 4], CudnnError> {
        let mut sizes = [0; 4];
        let [n, c, h, w] = sizes.each_mut().map(std::ptr::from_mut);
        // SAFETY: descriptors are there; four numbers are written.
        let status = unsafe { sys::cudnnGetConvolution2dForwardOutputDim(self.conv.0, self.x.0, self.w.0, n, c, h, w) };
        status.result().map(|()| sizes)
    }

    /// Math types for an algorithm that says nothing of them.
    fn maths(&self) -> &'static [sys::cudnnMathType_t] {
        match self.math {
            Math::Exact => &[sys::cudnnMathType_t::CUDNN_FMA_MATH],
            Math::Tensor => &[sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH, sys::cudnnMathType_t::CUDNN_DEFAULT_MATH],
        }
    }
}

/// An algorithm and the bytes that it needs beside its maps.
#[derive(Clone, Copy)]
pub(super) struct Choice<A> {
    pub(super) algorithm: A,
    pub(super) workspace: usize,
}

/// A convolution's arguments on the GPU.
pub(super) struct Pointers {
    /// The two factors, in the order of the direction.
    pub(super) factors: [u64; 2],
    pub(super) to: u64,
    pub(super) workspace: u64,
    /// Whether the result is added to what is there.
    pub(super) add: bool,
}

/// The algorithms of one direction.
pub(super) trait Algorithm: Copy + 'static {
    const DIRECTION: Direction;
    /// Those that add up in a fixed order and take nearly every shape.
    const ALWAYS: &'static [Self];

    /// Those that the library expects to run and whose sums are in a fixed order, the fastest first, with their math types.
    fn expected(handle: &Handle, shape: &Shape) -> Result<Vec<(Self, sys::cudnnMathType_t)>, CudnnError>;

    /// Bytes that it needs with the math type that is set.
    fn workspace(self, handle: &Handle, shape: &Shape) -> Result<usize, CudnnError>;

    /// Runs it with the math type that is set.
    ///
    /// # Safety
    /// Pointers to memory of the shape's lengths, and a workspace as long as was said.
    unsafe fn run(choice: Choice<Self>, handle: &Handle, shape: &Shape, pointers: &Pointers) -> Result<(), CudnnError>;

    /// The first that can do it; its math type is set from then on.
    fn choose(handle: &Handle, shape: &Shape) -> Result<Choice<Self>, CudnnError> {
        let (expected, mut refused) = match Self::expected(handle, shape) {
            Ok(expected) => (expected, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let always =
            shape.maths().iter().flat_map(|&math| Self::ALWAYS.iter().map(move |&algorithm| (algorithm, math)));
        let mut large = None;
        for (algorithm, math) in expected.into_iter().chain(always) {
            let math = if shape.math == Math::Exact { sys::cudnnMathType_t::CUDNN_FMA_MATH } else { math };
            shape.set_math(math)?;
            match algorithm.workspace(handle, shape) {
                Ok(workspace) if workspace <= MOST_WORKSPACE => return Ok(Choice { algorithm, workspace }),
                Ok(workspace) => large = large.or(Some((Choice { algorithm, workspace }, math))),
                Err(error) => refused = Some(error),
            }
        }
        match large {
            Some((choice, math)) => shape.set_math(math).map(|()| choice),
            None => Err(refused.unwrap_or(CudnnError(sys::cudnnStatus_t::CUDNN_STATUS_NOT_SUPPORTED))),
        }
    }
}

/// One of a convolution's three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    Forward,
    Data,
    Weight,
}

/// The library's functions differ in their names and in the order of the three descriptors.
macro_rules! direction {
    ($algorithm:ident, $direction:ident, ($a:ident, $b:ident) -> $to:ident, $ask:ident, $size:ident, $run:ident, $perf:ident, [$($always:ident),+]) => {
        impl Algorithm for $algorithm {
            const DIRECTION: Direction = Direction::$direction;
            const ALWAYS: &'static [Self] = &[$(Self::$always),+];

            fn expected(handle: &Handle, shape: &Shape) -> Result<Vec<(Self, sys::cudnnMathType_t)>, CudnnError> {
                // As many as there are in the largest of the three lists.
                const MOST: usize = 8;
                // SAFETY: zeros are the first of each of its enumerations.
                let mut found: [sys::$perf; MOST] = unsafe { std::mem::zeroed() };
                let mut count = 0;
                let (a, b, to, conv) = (shape.$a.0, shape.$b.0, shape.$to.0, shape.conv.0);
                // SAFETY: descriptors are there; no more than MOST results are written.
                unsafe { result::$ask(handle.opened.0, a, b, conv, to, MOST as i32, &mut count, found.as_mut_ptr()) }?;
                let runs = |perf: &&sys::$perf| {
                    perf.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS
                        && perf.determinism == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC
                };
                let count = usize::try_from(count).unwrap_or(0).min(MOST);
                Ok(found[..count].iter().filter(runs).map(|perf| (perf.algo, perf.mathType)).collect())
            }

            fn workspace(self, handle: &Handle, shape: &Shape) -> Result<usize, CudnnError> {
                let (a, b, to, conv) = (shape.$a.0, shape.$b.0, shape.$to.0, shape.conv.0);
                // SAFETY: descriptors are there.
                unsafe { result::$size(handle.opened.0, a, b, conv, to, self) }
            }

            unsafe fn run(
                Choice { algorithm, workspace }: Choice<Self>,
                handle: &Handle,
                shape: &Shape,
                pointers: &Pointers,
            ) -> Result<(), CudnnError> {
                let (alpha, beta) = (1f32, if pointers.add { 1f32 } else { 0f32 });
                let scale = |x: &f32| std::ptr::from_ref(x).cast::<c_void>();
                let [a, b] = pointers.factors;
                // SAFETY: the caller's word.
                unsafe {
                    result::$run(
                        handle.opened.0,
                        scale(&alpha),
                        shape.$a.0,
                        a as *const c_void,
                        shape.$b.0,
                        b as *const c_void,
                        shape.conv.0,
                        algorithm,
                        if workspace > 0 { pointers.workspace as *mut c_void } else { std::ptr::null_mut() },
                        workspace,
                        scale(&beta),
                        shape.$to.0,
                        pointers.to as *mut c_void,
                    )
                }
            }
        }
    };
}
direction!(
    ForwardAlgo, Forward, (x, w) -> y,
    get_convolution_forward_algorithm, get_convolution_forward_workspace_size, convolution_forward,
    cudnnConvolutionFwdAlgoPerf_t,
    [CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM]
);
// Algorithm 0 adds up by atomic operations.
direction!(
    DataAlgo, Data, (w, y) -> x,
    get_convolution_backward_data_algorithm, get_convolution_backward_data_workspace_size, convolution_backward_data,
    cudnnConvolutionBwdDataAlgoPerf_t,
    [CUDNN_CONVOLUTION_BWD_DATA_ALGO_1]
);
// Algorithms 0 and 3 add up by atomic operations.
direction!(
    FilterAlgo, Weight, (x, y) -> w,
    get_convolution_backward_filter_algorithm, get_convolution_backward_filter_workspace_size, convolution_backward_filter,
    cudnnConvolutionBwdFilterAlgoPerf_t,
    [CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1]
);
