//! Which outputs the positions of the input meet, for the data gradient.

use super::canvas::Axis;

/// One axis of a phase of the data gradient: positions `phase + i * stride` see these cells of the kernel.
pub(super) struct Reach {
    pub(super) phase: usize,
    /// How many positions.
    pub(super) count: usize,
    /// Cells of the kernel, in the order of the outputs that they meet.
    pub(super) cells: Vec<usize>,
    /// The output that position `phase` meets with the first cell.
    pub(super) first: isize,
}

impl Reach {
    /// All phases of an axis of `len` positions.
    pub(super) fn all(k: usize, stride: usize, before: usize, len: usize) -> Vec<Self> {
        (0..stride.min(len))
            .map(|phase| {
                // Position p meets output o with cell p + before - o * stride.
                let cells: Vec<usize> = ((phase + before) % stride..k).step_by(stride).collect();
                let first = ((phase + before) / stride) as isize - cells.len() as isize + 1;
                Self { phase, count: (len - phase).div_ceil(stride), cells: cells.into_iter().rev().collect(), first }
            })
            .collect()
    }

    /// The canvas axis of `out` outputs that holds what all phases meet.
    pub(super) fn axis(phases: &[Self], out: usize) -> Axis {
        let used = phases.iter().filter(|phase| !phase.cells.is_empty());
        let before = used.clone().map(|phase| -phase.first).fold(0, isize::max) as usize;
        let end =
            used.map(|phase| phase.first + (phase.count + phase.cells.len()) as isize - 1).fold(1, isize::max) as usize;
        let count = phases.iter().map(|phase| phase.count).fold(1, usize::max);
        // All positions read `before + end` cells: `count` windows of the rest.
        Axis::new(out, before, (before + end).saturating_sub(count - 1).max(1), 1, count)
    }
}
