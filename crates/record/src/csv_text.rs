//! Rows as CSV, one line each under a line with the names of their fields; and back.

use crate::error::{RecordError, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::path::Path;

/// The CSV of `rows`; `table` is what an error calls it.
///
/// # Errors
/// A row with a field that is neither text, number nor empty.
pub fn to_csv<T: Serialize>(table: &str, rows: &[T]) -> Result<Vec<u8>> {
    let fail = |source| RecordError::TableCsv { table: table.to_owned(), source };
    let mut writer = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| writer.serialize(row)).map_err(fail)?;
    writer.into_inner().map_err(|error| fail(error.into_error().into()))
}

/// The rows of a CSV file, fields by the names in its first line.
///
/// # Errors
/// A file that cannot be read, or a line, named by its number, that is no row.
pub fn from_csv<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let bytes = fs::read(path).map_err(|source| RecordError::io(path, "read", source))?;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let bad = |line: u64, reason: String| RecordError::TableRow { path: path.to_path_buf(), line, reason };
    let line_of = |error: &csv::Error| error.position().map_or(1, csv::Position::line);
    let header = reader.headers().map_err(|error| bad(1, reason(&error)))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| bad(line_of(&error), reason(&error)))?;
        let line = record.position().map_or(1, csv::Position::line);
        rows.push(record.deserialize(Some(&header)).map_err(|error| bad(line, reason(&error)))?);
    }
    Ok(rows)
}

/// What is wrong, without the position, which stands before it.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!("{len} fields, expected {expected_len}"),
        csv::ErrorKind::Utf8 { .. } => "not text in UTF-8".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_error_names_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let message = |text: &[u8]| {
            fs::write(&path, text).unwrap();
            from_csv::<(String, f64)>(&path).unwrap_err().to_string()
        };
        for (text, expected) in [
            (&b"a,b\nx,1\n\"y\nz\",2\nw,many\n"[..], "t.csv: line 5: "),
            (b"a,b\nx,1\ny\n", "t.csv: line 3: 1 fields, expected 2"),
            (b"a,b\nx,1\n\xff,2\n", "t.csv: line 3: not text in UTF-8"),
        ] {
            assert!(message(text).contains(expected), "{}", message(text));
        }
        fs::write(&path, "a,b\nx,1\n").unwrap();
        assert_eq!(from_csv::<(String, f64)>(&path).unwrap(), [("x".to_owned(), 1.0)]);
        assert!(
            from_csv::<(String, f64)>(&folder.path().join("none.csv")).unwrap_err().to_string().contains("none.csv")
        );
    }
}
