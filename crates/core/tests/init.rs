//! How parameters are drawn, against the distributions that the original authors name.

use swish_core::nn::Role;
use swish_core::nn::init::Scheme;

fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
}

#[test]
fn convolutions_are_normal_with_the_fan_of_their_family() {
    let shape = [64, 32, 3, 3];
    for (scheme, fan) in [(Scheme::RESNET, 9 * 64), (Scheme::WIDE_RESNET, 9 * 32)] {
        let values = scheme.draw(Role::ConvWeight, &shape, 1, "conv1.weight");
        let (mean, std) = moments(&values);
        let expected = (2.0 / f64::from(fan)).sqrt();
        assert!(mean.abs() < 0.03 * expected && (std / expected - 1.0).abs() < 0.03, "{mean} {std}");
        // A normal distribution has 4.6 % of its values beyond two standard deviations.
        let tail = values.iter().filter(|v| v.abs() > 2.0 * expected).count() as f64 / values.len() as f64;
        assert!((tail - 0.0455).abs() < 0.01, "{tail}");
    }
}

/// Cut at two standard deviations, a normal distribution has 0.8796 of its own; sqrt(1.3) makes up for it.
#[test]
fn the_papers_weights_are_cut_normal_over_the_fan_in() {
    for (role, shape) in [
        (Role::ConvWeight, &[64, 32, 3, 3][..]),
        (Role::ConvWeight, &[2048, 1, 3, 3]),
        (Role::LinearWeight, &[64, 288]),
    ] {
        let values = Scheme::SLIM.draw(role, shape, 1, "conv.weight");
        let fan_in = shape[1..].iter().product::<usize>() as f64;
        let (mean, std) = moments(&values);
        let expected = (2.0 / fan_in).sqrt();
        assert!(mean.abs() < 0.03 * expected && (std / expected - 1.003).abs() < 0.02, "{mean} {std}");
        let bound = 2.0 * (2.6 / fan_in).sqrt();
        let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        assert!(largest <= bound && largest > 0.99 * bound);
    }
    assert_eq!(Scheme::ZERO.draw(Role::ConvWeight, &[2, 2, 1, 1], 1, "conv.weight"), [0.0; 4]);
}

/// Glorot's distribution, over the mean of fan-in and fan-out.
#[test]
fn matrices_of_the_transformer_are_uniform_over_both_fans() {
    let values = Scheme::TRANSFORMER.draw(Role::LinearWeight, &[256, 64], 1, "fc1.weight");
    let bound = (6.0_f64 / 320.0).sqrt();
    let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let (mean, std) = moments(&values);
    assert!(mean.abs() < 0.03 * bound && (std / (2.0_f64 / 320.0).sqrt() - 1.0).abs() < 0.02, "{mean} {std}");
    assert!(largest <= bound && largest > 0.99 * bound);
}

#[test]
fn linear_weights_are_uniform_and_scales_follow_the_family() {
    let values = Scheme::RESNET.draw(Role::LinearWeight, &[100, 64], 1, "fc.weight");
    assert!(values.iter().all(|v| v.abs() <= 0.125) && values.iter().any(|v| v.abs() > 0.12));
    assert_eq!(Scheme::RESNET.draw(Role::NormWeight, &[4], 1, "bn.weight"), [1.0; 4]);
    let wide = Scheme::WIDE_RESNET.draw(Role::NormWeight, &[1000], 1, "bn.weight");
    assert!(wide.iter().all(|v| (0.0..1.0).contains(v)) && (moments(&wide).0 - 0.5).abs() < 0.03);
}

#[test]
fn the_stream_depends_on_seed_and_name_alone() {
    let draw = |seed, name| Scheme::RESNET.draw(Role::ConvWeight, &[4, 4, 3, 3], seed, name);
    assert_eq!(draw(1, "a"), draw(1, "a"));
    assert!(draw(1, "a") != draw(2, "a") && draw(1, "a") != draw(1, "b"));
}
