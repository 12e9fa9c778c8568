//! [`Plan`]: which memory the maps and gradients of a pass lie in, and when each is free for others.

use crate::nn::graph::{Graph, Op, Value};
use crate::nn::{Error, Result};

/// A place in one of the two lists of buffers, of maps or of values in the type to compute in.
pub(super) type Slot = usize;

/// Buffers of one element type: how long they have to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Lengths {
    pub(super) lens: Vec<usize>,
    free: Vec<Slot>,
}

impl Lengths {
    /// A free buffer that fits without much waste, or a new one.
    fn take(&mut self, len: usize) -> Slot {
        let fits = |&(_, slot): &(usize, &Slot)| (len..=len + len / 4).contains(&self.lens[*slot]);
        let best = self.free.iter().enumerate().filter(fits).min_by_key(|(_, slot)| self.lens[**slot]);
        match best.map(|(i, _)| i) {
            Some(i) => self.free.swap_remove(i),
            None => {
                self.lens.push(len);
                self.lens.len() - 1
            }
        }
    }
}

/// A pass through a graph: what is run, and where everything lies.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) graph: Graph,
    /// Whether a step's map is used by what the pass is to make.
    pub(super) wanted: Vec<bool>,
    /// Whether anything wants the gradient of a step's map.
    pub(super) tracked: Vec<bool>,
    /// Of maps.
    pub(super) values: Vec<Option<Slot>>,
    /// Of their gradients, in training.
    pub(super) gradients: Vec<Option<Slot>>,
    /// Buffers of maps.
    pub(super) maps: Lengths,
    /// Buffers of values in the type to compute in.
    pub(super) features: Lengths,
    /// Elements of the largest map and features whose gradient comes from several readers.
    pub(super) shared: [usize; 2],
}

/// When a buffer is first written and last used, on the clock of a pass: step i runs at i, its way back at 2 n - i, the loss at n.
type Life = (usize, usize);

impl Plan {
    /// For training with `auxiliary` logits or without, or for an evaluation.
    ///
    /// # Errors
    /// [`Error::BadConfig`] for what no step here can run.
    pub(super) fn new(graph: Graph, train: bool, auxiliary: bool) -> Result<Self> {
        check(&graph)?;
        let n = graph.steps.len();
        let mut ends = vec![graph.logits];
        ends.extend(graph.aux_logits.filter(|_| train && auxiliary));
        let mut wanted = vec![false; n];
        ends.iter().for_each(|&end| wanted[end] = true);
        for i in (0..n).rev() {
            if wanted[i] {
                graph.steps[i].op.inputs().into_iter().for_each(|input| wanted[input] = true);
            }
        }
        let mut tracked = vec![false; n];
        for (i, step) in graph.steps.iter().enumerate() {
            let inputs = step.op.inputs();
            let trained = matches!(
                step.op,
                Op::Norm { .. }
                    | Op::Conv { .. }
                    | Op::Linear { .. }
                    | Op::Embedding { .. }
                    | Op::Residual { .. }
                    | Op::LayerNorm { .. }
            );
            tracked[i] = train && (trained || inputs.into_iter().any(|input| tracked[input]));
        }
        let mut plan = Self {
            wanted,
            tracked,
            values: vec![None; n],
            gradients: vec![None; n],
            maps: Lengths::default(),
            features: Lengths::default(),
            shared: [0; 2],
            graph,
        };
        plan.place(train, &ends);
        Ok(plan)
    }

