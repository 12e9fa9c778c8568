//! Gradients of the layers against finite differences in f64, through candle's backward pass.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use candle_core::{DType, Device, Tensor, Var};
use swish_core::activation::Activation;
use swish_core::nn::init::Scheme;
use swish_core::nn::shape::{dropout, from_nchw, global_mean, subsample_pad};
use swish_core::nn::{
    Builder, ConvConfig, Join, Linear, NormConfig, Params, Pass, Pool, PoolKind, Result, Unit, softmax_cross_entropy,
};
use swish_kernels::conv::Pad;
use swish_kernels::rng::Rng;

fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = Rng::new(seed);
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| rng.normal()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn builder(activation: &str) -> Builder {
    Builder::new(&activation.parse::<Activation>().unwrap(), Scheme::WIDE_RESNET, 5, DType::F64, &Device::Cpu)
}

/// sum(ys * fixed random numbers), whose gradients are checked in every variable at some of its elements.
fn check(vars: &[&Var], forward: impl Fn() -> Result<Tensor>) {
    let value = || {
        let ys = forward().unwrap();
        let weights = random(ys.dims(), 99);
        (ys * weights).unwrap().sum_all().unwrap()
    };
    let grads = value().backward().unwrap();
    for (v, var) in vars.iter().enumerate() {
        let grad: Vec<f64> = grads.get(var.as_tensor()).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let original: Vec<f64> = var.as_tensor().flatten_all().unwrap().to_vec1().unwrap();
        let set = |values: Vec<f64>| var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap()).unwrap();
        let scale = grad.iter().fold(1.0, |m: f64, g| m.max(g.abs()));
        let mut rng = Rng::new(v as u64);
        for _ in 0..24.min(original.len()) {
            let i = rng.below(original.len() as u64) as usize;
            let h = 1e-5;
            let at = |x: f64| {
                let mut values = original.clone();
                values[i] = x;
                set(values);
                value().to_scalar::<f64>().unwrap()
            };
            let numeric = (at(original[i] + h) - at(original[i] - h)) / (2.0 * h);
            assert!((numeric - grad[i]).abs() < 1e-6 * scale, "variable {v}, element {i}: {numeric} and {}", grad[i]);
        }
        set(original);
    }
}

fn with_params<'a>(xs: &'a [Var], params: &'a Params) -> Vec<&'a Var> {
    xs.iter().chain(&params.vars).collect()
}

/// 3 x 5 kernel, unequal strides and paddings, odd sizes: nothing that symmetry could hide.
const ODD: ConvConfig = ConvConfig {
    c_in: 3,
    c_out: 5,
    kernel: (3, 5),
    stride: (2, 1),
    pad: Pad { top: 0, bottom: 1, left: 2, right: 1 },
    groups: 1,
};

#[test]
fn convolution_norm_activation_with_and_without_residual() {
    for activation in ["swish", "atan(x)^2 - x", "prelu", "exp(-beta*(x - sin(x))^2)"] {
        let vb = builder(activation);
        let unit = Unit::conv_norm_act(&vb, "conv1", ODD, ("bn1", "act1"), NormConfig::TORCH).unwrap();
        let params = vb.finish();
        let xs = [
            Var::from_tensor(&random(&[2, 7, 6, 3], 1)).unwrap(),
            Var::from_tensor(&random(&[2, 3, 5, 5], 2)).unwrap(),
        ];
        let pass = Pass::train();
        check(&with_params(&xs[..1], &params), || unit.forward(&xs[0], &pass));
        check(&with_params(&xs, &params), || unit.forward_join(&xs[0], Join::Add, &xs[1], &pass));
        check(&with_params(&xs, &params), || unit.forward_join(&xs[0], Join::Concat, &xs[1], &pass));
    }
}

#[test]
fn norm_activation_convolution_with_sum_and_concatenation() {
    for (activation, conv) in [("swish", ODD), ("max(x, sin(x))", ConvConfig::same(3, 5, 1, 1))] {
        let vb = builder(activation);
        let unit = Unit::norm_act_conv(&vb, ("bn1", "act1"), "conv1", conv, NormConfig::TORCH).unwrap();
        let params = vb.finish();
        let xs = Var::from_tensor(&random(&[2, 7, 6, 3], 1)).unwrap();
        let pass = Pass::train();
        let out = unit.forward(&xs, &pass).unwrap();
        let side = Var::from_tensor(&random(out.dims(), 2)).unwrap();
        let vars = [xs, side];
        check(&with_params(&vars[..1], &params), || unit.forward(&vars[0], &pass));
        check(&with_params(&vars, &params), || unit.forward_join(&vars[0], Join::Add, &vars[1], &pass));
        check(&with_params(&vars, &params), || unit.forward_join(&vars[0], Join::Concat, &vars[1], &pass));
    }
}

