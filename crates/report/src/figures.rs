//! Pictures as text that a page can hold, and the figures of the paper that they stand for.

use crate::error::{ReportError, Result};
use crate::places::FIGURES;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use swish_record::{DataSource, Profile};

/// A picture in the page.
#[derive(Debug, Serialize)]
pub struct Picture {
    pub title: String,
    /// `data:` address.
    pub uri: String,
    /// Profile and data source of what it shows, as its file's name says; `None` for a picture of no runs.
    pub kind: Option<(Profile, DataSource)>,
}

/// A figure of the paper.
#[derive(Debug, Serialize)]
pub struct FigureView {
    pub number: u8,
    pub title: &'static str,
    pub command: &'static str,
    /// A drawing of the page's own, for what is no result.
    pub drawing: Option<&'static str>,
    pub pictures: Vec<Picture>,
}

impl FigureView {
    pub fn has_results(&self) -> bool {
        self.drawing.is_some() || !self.pictures.is_empty()
    }
}

/// All figures of the paper.
pub fn of(results: &Path) -> Result<Vec<FigureView>> {
    let folder = results.join("figures");
    let names = stems(&folder)?;
    let mut figures = Vec::new();
    for place in FIGURES {
        let drawing = match place.number {
            1 => Some(include_str!("../assets/figure_1.svg")),
            2 => Some(include_str!("../assets/figure_2.svg")),
            _ => None,
        };
        let start = format!("figure_{:02}", place.number);
        // A picture of runs says in its name of which kind they are; others (of weights that were given) have no place here.
        let own = names.iter().filter(|name| {
            **name == start
                || name.starts_with(&format!("{start}-")) && kind(name).is_some() && !name.contains("-partial")
        });
        let pictures = own.filter_map(|name| picture(&folder.join(name), place.title).transpose());
        figures.push(FigureView {
            number: place.number,
            title: place.title,
            command: place.command,
            drawing,
            pictures: pictures.collect::<Result<_>>()?,
        });
    }
    Ok(figures)
}

/// Names of the pictures in a folder without their endings, sorted, each once.
fn stems(folder: &Path) -> Result<Vec<String>> {
    let unreadable = |source| ReportError::Io { path: folder.to_path_buf(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(unreadable(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "svg" || ending == "png") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// `<base>.svg` or `<base>.png`, whichever is the shorter text; `None` where there is neither.
pub fn picture(base: &Path, title: &str) -> Result<Option<Picture>> {
    let name = base.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // with_extension would cut a name at its last dot.
    let read = |ending: &str| {
        let path = base.with_file_name(format!("{name}.{ending}"));
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ReportError::Io { path, source }),
        }
    };
    let svg = read("svg")?.map(|bytes| format!("data:image/svg+xml,{}", percent(&bytes)));
    let png = read("png")?.map(|bytes| format!("data:image/png;base64,{}", base64(&bytes)));
    let shortest = [svg, png].into_iter().flatten().min_by_key(String::len);
    Ok(shortest.map(|uri| Picture { title: title.to_owned(), uri, kind: kind(&name) }))
}

/// `figure_08-reduced-dir` is of reduced runs on data from a folder.
fn kind(name: &str) -> Option<(Profile, DataSource)> {
    let mut parts = name.split('-').skip(1);
    let (profile, source) = (parts.next()?, parts.next()?);
    let source = source.split('_').next()?;
    Some((profile.parse().ok()?, source.parse().ok()?))
}

/// The bytes of an SVG as part of an address: what may not stand there, percent-encoded; line ends and indents left out.
fn percent(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 9 / 8);
    let mut start = true;
    for &byte in bytes {
        match byte {
            b'\n' | b'\r' => {
                // A line end between two attributes separates them.
                if !start {
                    text.push(' ');
                }
                start = true;
                continue;
            }
            b' ' | b'\t' if start => continue,
            // In SVG both quotes are alike, but a text may hold either.
            b'%' | b'#' | b'"' | b'&' | 0..0x20 | 0x7f.. => {
                let _ = write!(text, "%{byte:02X}");
            }
            _ => text.push(char::from(byte)),
        }
        start = false;
    }
    text
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for k in 0..4 {
            let digit = (word >> (18 - 6 * k)) as usize & 63;
            text.push(if k <= chunk.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The test vectors of RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (text, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn an_svg_is_encoded_where_it_has_to_be() {
        let svg = "<svg a=\"1\"\n  b='#fff'>\n<text>50% é</text>\n</svg>\n";
        assert_eq!(percent(svg.as_bytes()), "<svg a=%221%22 b='%23fff'> <text>50%25 %C3%A9</text> </svg> ");
    }

    #[test]
    fn the_shorter_form_is_taken_and_the_name_says_what_it_shows() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("figure_08-reduced-dir");
        assert!(picture(&base, "t").unwrap().is_none());
        fs::write(folder.path().join("figure_08-reduced-dir.svg"), "<svg/>").unwrap();
        fs::write(folder.path().join("figure_08-reduced-dir.png"), [0; 40]).unwrap();
        let shown = picture(&base, "t").unwrap().unwrap();
        assert_eq!(
            (shown.uri.as_str(), shown.kind),
            ("data:image/svg+xml,<svg/>", Some((Profile::Reduced, DataSource::Dir)))
        );
        assert_eq!(kind("table_04-paper-hub_curves"), Some((Profile::Paper, DataSource::Hub)));
        assert_eq!((kind("figure_03"), kind("groups")), (None, None));
    }
}
