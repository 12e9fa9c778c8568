//! Gradients of the layers against finite differences in f64, through candle's backward pass over whole networks.

use crate::common::{builder, check, check_with, random};
use candle_core::{DType, Device, IndexOp, Tensor, Var};
use swish_core::nn::init::Scheme;
use swish_core::nn::shape::{dropout, from_nchw, global_mean, subsample_pad};
use swish_core::nn::{
    Builder, ConvConfig, DenseBlock, DenseLayer, Linear, LossConfig, Map, Network, NormConfig, Padding, Pass, Pool,
    PoolKind, Run, Unit, softmax_cross_entropy,
};
use swish_kernels::conv::Pad;

/// 3 x 5 kernel, unequal strides and paddings, odd sizes: nothing that symmetry could hide.
const ODD: ConvConfig = ConvConfig {
    c_in: 3,
    c_out: 5,
    kernel: (3, 5),
    stride: (2, 1),
    pad: Padding::Fixed(Pad { top: 0, bottom: 1, left: 2, right: 1 }),
    groups: 1,
};

const NORM: NormConfig = NormConfig::TORCH;

#[test]
fn convolution_norm_activation_with_and_without_residual() {
    for activation in ["swish", "atan(x)^2 - x", "prelu", "exp(-beta*(x - sin(x))^2)"] {
        let vb = builder(activation);
        let unit = Unit::conv_norm_act(&vb, "conv1", ODD, ("bn1", "act1"), NORM).unwrap();
        check(vb, &[2, 7, 6, 3], move |xs: &Map, run: &mut Run<'_>| unit.forward(xs, run));
        // A residual of the same block: read by the convolution, the shortcut and the sum.
        let vb = builder(activation);
        let stem = Unit::conv_norm_act(&vb, "conv0", ConvConfig::same(3, 4, 3, 1), ("bn0", "act0"), NORM).unwrap();
        let first = Unit::conv_norm_act(&vb, "conv1", ConvConfig::same(4, 4, 3, 1), ("bn1", "act1"), NORM).unwrap();
        let second = Unit::conv_norm_act(&vb, "conv2", ConvConfig::same(4, 4, 3, 1), ("bn2", "act2"), NORM).unwrap();
        let third = Unit::conv_norm_act(&vb, "conv3", ConvConfig::same(4, 4, 1, 1), ("bn3", "act3"), NORM).unwrap();
        check(vb, &[2, 5, 6, 3], move |xs: &Map, run: &mut Run<'_>| {
            let xs = stem.forward(xs, run)?.shared();
            let ys = second.forward_add(&first.forward(&xs, run)?, &xs, run)?.shared();
            third.forward_add(&ys, &ys, run)
        });
    }
}

/// Two layers read a map of which neither keeps the activated values: both run what is pending on it, residual included.
#[test]
fn a_map_that_is_read_twice_without_being_shared() {
    let vb = builder("swish");
    let unit =
        |name, c_in, bn, act| Unit::conv_norm_act(&vb, name, ConvConfig::same(c_in, 4, 3, 1), (bn, act), NORM).unwrap();
    let (side, first) = (unit("conv0", 3, "bn0", "act0"), unit("conv1", 3, "bn1", "act1"));
    let (second, third) = (unit("conv2", 4, "bn2", "act2"), unit("conv3", 4, "bn3", "act3"));
    check(vb, &[2, 4, 5, 3], move |xs: &Map, run: &mut Run<'_>| {
        let ys = first.forward_add(xs, &side.forward(xs, run)?, run)?;
        let left = second.forward(&ys, run)?;
        third.forward_add(&ys, &left, run)
    });
}

