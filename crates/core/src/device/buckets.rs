//! Buckets: stretches of the gradient that several devices average while the way back goes on.
//!
//! A bucket can go as soon as every step that has a parameter in it has gone back. Parameters lie in the order of the graph, so buckets are
//! cut from the end.

use super::buffers::Ready;
use super::network::DeviceNetwork;
use super::placement::{Placement, tables};
use super::plan::Plan;
use crate::nn::graph::{Op, Value};
use std::ops::Range;
use swish_kernels::cuda::launch::layout;
use swish_kernels::cuda::{Engine, Stored};

/// Elements of a bucket at least: 4 MiB of f32, which the links between GPUs move at nearly their full speed.
pub const BUCKET: usize = 1 << 20;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// In the device's layout, gaps included.
    range: Range<usize>,
    /// The step behind whose way back it is whole.
    after: Value,
}

/// An operator's parameters on the host; of those whose gradients are written together, the first.
pub(super) fn parameters(op: &Op) -> Vec<Range<usize>> {
    match op {
        Op::Conv { weight, .. } => vec![weight.clone()],
        Op::Norm { layer, .. } => tables(&layer.kind).into_iter().chain([layer.params.clone()]).collect(),
        Op::Linear { layer, .. } => [Some(&layer.weight), layer.bias.as_ref()].into_iter().flatten().cloned().collect(),
        Op::Residual { bias, .. } => bias.iter().cloned().collect(),
        Op::Embedding { layer, .. } => vec![layer.weight.clone()],
        Op::LayerNorm { gamma, .. } => vec![gamma.clone()],
        _ => Vec::new(),
    }
}

impl Placement {
    /// Cuts the gradient of a pass into buckets of at least so many elements; the first of the matrices and the first of the others have
    /// what is left.
    pub(super) fn buckets(&self, plan: &Plan, least: usize) -> Vec<Bucket> {
        let starts: Vec<usize> = self.starts().collect();
        // Those that no step has a part in are whole from the beginning of the way back.
        let mut first_use = vec![plan.graph.logits; starts.len()];
        let steps = plan.graph.steps.iter().enumerate().filter(|(i, _)| plan.wanted[*i]);
        for (i, step) in steps.rev() {
            for piece in parameters(&step.op).iter().filter_map(|range| self.number(range)) {
                first_use[piece] = first_use[piece].min(i);
            }
        }
        let mut buckets = Vec::new();
        let (mut end, mut after) = (self.len, plan.graph.logits);
        for (&start, &first) in starts.iter().zip(&first_use).rev() {
            after = after.min(first);
            if end - start >= least || start == self.matrices || start == 0 {
                buckets.push(Bucket { range: start..end, after });
                (end, after) = (start, plan.graph.logits);
            }
        }
        buckets
    }
}

impl<D: Engine, E: Stored, M> DeviceNetwork<D, E, M> {
    /// Whether passes average their gradients over the ranks, in buckets of so many elements at least, while they go back. Otherwise it is
    /// for [`DeviceNetwork::average_gradient`] to do, once for several passes. A device that learns by itself does neither.
    pub fn average_in_passes(&mut self, least: Option<usize>) {
        self.bucket = least.filter(|_| !self.device.rank().is_alone());
        self.forget_passes();
    }

    /// Averages the gradient over the ranks, unless passes have done so.
    ///
    /// # Errors
    /// The device's, such as a rank that is lost.
    pub fn average_gradient(&mut self) -> Result<(), D::Error> {
        if self.bucket.is_some() {
            return Ok(());
        }
        let device = &*self.device;
        device.average(self.gradient.borrow_mut().view_mut())?;
        device.averaged()
    }

    /// Those of a pass; none where it does not average.
    pub(super) fn buckets(&self, plan: &Plan) -> Vec<Bucket> {
        self.bucket.map(|least| self.places.buckets(plan, least)).unwrap_or_default()
    }

    /// Averages the buckets that are whole behind a step's way back.
    pub(super) fn average_behind(&self, ready: &Ready<D, E>, step: Value) -> Result<(), D::Error> {
        ready.buckets.iter().filter(|bucket| bucket.after == step).try_for_each(|Bucket { range, .. }| {
            self.widen(range.clone())?;
            self.device.average(self.gradient.borrow_mut().view_mut().range(range.clone()))
        })
    }

