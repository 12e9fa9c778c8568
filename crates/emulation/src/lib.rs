//! A device for tests without a GPU: the CUDA kernels' source compiled as C++ and run on the host.
//!
//! Threads of a block take turns at barriers, so a barrier that is missing or that not all threads reach shows; so do wide accesses that
//! are not aligned and writes beyond what a launch was given. What libraries do on a GPU, the CPU's kernels do here, in double
//! precision.
//!
//! | module | what it has |
//! |---|---|
//! | [`host`] | the device |
//! | `process` | a compiled kernel at work |
//! | `engine` | convolutions and products |

mod engine;
pub mod host;
mod process;

pub use host::{Host, HostError};