/// Features between norms: what their statistics pull at reaches the layers before.
#[test]
fn norms_on_features() {
    let vb = builder("swish");
    let first = Linear::new(&vb, "fc1", 6, 5);
    let norm = Unit::norm_act(&vb, ("bn", "act"), 5, NORM).unwrap();
    let second = Linear::new(&vb, "fc2", 5, 4);
    check(vb, &[7, 1, 1, 6], move |xs: &Map, run: &mut Run<'_>| {
        let ys = norm.forward(&first.forward(xs, run)?, run)?;
        second.forward(&ys, run)
    });
    let vb = builder("swish");
    let norm = Unit::norm_act(&vb, ("bn", "act"), 3, NORM).unwrap();
    let last = Linear::new(&vb, "fc", 3, 4);
    check(vb, &[5, 2, 3, 3], move |xs: &Map, run: &mut Run<'_>| {
        let ys = norm.forward(&global_mean(xs, run)?, run)?;
        last.forward(&ys, run)
    });
}

/// A network that begins with a norm, on images whose own gradient nobody wants.
#[test]
fn the_first_norm_learns_too() {
    let vb = builder("swish");
    let norm = Unit::norm_act(&vb, ("bn", "act"), 3, NORM).unwrap();
    let last = Linear::new(&vb, "fc", 3, 4);
    let model = move |xs: &Map, run: &mut Run<'_>| {
        let ys = norm.forward(xs, run)?;
        last.forward(&global_mean(&ys, run)?, run)
    };
    let network = Network::new(vb.finish().unwrap(), model);
    let xs = Var::from_tensor(&random(&[4, 3, 3, 3], 1)).unwrap();
    let logits = network.forward(xs.as_tensor(), &Pass::train()).unwrap();
    let graph = softmax_cross_entropy(&logits, &[0, 1, 2, 3], 0.0).unwrap().backward().unwrap();
    let tracked = graph.get(network.params.flat.as_tensor()).unwrap().to_vec1::<f64>().unwrap();
    let direct = network
        .loss_and_gradient(&xs.as_detached_tensor(), &[0, 1, 2, 3], &LossConfig::smoothed(0.0), &Pass::train())
        .unwrap();
    assert_eq!(direct.gradient.unwrap().to_tensor().unwrap().to_vec1::<f64>().unwrap(), tracked);
    assert!(tracked.iter().all(|&d| d != 0.0));
}

#[test]
fn what_a_network_cannot_do_is_refused() {
    let vb = builder("relu");
    let unit = Unit::conv(&vb, "conv", ConvConfig::same(3, 3, 3, 1)).unwrap();
    let network = Network::new(vb.finish().unwrap(), move |xs: &Map, run: &mut Run<'_>| {
        let ys = unit.forward(xs, run)?;
        unit.forward(&ys, run)
    });
    let xs = random(&[2, 4, 4, 3], 1);
    assert!(network.forward(&xs, &Pass::eval()).is_ok());
    let message = network.forward(&xs, &Pass::train()).unwrap_err().to_string();
    assert!(message.contains("run twice"), "{message}");
    let vb = builder("relu");
    let linear = Linear::new(&vb, "fc", 3, 5);
    let network = Network::new(vb.finish().unwrap(), move |xs: &Map, run: &mut Run<'_>| {
        let ys = global_mean(xs, run)?;
        linear.forward(&ys, run)
    });
    for (targets, pass, expected) in [
        (&[0, 1, 2][..], Pass::train(), "one target"),
        (&[0, 1][..], Pass::eval(), "evaluation"),
        (&[0, 7], Pass::train(), "7"),
    ] {
        let message =
            network.loss_and_gradient(&xs, targets, &LossConfig::smoothed(0.0), &pass).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let message = network.forward(&random(&[0, 4, 4, 3], 1), &Pass::eval()).unwrap_err().to_string();
    assert!(message.contains("[0, 4, 4, 3]"), "{message}");
}

/// The second map of a sum that nothing else has read: its pending activation is run for it.
#[test]
fn a_residual_that_only_the_sum_reads() {
    let vb = builder("swish");
    let side = Unit::conv_norm_act(&vb, "side", ConvConfig::same(3, 4, 1, 1), ("bn0", "act0"), NORM).unwrap();
    let unit = Unit::conv_norm_act(&vb, "conv1", ConvConfig::same(3, 4, 3, 1), ("bn1", "act1"), NORM).unwrap();
    check(vb, &[2, 5, 4, 3], move |xs: &Map, run: &mut Run<'_>| {
        let side = side.forward(xs, run)?;
        unit.forward_add(xs, &side, run)
    });
}

