//! Many cells on one machine, several at a time, each with its share of the threads.

use crate::cell::Cell;
use crate::error::{Error, Result};
use crate::task::Task;
use crate::trainer::{RunOptions, run_cell};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use swish_record::RunRecord;

/// Runs `f` with a pool of `threads` threads of its own.
///
/// # Errors
/// [`Error::Threads`] when the system gives no more threads.
pub fn with_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> Result<R> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| Error::Threads { threads, reason: e.to_string() })?;
    Ok(pool.install(f))
}

/// Runs all cells, `jobs` at a time, each with `options.threads` threads; results come in the order of the cells.
/// A cell that fails does not keep the others from being run.
pub fn run_all<R: Task>(cells: &[(Cell<R>, &R::Data)], jobs: usize, options: &RunOptions) -> Vec<Result<RunRecord>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<RunRecord>>>> = Mutex::new(cells.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, cells.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some((cell, data)) = cells.get(i) else {
                        break;
                    };
                    let result = with_threads(options.threads, || run_cell(cell, data, options)).and_then(|r| r);
                    if let Err(e) = &result {
                        options.progress.say(&format!("{}: {e}", cell.label()));
                    }
                    results.lock().unwrap_or_else(PoisonError::into_inner)[i] = Some(result);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
}
