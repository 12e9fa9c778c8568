//! Whole networks on a device, the emulation of a GPU and where there is one a GPU, compared with the CPU.

use candle_core::{DType, Device};
use half::bf16;
use std::path::Path;
use std::rc::Rc;
use swish_core::device::DeviceTransformer;
use swish_core::device::check::{
    OTHER_ORDER, compare, compare_recorded, compare_recorded_transformer, compare_search, compare_transformer,
};
use swish_core::models;
use swish_core::models::transformer::{self, EOS, TextBatch, Transformer, TransformerConfig};
use swish_core::nn::{Error, Pass};
use swish_emulation::{Host, Sums, on_each_device};
use swish_kernels::cuda::check::Row;
use swish_kernels::cuda::{Device as _, Engine, Precision};

on_each_device!(
    residual_networks,
    wide_and_dense_networks,
    networks_of_image_net,
    nasnet,
    transformers,
    recorded_passes
);

/// What gradients in f32 may be off.
fn gradients(sums: Sums) -> f64 {
    sums.pick(1e-4, OTHER_ORDER)
}

fn host() -> Option<Rc<Host>> {
    Host::new(Path::new(env!("CARGO_TARGET_TMPDIR"))).map(Rc::new)
}

fn check(rows: &[Row]) {
    rows.iter().for_each(|row| println!("{row}"));
    assert!(rows.iter().all(Row::passed));
}

fn networks<D: Engine>(device: &Rc<D>, sums: Sums, cases: &[(&str, &str, usize)]) {
    let mut rows = Vec::new();
    for &(model, activation, n) in cases {
        let (info, activation) = (models::find(model).unwrap(), activation.parse().unwrap());
        let gradient = gradients(sums);
        rows.extend(compare::<D, f32>(device, info, &activation, n, Precision::Exact, gradient).unwrap());
        rows.extend(compare::<D, bf16>(device, info, &activation, n, Precision::Exact, gradient).unwrap());
    }
    check(&rows);
}

fn residual_networks<D: Engine>(device: &Rc<D>, sums: Sums) {
    let cases = [("resnet20", "swish", 2), ("resnet20_b", "prelu", 2), ("resnet8-v2-stride2", "max(x, sin(x))", 3)];
    networks(device, sums, &cases);
}

fn wide_and_dense_networks<D: Engine>(device: &Rc<D>, sums: Sums) {
    let cases = [("wrn-10-1", "gelu", 2), ("resnet-preact-11-half", "swish", 2), ("densenet-bc-16-6", "elu", 2)];
    networks(device, sums, &cases);
}

fn networks_of_image_net<D: Engine>(device: &Rc<D>, sums: Sums) {
    let cases = [
        ("mobilenet-v1-025-64", "swish", 8),
        ("inception-v3-mini-107", "relu", 8),
        ("inception-v4-mini-107", "swish", 8),
        ("inception-resnet-v2-mini-107", "swish", 8),
    ];
    networks(device, sums, &cases);
}

fn nasnet<D: Engine>(device: &Rc<D>, sums: Sums) {
    networks(device, sums, &[("nasnet-a-mini-96", "swish", 2)]);
}

/// Rows of 20 channels are no multiple of what a mask is made of, nor of a wide load.
fn transformers<D: Engine>(device: &Rc<D>, sums: Sums) {
    let tiny = transformer::find("transformer_tiny").unwrap().config;
    let odd = TransformerConfig { vocab: 41, hidden: 20, filter: 36, heads: 2, dropout: 0.2, ..tiny.layers(1, 2) };
    let (lengths, gradient) = ([[5, 7], [9, 3], [1, 1], [4, 6]], gradients(sums));
    let mut rows = Vec::new();
    for (config, activation) in [(tiny, "swish"), (tiny, "relu"), (odd, "prelu")] {
        let act = activation.parse().unwrap();
        rows.extend(
            compare_transformer::<D, f32>(device, &config, &act, &lengths, Precision::Exact, gradient).unwrap(),
        );
        rows.extend(
            compare_transformer::<D, bf16>(device, &config, &act, &lengths, Precision::Exact, gradient).unwrap(),
        );
    }
    for (config, activation) in [(tiny, "swish"), (odd, "prelu")] {
        rows.push(compare_search(device, &config, &activation.parse().unwrap(), &[9, 3, 1, 14, 3]).unwrap());
    }
    check(&rows);
}

/// The third pass of a kind is one call, whose numbers are those of the first.
fn recorded_passes<D: Engine>(device: &Rc<D>, _: Sums) {
    let swish = "swish".parse().unwrap();
    let mut rows = Vec::new();
    for model in ["wrn-10-1", "mobilenet-v1-025-64"] {
        let info = models::find(model).unwrap();
        rows.push(compare_recorded::<D, bf16>(device, info, &swish, 2, Precision::Exact).unwrap());
    }
    let config = TransformerConfig { dropout: 0.2, ..transformer::find("transformer_tiny").unwrap().config };
    let lengths = [[5, 7], [9, 3]];
    rows.push(compare_recorded_transformer::<D, f32>(device, &config, &swish, &lengths, Precision::Exact).unwrap());
    check(&rows);
}

#[test]
fn passes_are_recorded() {
    let Some(host) = host() else { return };
    // With uneven padding, and with dropout.
    let (swish, info) = ("swish".parse().unwrap(), models::find("mobilenet-v1-025-64").unwrap());
    check(&[compare_recorded::<_, bf16>(&host, info, &swish, 2, Precision::Exact).unwrap()]);
    assert!(host.replays() >= 4, "{} passes were recorded", host.replays());
    let (before, tiny) = (host.replays(), transformer::find("transformer_tiny").unwrap().config);
    let config = TransformerConfig { dropout: 0.2, ..tiny };
    check(&[compare_recorded_transformer::<_, f32>(&host, &config, &swish, &[[5, 7]], Precision::Exact).unwrap()]);
    assert!(host.replays() >= before + 4, "{} passes were recorded", host.replays() - before);
}

#[test]
fn what_a_transformer_does_not_take_is_named() {
    let Some(host) = host() else { return };
    let config = transformer::find("transformer_tiny").unwrap().config;
    let model = Transformer::new(&config, &"relu".parse().unwrap(), 1, DType::F32, &Device::Cpu).unwrap();
    let mut on = DeviceTransformer::<_, f32>::of(&host, &model, Precision::Exact).unwrap();
    let pairs = |src: &[u32], tgt: &[u32]| TextBatch::of([(src, tgt)]);
    let good = pairs(&[5, EOS], &[7, EOS]);
    assert!(matches!(on.train(&good, 0.1, &Pass::eval(), None), Err(Error::NotTraining)));
    assert!(matches!(on.train(&good, 1.5, &Pass::train(), None), Err(Error::BadConfig { .. })));
    let beyond = pairs(&[5, EOS], &[config.vocab as u32, EOS]);
    assert!(matches!(on.train(&beyond, 0.1, &Pass::train(), None), Err(Error::BadId { .. })));
    let empty = TextBatch { tgt: vec![0, 0], ..good };
    assert!(matches!(on.loss(&empty, 0.1, &Pass::eval()), Err(Error::BadInput { .. })));
}
