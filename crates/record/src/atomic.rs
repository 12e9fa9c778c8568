//! Files that are either whole or not there: written under a temporary name in the same folder,
//! synced, renamed. A reader, or a power cut, never meets half a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{RecordError, Result};

/// Tells apart the temporary files of the threads of one process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Writes `bytes` to `path`, replacing what was there; makes the folder where it is missing.
///
/// # Errors
/// [`RecordError::DiskFull`], [`RecordError::ReadOnly`] or [`RecordError::Io`], each naming `path`.
/// What stood at `path` before is then untouched, and no temporary file is left.
pub fn write_atomic(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<()> {
    // Through a link, the file that it points at is replaced, not the link.
    let resolved = fs::canonicalize(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_path_buf());
    let path = resolved.as_path();
    if path.exists() && !path.is_file() {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "it is there and not a regular file");
        return Err(RecordError::io(path, "write", source));
    }
    let folder = folder_of(path);
    fs::create_dir_all(folder).map_err(|source| RecordError::io(path, "make the folder", source))?;
    let temporary = temporary_name(path)?;
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary)
        .and_then(|file| fill(file, bytes.as_ref()))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(source) = written {
        // The error to report is the first one; a temporary file that was never made is no second one.
        let _ = fs::remove_file(&temporary);
        return Err(RecordError::io(path, "write", source));
    }
    sync_folder(folder).map_err(|source| RecordError::io(path, "sync the folder", source))
}

/// Writes everything and waits until it is on the disk.
fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Folder a path lies in; the current one for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// `.<name>.<pid>.<n>.tmp` beside `path`.
fn temporary_name(path: &Path) -> Result<PathBuf> {
    let Some(name) = path.file_name() else {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
        return Err(RecordError::io(path, "write", source));
    };
    let n = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = format!(".{}.{}.{n}.tmp", name.to_string_lossy(), std::process::id());
    Ok(path.with_file_name(name))
}

/// Makes the renaming itself durable; file systems that cannot sync a folder are left alone.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_the_file_makes_the_folder_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/run.json");
        write_atomic(&path, "first").unwrap();
        write_atomic(&path, "second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        assert_eq!(names(path.parent().unwrap()), ["run.json"]);
    }

    #[test]
    fn threads_writing_one_file_leave_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::thread::scope(|scope| {
            for n in 0..8_u8 {
                let path = &path;
                scope.spawn(move || write_atomic(path, vec![n; 4096]).unwrap());
            }
        });
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 4096);
        assert!(bytes.iter().all(|byte| *byte == bytes[0]));
        assert_eq!(names(folder.path()), ["table.csv"]);
    }

    #[test]
    fn a_folder_in_the_place_of_the_file_is_an_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("inside")).unwrap();
        let message = write_atomic(&path, "x").unwrap_err().to_string();
        assert!(message.contains("taken"), "{message}");
        assert_eq!(names(folder.path()), ["taken"]);
        assert!(write_atomic(folder.path().join(".."), "x").is_err());
    }

    /// /dev/full answers every write as a full disk does.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_from_other_errors() {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let source = fill(file, b"x").unwrap_err();
        let error = RecordError::io(Path::new("results/tables/t.csv"), "write", source);
        assert!(matches!(error, RecordError::DiskFull { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("results/tables/t.csv") && message.contains("free some space"));
    }

    #[cfg(unix)]
    #[test]
    fn a_read_only_folder_is_told_from_other_errors() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
        // Permissions do not bind root; the kernel's own file system refuses new files to everybody.
        let error = [folder.path(), Path::new("/sys/kernel")]
            .into_iter()
            .find_map(|folder| write_atomic(folder.join("t.csv"), "x").err());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let Some(error) = error else {
            eprintln!("SKIPPED: this user may write everywhere, no folder is read-only");
            return;
        };
        assert!(matches!(error, RecordError::ReadOnly { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("t.csv") && message.contains("permissions"), "{message}");
    }
}
