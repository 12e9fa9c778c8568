//! Cutting work into tasks that depend only on the sizes, so that results do not depend on the number of threads.

use std::ops::Range;

/// One task over images: several whole images, or a band of rows of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) images: Range<usize>,
    pub(crate) rows: Range<usize>,
}

impl Unit {
    /// Rows of all images together.
    pub(crate) fn row_count(&self) -> usize {
        self.images.len() * self.rows.len()
    }
}

/// Cuts `n` images of `rows` rows into units of about `target` elements, where a row has `row_len` elements.
pub(crate) fn units(n: usize, rows: usize, row_len: usize, target: usize) -> Vec<Unit> {
    if n == 0 || rows == 0 {
        return Vec::new();
    }
    let rows_wanted = (target / row_len.max(1)).max(1);
    if rows_wanted >= rows {
        let step = (rows_wanted / rows).max(1);
        return (0..n).step_by(step).map(|i| Unit { images: i..(i + step).min(n), rows: 0..rows }).collect();
    }
    let step = rows.div_ceil(rows.div_ceil(rows_wanted));
    (0..n)
        .flat_map(|i| (0..rows).step_by(step).map(move |y| Unit { images: i..i + 1, rows: y..(y + step).min(rows) }))
        .collect()
}

/// Gives every unit in turn its own part of `ys`, whose rows have `row_len` elements.
pub(crate) fn for_each_unit<T>(units: &[Unit], row_len: usize, ys: &mut [T], mut work: impl FnMut(&Unit, &mut [T])) {
    let mut rest = ys;
    for unit in units {
        let (part, tail) = rest.split_at_mut(unit.row_count() * row_len);
        work(unit, part);
        rest = tail;
    }
}

/// Rows that one task takes of a matrix with `rows` rows: at least `min_rows`, and at most 32 tasks.
pub(crate) fn rows_per_task(rows: usize, min_rows: usize) -> usize {
    rows.div_ceil(32).max(min_rows).max(1)
}

#[cfg(test)]
mod tests {
    use super::units;

    #[test]
    fn units_cover_every_row_once_and_in_order() {
        for (n, rows, row_len, target) in
            [(3, 7, 10, 25), (3, 7, 10, 1000), (5, 4, 1, 9), (1, 1, 100, 1), (2, 9, 3, 12)]
        {
            let mut next = 0;
            for unit in units(n, rows, row_len, target) {
                assert_eq!(next, unit.images.start * rows + unit.rows.start);
                assert!(unit.images.len() == 1 || unit.rows == (0..rows));
                next += unit.row_count();
            }
            assert_eq!(next, n * rows);
        }
        assert!(units(0, 4, 4, 4).is_empty());
    }
}
