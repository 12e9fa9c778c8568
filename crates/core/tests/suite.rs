//! Activations, layers and models, from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod activation;
mod common;
mod device;
mod export;
mod gradients;
mod house;
mod imagenet;
mod init;
mod probe;
mod transformer;
