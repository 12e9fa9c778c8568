//! The layers of the ImageNet networks against finite differences in f64, then small members of each family, which have every kind of
//! block, and their auxiliary heads.

use crate::common::{builder, check, random};
use candle_core::{DType, Device, Tensor};
use swish_core::models::{self, Net};
use swish_core::nn::join::{concat, join, sum};
use swish_core::nn::shape::every_other_pixel;
use swish_core::nn::{
    Builder, ConvConfig, LossAndGradient, LossConfig, Map, NormConfig, Padding, Pass, Pool, PoolKind, Run, Unit,
};
use swish_kernels::conv::Operands;
use swish_kernels::rng::Rng;

const NORM: NormConfig = NormConfig::SLIM;
const MINI: [&str; 5] = [
    "nasnet-a-mini-96",
    "mobilenet-v1-025-64",
    "inception-v3-mini-107",
    "inception-v4-mini-107",
    "inception-resnet-v2-mini-107",
];

fn unit(vb: &Builder, name: &str, c_in: usize, c_out: usize) -> Unit {
    let names = (format!("{name}.bn"), format!("{name}.act"));
    Unit::conv_norm_act(vb, name, ConvConfig::same(c_in, c_out, 3, 1), (&names.0, &names.1), NORM).unwrap()
}

/// Maps with something pending, with a residual too, maps that others read as well, and plain ones; a norm behind the joined map, whose
/// statistics pull at every part.
#[test]
fn sums_and_maps_side_by_side() {
    let vb = builder("swish");
    let [a, b, c, d] = [("a", 4), ("b", 4), ("c", 2), ("d", 4)].map(|(name, c_out)| unit(&vb, name, 3, c_out));
    let after = Unit::norm_act_conv(&vb, ("bn", "act"), "after", ConvConfig::same(10, 3, 1, 1), NORM).unwrap();
    let side = unit(&vb, "side", 4, 2);
    check(vb, &[2, 5, 4, 3], move |xs: &Map, run: &mut Run<'_>| {
        let (a, c) = (a.forward(xs, run)?, c.forward(xs, run)?);
        let b = b.forward_add(xs, &d.forward(xs, run)?, run)?.shared();
        let pooled = Pool::square(PoolKind::Average, 3, 1, 1).forward(&b, run)?;
        let joined = join(&[&[&a, &b], &[&c], &[&pooled, &pooled, &b]], run)?;
        let after = after.forward(&joined, run)?;
        concat(&[after, side.forward(&b, run)?], run)
    });
    let vb = builder("swish");
    let [a, b] = ["a", "b"].map(|name| unit(&vb, name, 3, 3));
    check(vb, &[2, 3, 4, 3], move |xs: &Map, run: &mut Run<'_>| {
        let ys = sum(&a.forward(xs, run)?, xs, run)?;
        sum(&b.forward(&ys, run)?, &ys, run)
    });
}

#[test]
fn maps_that_do_not_fit_are_refused() {
    let network = |parts: fn(&Map, &mut Run<'_>) -> swish_core::nn::Result<Map>| {
        let network = swish_core::nn::Network::new(builder("relu").finish().unwrap(), parts);
        network.forward(&random(&[1, 4, 4, 2], 1), &Pass::eval()).map(|_| ()).unwrap_err().to_string()
    };
    let message = network(|xs, run| {
        let small = Pool::square(PoolKind::Max, 2, 2, 0).forward(xs, run)?;
        concat(&[xs.clone(), small], run)
    });
    assert!(message.contains("join") && message.contains("[1, 2, 2, 2]"), "{message}");
    assert!(network(|_, run| concat(&[], run)).contains("at least one"));
    assert!(network(|_, run| join(&[&[]], run)).contains("at least one"));
}

