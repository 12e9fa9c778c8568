//! The paper's RNN controller: a distribution over the members of a space, built up slot by slot.
//!
//! An LSTM of one layer predicts one slot of [`Space::slots`] a step: its output goes through the softmax of the slot's part
//! (an input, a unary operator, the binary operator; one map for each side), and the choice made is embedded and fed back as the
//! next input. Units share these maps; which unit is meant, the state knows.
//!
//! The arithmetic is plain loops in double precision, in a fixed order, on the functions of `libm`: an interrupted search is
//! rebuilt by asking the controller again, and must get the same proposals on another machine too, which matrix libraries that
//! choose their kernels by the processor do not promise. It is also fast enough: 500 proposals of one core unit, with all updates,
//! take less than a second.

mod affine;
mod lstm;
#[cfg(test)]
mod tests;

use crate::space::{Part, Slot, Space};
use affine::Affine;
use lstm::{Lstm, State};
use std::collections::BTreeMap;
use std::ops::Range;
use swish_kernels::rng::Rng;

/// The controller: where everything lies in the list of its parameters, and the parameters.
#[derive(Clone, Debug)]
pub struct Controller {
    slots: Vec<Slot>,
    hidden: usize,
    embedding: usize,
    cell: Lstm,
    /// The input of the first step.
    start: Range<usize>,
    parts: BTreeMap<Part, Ends>,
    params: Vec<f64>,
}

/// The two ends of a step: what a part is predicted by, and what its choices are fed back as.
#[derive(Clone, Debug)]
struct Ends {
    /// `[hidden]` to as many outputs as the part has choices in any unit.
    head: Affine,
    /// Where the embeddings of its choices begin, `[choices][embedding]`.
    embeddings: usize,
}

/// One prediction.
#[derive(Debug)]
pub struct Prediction {
    /// Natural logarithms of the probabilities of the slot's choices.
    pub log_probs: Vec<f64>,
    /// What was chosen.
    pub choice: usize,
    output: Vec<f64>,
    trace: lstm::Trace,
}

impl Prediction {
    /// Logarithm of the probability of what was chosen.
    pub fn log_prob(&self) -> f64 {
        self.log_probs[self.choice]
    }

    /// Entropy of the distribution, in nats.
    pub fn entropy(&self) -> f64 {
        -self.log_probs.iter().map(|l| libm::exp(*l) * l).sum::<f64>()
    }
}

impl Controller {
    /// A controller of `hidden` LSTM units and embeddings of length `embedding`, its weights drawn from U(-`init`, `init`), its
    /// biases 0.
    pub fn new(space: &Space, hidden: usize, embedding: usize, init: f64, rng: &mut Rng) -> Self {
        let cell = Lstm::new(0, embedding, hidden);
        let start = cell.map().end()..cell.map().end() + embedding;
        let mut choices = BTreeMap::new();
        for slot in space.slots() {
            let most = choices.entry(slot.part).or_insert(0);
            *most = slot.choices.max(*most);
        }
        let mut drawn = vec![cell.map().weights(), start.clone()];
        let mut at = start.end;
        let parts = choices.into_iter().map(|(part, choices)| {
            let head = Affine::new(at, hidden, choices);
            let embeddings = head.end();
            at = embeddings + choices * embedding;
            drawn.extend([head.weights(), embeddings..at]);
            (part, Ends { head, embeddings })
        });
        let parts = parts.collect();
        let mut params = vec![0.0; at];
        for range in drawn {
            params[range].fill_with(|| init * (2.0 * rng.uniform() - 1.0));
        }
        Self { slots: space.slots().to_vec(), hidden, embedding, cell, start, parts, params }
    }

    /// The parameters.
    pub fn params(&self) -> &[f64] {
        &self.params
    }

    /// The parameters, to be trained.
    pub fn params_mut(&mut self) -> &mut [f64] {
        &mut self.params
    }

    /// Draws the choices of a member, one a slot.
    pub fn sample(&self, rng: &mut Rng) -> Vec<usize> {
        let draw = |_, log_probs: &[f64]| {
            let mut left = rng.uniform();
            let passed = log_probs.iter().take_while(|l| {
                left -= libm::exp(**l);
                left >= 0.0
            });
            // Rounded, the probabilities may sum to a little less than 1.
            passed.count().min(log_probs.len() - 1)
        };
        self.predict(draw).iter().map(|p| p.choice).collect()
    }

    /// The predictions on the way to these choices, one a slot.
    pub fn follow(&self, choices: &[usize]) -> Vec<Prediction> {
        self.predict(|slot, _| choices[slot])
    }

    /// One prediction a slot; `choose` is given the slot's number and the logarithms of its probabilities.
    fn predict(&self, mut choose: impl FnMut(usize, &[f64]) -> usize) -> Vec<Prediction> {
        let mut state = State::zeros(self.hidden);
        let mut input = self.start.clone();
        let step = |(number, slot): (usize, &Slot)| {
            let (next, trace) = self.cell.forward(&self.params, &self.params[input.clone()], &state);
            let log_probs = log_softmax(self.parts[&slot.part].head.forward(&self.params, &next.h, slot.choices));
            let choice = choose(number, &log_probs);
            input = self.embedding_of(slot.part, choice);
            state = next;
            Prediction { log_probs, choice, output: state.h.clone(), trace }
        };
        self.slots.iter().enumerate().map(step).collect()
    }

    /// Adds to `grads` the gradient of the parameters, from that of the logits of each prediction.
    pub fn backward(&self, predictions: &[Prediction], dlogits: &[Vec<f64>], grads: &mut [f64]) {
        let mut after = State::zeros(self.hidden);
        for number in (0..predictions.len()).rev() {
            let Prediction { output, trace, .. } = &predictions[number];
            let head = &self.parts[&self.slots[number].part].head;
            let dh = head.backward(&self.params, grads, output, &dlogits[number]);
            after.h.iter_mut().zip(dh).for_each(|(sum, dh)| *sum += dh);
            let (dx, before) = self.cell.backward(&self.params, grads, trace, &after);
            let input = match number.checked_sub(1) {
                Some(last) => self.embedding_of(self.slots[last].part, predictions[last].choice),
                None => self.start.clone(),
            };
            grads[input].iter_mut().zip(dx).for_each(|(sum, dx)| *sum += dx);
            after = before;
        }
    }

    fn embedding_of(&self, part: Part, choice: usize) -> Range<usize> {
        let at = self.parts[&part].embeddings + choice * self.embedding;
        at..at + self.embedding
    }
}

/// Logarithms of the softmax.
fn log_softmax(mut logits: Vec<f64>) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|z| libm::exp(z - largest)).sum();
    let log_sum = largest + libm::log(sum);
    logits.iter_mut().for_each(|z| *z -= log_sum);
    logits
}
