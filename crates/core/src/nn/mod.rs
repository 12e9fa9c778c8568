//! Layers over the kernels.
//!
//! | module | what it has |
//! |---|---|
//! | `embedding`, `attention`, `residual` | the Transformer's layers |
//! | [`mod@unit`] | the block: BatchNorm, activation, convolution, sum |
//! | [`dense`] | DenseNet's block, in which all layers share one map |
//! | [`shape`] | pooling, global mean, dropout, ResNet's shortcut A, the way in from PyTorch's layout |
//! | [`mod@join`] | sums of maps, and maps side by side |
//! | [`linear`], [`loss`] | the fully connected layer, softmax cross-entropy |
//! | [`params`], [`init`] | parameters by PyTorch's names, how they are drawn |
//! | [`weights`] | reading and writing them as safetensors |
//! | [`pass`], [`run`] | training or evaluation, precision, seeds; one pass through a network |
//! | [`probe`] | a look at preactivations |
//! | [`network`] | a model with its parameters: candle's operator, training steps |
//! | `graph` | a network as a list of operators, for devices that run it as a whole |
//! | [`map`], [`buffer`] | what flows from layer to layer, and its memory |
//! | `tape` | the way back |
//!
//! Images are (n, h, w, c) throughout; weights keep PyTorch's shapes. A whole network is one candle operator
//! ([`Network::forward`]); inside it, layers run on buffers that they reuse from step to step.

mod attention;
pub mod buffer;
pub mod dense;
mod device;
mod embedding;
pub mod error;
pub(crate) mod graph;
pub mod init;
pub mod join;
pub mod linear;
pub mod loss;
pub mod map;
pub mod network;
pub(crate) mod norm;
mod padding;
pub mod params;
pub mod pass;
pub mod probe;
pub(crate) mod residual;
pub mod run;
pub mod shape;
pub(crate) mod tape;
pub mod unit;
mod unit_step;
pub mod weights;

pub(crate) use attention::Attention;
pub use buffer::{Buffer, Data, Memory, Stored};
pub use dense::{DenseBlock, DenseLayer};
pub use device::Compute;
pub(crate) use embedding::Embedding;
pub use error::{Error, Result};
pub use linear::Linear;
pub use loss::{LossAndGradient, LossConfig, softmax_cross_entropy};
pub use map::Map;
pub use network::{Model, Network};
pub use norm::NormConfig;
pub use padding::Padding;
pub use params::{Builder, Param, Params, Role, Size};
pub use pass::Pass;
pub use probe::Probe;
pub(crate) use residual::Residual;
pub use run::Run;
pub use shape::{Pool, PoolKind};
pub use unit::{ConvConfig, Unit};