/// f(x + s (W y + b)), read by two layers; and the same without an activation.
#[test]
fn scaled_sums() {
    for act in [Some("act"), None] {
        let vb = builder("swish");
        let stem = unit(&vb, "stem", 3, 4);
        let branch = unit(&vb, "branch", 4, 2);
        let up = Unit::conv_scale_act(&vb, "up", ConvConfig::same(2, 4, 1, 1), 0.17, act).unwrap();
        let [left, right] = ["left", "right"].map(|name| unit(&vb, name, 4, 2));
        check(vb, &[2, 4, 5, 3], move |xs: &Map, run: &mut Run<'_>| {
            let xs = stem.forward(xs, run)?.shared();
            let xs = up.forward_add(&branch.forward(&xs, run)?, &xs, run)?.shared();
            concat(&[left.forward(&xs, run)?, right.forward(&xs, run)?], run)
        });
    }
}

/// Activations of their own before several convolutions that read one map; SAME padding at odd and even sizes.
#[test]
fn activations_before_convolutions_with_same_padding() {
    for (size, kernel) in [([5, 6], 3), ([6, 7], 5), ([4, 5], 7)] {
        let vb = builder("swish");
        let stem = Unit::conv_norm(&vb, "stem", ConvConfig::same(3, 4, 1, 1), "bn", NORM).unwrap();
        let deep = ConvConfig::depthwise(4, kernel, 2, Padding::Same);
        let deep = Unit::act_conv(&vb, "act0", "deep", deep).unwrap().without_moments();
        let point = Unit::conv_norm_act(&vb, "point", ConvConfig::same(4, 4, 1, 1), ("bn0", "act1"), NORM).unwrap();
        let full = ConvConfig { pad: Padding::Same, ..ConvConfig::same(4, 4, kernel, 2) };
        let full = Unit::act_conv_norm(&vb, "act2", "full", full, "bn1", NORM).unwrap();
        let alone = Unit::act(&vb, "act3", 4).unwrap();
        let norm = Unit::norm(&vb, "bn2", 4, NORM).unwrap();
        check(vb, &[2, size[0], size[1], 3], move |xs: &Map, run: &mut Run<'_>| {
            let xs = stem.forward(xs, run)?.shared();
            let ys = point.forward(&deep.forward(&xs, run)?, run)?;
            let zs = full.forward(&xs, run)?;
            let odd = every_other_pixel(&alone.forward(&xs, run)?, run)?;
            let max = Pool::same(PoolKind::Max, 3, 2).forward(&xs, run)?;
            let mean = Pool::same(PoolKind::Average, 3, 2).forward(&xs, run)?;
            norm.forward(&join(&[&[&ys, &zs, &odd, &max, &mean]], run)?, run)
        });
    }
}

fn step(net: &Net, batch: usize, pass: &Pass) -> LossAndGradient {
    let [c, h, w] = net.info.input;
    let xs = random(&[batch, h, w, c], 1).to_dtype(net.params.flat.dtype()).unwrap();
    let targets: Vec<u32> = (0..batch as u32).map(|i| i % net.classes as u32).collect();
    net.loss_and_gradient(&xs, &targets, &LossConfig::smoothed(0.1), pass).unwrap()
}

fn mini(name: &str, dtype: DType) -> Net {
    Net::new(models::find(name).unwrap(), &"swish".parse().unwrap(), 3, 1, dtype, &Device::Cpu).unwrap()
}

