//! Numeric loops on slices for training convolutional networks and Transformers with any activation function, on the CPU.
//!
//! Images are NHWC and contiguous; convolution weights are OIHW at the edge and packed inside. Work is cut into chunks that depend
//! only on the sizes and partial sums are added in order, so results are bit-identical whatever the number of threads.
//!
//! | module | what it is for |
//! |---|---|
//! | [`act`] | activation programs, forward and backward |
//! | [`block`] | BatchNorm, activation, convolution and statistics in one pass |
//! | [`layer_norm`] | LayerNorm, forward and backward |
//! | [`embedding`], [`attention`], [`residual`], [`vocabulary`] | the Transformer: tokens and positions, attention, a sublayer's end, loss |
//! | [`conv`] | 2-D convolution, forward and both gradients |
//! | [`pool`] | maximum, average and global average pooling |
//! | [`linear`] | fully connected layer |
//! | [`loss`] | softmax cross-entropy |
//! | [`dropout`] | dropout with a counter-based mask |
//! | [`layout`] | NCHW/NHWC, ResNet shortcut A, channel concatenation |
//! | [`optim`] | optimizer steps over flat slices |
//! | [`rng`] | seeded generators and hashes |
//! | [`real`], [`element`] | what is computed in: f32, f64; what is stored: these and bf16 |
//! | [`simd`] | run-time choice of the vector instructions |

pub mod act;
pub mod attention;
pub mod block;
pub mod conv;
pub mod dropout;
pub mod element;
pub mod embedding;
mod gemm;
pub mod layer_norm;
pub mod layout;
pub mod linear;
pub mod loss;
mod matmul;
pub mod optim;
mod par;
pub mod pool;
pub mod real;
pub mod residual;
pub mod rng;
pub mod simd;
mod spare;
pub mod vocabulary;

pub use element::Element;
pub use real::Real;
