//! A cell on several devices at once: what those do that are not the first, which keeps records, evaluates and saves.

use crate::cell::Cell;
use crate::checkpoint;
use crate::error::Result;
use crate::task::{Outline, Task, Training};
use crate::trainer::{RunOptions, checkpoint_file};

/// Trains a cell's network beside the first of several devices, which [`run_cell`](crate::trainer::run_cell) trains it on: from the same
/// checkpoint, with batches of its own, to the same weights. Writes nothing. Where a loss is not finite it ends, as the first does, which
/// says so.
///
/// # Errors
/// As [`run_cell`](crate::trainer::run_cell).
pub fn follow<R: Task>(cell: &Cell<R>, data: &R::Data, options: &RunOptions) -> Result<()> {
    cell.recipe.check()?;
    let id = cell.id(data);
    if options.store.read(&id)?.is_some() {
        return Ok(());
    }
    let dir = options.store.run_dir(&id);
    let mut session = R::open(cell, data, options.device)?;
    // The first device saves nothing before this one has joined in its first step.
    let found = checkpoint::load(&checkpoint_file(&dir), &id, &mut session)?;
    if found.is_some() {
        session.resume()?;
    }
    if let Some(begun) = options.begun {
        begun(&dir);
    }
    let done = train(&mut session, &cell.recipe.outline(), found.map_or(0, |at| at.step));
    options.say_damaged(&cell.label(), &session);
    done
}

/// All steps from number `first` on.
///
/// # Errors
/// Those of the steps.
pub fn train<S: Training>(session: &mut S, outline: &Outline<'_>, first: u64) -> Result<()> {
    let &Outline { steps, log_every, eval_every, .. } = outline;
    let mut batches = session.batches(first)?;
    for step in first..steps {
        session.step(&mut batches, step)?;
        let done = step + 1;
        let due = |every: u64| done.is_multiple_of(every.max(1)) || done == steps;
        // When the first device waits too, so that none runs far ahead.
        let losses = session.losses(due(log_every) || due(eval_every))?;
        if losses.iter().any(|loss| !loss.is_finite()) {
            break;
        }
    }
    Ok(())
}
