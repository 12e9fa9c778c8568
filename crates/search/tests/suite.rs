//! Spaces, engines and whole searches.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;
mod engines;
mod hyper_queue;
mod local;
mod slurm;
mod space;
