//! The search for activation functions (section 2 of the paper).
//!
//! | module | what it has |
//! |---|---|
//! | [`space`] | spaces of core units: counting, drawing, changing; equal functions merged, hopeless ones rejected |
//! | [`strategy`] | exhaustive, random, evolution, the RNN controller with PPO |
//! | [`config`] | what a search is told, in `search.json` |
//! | [`controller`] | the RNN controller itself |
//! | [`mod@compare`] | strategies against one another on a recorded table |
//! | [`child`] | the child network: what a candidate is trained in |
//! | [`trial`] | one candidate's training: its identity and its result file |
//! | [`engine`] | where trials run: local processes, Slurm, HyperQueue |
//! | [`journal`] | the append-only log of a search |
//! | [`lock`] | one driver a search |
//! | [`worker`] | the process that runs trials |
//! | [`driver`] | strategy, engine and journal put together |
//! | [`history`] | a search looked at: status, ranking |
//! | [`candidates`] | all candidates as CSV, and back |
//! | [`rerun`] | the best of a search trained again, longer |
//! | [`markdown`] | results as text |
//! | [`plots`] | pictures of a search |
//! | [`error`] | what can go wrong |

pub mod candidates;
pub mod child;
pub mod compare;
pub mod config;
pub mod controller;
pub mod driver;
pub mod engine;
pub mod error;
pub mod history;
pub mod journal;
pub mod lock;
pub mod markdown;
pub mod plots;
pub mod rerun;
pub mod space;
pub mod strategy;
pub mod trial;
pub mod worker;

pub use error::{Error, Result};
pub use space::Space;
