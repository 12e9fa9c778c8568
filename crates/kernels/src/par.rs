//! Cutting work into tasks that depend only on the sizes, so that results do not depend on the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use crate::real::Real;

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

/// Gives every unit its own part of `ys`, whose rows have `row_len` elements, and runs `work` on them in parallel. Each thread keeps one
/// scratch value `S`.
pub(crate) fn for_each_unit<T: Real, S: Default>(
    units: &[Unit],
    row_len: usize,
    ys: &mut [T],
    work: impl Fn(&mut S, &Unit, &mut [T]) + Sync,
) {
    let mut parts = Vec::with_capacity(units.len());
    let mut rest = ys;
    for unit in units {
        let (part, tail) = rest.split_at_mut(unit.row_count() * row_len);
        parts.push((unit, part));
        rest = tail;
    }
    parts.into_par_iter().for_each_init(S::default, |scratch, (unit, part)| work(scratch, unit, part));
}

/// Elements that all partial sums of one reduction may take together.
const MAX_PARTIAL_ELEMENTS: usize = 16 << 20;
/// Tasks of a reduction.
const MAX_PARTIALS: usize = 32;

/// Sums over `items` items: each task adds its range of items to a zeroed partial of `len` elements; the partials are added in order.
pub(crate) fn reduce<T: Real>(items: usize, len: usize, work: impl Fn(Range<usize>, &mut [T]) + Sync) -> Vec<T> {
    let tasks = (MAX_PARTIAL_ELEMENTS / len.max(1)).clamp(1, MAX_PARTIALS).min(items.max(1));
    let mut partials = vec![T::ZERO; tasks * len];
    partials.par_chunks_mut(len.max(1)).enumerate().for_each(|(task, partial)| {
        work(items * task / tasks..items * (task + 1) / tasks, partial);
    });
    let (total, others) = partials.split_at_mut(len);
    for partial in others.chunks_exact(len.max(1)) {
        for (sum, &part) in total.iter_mut().zip(partial) {
            *sum += part;
        }
    }
    partials.truncate(len);
    partials
}

/// Rows that one task takes of a matrix with `rows` rows: at least `min_rows`, and at most 32 tasks.
pub(crate) fn rows_per_task(rows: usize, min_rows: usize) -> usize {
    rows.div_ceil(32).max(min_rows).max(1)
}

#[cfg(test)]
mod tests {
    use super::{reduce, units};

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

    #[test]
    fn reduce_adds_every_item_once() {
        for items in [0, 1, 31, 32, 33, 100] {
            let sums = reduce::<f64>(items, 2, |range, partial| {
                for i in range {
                    partial[0] += i as f64;
                    partial[1] += 1.0;
                }
            });
            assert_eq!(sums, [(0..items).sum::<usize>() as f64, items as f64]);
        }
    }
}
