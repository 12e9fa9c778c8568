//! Rows as CSV, one line each under a line with the names of their fields.

use crate::error::{RecordError, Result};
use serde::Serialize;

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