    fn place(&mut self, train: bool, ends: &[Value]) {
        let n = self.graph.steps.len();
        let back = |i: usize| 2 * n - i;
        // What is left at the end of a pass can be read from outside.
        let mut values: Vec<Option<Life>> = (0..n).map(|i| self.wanted[i].then_some((i, i))).collect();
        let mut gradients: Vec<Option<Life>> = vec![None; n];
        let mut readers = vec![0; n];
        for &end in ends {
            values[end] = Some((end, usize::MAX));
            gradients[end] = train.then(|| (n, back(end)));
            // The loss.
            readers[end] += 1;
        }
        for (i, step) in self.graph.steps.iter().enumerate().filter(|(i, _)| self.wanted[*i]) {
            let inputs = step.op.inputs();
            // Norms make their preactivations anew, factors' gradients need the other factors.
            let again = match &step.op {
                Op::Norm { .. } | Op::LayerNorm { .. } | Op::Weights { .. } | Op::Means { .. } => &inputs[..],
                Op::Conv { .. } | Op::Linear { .. } => &inputs[..1],
                _ => &[],
            };
            // Softmax goes back from what it has made.
            if train && matches!(step.op, Op::Weights { .. }) {
                values[i] = values[i].map(|(first, end)| (first, end.max(back(i))));
            }
            for &input in &inputs {
                let last = if train && again.contains(&input) { back(i) } else { i };
                values[input] = values[input].map(|(first, end)| (first, end.max(last)));
                if train && self.tracked[input] {
                    readers[input] += 1;
                    let (first, end) = gradients[input].unwrap_or((usize::MAX, back(input)));
                    gradients[input] = Some((first.min(back(i)), end));
                }
            }
        }
        for (step, _) in self.graph.steps.iter().zip(&readers).filter(|(_, readers)| **readers > 1) {
            let largest = &mut self.shared[usize::from(step.wide)];
            *largest = step.len().max(*largest);
        }
        self.assign(values, gradients);
    }

    /// Goes through the pass and hands out buffers.
    fn assign(&mut self, values: Vec<Option<Life>>, gradients: Vec<Option<Life>>) {
        let mut lives: Vec<(Life, Value, bool)> = Vec::new();
        for (gradient, all) in [(false, values), (true, gradients)] {
            lives.extend(all.into_iter().enumerate().filter_map(|(i, life)| Some((life?, i, gradient))));
        }
        lives.sort_unstable();
        let mut ends: Vec<(usize, bool, Slot)> = Vec::new();
        for ((first, last), value, gradient) in lives {
            // What was last used before this moment.
            ends.retain(|&(end, wide, slot)| {
                let over = end < first;
                if over {
                    self.lengths(wide).free.push(slot);
                }
                !over
            });
            let (wide, len) = (self.graph.steps[value].wide, self.graph.steps[value].len());
            let slot = self.lengths(wide).take(len);
            ends.push((last, wide, slot));
            let places = if gradient { &mut self.gradients } else { &mut self.values };
            places[value] = Some(slot);
        }
    }

    fn lengths(&mut self, wide: bool) -> &mut Lengths {
        if wide { &mut self.features } else { &mut self.maps }
    }
}

