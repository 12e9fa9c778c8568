//! [`Plan`]: which memory the maps and gradients of a pass lie in, and when each is free for others.

use crate::nn::graph::{Graph, Op, Value};

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
    pub(super) fn new(graph: Graph, train: bool, auxiliary: bool) -> Self {
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
        plan
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
