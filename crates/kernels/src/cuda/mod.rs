//! CUDA kernels: the same functions as on the CPU, for f32 and bf16 maps with f32 parameters, and arithmetic in f32.
//!
//! The sources are `kernels/*.cu`, plain CUDA C++ without any header, completed by a few lines that name the stored type, the width of
//! loads and the activation. What is launched is described apart from what runs it: a [`Device`] is a GPU (`gpu`, with the feature
//! `cuda`) or, in the tests, an emulation that compiles the very same source as C++. So the sizes of grids, the order of arguments and
//! the checks of lengths are tested on a machine without a GPU too.
//!
//! Nothing is added by atomic operations, which only count blocks: sums over rows are taken in two stages whose order depends on the sizes
//! only, so results are bit-identical from run to run on one kind of device.
//!
//! | module | what it is for |
//! |---|---|
//! | [`activation`] | an activation program as CUDA C++ |
//! | [`source`] | whole sources and their names |
//! | [`device`] | devices, their memory, launches |
//! | [`engine`] | devices with convolutions and products of matrices |
//! | [`ranks`] | several devices that learn together |
//! | [`launch`] | the functions, by the names of the CPU's |
//! | [`check`] | every function compared with the CPU's |
//! | [`bandwidth`] | how near norms with activations come to a plain copy |
//! | `gpu` | a GPU by CUDA's driver, cuDNN and cuBLASLt (feature `cuda`) |
//! | `nvrtc`, `nccl`, `libraries` | NVIDIA's compiler, means over several GPUs, and other libraries, opened at run time (feature `cuda`) |

pub mod activation;
pub mod bandwidth;
pub mod check;
pub mod device;
pub mod engine;
#[cfg(feature = "cuda")]
pub mod gpu;
pub mod launch;
mod launched;
#[cfg(feature = "cuda")]
pub mod libraries;
#[cfg(feature = "cuda")]
pub mod nccl;
#[cfg(feature = "cuda")]
pub mod nvrtc;
pub mod ranks;
pub mod source;

pub use activation::ActSource;
pub use device::{Device, Misfit, Scratch, Slice, Stored, View, ViewMut};
pub use engine::{Engine, Matrices, Precision};
pub use ranks::Rank;
pub use source::{Source, Subject};
