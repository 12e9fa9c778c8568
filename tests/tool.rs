//! The whole tool `swish`, as a user runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod bad_input;
mod common;
mod contract;
mod eval;
mod export;
mod reference;
mod report;
mod resume;
mod search;
mod slurm;
mod tensorboard;
mod translation;