/// The loss, auxiliary part included, along a random direction in one parameter at a time.
#[test]
fn small_members_of_every_family() {
    for name in MINI {
        let net = mini(name, DType::F64);
        let gradient: Vec<f64> =
            step(&net, 4, &Pass::train()).gradient.unwrap().to_tensor().unwrap().to_vec1().unwrap();
        let flat = net.params.flat.to_vec1::<f64>().unwrap();
        let set = |values: Vec<f64>| {
            let n = values.len();
            net.params.flat.set(&Tensor::from_vec(values, n, &Device::Cpu).unwrap()).unwrap();
        };
        let mut rng = Rng::new(2);
        let every = net.params.params.len().div_ceil(16);
        for param in net.params.params.iter().skip(1).step_by(every) {
            let direction: Vec<f64> = param.range().map(|_| rng.normal()).collect();
            let expected: f64 = param.range().zip(&direction).map(|(i, d)| gradient[i] * d).sum();
            let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
            // Small, so that hardly a maximum of a pooling window passes to another cell.
            let h = 1e-7 / length;
            let at = |t: f64| {
                let mut values = flat.clone();
                param.range().zip(&direction).for_each(|(i, d)| values[i] += t * d);
                set(values);
                step(&net, 4, &Pass::train()).loss
            };
            let numeric = (at(h) - at(-h)) / (2.0 * h);
            let scale = expected.abs().max(1e-2 * length);
            assert!((numeric - expected).abs() < 1e-5 * scale, "{name} {}: {numeric} and {expected}", param.name);
        }
    }
}

#[test]
fn auxiliary_heads_take_part_in_training_only() {
    for name in MINI {
        let net = mini(name, DType::F32);
        let has_head = name != "mobilenet-v1-025-64";
        assert_eq!(net.params.size(true).params > 0, has_head);
        let statistics = || {
            let head = net.params.buffers.iter().filter(|buffer| buffer.auxiliary);
            head.map(|buffer| buffer.get().to_vec1::<f32>().unwrap()).collect::<Vec<_>>()
        };
        let of_head = |done: &LossAndGradient| {
            let all = done.gradient.as_ref().unwrap().to_tensor().unwrap().to_vec1::<f32>().unwrap();
            let head = net.params.params.iter().filter(|p| p.auxiliary);
            head.map(|p| all[p.range()].iter().map(|d| d.abs()).sum()).collect::<Vec<f32>>()
        };
        let [c, h, w] = net.info.input;
        let xs = random(&[4, h, w, c], 1).to_dtype(DType::F32).unwrap();
        let start = statistics();
        net.forward(&xs, &Pass::eval()).unwrap();
        let tracked = net.forward(&xs, &Pass::train()).unwrap();
        let without = LossConfig { aux_weight: 0.0, ..LossConfig::smoothed(0.1) };
        let main = net.loss_and_gradient(&xs, &[0, 1, 2, 0], &without, &Pass::train()).unwrap();
        assert!(main.aux.is_none() && main.aux_logits.is_none() && main.loss == main.main);
        assert!(statistics() == start && of_head(&main).iter().all(|&d| d == 0.0));
        assert_eq!(main.logits.to_vec2::<f32>().unwrap(), tracked.to_vec2::<f32>().unwrap());
        let both = step(&net, 4, &Pass::train());
        assert_eq!(both.aux.is_some(), has_head);
        if let Some(aux) = both.aux {
            assert!((both.loss - (both.main + 0.4 * aux)).abs() < 1e-9 && both.main == main.main);
            assert_eq!(both.aux_logits.as_ref().unwrap().dims(), [4, 3]);
            assert!(statistics() != start && of_head(&both).iter().all(|&d| d > 0.0));
        }
    }
}

/// In bfloat16 the gradients of small members point where those in f32 do.
#[test]
fn bf16_gradients_follow_those_in_f32() {
    for name in MINI {
        let net = mini(name, DType::F32);
        let gradient = |operands| {
            let done = step(&net, 8, &Pass { operands, ..Pass::train() });
            done.gradient.unwrap().to_tensor().unwrap().to_vec1::<f32>().unwrap()
        };
        let (exact, rounded) = (gradient(Operands::Exact), gradient(Operands::Bf16));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let cosine = dot(&exact, &rounded) / (dot(&exact, &exact) * dot(&rounded, &rounded)).sqrt();
        println!("{name}: cosine {cosine}");
        assert!(cosine > 0.95 && exact != rounded, "{name}: {cosine}");
    }
}