/// Errs where an operator of images would read features, which are stored in the type to compute in, as a map, and where a norm's residual
/// is its own input.
fn check(graph: &Graph) -> Result<()> {
    let bad = |reason: &str| Err(Error::BadConfig { model: "on a device".into(), reason: reason.into() });
    for step in &graph.steps {
        match &step.op {
            Op::Norm { xs, residual: Some(residual), .. } if xs == residual => {
                return bad("a norm adds its own input to its result");
            }
            Op::Norm { .. }
            | Op::Conv { .. }
            | Op::Pool { .. }
            | Op::GlobalMean { .. }
            | Op::SubsamplePad { .. }
            | Op::Sum { .. }
            | Op::Concat { .. }
                if step.op.inputs().into_iter().any(|input| graph.steps[input].wide) =>
            {
                return bad("behind the mean over all pixels only dropout and fully connected layers are run");
            }
            _ => {}
        }
    }
    match [Some(graph.logits), graph.aux_logits].into_iter().flatten().all(|logits| graph.steps[logits].wide) {
        true => Ok(()),
        false => bad("logits come from a fully connected layer"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::models::{Net, find};
    use candle_core::{DType, Device};
    use std::collections::HashMap;

    /// Whose values a buffer holds while a pass goes on.
    #[derive(Default)]
    struct Holders(HashMap<(bool, Slot), (Value, bool)>);

    impl Holders {
        fn write(&mut self, plan: &Plan, value: Value, gradient: bool) {
            self.0.insert(Self::place(plan, value, gradient), (value, gradient));
        }

        fn read(&self, plan: &Plan, value: Value, gradient: bool) {
            let held = self.0.get(&Self::place(plan, value, gradient));
            assert_eq!(held, Some(&(value, gradient)), "step {value}, gradient {gradient}");
        }

        fn place(plan: &Plan, value: Value, gradient: bool) -> (bool, Slot) {
            let places = if gradient { &plan.gradients } else { &plan.values };
            let (wide, slot) = (plan.graph.steps[value].wide, places[value].unwrap());
            let lengths = if wide { &plan.features } else { &plan.maps };
            assert!(lengths.lens[slot] >= plan.graph.steps[value].len());
            (wide, slot)
        }
    }

    /// Goes through a training pass, and finds in every buffer what was put there.
    fn train(plan: &Plan, ends: &[Value]) {
        let mut holders = Holders::default();
        let mut arrived = vec![false; plan.graph.steps.len()];
        let wanted = || plan.graph.steps.iter().enumerate().filter(|(i, _)| plan.wanted[*i]);
        for (i, step) in wanted() {
            holders.write(plan, i, false);
            step.op.inputs().into_iter().for_each(|input| holders.read(plan, input, false));
        }
        for &end in ends {
            holders.read(plan, end, false);
            holders.write(plan, end, true);
            arrived[end] = true;
        }
        for (i, step) in wanted().collect::<Vec<_>>().into_iter().rev() {
            if !plan.tracked[i] {
                continue;
            }
            assert!(arrived[i], "no gradient for step {i}");
            let inputs = step.op.inputs();
            for &input in inputs.iter().filter(|&&input| plan.tracked[input]) {
                if std::mem::replace(&mut arrived[input], true) {
                    holders.read(plan, input, true);
                }
                holders.write(plan, input, true);
            }
            holders.read(plan, i, true);
            match &step.op {
                Op::Norm { .. } => inputs.iter().for_each(|&input| holders.read(plan, input, false)),
                Op::Conv { xs, .. } | Op::Linear { xs, .. } => holders.read(plan, *xs, false),
                _ => {}
            }
        }
    }

    #[test]
    fn no_buffer_is_given_away_before_its_last_use() {
        for model in
            ["resnet20_b", "resnet164", "densenet-bc-22-12", "nasnet_a_mobile", "inception_resnet_v2", "inception_v4"]
        {
            let info = find(model).unwrap();
            let net = Net::undrawn(info, &"swish".parse().unwrap(), 10, DType::F32, &Device::Cpu).unwrap();
            let [c, h, w] = info.input;
            let graph = net.graph([2, h, w, c]).unwrap();
            let ends: Vec<Value> = [Some(graph.logits), graph.aux_logits].into_iter().flatten().collect();
            let plan = Plan::new(graph.clone(), true, true).unwrap();
            train(&plan, &ends);
            let evaluation = Plan::new(graph, false, false).unwrap();
            assert!(evaluation.gradients.iter().all(Option::is_none));
            let elements = |plan: &Plan| plan.maps.lens.iter().sum::<usize>();
            assert!(elements(&evaluation) < elements(&plan) / 2, "{model}: evaluation keeps maps");
        }
    }

    #[test]
    fn what_no_step_can_run_is_refused() {
        let info = find("resnet20").unwrap();
        let net = Net::undrawn(info, &"swish".parse().unwrap(), 10, DType::F32, &Device::Cpu).unwrap();
        let mut graph = net.graph([1, 32, 32, 3]).unwrap();
        graph.logits = 0;
        let error = Plan::new(graph, true, false).unwrap_err().to_string();
        assert!(error.contains("logits come from a fully connected layer"), "{error}");
    }
}
