//! Running statistics of norms where several devices learn together.
//!
//! On one device each batch of a step moves them, s = (1 - m) s + m b, so that of K batches the k-th has the weight m (1 - m)^(K - 1 - k).
//! Where the batches are dealt out, each device keeps its own ones' part of that sum, which decays for the others' batches too; the first
//! has the part of what was there before. The parts are added at the end of the step. So statistics are those of one device but for
//! rounding, and evaluations do not depend on how many there are.

use super::buffers::Ready;
use super::network::{DeviceNetwork, on_device};
use crate::nn::{Pass, Result};
use std::ops::Range;
use swish_kernels::cuda::launch::layout;
use swish_kernels::cuda::{Device, Engine, Slice, Stored};

/// A device's part of the statistics.
pub(super) struct Part<D: Device> {
    /// What the passes of this step move, and its momentum.
    moved: Vec<(Range<usize>, f64)>,
    /// Batches of this step.
    batches: u64,
    /// For what is multiplied.
    spare: Option<Slice<D, f32>>,
}

impl<D: Device> Default for Part<D> {
    fn default() -> Self {
        Self { moved: Vec::new(), batches: 0, spare: None }
    }
}

impl<D: Device> Part<D> {
    /// Before the first batch of a step.
    pub(super) fn reset(&mut self) {
        self.batches = 0;
    }
}

impl<D: Engine, E: Stored, M> DeviceNetwork<D, E, M> {
    /// Before a training pass, which moves the statistics.
    pub(super) fn begin_part(&self, ready: &Ready<D, E>, pass: &Pass) -> Result<()> {
        let (device, rank) = (&*self.device, self.device.rank());
        if rank.is_alone() {
            return Ok(());
        }
        let part = &mut *self.part.borrow_mut();
        part.moved = self.moved(ready, pass);
        part.batches += 1;
        let mut begin = || -> Result<(), D::Error> {
            match part.batches {
                1 if rank.is_first() => Ok(()),
                1 => {
                    let mut running = self.running.borrow_mut();
                    part.moved.iter().try_for_each(|(range, _)| running.view_mut().range(range.clone()).zero(device))
                }
                _ => self.decay(part, rank.of() - 1, 1.0),
            }
        };
        begin().map_err(on_device)
    }

    /// Adds the parts of all ranks, at the end of a step. A device that learns by itself has all.
    ///
    /// # Errors
    /// The device's, such as a rank that is lost.
    pub fn join_statistics(&mut self) -> Result<(), D::Error> {
        let (device, rank) = (&*self.device, self.device.rank());
        let part = &mut *self.part.borrow_mut();
        if rank.is_alone() || part.batches == 0 {
            return Ok(());
        }
        part.reset();
        // A sum is so many times the mean.
        self.decay(part, rank.of() - 1 - rank.number(), rank.of() as f64)?;
        let mut running = self.running.borrow_mut();
        for (range, _) in &part.moved {
            device.average(running.view_mut().range(range.clone()))?;
        }
        device.averaged()
    }

    /// What is there after so many batches of others, times a factor.
    fn decay(&self, part: &mut Part<D>, batches: usize, times: f64) -> Result<(), D::Error> {
        let (device, mut running) = (&*self.device, self.running.borrow_mut());
        let spare = match &mut part.spare {
            Some(spare) => spare,
            none => none.insert(Slice::new(device, running.len())?),
        };
        for (range, momentum) in &part.moved {
            let factor = times * (1.0 - momentum).powi(batches as i32);
            if factor != 1.0 {
                let mut to = spare.view_mut().range(range.clone());
                layout::scaled(device, factor, running.view().range(range.clone()), to.reborrow())?;
                layout::scaled(device, 1.0, to.view(), running.view_mut().range(range.clone()))?;
            }
        }
        Ok(())
    }

    /// The statistics that a pass moves, neighbours of one momentum together. Each belongs to one norm, which is run once.
    fn moved(&self, ready: &Ready<D, E>, pass: &Pass) -> Vec<(Range<usize>, f64)> {
        let run = self.norms.iter().zip(&ready.plan.wanted).filter(|(_, wanted)| **wanted);
        let norms = run.filter_map(|(norm, _)| norm.as_ref()?.running());
        let mut all: Vec<(Range<usize>, f64)> = norms
            .flat_map(|(ranges, momentum)| ranges.clone().map(|range| (range, pass.norm_momentum.unwrap_or(momentum))))
            .collect();
        all.sort_by_key(|(range, _)| range.start);
        let mut moved: Vec<(Range<usize>, f64)> = Vec::new();
        for (range, momentum) in all {
            match moved.last_mut() {
                Some((last, same)) if last.end == range.start && *same == momentum => last.end = range.end,
                _ => moved.push((range, momentum)),
            }
        }
        moved
    }
}
