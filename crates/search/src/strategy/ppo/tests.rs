#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::strategy::Random;
use swish_core::activation::{Binary, CoreUnit, Unary};

/// Half for the binary operator, half for the first unary one.
fn reward(units: &CoreUnits) -> f64 {
    let CoreUnit { unary, binary, .. } = units.units()[0];
    0.5 * f64::from(u8::from(binary == Binary::Mul)) + 0.5 * f64::from(u8::from(unary[0] == Unary::Sigmoid))
}

/// Proposals and the parameters after `updates` batches of 20.
fn run(strategy: &mut dyn Strategy, updates: usize) -> Vec<CoreUnits> {
    let batch = |_| {
        let units = strategy.propose(20).unwrap();
        let scored: Vec<Scored> = units.iter().map(|u| Scored { reward: reward(u), units: u.clone() }).collect();
        strategy.learn(&scored).unwrap();
        units
    };
    (0..updates).flat_map(batch).collect()
}

#[test]
fn the_ratio_is_clipped_on_the_side_that_would_gain() {
    for (ratio, advantage, expected) in [
        (1.1, 2.0, (2.2, 2.2)),
        (1.5, 2.0, (2.4, 0.0)),
        (0.5, 2.0, (1.0, 1.0)),
        (0.9, -2.0, (-1.8, -1.8)),
        (0.5, -2.0, (-1.6, 0.0)),
        (1.5, -2.0, (-3.0, -3.0)),
    ] {
        assert_eq!(surrogate(ratio, advantage, 0.2), expected, "ratio {ratio}, advantage {advantage}");
    }
}

/// The gradient of the whole loss against central differences, with ratios inside and outside of the clip.
#[test]
fn gradients_are_those_of_finite_differences() {
    let space = Space::new(2, Unary::ALL[..4].to_vec(), Binary::ALL[..3].to_vec()).unwrap();
    let config = PpoConfig { hidden: 7, embedding: 4, init: 0.7, ..PpoConfig::default() };
    let mut ppo = Ppo::new(space, &config, 5).unwrap();
    let mut episodes: Vec<Episode> = [1.3, -0.4, 0.8, -1.7]
        .map(|advantage| {
            let choices = ppo.controller.sample(&mut ppo.rng);
            let moved = |(slot, p): (usize, &Prediction)| p.log_prob() + 0.6 * (2.0 * slot as f64 + advantage).sin();
            let old = ppo.controller.follow(&choices).iter().enumerate().map(moved).collect();
            Episode { choices, advantage, old }
        })
        .into();
    let size = ppo.controller.params().len();
    let mut grads = vec![0.0; size];
    ppo.pass(&mut episodes, &mut grads);
    for (at, grad) in grads.iter().enumerate() {
        let (old, step) = (ppo.controller.params()[at], 1e-5);
        let mut loss = |by: f64| {
            ppo.controller.params_mut()[at] = old + by;
            let Pass { surrogate, entropy } = ppo.pass(&mut episodes, &mut vec![0.0; size]);
            -surrogate - config.entropy * entropy
        };
        let expected = (loss(step) - loss(-step)) / (2.0 * step);
        loss(0.0);
        assert!((grad - expected).abs() < 1e-8 * (1.0 + expected.abs()), "parameter {at}: {grad}, {expected}");
    }
}

#[test]
fn told_the_same_it_does_the_same_bit_for_bit() {
    let ppo = |seed| {
        let mut ppo = Ppo::new(Space::full(1).unwrap(), &PpoConfig::default(), seed).unwrap();
        let proposals = run(&mut ppo, 4);
        let bits: Vec<u64> = ppo.controller.params().iter().map(|p| p.to_bits()).collect();
        (proposals, bits)
    };
    assert!(ppo(1) == ppo(1));
    assert!(ppo(1).0 != ppo(2).0);
}

