//! Networks whose steps run on a device as a whole: a GPU, or in tests its emulation.
//!
//! A model is written down once as a list of operators; which memory each map and gradient lies in is decided before the first step.
//! So a step is a row of launches of known sizes in known places: nothing is asked for, nothing is waited for.
//!
//! | module | what it has |
//! |---|---|
//! | `placement` | where parameters lie on a device |
//! | `plan`, `buffers` | where maps and gradients lie, and their memory |
//! | `norm` | norms with their activations and statistics |
//! | `pass` | every operator forward, and back |
//! | [`network`] | a network on a device |
//! | [`check`] | networks compared with the CPU |

mod buffers;
pub mod check;
pub mod network;
mod norm;
mod pass;
mod placement;
mod plan;

pub use network::{DeviceNetwork, Losses};
