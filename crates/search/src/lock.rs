//! One driver a search: the lock on its folder.

use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// The file that a driver holds locked.
const LOCK: &str = "lock";
/// How often, and how long apart, it is tried to lock it.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Takes the lock on a search's folder.
pub(crate) fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK);
    let file = File::create(&path).map_err(Error::io(&path, "write"))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // Whoever asks whether a driver is at work holds it for a moment.
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(e)) => return Err(Error::io(&path, "lock")(e)),
        }
    }
    Err(Error::Locked { dir: dir.to_path_buf() })
}

/// Whether a driver is at work on the search in `dir`.
pub fn is_driven(dir: &Path) -> bool {
    File::open(dir.join(LOCK)).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}
