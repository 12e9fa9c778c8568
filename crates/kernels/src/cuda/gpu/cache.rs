//! Compiled kernels on disk, by a name that changes with whatever they are made of.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::cuda::source::fnv1a128;

/// A folder, or none: then everything is compiled again, which takes some tenths of a second a file of kernels.
pub(super) struct Cache(Option<PathBuf>);

impl Cache {
    /// `SWISH_CUDA_CACHE`, or `swish/cuda` in the user's cache.
    pub(super) fn from_environment() -> Self {
        let own = std::env::var_os("SWISH_CUDA_CACHE").map(PathBuf::from);
        let user = || {
            let folder = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
            folder.map(|folder| folder.join("swish/cuda"))
        };
        Self(own.or_else(user))
    }

    /// `None` too where the file is damaged: the driver would read on behind the end of one cut short.
    pub(super) fn get(&self, name: &str) -> Option<Vec<u8>> {
        let mut file = std::fs::read(self.0.as_ref()?.join(name)).ok()?;
        let hash = u128::from_le_bytes(*file.last_chunk()?);
        file.truncate(file.len() - size_of_val(&hash));
        (fnv1a128(&file) == hash).then_some(file)
    }

    /// The code and its hash behind it, written under a name of this call's own and renamed, so that nobody reads half a file. A folder
    /// that cannot be written is no failure.
    pub(super) fn put(&self, name: &str, code: &[u8]) {
        let Some(folder) = &self.0 else { return };
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let own = folder.join(format!("{name}.{}-{}", std::process::id(), CALLS.fetch_add(1, Relaxed)));
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&own, [code, &fnv1a128(code).to_le_bytes()].concat()))
            .and_then(|()| std::fs::rename(&own, folder.join(name)));
        if written.is_err() {
            let _ = std::fs::remove_file(own);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Cache;

    #[test]
    fn what_was_put_is_found_and_junk_is_not() {
        let folder = std::env::temp_dir().join(format!("swish-cuda-cache-{}", std::process::id()));
        let cache = Cache(Some(folder.clone()));
        assert_eq!(cache.get("a"), None);
        cache.put("a", b"code");
        assert_eq!(cache.get("a").unwrap(), b"code");
        let file = std::fs::read(folder.join("a")).unwrap();
        let mut changed = file.clone();
        changed[1] ^= 1;
        for junk in [&file[1..], &file[..file.len() - 1], &changed, b"", &[0; 16]] {
            std::fs::write(folder.join("a"), junk).unwrap();
            assert_eq!(cache.get("a"), None, "{junk:?}");
        }
        cache.put("a", b"code");
        assert_eq!(cache.get("a").unwrap(), b"code");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(folder).unwrap();
        // A folder that cannot be made.
        Cache(Some("/dev/null/cache".into())).put("a", b"code");
        assert_eq!(Cache(None).get("a"), None);
    }
}