#[test]
fn norm_activation_convolution_with_sum() {
    for (activation, stride) in [("swish", 1), ("max(x, sin(x))", 2)] {
        let vb = builder(activation);
        let stem = Unit::conv(&vb, "conv0", ConvConfig::same(3, 4, 3, stride)).unwrap();
        let first = Unit::norm_act_conv(&vb, ("bn1", "act1"), "conv1", ConvConfig::same(4, 4, 3, 1), NORM).unwrap();
        let second = Unit::norm_act_conv(&vb, ("bn2", "act2"), "conv2", ConvConfig::same(4, 4, 1, 1), NORM).unwrap();
        let entry = Unit::norm_act(&vb, ("bn3", "act3"), 4, NORM).unwrap();
        let conv = Unit::conv(&vb, "conv3", ConvConfig::same(4, 6, 3, 2)).unwrap();
        let shortcut = Unit::conv(&vb, "shortcut", ConvConfig::same(4, 6, 1, 2)).unwrap();
        let last = Unit::norm_act(&vb, ("bn4", "act4"), 6, NORM).unwrap();
        check(vb, &[2, 7, 6, 3], move |xs: &Map, run: &mut Run<'_>| {
            let xs = stem.forward(xs, run)?;
            let ys = second.forward_add(&first.forward(&xs, run)?, &xs, run)?;
            let h = entry.forward(&ys, run)?;
            let side = shortcut.forward(&h, run)?;
            let ys = conv.forward_add(&h, &side, run)?;
            last.forward(&ys, run)
        });
    }
}

/// Both kinds of layers; with and without something that came before and comes after.
#[test]
fn dense_blocks() {
    for bc in [false, true] {
        let vb = builder("gelu");
        let stem = Unit::conv(&vb, "conv1", ConvConfig::same(3, 5, 3, 1)).unwrap();
        let layer = |i: usize, c: usize| {
            let at = vb.pp(i);
            let grow =
                |names, name, c| Unit::norm_act_conv(&at, names, name, ConvConfig::same(c, 2, 3, 1), NORM).unwrap();
            if !bc {
                return DenseLayer { narrow: None, grow: grow(("bn1", "act1"), "conv1", c) };
            }
            let narrow = ConvConfig::same(c, 6, 1, 1);
            let narrow = Some(Unit::norm_act_conv(&at, ("bn1", "act1"), "conv1", narrow, NORM).unwrap());
            DenseLayer { narrow, grow: grow(("bn2", "act2"), "conv2", 6) }
        };
        let block = DenseBlock { layers: vec![layer(0, 5), layer(1, 7), layer(2, 9)] };
        let transition = Unit::norm_act_conv(&vb, ("bn", "act"), "conv", ConvConfig::same(11, 4, 1, 1), NORM).unwrap();
        check(vb, &[2, 4, 6, 3], move |xs: &Map, run: &mut Run<'_>| {
            let xs = block.forward(&stem.forward(xs, run)?, run)?;
            Pool::square(PoolKind::Average, 2, 2, 0).forward(&transition.forward(&xs, run)?, run)
        });
    }
}

