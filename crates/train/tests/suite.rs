//! Recipes, optimizers, sessions and learning on a device.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;
mod on_device;
mod optimizers;
mod ranks;
mod recipe_ids;
mod session;
mod translation;