/// Both arguments are the same tensor, as in DenseNet without bottlenecks: the two gradients add up.
#[test]
fn a_layer_whose_input_is_also_what_it_appends_to() {
    let vb = builder("gelu");
    let unit =
        Unit::norm_act_conv(&vb, ("bn1", "act1"), "conv1", ConvConfig::same(3, 4, 3, 1), NormConfig::TORCH).unwrap();
    let params = vb.finish();
    let xs = [Var::from_tensor(&random(&[2, 5, 4, 3], 1)).unwrap()];
    check(&with_params(&xs, &params), || unit.forward_join(&xs[0], Join::Concat, &xs[0], &Pass::train()));
}

#[test]
fn norm_activation_alone_convolution_alone_grouped_and_depthwise() {
    let pass = Pass::train();
    let vb = builder("swish");
    let alone = Unit::norm_act(&vb, ("bn", "act"), 4, NormConfig::TORCH).unwrap();
    let params = vb.finish();
    let xs = [Var::from_tensor(&random(&[2, 5, 6, 4], 1)).unwrap()];
    check(&with_params(&xs, &params), || alone.forward(&xs[0], &pass));
    for (groups, c_out) in [(1, 6), (2, 6), (4, 4)] {
        let vb = builder("relu");
        let conv = Unit::conv(&vb, "conv", ConvConfig { groups, ..ConvConfig::same(4, c_out, 3, 2) }).unwrap();
        let params = vb.finish();
        check(&with_params(&xs, &params), || conv.forward(&xs[0], &pass));
    }
}

#[test]
fn pooling_means_shortcut_dropout_and_layout() {
    let xs = [Var::from_tensor(&random(&[2, 7, 6, 3], 1)).unwrap()];
    let pass = Pass { dropout_seed: Some(4), ..Pass::train() };
    let vars: Vec<&Var> = xs.iter().collect();
    for kind in [PoolKind::Max, PoolKind::Average, PoolKind::AverageWithPadding] {
        let pad = Pad { top: 1, bottom: 0, left: 1, right: 2 };
        let pool = Pool { kind, kernel: (3, 3), stride: (2, 1), pad };
        check(&vars, || pool.forward(&xs[0], &pass));
        check(&vars, || Pool::square(kind, 3, 2, 1).forward(&xs[0], &pass));
    }
    check(&vars, || global_mean(&xs[0], &pass));
    check(&vars, || subsample_pad(&xs[0], 2, 8, &pass));
    check(&vars, || dropout(&xs[0], 0.3, 1, &pass));
    let nchw = [Var::from_tensor(&random(&[2, 3, 4, 5], 1)).unwrap()];
    check(&[&nchw[0]], || from_nchw(&nchw[0]));
}

#[test]
fn linear_and_cross_entropy() {
    let vb = builder("relu");
    let linear = Linear::new(&vb, "fc", 6, 4).unwrap();
    let params = vb.finish();
    let xs = [Var::from_tensor(&random(&[3, 6], 1)).unwrap()];
    for smoothing in [0.0, 0.1] {
        check(&with_params(&xs, &params), || {
            softmax_cross_entropy(&linear.forward(&xs[0], &Pass::train())?, &[1, 3, 0], smoothing)
        });
    }
}

/// New running statistics are 0.9 old + 0.1 batch with the unbiased variance, and evaluation uses them.
#[test]
fn running_statistics_follow_pytorch_and_evaluation_uses_them() {
    let vb = builder("identity");
    let unit = Unit::norm_act(&vb, ("bn", "act"), 1, NormConfig { eps: 0.0, momentum: 0.1 }).unwrap();
    let params = vb.finish();
    // gamma is drawn; make it 1 so that the output is the normalised input.
    params.vars[0].set(&Tensor::new(&[1.0, 0.0], &Device::Cpu).unwrap()).unwrap();
    let xs = Tensor::new(&[1.0, 3.0, 5.0, 7.0], &Device::Cpu).unwrap().reshape((1, 2, 2, 1)).unwrap();
    unit.forward(&xs, &Pass::train()).unwrap();
    let read = |name: &str| {
        let buffer = params.buffers.iter().find(|b| b.name == name).unwrap();
        buffer.get().to_vec1::<f64>().unwrap()[0]
    };
    // Mean 4, unbiased variance 20/3.
    let (mean, var) = (0.1 * 4.0, 0.9 + 0.1 * 20.0 / 3.0);
    assert!((read("bn.running_mean") - mean).abs() < 1e-15 && (read("bn.running_var") - var).abs() < 1e-15);
    let ys: Vec<f64> = unit.forward(&xs, &Pass::eval()).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    for (y, x) in ys.iter().zip([1.0, 3.0, 5.0, 7.0]) {
        assert!((y - (x - mean) / var.sqrt()).abs() < 1e-12);
    }
}

#[test]
fn images_of_another_shape_are_refused_by_name() {
    let vb = builder("relu");
    let unit = Unit::conv(&vb.pp("layer1"), "conv1", ConvConfig::same(3, 4, 3, 1)).unwrap();
    let wrong = Tensor::zeros((1, 8, 8, 4), DType::F64, &Device::Cpu).unwrap();
    let message = unit.forward(&wrong, &Pass::eval()).unwrap_err().to_string();
    assert!(message.contains("layer1") && message.contains("[1, 8, 8, 4]"), "{message}");
}
