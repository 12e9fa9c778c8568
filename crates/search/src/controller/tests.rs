#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use swish_core::activation::{Binary, Unary};

fn tiny(units: usize) -> Space {
    Space::new(units, vec![Unary::Identity, Unary::Sigmoid, Unary::Relu], vec![Binary::Add, Binary::Mul]).unwrap()
}

fn controller(space: &Space) -> Controller {
    Controller::new(space, 9, 5, 0.8, &mut Rng::new(1))
}

fn log_prob(controller: &Controller, choices: &[usize]) -> f64 {
    controller.follow(choices).iter().map(Prediction::log_prob).sum()
}

#[test]
fn probabilities_of_all_members_sum_to_one() {
    for units in [1, 2] {
        let space = tiny(units);
        let controller = controller(&space);
        let sum: f64 = space.iter().map(|m| log_prob(&controller, &space.encode(&m).unwrap()).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }
}

#[test]
fn samples_follow_the_probabilities() {
    let space = tiny(1);
    let controller = controller(&space);
    let (n, mut rng) = (20_000, Rng::new(2));
    let mut counts = BTreeMap::new();
    for _ in 0..n {
        *counts.entry(controller.sample(&mut rng)).or_insert(0.0) += 1.0;
    }
    for member in space.iter() {
        let choices = space.encode(&member).unwrap();
        let expected = f64::from(n) * log_prob(&controller, &choices).exp();
        let count = counts.get(&choices).copied().unwrap_or(0.0);
        assert!((count - expected).abs() < 5.0 * expected.sqrt(), "{choices:?}: {count} of {expected}");
    }
}

/// The gradient of a weighted sum of all logarithms of probabilities, against central differences.
#[test]
fn gradients_are_those_of_finite_differences() {
    let space = tiny(3);
    let mut controller = controller(&space);
    let choices = controller.sample(&mut Rng::new(3));
    let weight = |slot: usize, choice: usize| (1.0 + slot as f64 + 2.3 * choice as f64).sin();
    let value = |controller: &Controller| -> f64 {
        let weighted =
            controller.follow(&choices).into_iter().enumerate().map(|(slot, p)| {
                p.log_probs.iter().enumerate().map(|(choice, l)| weight(slot, choice) * l).sum::<f64>()
            });
        weighted.sum()
    };
    let predictions = controller.follow(&choices);
    let dlogits: Vec<Vec<f64>> = predictions
        .iter()
        .enumerate()
        .map(|(slot, p)| {
            let sum: f64 = (0..p.log_probs.len()).map(|choice| weight(slot, choice)).sum();
            p.log_probs.iter().enumerate().map(|(choice, l)| weight(slot, choice) - sum * l.exp()).collect()
        })
        .collect();
    let mut grads = vec![0.0; controller.params().len()];
    controller.backward(&predictions, &dlogits, &mut grads);
    for (at, grad) in grads.iter().enumerate() {
        let old = controller.params()[at];
        let step = 1e-5;
        let mut moved = |by: f64| {
            controller.params_mut()[at] = old + by;
            value(&controller)
        };
        let expected = (moved(step) - moved(-step)) / (2.0 * step);
        moved(0.0);
        assert!((grad - expected).abs() < 1e-7 * (1.0 + expected.abs()), "parameter {at}: {grad}, {expected}");
    }
}

#[test]
fn a_space_of_one_function_has_one_sample() {
    let space = Space::new(1, vec![Unary::Relu], vec![Binary::Add]).unwrap();
    assert!(controller(&space).sample(&mut Rng::new(4)).is_empty());
}
