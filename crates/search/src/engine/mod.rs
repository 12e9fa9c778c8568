//! Where trials run.
//!
//! | engine | what it does |
//! |---|---|
//! | [`Local`] | worker processes on this machine, each fed over a pipe (the default) |
//! | [`Slurm`] | array jobs |
//! | [`HyperQueue`] | jobs of `hq` |
//!
//! An engine only dispatches. Whether a trial is done is said by its outcome file ([`crate::trial::Outcomes`]); an engine may run a
//! trial twice, lose it or be restarted, and the search is none the worse for it.

mod batch;
mod hyper_queue;
mod local;
mod slurm;

pub use batch::{Batch, Notify, State, System, Ticket};
pub use hyper_queue::{HyperQueue, HyperQueueConfig};
pub use local::{Local, LocalConfig};
pub use slurm::{Slurm, SlurmConfig};

use crate::error::Result;
use crate::trial::{Outcome, Trial};
use std::time::Duration;

/// Runs trials.
pub trait Engine {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Trials that it can have in work at the same time; that many more are kept waiting.
    fn capacity(&self) -> usize;

    /// Takes trials that have no outcome yet.
    ///
    /// # Errors
    /// Work that is refused, files that cannot be written.
    fn submit(&mut self, trials: &[Trial]) -> Result<()>;

    /// Waits for the next outcome among the trials submitted, each of which is returned once; `None` after `patience` without
    /// one, or where nothing is in work.
    ///
    /// # Errors
    /// An engine that has gone away for good, files that cannot be read.
    fn next(&mut self, patience: Duration) -> Result<Option<Outcome>>;
}
