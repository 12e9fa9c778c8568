//! Twenty steps of every optimizer, of clipping and of averages against the same written out in f64, value by value.

use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use swish_core::activation::Activation;
use swish_core::nn::init::Scheme;
use swish_core::nn::{Builder, Params, Role};
use swish_train::averages::{MovingAverages, decay_at};
use swish_train::optimizer::{DecayOn, Optimizer, OptimizerConfig, Rule};

const STEPS: u64 = 20;
const WEIGHT_DECAY: f64 = 0.02;

/// One parameter of each role, a depthwise kernel among them, and running statistics.
fn params() -> Params {
    let activation: Activation = "swish".parse().unwrap();
    let vb = Builder::new(&activation, Scheme::RESNET, 1, DType::F32, &Device::Cpu);
    vb.add("conv.weight", &[4, 3, 3, 3], Role::ConvWeight);
    vb.add("conv.bias", &[4], Role::Bias);
    vb.add("depthwise.weight", &[4, 1, 3, 3], Role::ConvWeight);
    vb.add("bn.weight", &[4], Role::NormWeight);
    vb.add("bn.bias", &[4], Role::NormBias);
    vb.add_activation("act", 4);
    vb.add("fc.weight", &[5, 4], Role::LinearWeight);
    vb.buffer("bn.running_mean", 4, 0.0).unwrap();
    vb.buffer("bn.running_var", 4, 1.0).unwrap();
    vb.finish().unwrap()
}

/// Gradient of parameter `i` at step `t`, made to change in sign and size.
fn gradient(n: usize, t: u64) -> Vec<f32> {
    (0..n).map(|i| (0.7 * i as f64 + 1.3 * t as f64).sin() * (1.0 + (i % 7) as f64)).map(|g| g as f32).collect()
}

fn rate(t: u64) -> f64 {
    0.05 / t as f64
}

/// Which elements are decayed, told by names alone.
fn decayed(params: &Params, names: &[&str]) -> Vec<f64> {
    let of = |name: &str| if names.contains(&name) { WEIGHT_DECAY } else { 0.0 };
    params.params.iter().flat_map(|p| vec![of(&p.name); p.elements()]).collect()
}

fn values(params: &Params) -> Vec<f64> {
    params.flat.to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect()
}

fn assert_near(ours: &[f64], expected: &[f64]) {
    assert_eq!(ours.len(), expected.len());
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "value {i}: {a}, expected {b}");
    }
}

/// Runs an optimizer and, beside it, `update(i, w, g, lr, t)` on the gradients with the decay that `names` have, shortened to
/// `clip_norm`. Returns how many gradients were too long.
fn compare(
    rule: Rule,
    (decay_on, names): (DecayOn, &[&str]),
    clip_norm: Option<f64>,
    mut update: impl FnMut(usize, &mut f64, f64, f64, i32),
) -> usize {
    let params = params();
    let decay = decayed(&params, names);
    let mut w = values(&params);
    let config = OptimizerConfig { rule, weight_decay: WEIGHT_DECAY, decay_on, clip_norm };
    let mut optimizer = Optimizer::new(&params, &config);
    let mut cut = 0;
    for t in 1..=STEPS {
        let g = gradient(w.len(), t);
        optimizer.step(&g, rate(t)).unwrap();
        let mut g: Vec<f64> = g.iter().zip(&w).zip(&decay).map(|((&g, w), decay)| f64::from(g) + decay * w).collect();
        let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
        if let Some(limit) = clip_norm {
            g.iter_mut().for_each(|g| *g *= limit / norm.max(limit));
            cut += usize::from(norm > limit);
        }
        w.iter_mut().zip(g).enumerate().for_each(|(i, (w, g))| update(i, w, g, rate(t), t as i32));
        assert_near(&values(&params), &w);
    }
    cut
}

const EVERYTHING: &[&str] = &["conv.weight", "conv.bias", "depthwise.weight", "bn.weight", "bn.bias", "fc.weight"];
const N: usize = 108 + 4 + 36 + 4 + 4 + 4 + 20;

#[test]
fn sgd_with_nesterovs_momentum() {
    let mut buf = [0.0; N];
    let rule = Rule::Sgd { momentum: 0.9, nesterov: true };
    compare(rule, (DecayOn::All, EVERYTHING), None, |i, w, g, lr, _| {
        buf[i] = 0.9 * buf[i] + g;
        *w -= lr * (g + 0.9 * buf[i]);
    });
}

const RMS_PROP: Rule = Rule::RmsProp { decay: 0.9, momentum: 0.9, epsilon: 1.0 };

/// TensorFlow's form: mean square 1 at the start, epsilon inside the root, the rate inside the momentum.
fn tensorflow_rms_prop() -> impl FnMut(usize, &mut f64, f64, f64, i32) {
    let (mut ms, mut mom) = ([1.0; N], [0.0; N]);
    move |i, w, g, lr, _| {
        ms[i] = 0.9 * ms[i] + (1.0 - 0.9) * g * g;
        mom[i] = 0.9 * mom[i] + lr * g / (ms[i] + 1.0_f64).sqrt();
        *w -= mom[i];
    }
}

