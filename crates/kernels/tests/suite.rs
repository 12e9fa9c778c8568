//! The kernels against their definitions, and those of CUDA against the CPU's.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod conv;
mod cuda;
mod linear_layout;
mod pool;
