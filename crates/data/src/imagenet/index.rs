//! The list of a plain archive's images kept on disk: the training archive of ILSVRC2012 has 1.3 million headers in 138 GB.
//!
//! A text file. First line: format, the archive's length and time of change, SHA-256 of the rest. Then a line an image:
//! offset, size, name. Whatever does not fit counts as absent.

use super::archive::list_file;
use super::listing::{Found, Split};
use crate::digest::{hex, sha256};
use crate::{DataError, whole};
use std::io::Write;
use std::path::Path;
use std::time::UNIX_EPOCH;

const FORMAT: &str = "swish-tar-index-1";

/// The images of one split in a plain archive, from the copy in `cache` if that is of the archive as it is now.
pub(crate) fn list_kept(archive: &Path, split: Split, cache: &Path) -> Result<Vec<Found>, DataError> {
    let failed = |e: std::io::Error| DataError::io(archive, &e);
    let full = archive.canonicalize().map_err(failed)?;
    let metadata = full.metadata().map_err(failed)?;
    let changed = metadata.modified().map_err(failed)?.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos());
    let state = format!("{FORMAT} {} {changed}", metadata.len());
    let place = hex(&sha256(full.as_os_str().as_encoded_bytes()), 12);
    let file = cache.join(format!("imagenet-{}-{place}.index", split.name()));
    if let Some(found) = std::fs::read_to_string(&file).ok().and_then(|text| parse(&text, &state)) {
        return Ok(found);
    }
    let found = list_file(archive, split)?;
    // A folder that cannot be written only costs the next run its time.
    drop(write(&file, &found, &state));
    Ok(found)
}

fn parse(text: &str, state: &str) -> Option<Vec<Found>> {
    let (first, rest) = text.split_once('\n')?;
    let hash = first.strip_prefix(state)?.strip_prefix(' ')?;
    if hash != hex(&sha256(rest.as_bytes()), 64) {
        return None;
    }
    let line = |line: &str| {
        let (offset, rest) = line.split_once(' ')?;
        let (size, name) = rest.split_once(' ')?;
        Some(Found { name: name.to_owned(), offset: offset.parse().ok()?, size: size.parse().ok()? })
    };
    rest.lines().map(line).collect()
}

fn write(file: &Path, found: &[Found], state: &str) -> std::io::Result<()> {
    let mut rest = String::new();
    for Found { name, offset, size } in found {
        rest += &format!("{offset} {size} {name}\n");
    }
    let text = format!("{state} {}\n{rest}", hex(&sha256(rest.as_bytes()), 64));
    whole::write(file, |copy| copy.write_all(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_whole_index_of_the_same_archive_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/a.index");
        let found = vec![
            Found { name: "n1/a b.JPEG".into(), offset: 512, size: 7 },
            Found { name: "n2/c.JPEG".into(), offset: 1536, size: 0 },
        ];
        write(&file, &found, "state 1").unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(parse(&text, "state 1").unwrap(), found);
        assert!(parse(&text, "state 2").is_none());
        assert!(parse(&text[..text.len() - 1], "state 1").is_none());
        assert!(parse(&text.replace("512", "513"), "state 1").is_none());
    }
}