#[test]
fn rms_prop_with_each_choice_of_decay() {
    for decay in [
        (DecayOn::All, EVERYTHING),
        (DecayOn::Weights, &["conv.weight", "depthwise.weight", "fc.weight"]),
        (DecayOn::WeightsAndBiases, &["conv.weight", "conv.bias", "depthwise.weight", "fc.weight"]),
        (DecayOn::WeightsExceptDepthwise, &["conv.weight", "fc.weight"]),
    ] {
        compare(RMS_PROP, decay, None, tensorflow_rms_prop());
    }
}

#[test]
fn clipping_shortens_the_gradient_of_all_parameters_with_its_decay() {
    let cut = |limit| compare(RMS_PROP, (DecayOn::All, EVERYTHING), Some(limit), tensorflow_rms_prop());
    assert_eq!((cut(10.0), cut(1000.0)), (20, 0));
    // The gradients are about 42.2 long.
    assert!((1..20).contains(&cut(42.2)));
}

#[test]
fn adam() {
    let (mut m, mut v) = ([0.0; N], [0.0; N]);
    let rule = Rule::Adam { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 };
    compare(rule, (DecayOn::Weights, &["conv.weight", "depthwise.weight", "fc.weight"]), None, |i, w, g, lr, t| {
        m[i] = 0.9 * m[i] + (1.0 - 0.9) * g;
        v[i] = 0.98 * v[i] + (1.0 - 0.98) * g * g;
        let (m, v): (f64, f64) = (m[i] / (1.0 - 0.9_f64.powi(t)), v[i] / (1.0 - 0.98_f64.powi(t)));
        *w -= lr * m / (v.sqrt() + 1e-9);
    });
}

#[test]
fn averages_follow_parameters_and_statistics_and_stand_in_for_them() {
    // 2/11, 3/12, 4/13 at first; the cap from step 8 on, as (1 + 8) / (10 + 8) = 0.5.
    assert_eq!([1, 2, 3, 100_000].map(|t| decay_at(0.9999, t)), [2.0 / 11.0, 0.25, 4.0 / 13.0, 0.9999]);
    let cap = 0.5;
    let params = params();
    let mut averages = MovingAverages::new(&params, cap).unwrap();
    let (mut w, mut stats) = (values(&params), vec![0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    for t in 1..=STEPS {
        let new: Vec<f32> = gradient(N, t);
        params.flat.set(&Tensor::from_slice(&new, N, &Device::Cpu).unwrap()).unwrap();
        let new_stats: Vec<f32> = gradient(8, 50 + t);
        for (buffer, values) in params.buffers.iter().zip(new_stats.chunks(4)) {
            buffer.set(Tensor::from_slice(values, 4, &Device::Cpu).unwrap());
        }
        averages.update(&params, t).unwrap();
        let decay = f64::min(cap, (1.0 + t as f64) / (10.0 + t as f64));
        w.iter_mut().zip(&new).for_each(|(w, &new)| *w = decay * *w + (1.0 - decay) * f64::from(new));
        stats.iter_mut().zip(&new_stats).for_each(|(s, &new)| *s = decay * *s + (1.0 - decay) * f64::from(new));
    }
    let now = || {
        let of_buffers = params.buffers.iter().flat_map(|b| b.get().to_vec1::<f32>().unwrap());
        (params.flat.to_vec1::<f32>().unwrap(), of_buffers.collect::<Vec<f32>>())
    };
    let before = now();
    averages.swap(&params).unwrap();
    let f64s = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    let swapped = now();
    assert_near(&f64s(swapped.0), &w);
    assert_near(&f64s(swapped.1), &stats);
    averages.swap(&params).unwrap();
    assert_eq!(now(), before);
}

#[test]
fn the_state_of_another_optimizer_or_network_is_refused_and_named() {
    let params = params();
    let rules =
        [Rule::Sgd { momentum: 0.9, nesterov: false }, RMS_PROP, Rule::Adam { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 }];
    let optimizer = |rule| {
        let config = OptimizerConfig { rule, weight_decay: 0.0, decay_on: DecayOn::All, clip_norm: None };
        Optimizer::new(&params, &config)
    };
    for saved in rules {
        let tensors: HashMap<String, Tensor> = optimizer(saved).tensors().unwrap().into_iter().collect();
        for rule in rules {
            let restored = optimizer(rule).restore(&tensors, 3);
            assert_eq!(restored.is_ok(), rule == saved, "{saved} as {rule}");
            if let Err(reason) = restored {
                assert!(reason.contains(&rule.to_string()) && reason.contains("optimizer.mean"), "{reason}");
            }
        }
        let short = |t: &Tensor| t.narrow(0, 0, 7).unwrap();
        let shorter: HashMap<String, Tensor> = tensors.iter().map(|(name, t)| (name.clone(), short(t))).collect();
        assert!(optimizer(saved).restore(&shorter, 3).unwrap_err().contains("another network's"));
    }
}
