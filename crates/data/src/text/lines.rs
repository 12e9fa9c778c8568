//! Reading a file of sentences, one a line: plain, gzip or zstd by the end of its name.

use crate::DataError;
use crate::error::one_line;
use crate::text::{Lines, TextError};
use std::io::Read;
use std::path::Path;

/// The sentences of a file. Lines end with LF or CR LF; the last one may lack it. Nothing else is changed.
///
/// # Errors
/// [`DataError::Io`]; [`TextError::Damaged`] for a compressed file that is cut off; [`TextError::Utf8`].
pub fn read(path: &Path) -> Result<Lines, DataError> {
    let bytes = decompressed(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| {
        let line = 1 + bytes[..e.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        TextError::Utf8 { path: path.to_path_buf(), line }.data()
    })?;
    // A byte order mark is no text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.is_empty() && bytes.is_empty() {
        return Ok(Lines::default());
    }
    Ok(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect())
}

fn decompressed(path: &Path) -> Result<Vec<u8>, DataError> {
    let stored = std::fs::read(path).map_err(|e| DataError::io(path, &e))?;
    let damaged = |format| {
        move |e: std::io::Error| {
            TextError::Damaged { path: path.to_path_buf(), format, detail: one_line(&e.to_string()) }.data()
        }
    };
    let mut bytes = Vec::new();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => {
            flate2::read::MultiGzDecoder::new(stored.as_slice()).read_to_end(&mut bytes).map_err(damaged("gzip"))?;
        }
        Some("zst") => bytes = zstd::decode_all(stored.as_slice()).map_err(damaged("zstd"))?,
        _ => bytes = stored,
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use flate2::write::GzEncoder;
    use std::io::Write;

    const TEXT: &str = "Eins.\r\n\nZwei \u{2028}drei.\n";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_same_lines_whatever_the_packing() {
        let folder = tempfile::tempdir().unwrap();
        let zstd = zstd::encode_all(TEXT.as_bytes(), 3).unwrap();
        let two_members = [gzip(&TEXT.as_bytes()[..9]), gzip(&TEXT.as_bytes()[9..])].concat();
        for (name, bytes) in
            [("a", TEXT.into()), ("a.gz", gzip(TEXT.as_bytes())), ("b.gz", two_members), ("a.zst", zstd)]
        {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path).unwrap().iter().collect::<Vec<_>>(), ["Eins.", "", "Zwei \u{2028}drei."], "{name}");
        }
        let counts = [("", 0), ("\n", 1), ("a", 1), ("a\n", 1), ("a\n\n", 2), ("\u{feff}a\nb", 2)];
        for (text, count) in counts {
            let path = folder.path().join("counted");
            std::fs::write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap().len(), count, "{text:?}");
        }
    }

    #[test]
    fn what_is_damaged_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let error = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            read(&path).unwrap_err().to_string().replace(&format!("{}/", folder.path().display()), "")
        };
        assert_eq!(error("a.en", b"one\ntwo\n\xff\n"), "a.en: line 3 is not UTF-8");
        let gz = gzip(&TEXT.repeat(50).into_bytes());
        assert!(error("a.en.gz", &gz[..gz.len() - 5]).starts_with("a.en.gz: not a whole gzip file ("));
        let zst = zstd::encode_all(TEXT.repeat(50).as_bytes(), 3).unwrap();
        assert!(error("a.en.zst", &zst[..zst.len() - 5]).starts_with("a.en.zst: not a whole zstd file ("));
        assert!(error("b.en.zst", b"plain").starts_with("b.en.zst: not a whole zstd file ("));
        assert!(read(&folder.path().join("none")).unwrap_err().to_string().contains("No such file"));
    }
}
