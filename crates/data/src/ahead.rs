//! Batches made ahead of their consumer, on a thread.

use crate::{Batch, DataError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// What a thread makes, in its order; dropped, it ends the thread.
#[derive(Debug)]
pub(crate) struct Ahead {
    batches: Option<Receiver<Result<Batch, DataError>>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Calls `next` on a thread of its own, at most `ahead` + 1 times more than batches were taken, until it returns `None` or an
    /// error; a panic in it is an error too.
    pub(crate) fn start(
        ahead: usize,
        mut next: impl FnMut() -> Option<Result<Batch, DataError>> + Send + 'static,
    ) -> Result<Self, DataError> {
        let (sender, receiver): (SyncSender<_>, _) = sync_channel(ahead);
        let run = move || {
            loop {
                let result = catch_unwind(AssertUnwindSafe(&mut next))
                    .unwrap_or_else(|panic| Some(Err(DataError::Worker { detail: panic_text(panic.as_ref()) })));
                let Some(result) = result else { return };
                let last = result.is_err();
                if sender.send(result).is_err() || last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("batches".into())
            .spawn(run)
            .map_err(|e| DataError::Worker { detail: e.to_string() })?;
        Ok(Self { batches: Some(receiver), thread: Some(thread) })
    }
}

impl Iterator for Ahead {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.as_ref()?.recv().ok()
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // Without its receiver the thread's next send fails, which ends it.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    crate::error::one_line(&text.unwrap_or_else(|| "panic".into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_panic_on_the_thread_is_an_error_and_the_end() {
        let mut batches = Ahead::start(3, || panic!("no such\nimage")).unwrap();
        let message = batches.next().unwrap().unwrap_err().to_string();
        assert_eq!(message, "the thread that prepares batches stopped: no such image");
        assert!(batches.next().is_none());
    }

    #[test]
    fn what_ends_and_what_errs_is_followed_by_nothing() {
        let mut left = 2;
        let next = move || {
            left -= 1;
            (left >= 0).then(|| Ok(Batch { xs: Vec::new(), labels: vec![left as u32], n: 1 }))
        };
        assert_eq!(Ahead::start(1, next).unwrap().count(), 2);
        let failed = || Some(Err(DataError::Worker { detail: String::new() }));
        assert_eq!(Ahead::start(1, failed).unwrap().count(), 1);
    }
}
