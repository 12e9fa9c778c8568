//! Tar archives: where each image's bytes lie. A plain archive is indexed once and then read in place, any image at any
//! time; a compressed one, which cannot be read so, is held in memory.

use super::listing::{Found, Split, place_in, wanted};
use crate::DataError;
use crate::error::one_line;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

/// Largest content of a compressed archive, bytes.
const MEMORY_LIMIT: u64 = 2 << 30;
const BLOCK: u64 = 512;

/// Whether a file is named like an archive that is understood.
pub(crate) fn is_archive(name: &str) -> bool {
    [".tar", ".tar.gz", ".tgz"].iter().any(|ending| name.to_ascii_lowercase().ends_with(ending))
}

/// Whether the file begins as gzip does.
pub(crate) fn is_gzip(path: &Path) -> Result<bool, DataError> {
    let mut start = [0; 2];
    let mut file = File::open(path).map_err(|e| DataError::io(path, &e))?;
    Ok(file.read_exact(&mut start).is_ok() && start == [0x1F, 0x8B])
}

/// The content of a compressed archive.
///
/// # Errors
/// A file that is cut off or damaged, or unpacks to more than 2 GiB.
pub(crate) fn unpack(path: &Path) -> Result<Vec<u8>, DataError> {
    let broken = |detail: String| DataError::Archive { path: path.to_path_buf(), detail };
    let file = File::open(path).map_err(|e| DataError::io(path, &e))?;
    let mut bytes = Vec::new();
    MultiGzDecoder::new(file)
        .take(MEMORY_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| broken(format!("truncated or damaged gzip ({})", one_line(&e.to_string()))))?;
    if bytes.len() as u64 > MEMORY_LIMIT {
        let limit = MEMORY_LIMIT >> 30;
        return Err(broken(format!("unpacks to more than {limit} GiB, which are held in memory; gunzip it first")));
    }
    Ok(bytes)
}

/// The images of one split in an archive's content, sorted by name.
pub(crate) fn list_bytes(bytes: &[u8], path: &Path, split: Split) -> Result<Vec<Found>, DataError> {
    finish(walk(Cursor::new(bytes), bytes.len() as u64, path)?, &mut |_| Ok(None), path, split)
}

/// The images of one split in a plain archive, sorted by name. An archive of archives, one a class, as
/// `ILSVRC2012_img_train.tar` is, counts as one of class folders.
pub(crate) fn list_file(path: &Path, split: Split) -> Result<Vec<Found>, DataError> {
    let failed = |e: std::io::Error| DataError::io(path, &e);
    let mut file = File::open(path).map_err(failed)?;
    let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
    let entries = walk(Section { file, start: 0, length, at: 0 }, length, path)?;
    let mut inner = |entry: &Found| {
        let Some(class) = entry.name.strip_suffix(".tar") else { return Ok(None) };
        let class = class.rsplit('/').next().unwrap_or(class);
        let file = File::open(path).map_err(failed)?;
        let within = path.join(&entry.name);
        let section = Section { file, start: entry.offset, length: entry.size, at: 0 };
        let mut found = walk(section, entry.size, &within)?;
        if found.is_empty() {
            return Err(DataError::Archive { path: within, detail: "no image in this class".into() });
        }
        for image in &mut found {
            let base = image.name.rsplit('/').next().unwrap_or(&image.name);
            image.name = format!("{class}/{base}");
            image.offset += entry.offset;
        }
        Ok(Some(found))
    };
    finish(entries, &mut inner, path, split)
}

/// What an entry holds, if it is an archive itself.
type Inner<'a> = dyn FnMut(&Found) -> Result<Option<Vec<Found>>, DataError> + 'a;

fn finish(entries: Vec<Found>, inner: &mut Inner, path: &Path, split: Split) -> Result<Vec<Found>, DataError> {
    let mut found = Vec::with_capacity(entries.len());
    for entry in entries {
        let entries = inner(&entry)?.unwrap_or_else(|| vec![entry]);
        for entry in entries {
            if wanted(&entry.name, path)?
                && let Some(name) = place_in(&entry.name, split)
            {
                found.push(Found { name, ..entry });
            }
        }
    }
    if found.is_empty() {
        let detail = format!("no image of the {} split in this archive", split.name());
        return Err(DataError::Archive { path: path.to_path_buf(), detail });
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = found.windows(2).find(|pair| pair[0].name == pair[1].name) {
        let detail = "is there twice".into();
        return Err(DataError::Entry { path: path.to_path_buf(), entry: pair[0].name.clone(), detail });
    }
    Ok(found)
}

/// The plain files of an archive in their order.
///
/// # Errors
/// An archive that is cut off or damaged; an entry that is neither folder nor plain file, or lies outside the archive's
/// own folder.
fn walk(reader: impl Read + Seek, length: u64, path: &Path) -> Result<Vec<Found>, DataError> {
    let broken = |detail: String| DataError::Archive { path: path.to_path_buf(), detail };
    let damaged = |e: std::io::Error| broken(format!("truncated or damaged archive ({})", one_line(&e.to_string())));
    let mut archive = tar::Archive::new(reader);
    let mut found = Vec::new();
    let mut end = 0;
    for entry in archive.entries_with_seek().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let refused = |detail: &str| {
            let entry = name.escape_debug().to_string();
            Err(DataError::Entry { path: path.to_path_buf(), entry, detail: detail.into() })
        };
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            continue;
        }
        if name.starts_with('/') || name.split(['/', '\\']).any(|part| part == "..") {
            return refused("leads out of the archive; refused");
        }
        if kind.is_symlink() || kind.is_hard_link() {
            return refused("is a link; expected plain files");
        }
        let (offset, size) = (entry.raw_file_position(), entry.size());
        let within = offset.checked_add(size).filter(|end| *end <= length);
        let Some(last) = within else { return refused("ends beyond the archive, which is truncated") };
        end = last.next_multiple_of(BLOCK);
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() {
            return refused("is neither a folder nor a plain file");
        }
        found.push(Found { name, offset, size });
    }
    // An archive ends with blocks of zeros; without them it may have been cut between two entries.
    if end + BLOCK > length {
        return Err(broken("truncated archive: its end mark is missing".into()));
    }
    Ok(found)
}

/// A part of a file, read as if it were one.
struct Section {
    file: File,
    start: u64,
    length: u64,
    at: u64,
}

impl Read for Section {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let left = self.length.saturating_sub(self.at).min(out.len() as u64) as usize;
        self.file.seek(SeekFrom::Start(self.start + self.at))?;
        let read = self.file.read(&mut out[..left])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
#[path = "tests/archive.rs"]
mod tests;