    /// Ends the way back: the gradient is whole.
    pub(super) fn end_backward(&self, ready: &Ready<D, E>) -> Result<(), D::Error> {
        if ready.buckets.is_empty() { self.widen(0..self.places.len) } else { self.device.averaged() }
    }

    /// Brings the matrices' part of a stretch of the gradient from the type of the maps.
    fn widen(&self, range: Range<usize>) -> Result<(), D::Error> {
        let range = range.start..range.end.min(self.places.matrices);
        if range.is_empty() {
            return Ok(());
        }
        let (d_matrices, mut gradient) = (self.d_matrices.borrow(), self.gradient.borrow_mut());
        layout::to_float(&*self.device, d_matrices.view().range(range.clone()), gradient.view_mut().range(range))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::models::transformer::{self, Transformer};
    use crate::models::{Net, find};
    use crate::nn::graph::Graph;
    use candle_core::{DType, Device as Host};

    /// Every element is in one bucket, and no step that goes back behind a bucket's has a parameter in it.
    fn check(graph: Graph, auxiliary: bool) {
        let places = Placement::new(&graph);
        let plan = Plan::new(graph, true, auxiliary).unwrap();
        for least in [1, 5_000, 200_000, usize::MAX] {
            let buckets = places.buckets(&plan, least);
            let mut end = places.len;
            for Bucket { range, after } in &buckets {
                assert!(range.end == end && !range.is_empty(), "{range:?} behind {end}");
                assert!(range.end <= places.matrices || range.start >= places.matrices, "{range:?} has both parts");
                assert!(plan.wanted[*after], "{range:?}: step {after} is not run");
                end = range.start;
            }
            assert_eq!(end, 0);
            let small = buckets.iter().filter(|bucket| bucket.range.len() < least).count();
            assert!(small <= 2, "{small} buckets of less than {least}");
            let mut used = vec![false; places.starts().count()];
            for (i, step) in plan.graph.steps.iter().enumerate() {
                for range in parameters(&step.op).iter().filter(|range| !range.is_empty()) {
                    let (piece, place) = (places.number(range).unwrap(), places.find(range));
                    used[piece] = true;
                    let bucket = buckets.iter().find(|bucket| bucket.range.contains(&place.start)).unwrap();
                    assert!(place.end <= bucket.range.end);
                    assert!(bucket.after <= i || !plan.wanted[i], "step {i} goes back behind {bucket:?}");
                }
            }
            assert!(used.iter().all(|used| *used), "a parameter that no step is known to use");
            if least == 1 {
                let last = |bucket: &Bucket| {
                    let uses = |i: &Value| {
                        let ranges = parameters(&plan.graph.steps[*i].op);
                        ranges.iter().any(|range| !range.is_empty() && bucket.range.contains(&places.find(range).start))
                    };
                    (0..plan.graph.steps.len()).filter(|i| plan.wanted[*i]).find(uses).unwrap_or(plan.graph.logits)
                };
                assert!(buckets.iter().all(|bucket| bucket.after == last(bucket)), "one waits longer than it has to");
            }
        }
    }

    #[test]
    fn each_parameter_is_averaged_once_and_behind_its_last_use() {
        for (model, auxiliary) in [
            ("resnet20_b", false),
            ("resnet164", false),
            ("mobilenet_v1_same", false),
            ("inception_v3_tfpool", true),
            ("inception_v3_tfpool", false),
        ] {
            let info = find(model).unwrap();
            let net = Net::undrawn(info, &"swish".parse().unwrap(), 10, DType::F32, &Host::Cpu).unwrap();
            let [c, h, w] = info.input;
            check(net.graph([2, h, w, c]).unwrap(), auxiliary);
        }
        let config = transformer::find("transformer_tiny").unwrap().config;
        let net = Transformer::undrawn(&config, &"swish".parse().unwrap(), DType::F32, &Host::Cpu).unwrap();
        check(net.graph([2, 7, 5]).unwrap(), false);
    }
}
