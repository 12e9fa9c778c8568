//! Whole networks on a device, here the emulation of a GPU, compared with the CPU.

use candle_core::{DType, Device};
use half::bf16;
use std::path::Path;
use std::rc::Rc;
use swish_core::device::DeviceTransformer;
use swish_core::device::check::{
    compare, compare_recorded, compare_recorded_transformer, compare_search, compare_transformer,
};
use swish_core::models;
use swish_core::models::transformer::{self, EOS, TextBatch, Transformer, TransformerConfig};
use swish_core::nn::{Error, Pass};
use swish_emulation::Host;
use swish_kernels::cuda::Precision;
use swish_kernels::cuda::check::Row;

/// Products are the CPU's own here, and so are gradients, nearly.
const SAME: f64 = 1e-4;

fn host() -> Option<Rc<Host>> {
    Host::new(Path::new(env!("CARGO_TARGET_TMPDIR"))).map(Rc::new)
}

fn check(cases: &[(&str, &str, usize)]) {
    let Some(host) = host() else { return };
    let mut rows: Vec<Row> = Vec::new();
    for &(model, activation, n) in cases {
        let (info, activation) = (models::find(model).unwrap(), activation.parse().unwrap());
        rows.extend(compare::<_, f32>(&host, info, &activation, n, Precision::Exact, SAME).unwrap());
        rows.extend(compare::<_, bf16>(&host, info, &activation, n, Precision::Exact, SAME).unwrap());
    }
    rows.iter().for_each(|row| println!("{row}"));
    assert!(rows.iter().all(Row::passed));
}

#[test]
fn residual_networks() {
    check(&[("resnet20", "swish", 2), ("resnet20_b", "prelu", 2), ("resnet8-v2-stride2", "max(x, sin(x))", 3)]);
}

#[test]
fn wide_and_dense_networks() {
    check(&[("wrn-10-1", "gelu", 2), ("resnet-preact-11-half", "swish", 2), ("densenet-bc-16-6", "elu", 2)]);
}

#[test]
fn networks_of_image_net() {
    check(&[
        ("mobilenet-v1-025-64", "swish", 8),
        ("inception-v3-mini-107", "relu", 8),
        ("inception-v4-mini-107", "swish", 8),
        ("inception-resnet-v2-mini-107", "swish", 8),
    ]);
}

#[test]
fn nasnet() {
    check(&[("nasnet-a-mini-96", "swish", 2)]);
}

/// Rows of 20 channels are no multiple of what a mask is made of, nor of a wide load.
#[test]
fn transformers() {
    let Some(host) = host() else { return };
    let tiny = transformer::find("transformer_tiny").unwrap().config;
    let odd = TransformerConfig { vocab: 41, hidden: 20, filter: 36, heads: 2, dropout: 0.2, ..tiny.layers(1, 2) };
    let lengths = [[5, 7], [9, 3], [1, 1], [4, 6]];
    let mut rows: Vec<Row> = Vec::new();
    for (config, activation) in [(tiny, "swish"), (tiny, "relu"), (odd, "prelu")] {
        let activation = activation.parse().unwrap();
        rows.extend(
            compare_transformer::<_, f32>(&host, &config, &activation, &lengths, Precision::Exact, SAME).unwrap(),
        );
        rows.extend(
            compare_transformer::<_, bf16>(&host, &config, &activation, &lengths, Precision::Exact, SAME).unwrap(),
        );
    }
    for (config, activation) in [(tiny, "swish"), (odd, "prelu")] {
        rows.push(compare_search(&host, &config, &activation.parse().unwrap(), &[9, 3, 1, 14, 3]).unwrap());
    }
    rows.iter().for_each(|row| println!("{row}"));
    assert!(rows.iter().all(Row::passed));
}

/// The third pass of a kind is one call, whose numbers are those of the first.
#[test]
fn recorded_passes() {
    let Some(host) = host() else { return };
    let swish = "swish".parse().unwrap();
    let mut rows = Vec::new();
    for model in ["wrn-10-1", "mobilenet-v1-025-64"] {
        let (info, before) = (models::find(model).unwrap(), host.replays());
        rows.push(compare_recorded::<_, bf16>(&host, info, &swish, 2, Precision::Exact).unwrap());
        assert!(host.replays() >= before + 4, "{model}: {} passes were recorded", host.replays() - before);
    }
    let (tiny, before) = (transformer::find("transformer_tiny").unwrap().config, host.replays());
    let config = TransformerConfig { dropout: 0.2, ..tiny };
    rows.push(
        compare_recorded_transformer::<_, f32>(&host, &config, &swish, &[[5, 7], [9, 3]], Precision::Exact).unwrap(),
    );
    assert!(host.replays() >= before + 4, "{} passes were recorded", host.replays() - before);
    rows.iter().for_each(|row| println!("{row}"));
    assert!(rows.iter().all(Row::passed));
}

#[test]
fn what_a_transformer_does_not_take_is_named() {
    let Some(host) = host() else { return };
    let config = transformer::find("transformer_tiny").unwrap().config;
    let model = Transformer::new(&config, &"relu".parse().unwrap(), 1, DType::F32, &Device::Cpu).unwrap();
    let mut on = DeviceTransformer::<_, f32>::of(&host, &model, Precision::Exact).unwrap();
    let pairs = |src: &[u32], tgt: &[u32]| TextBatch::of([(src, tgt)]);
    let good = pairs(&[5, EOS], &[7, EOS]);
    assert!(matches!(on.train(&good, 0.1, &Pass::eval()), Err(Error::NotTraining)));
    assert!(matches!(on.train(&good, 1.5, &Pass::train()), Err(Error::BadConfig { .. })));
    let beyond = pairs(&[5, EOS], &[config.vocab as u32, EOS]);
    assert!(matches!(on.train(&beyond, 0.1, &Pass::train()), Err(Error::BadId { .. })));
    let empty = TextBatch { tgt: vec![0, 0], ..good };
    assert!(matches!(on.loss(&empty, 0.1, &Pass::eval()), Err(Error::BadInput { .. })));
}
