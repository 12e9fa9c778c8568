//! Layers over the kernels, for candle's tensors and its backward pass.
//!
//! | module | what it has |
//! |---|---|
//! | [`mod@unit`] | the block: BatchNorm, activation, convolution, join, one candle operator in all |
//! | [`shape`] | pooling, global mean, dropout, ResNet's shortcut A, the way in from PyTorch's layout |
//! | [`linear`], [`loss`] | the fully connected layer, softmax cross-entropy |
//! | [`params`], [`init`] | parameters by PyTorch's names, how they are drawn |
//! | [`weights`] | reading and writing them as safetensors |
//! | [`pass`] | training or evaluation, precision, seeds |
//!
//! Images are (n, h, w, c) throughout; weights keep PyTorch's shapes.

mod device;
pub mod error;
pub mod init;
pub mod linear;
pub mod loss;
pub mod params;
pub mod pass;
pub mod shape;
mod storage;
pub mod unit;
mod unit_op;
pub mod weights;

pub use device::device;
pub use error::{Error, Result};
pub use linear::Linear;
pub use loss::softmax_cross_entropy;
pub use params::{Builder, Param, Params, Role};
pub use pass::Pass;
pub use shape::{Pool, PoolKind};
pub use unit::{ConvConfig, Join, NormConfig, Unit};
