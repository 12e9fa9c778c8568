//! The search for activation functions (section 2 of the paper).
//!
//! | module | what it has |
//! |---|---|
//! | [`space`] | spaces of core units: counting, drawing, changing; equal functions merged, hopeless ones rejected |
//! | [`strategy`] | exhaustive, random, evolution, the RNN controller with PPO |
//! | [`controller`] | the RNN controller itself |
//! | [`mod@compare`] | strategies against one another on a recorded table |
//! | [`child`] | the child network: what a candidate is trained in |
//! | [`trial`] | one candidate's training: its identity and its result file |
//! | [`engine`] | where trials run: local processes, Slurm, HyperQueue, or a recorded table |
//! | [`journal`] | the append-only log of a search |
//! | [`driver`] | strategy, engine and journal put together |
//! | [`error`] | what can go wrong |

pub mod compare;
pub mod controller;
pub mod error;
pub mod space;
pub mod strategy;

pub use error::{Error, Result};
pub use space::Space;