#[test]
fn norm_activation_alone_convolution_alone_grouped_and_depthwise() {
    let vb = builder("swish");
    let alone = Unit::norm_act(&vb, ("bn", "act"), 4, NORM).unwrap();
    check(vb, &[2, 5, 6, 4], move |xs: &Map, run: &mut Run<'_>| alone.forward(xs, run));
    for (groups, c_out) in [(1, 6), (2, 6), (4, 4)] {
        let vb = builder("relu");
        let conv = Unit::conv(&vb, "conv", ConvConfig { groups, ..ConvConfig::same(4, c_out, 3, 2) }).unwrap();
        check(vb, &[2, 5, 6, 4], move |xs: &Map, run: &mut Run<'_>| conv.forward(xs, run));
    }
}

#[test]
fn pooling_means_shortcut_and_dropout() {
    let shape = [2, 7, 6, 3];
    for kind in [PoolKind::Max, PoolKind::Average, PoolKind::AverageWithPadding] {
        let pad = Pad { top: 1, bottom: 0, left: 1, right: 2 };
        let pool = Pool { kind, kernel: (3, 3), stride: (2, 1), pad: pad.into() };
        check(builder("relu"), &shape, move |xs: &Map, run: &mut Run<'_>| pool.forward(xs, run));
        check(builder("relu"), &shape, move |xs: &Map, run: &mut Run<'_>| Pool::square(kind, 3, 2, 1).forward(xs, run));
    }
    check(builder("relu"), &shape, |xs: &Map, run: &mut Run<'_>| global_mean(xs, run));
    check(builder("relu"), &shape, |xs: &Map, run: &mut Run<'_>| subsample_pad(xs, 2, 8, run));
    let pass = Pass { dropout_seed: Some(4), ..Pass::train() };
    check_with(builder("relu"), &shape, pass.clone(), |xs: &Map, run: &mut Run<'_>| dropout(xs, 0.3, 1, run));
    // Features stay in f32 where images are in bf16.
    let vb = Builder::new(&"relu".parse().unwrap(), Scheme::RESNET, 5, DType::F32, &Device::Cpu);
    let last = Linear::new(&vb, "fc", 3, 4);
    let network = Network::new(vb.finish().unwrap(), move |xs: &Map, run: &mut Run<'_>| {
        let features = dropout(&global_mean(xs, run)?, 0.3, 1, run)?;
        last.forward(&features, run)
    });
    let pass = Pass { operands: swish_kernels::conv::Operands::Bf16, ..pass };
    let xs = random(&shape, 1).to_dtype(DType::F32).unwrap();
    assert!(network.loss_and_gradient(&xs, &[0, 3], &LossConfig::smoothed(0.0), &pass).unwrap().loss.is_finite());
}

#[test]
fn from_nchw_keeps_every_element() {
    let xs = random(&[2, 3, 4, 5], 1);
    let ys = from_nchw(&xs).unwrap();
    assert_eq!(ys.dims(), [2, 4, 5, 3]);
    let at = |t: &Tensor, i: [usize; 4]| t.i((i[0], i[1], i[2], i[3])).unwrap().to_scalar::<f64>().unwrap();
    assert_eq!(at(&xs, [1, 2, 3, 4]), at(&ys, [1, 3, 4, 2]));
}

/// The loss of a linear layer, once through candle's graph and once without it.
#[test]
fn linear_and_cross_entropy() {
    for smoothing in [0.0, 0.1] {
        let vb = builder("relu");
        let linear = Linear::new(&vb, "fc", 6, 4);
        let network = Network::new(vb.finish().unwrap(), move |xs: &Map, run: &mut Run<'_>| linear.forward(xs, run));
        let xs = random(&[3, 1, 1, 6], 1);
        let logits = network.forward(&xs, &Pass::train()).unwrap();
        let loss = softmax_cross_entropy(&logits, &[1, 3, 0], smoothing).unwrap();
        let graph = loss.backward().unwrap().get(network.params.flat.as_tensor()).unwrap().to_vec1::<f64>().unwrap();
        let direct =
            network.loss_and_gradient(&xs, &[1, 3, 0], &LossConfig::smoothed(smoothing), &Pass::train()).unwrap();
        assert_eq!(direct.loss, loss.to_scalar::<f64>().unwrap());
        assert_eq!(direct.gradient.unwrap().to_tensor().unwrap().to_vec1::<f64>().unwrap(), graph);
        let flat = network.params.flat.to_vec1::<f64>().unwrap();
        for (i, gradient) in graph.iter().enumerate() {
            let at = |x: f64| {
                let mut values = flat.clone();
                values[i] = x;
                let n = values.len();
                network.params.flat.set(&Tensor::from_vec(values, n, &Device::Cpu).unwrap()).unwrap();
                network
                    .loss_and_gradient(&xs, &[1, 3, 0], &LossConfig::smoothed(smoothing), &Pass::train())
                    .unwrap()
                    .loss
            };
            let numeric = (at(flat[i] + 1e-5) - at(flat[i] - 1e-5)) / 2e-5;
            assert!((numeric - gradient).abs() < 1e-8, "{i}: {numeric} and {gradient}");
            at(flat[i]);
        }
    }
}

/// In bfloat16 a small network's gradient points where that in f32 does.
#[test]
fn bf16_gradients_follow_those_in_f32() {
    let info = swish_core::models::find("resnet-preact-11-half").unwrap();
    let net = swish_core::models::Net::new(info, &"swish".parse().unwrap(), 10, 1, DType::F32, &Device::Cpu).unwrap();
    let xs = random(&[8, 32, 32, 3], 1).to_dtype(DType::F32).unwrap();
    let gradient = |operands| {
        let pass = Pass { operands, ..Pass::train() };
        let done = net.loss_and_gradient(&xs, &[0, 1, 2, 3, 4, 5, 6, 7], &LossConfig::smoothed(0.0), &pass).unwrap();
        done.gradient.unwrap().to_tensor().unwrap().to_vec1::<f32>().unwrap()
    };
    use swish_kernels::conv::Operands;
    let (exact, rounded) = (gradient(Operands::Exact), gradient(Operands::Bf16));
    let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let off: Vec<f32> = exact.iter().zip(&rounded).map(|(a, b)| a - b).collect();
    let relative = norm(&off) / norm(&exact);
    assert!(relative > 1e-4 && relative < 0.1, "{relative}");
}

/// New running statistics are 0.9 old + 0.1 batch with the unbiased variance, and evaluation uses them.
#[test]
fn running_statistics_follow_pytorch_and_evaluation_uses_them() {
    let vb = builder("identity");
    let unit = Unit::norm_act(&vb, ("bn", "act"), 1, NormConfig { eps: 0.0, momentum: 0.1 }).unwrap();
    let network = Network::new(vb.finish().unwrap(), move |xs: &Map, run: &mut Run<'_>| unit.forward(xs, run));
    let params = &network.params;
    // gamma is drawn; make it 1 so that the output is the normalised input.
    params.flat.set(&Tensor::new(&[1.0, 0.0], &Device::Cpu).unwrap()).unwrap();
    let xs = Tensor::new(&[1.0, 3.0, 5.0, 7.0], &Device::Cpu).unwrap().reshape((1, 2, 2, 1)).unwrap();
    network.forward(&xs, &Pass::train()).unwrap();
    let read = |name: &str| {
        let buffer = params.buffers.iter().find(|b| b.name == name).unwrap();
        buffer.get().to_vec1::<f64>().unwrap()[0]
    };
    // Mean 4, unbiased variance 20/3.
    let (mean, var) = (0.1 * 4.0, 0.9 + 0.1 * 20.0 / 3.0);
    assert!((read("bn.running_mean") - mean).abs() < 1e-15 && (read("bn.running_var") - var).abs() < 1e-15);
    let ys: Vec<f64> = network.forward(&xs, &Pass::eval()).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    for (y, x) in ys.iter().zip([1.0, 3.0, 5.0, 7.0]) {
        assert!((y - (x - mean) / var.sqrt()).abs() < 1e-12);
    }
}

#[test]
fn images_of_another_shape_are_refused_by_name() {
    let vb = builder("relu");
    let unit = Unit::conv(&vb.pp("layer1"), "conv1", ConvConfig::same(3, 4, 3, 1)).unwrap();
    let network = Network::new(vb.finish().unwrap(), move |xs: &Map, run: &mut Run<'_>| unit.forward(xs, run));
    let wrong = Tensor::zeros((1, 8, 8, 4), DType::F64, &Device::Cpu).unwrap();
    let message = network.forward(&wrong, &Pass::eval()).unwrap_err().to_string();
    assert!(message.contains("layer1") && message.contains("[1, 8, 8, 4]"), "{message}");
}
