//! Compiled kernels on disk, by a name that changes with whatever they are made of.

use std::path::PathBuf;

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

    pub(super) fn get(&self, name: &str) -> Option<Vec<u8>> {
        let code = std::fs::read(self.0.as_ref()?.join(name)).ok()?;
        // What a full disk has left of a file is not code.
        code.starts_with(ELF).then_some(code)
    }

    /// Written under another name and renamed, so that nobody reads half a file. A folder that cannot be written is no failure.
    pub(super) fn put(&self, name: &str, code: &[u8]) {
        let Some(folder) = &self.0 else { return };
        let own = folder.join(format!("{name}.{}", std::process::id()));
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&own, code))
            .and_then(|()| std::fs::rename(&own, folder.join(name)));
        if written.is_err() {
            let _ = std::fs::remove_file(own);
        }
    }
}

/// How compiled kernels begin.
const ELF: &[u8] = b"\x7fELF";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Cache;

    #[test]
    fn what_was_put_is_found_and_junk_is_not() {
        let folder = std::env::temp_dir().join(format!("swish-cuda-cache-{}", std::process::id()));
        let cache = Cache(Some(folder.clone()));
        assert_eq!(cache.get("a"), None);
        cache.put("a", b"\x7fELF code");
        assert_eq!(cache.get("a").unwrap(), b"\x7fELF code");
        cache.put("b", b"");
        assert_eq!(cache.get("b"), None);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
        std::fs::remove_dir_all(folder).unwrap();
        // A folder that cannot be made.
        Cache(Some("/dev/null/cache".into())).put("a", b"\x7fELF");
        assert_eq!(Cache(None).get("a"), None);
    }
}
