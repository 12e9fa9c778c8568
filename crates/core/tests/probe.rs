//! What a probe is shown is what the activations are applied to.

use crate::common::{builder, random};
use candle_core::{DType, Device};
use std::sync::{Arc, Mutex};
use swish_core::activation::Activation;
use swish_core::models::{Net, find};
use swish_core::nn::{ConvConfig, Map, Network, NormConfig, Pass, Probe, Run, Unit};

/// Site and values, in order.
#[derive(Debug, Default)]
struct Seen(Mutex<Vec<(String, Vec<f32>)>>);

impl Probe for Seen {
    fn preactivations(&self, site: &str, values: &[f32]) {
        self.0.lock().unwrap().push((site.to_owned(), values.to_vec()));
    }
}

/// The passes' results with a probe, and without one.
fn watched(pass: &Pass) -> (Arc<Seen>, Pass) {
    let seen = Arc::new(Seen::default());
    let pass = Pass { probe: Some(seen.clone()), ..pass.clone() };
    (seen, pass)
}

/// A network that ends with an activation: its output is the function of what the probe saw last.
#[test]
fn the_activation_of_what_is_shown_is_what_comes_out() {
    let text = "atan(x)^2 - x";
    let activation: Activation = text.parse().unwrap();
    let vb = builder(text);
    let first =
        Unit::conv_norm_act(&vb, "conv1", ConvConfig::same(3, 4, 3, 1), ("bn1", "act1"), NormConfig::TORCH).unwrap();
    let second =
        Unit::conv_norm_act(&vb.pp("block"), "conv2", ConvConfig::same(4, 4, 3, 1), ("bn2", "act2"), NormConfig::TORCH);
    let second = second.unwrap();
    let network = Network::new(vb.finish().unwrap(), move |xs: &Map, run: &mut Run<'_>| {
        // Read twice: activated once more on the way, but shown once.
        let xs = first.forward(xs, run)?;
        second.forward_add(&xs, &xs, run)
    });
    let xs = random(&[2, 5, 6, 3], 1);
    for pass in [Pass::eval(), Pass::train()] {
        let (seen, watching) = watched(&pass);
        let ys = network.forward(&xs, &watching).unwrap();
        if !pass.train {
            assert_eq!(
                ys.flatten_all().unwrap().to_vec1::<f64>().unwrap(),
                network.forward(&xs, &pass).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
            );
        }
        let ys = ys.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let seen = seen.0.lock().unwrap();
        let names: Vec<&str> = seen.iter().map(|(site, _)| site.as_str()).collect();
        assert_eq!(names, ["act1", "block.act2"]);
        assert!(ys.iter().any(|y| y.abs() > 0.1) && ys.len() == seen[1].1.len());
        for (y, u) in ys.iter().zip(&seen[1].1) {
            assert!((y - activation.eval(f64::from(*u), &[])).abs() < 1e-5, "{y} of {u}");
        }
    }
}

/// Every site of networks of all kinds of blocks is shown once, with all of its channels. In training what is behind a BatchNorm with
/// its first scale and shift has mean 0 and variance 1 in every channel.
#[test]
fn every_site_is_shown_once_a_pass() {
    let cases =
        [("densenet-bc-16-6", true), ("resnet-preact-11-half", true), ("resnet20", false), ("nasnet-a-mini-96", false)];
    for (model, normal) in cases {
        let info = find(model).unwrap();
        let [c, h, w] = info.input;
        let activation = "swish".parse().unwrap();
        let net = Net::new(info, &activation, 10, 1, DType::F32, &Device::Cpu).unwrap();
        let xs = random(&[4, h, w, c], 2).to_dtype(DType::F32).unwrap();
        let (seen, pass) = watched(&Pass::train());
        net.forward(&xs, &pass).unwrap();
        let seen = seen.0.lock().unwrap();
        let sites: Vec<_> = net.params.sites.iter().filter(|site| !site.auxiliary).collect();
        assert_eq!(seen.len(), sites.len(), "{model}");
        for site in sites {
            let (_, values) = seen.iter().find(|(name, _)| *name == site.name).unwrap();
            assert!(values.len().is_multiple_of(4 * site.channels), "{model} {}", site.name);
            if !normal {
                continue;
            }
            let rows = values.len() / site.channels;
            for channel in 0..site.channels {
                let of_channel = || values[channel..].iter().step_by(site.channels).map(|u| f64::from(*u));
                let mean = of_channel().sum::<f64>() / rows as f64;
                let variance = of_channel().map(|u| (u - mean).powi(2)).sum::<f64>() / rows as f64;
                // 1e-5 in the root lowers the variance of channels that hardly vary.
                assert!(mean.abs() < 1e-3 && variance < 1.001, "{model} {} {channel}: {mean}, {variance}", site.name);
                assert!(!(1e-3..=0.9).contains(&variance), "{model} {} {channel}: {variance}", site.name);
            }
        }
    }
}