/// Random search has 0.07 here. The best function's half comes from one operator among 25, the other from one among 10.
#[test]
fn it_learns_which_operators_pay() {
    let space = Space::full(1).unwrap();
    let last = |strategy: &mut dyn Strategy| run(strategy, 25)[400..].iter().map(reward).sum::<f64>() / 100.0;
    for seed in 0..3 {
        let learned = last(&mut Ppo::new(space.clone(), &PpoConfig::default(), seed).unwrap());
        let random = last(&mut Random::new(space.clone(), seed));
        assert!(random < 0.15 && learned > 0.45, "seed {seed}: {learned}, at random {random}");
    }
}

#[test]
fn updates_are_told() {
    let config = PpoConfig { power: 2.0, ..PpoConfig::default() };
    let mut ppo = Ppo::new(Space::full(1).unwrap(), &config, 0).unwrap();
    let scored = |rewards: [f64; 2], ppo: &mut Ppo| {
        let units = ppo.propose(2).unwrap();
        let batch: Vec<Scored> =
            units.into_iter().zip(rewards).map(|(units, reward)| Scored { units, reward }).collect();
        ppo.learn(&batch).unwrap().unwrap()
    };
    let first = scored([0.2, 0.4], &mut ppo);
    // From the mean of the squares: 0.95 (0.95 0.1 + 0.05 0.04) + 0.05 0.16.
    assert!((first.baseline - 0.100_15).abs() < 1e-15, "{first:?}");
    // Small weights leave the choices all but equally likely.
    assert!((first.entropy - 6250_f64.ln()).abs() < 0.01, "{first:?}");
    let second = scored([1.0, 1.0], &mut ppo);
    assert!((second.baseline - (0.9025 * 0.100_15 + 0.0975)).abs() < 1e-15, "{second:?}");
    // The surrogate grows in the passes.
    assert!(second.loss < -3.0 && second.entropy < first.entropy, "{second:?}");
    assert_eq!(ppo.learn(&[]).unwrap(), None);
}

/// The six functions of this space can be written in nine ways.
#[test]
fn nothing_is_proposed_twice_while_there_is_something_new() {
    let space = Space::new(1, vec![Unary::Identity, Unary::Sin, Unary::Cos], vec![Binary::Max]).unwrap();
    let forms = |draws| {
        let config = PpoConfig { draws, ..PpoConfig::default() };
        let proposals = Ppo::new(space.clone(), &config, 1).unwrap().propose(6).unwrap();
        proposals.iter().map(form).collect::<HashSet<_>>().len()
    };
    assert_eq!(forms(200), 6);
    assert!(forms(1) < 6);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let space = Space::new(1, vec![Unary::Identity, Unary::Relu], vec![Binary::Add]).unwrap();
    for config in [
        PpoConfig { hidden: 0, ..PpoConfig::default() },
        PpoConfig { passes: 0, ..PpoConfig::default() },
        PpoConfig { entropy: -1.0, ..PpoConfig::default() },
        PpoConfig { learning_rate: f64::NAN, ..PpoConfig::default() },
        PpoConfig { clip: 0.0, ..PpoConfig::default() },
        PpoConfig { baseline_decay: 1.0, ..PpoConfig::default() },
    ] {
        assert!(matches!(Ppo::new(space.clone(), &config, 0), Err(Error::BadValue { .. })), "{config:?}");
    }
    let foreign = CoreUnits::new(vec![CoreUnit::of_x(Unary::Cos, Unary::Relu, Binary::Add)]).unwrap();
    let error = Ppo::new(space, &PpoConfig::default(), 0).unwrap().learn(&[Scored { units: foreign, reward: 0.5 }]);
    assert!(matches!(error, Err(Error::BadValue { what: "proposal", .. })), "{error:?}");
}

#[test]
fn parameters_left_out_have_their_defaults() {
    let config: PpoConfig = serde_json::from_str(r#"{"entropy": 0.05}"#).unwrap();
    assert_eq!(config, PpoConfig { entropy: 0.05, ..PpoConfig::default() });
    assert!(serde_json::from_str::<PpoConfig>(r#"{"entropie": 0.05}"#).is_err());
}
