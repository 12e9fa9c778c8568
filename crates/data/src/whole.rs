//! Files that are there whole or not at all.

use std::fs::File;
use std::io;
use std::path::Path;

/// Writes a file beside its place and renames it, so that a reader never sees half of it; folders are made as needed. It gets the rights
/// of any new file.
pub(crate) fn write(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    // A temporary file is its owner's alone; this one is to be read by whoever may read its folder. The umask takes its part off.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::write;
    use std::io::Write;

    #[test]
    fn a_file_is_whole_or_as_it_was_and_has_the_rights_of_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file");
        write(&path, |file| file.write_all(b"first")).unwrap();
        let failed = write(&path, |file| {
            file.write_all(b"half")?;
            Err(std::io::Error::other("no more"))
        });
        assert!(failed.is_err() && std::fs::read(&path).unwrap() == b"first");
        assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
        let other = folder.path().join("other");
        std::fs::write(&other, "").unwrap();
        let rights = |path| std::fs::metadata(path).unwrap().permissions();
        assert_eq!(rights(&path), rights(&other));
    }
}
