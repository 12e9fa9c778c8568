//! Whole networks on a device, here the emulation of a GPU, compared with the CPU.
#![allow(clippy::unwrap_used, missing_docs)]

use half::bf16;
use std::path::Path;
use std::rc::Rc;
use swish_core::device::check::compare;
use swish_core::models;
use swish_emulation::Host;
use swish_kernels::cuda::Precision;
use swish_kernels::cuda::check::Row;

fn host() -> Option<Rc<Host>> {
    Host::new(Path::new(env!("CARGO_TARGET_TMPDIR"))).map(Rc::new)
}

fn check(cases: &[(&str, &str, usize)]) {
    let Some(host) = host() else { return };
    let mut rows: Vec<Row> = Vec::new();
    for &(model, activation, n) in cases {
        let (info, activation) = (models::find(model).unwrap(), activation.parse().unwrap());
        rows.extend(compare::<_, f32>(&host, info, &activation, n, Precision::Exact).unwrap());
        rows.extend(compare::<_, bf16>(&host, info, &activation, n, Precision::Exact).unwrap());
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
