//! What is written for candle, compiled into this test: a function without parameters, Swish, one that has all operators, and one whose
//! values would be named as the functions that it brings along.
//!
//! After a change of the generator, `SWISH_BLESS=1 cargo test -p swish-core --test suite export` writes the files anew.

use candle_core::{DType, Device, Module, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use std::path::Path;
use swish_core::activation::Activation;
use swish_core::activation::export::{Precision, Target, export};

#[path = "candle/every_operator.rs"]
#[rustfmt::skip]
mod every_operator;
#[path = "candle/named_alike.rs"]
#[rustfmt::skip]
mod named_alike;
#[path = "candle/relu.rs"]
#[rustfmt::skip]
mod relu;
#[path = "candle/swish.rs"]
#[rustfmt::skip]
mod swish;

const EVERY: &str = "sinc(x)+sqrt(x)+log(|x|+eps)*exp(-x^2)+sinh(x)/(cosh(x)+eps)+asinh(x)*atan(x)+erf(beta*x)+\
                     log(1+exp(alpha*x))+expm1(min(x,0))+max(x,sin(x))+min(x,cos(x))*tanh(x)+max(x,0)*sigmoid(x)+|x|^3";

const NAMED_ALIKE: &str = "max(cos(max(x,sin(x))),tanh(max(x,sin(x))))";

#[test]
fn the_files_are_what_is_written_now() {
    for (name, text) in [("relu", "relu"), ("swish", "swish"), ("every_operator", EVERY), ("named_alike", NAMED_ALIKE)]
    {
        let activation: Activation = text.parse().unwrap();
        let code = export(&activation, Target::Candle, Some(name), Precision::F32).unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/export/candle/{name}.rs"));
        if std::env::var_os("SWISH_BLESS").is_some() {
            std::fs::write(&file, &code).unwrap();
        }
        assert!(std::fs::read_to_string(&file).unwrap() == code, "{} is not what is written now", file.display());
    }
}

/// Two images of three channels, both kinks and ties among them.
fn input() -> Vec<f64> {
    (0..24).map(|i| (f64::from(i) - 12.0) / 4.0).collect()
}

/// Values, and the gradient of their sum weighted with 1, 2, 3, ... .
fn outcome(module: &dyn Module, xs: &Var, params: &[Var]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let ys = module.forward(xs.as_tensor()).unwrap();
    let weights: Vec<f64> = (1..=24).map(f64::from).collect();
    let weights = Tensor::from_vec(weights, (2, 3, 4), &Device::Cpu).unwrap();
    let gradients = (&ys * weights).unwrap().sum_all().unwrap().backward().unwrap();
    let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let all = std::iter::once(xs).chain(params).map(|var| flat(gradients.get(var).unwrap())).collect();
    (flat(&ys), all)
}

/// Against [`Activation::grad`]; the parameter of channel `c` is `init * (1 + c / 4)`.
fn check(text: &str, module: &dyn Module, xs: &Var, params: &[Var]) {
    let activation: Activation = text.parse().unwrap();
    let inits: Vec<f64> = activation.params().iter().map(|p| p.init).collect();
    for (var, init) in params.iter().zip(&inits) {
        let values: Vec<f64> = (0..3).map(|c| init * (1.0 + f64::from(c) / 4.0)).collect();
        var.set(&Tensor::from_vec(values, 3, &Device::Cpu).unwrap()).unwrap();
    }
    let (values, gradients) = outcome(module, xs, params);
    let mut sums = vec![vec![0.0; 3]; inits.len()];
    for (i, x) in input().into_iter().enumerate() {
        let c = i / 4 % 3;
        let at: Vec<f64> = inits.iter().map(|init| init * (1.0 + c as f64 / 4.0)).collect();
        let grad = activation.grad(x, &at);
        let weight = (i + 1) as f64;
        assert!((grad.value - values[i]).abs() < 1e-12, "{text} at {x}: {} but {}", grad.value, values[i]);
        assert!(
            (weight * grad.dx - gradients[0][i]).abs() < 1e-9,
            "{text}' at {x}: {} but {}",
            grad.dx,
            gradients[0][i]
        );
        sums.iter_mut().zip(&grad.dparams).for_each(|(sum, d)| sum[c] += weight * d);
    }
    for (sum, found) in sums.iter().zip(&gradients[1..]) {
        assert!(sum.iter().zip(found).all(|(a, b)| (a - b).abs() < 1e-9), "{text}: {sum:?} but {found:?}");
    }
}

#[test]
fn candle_has_our_values_and_derivatives() {
    let xs = Var::from_vec(input(), (2, 3, 4), &Device::Cpu).unwrap();
    check("relu", &relu::Relu, &xs, &[]);
    check(NAMED_ALIKE, &named_alike::NamedAlike, &xs, &[]);
    let map = VarMap::new();
    let vb = VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
    let every = every_operator::EveryOperator::new(3, 1, vb.pp("every")).unwrap();
    let swish = swish::Swish::new(3, 1, vb.pp("swish")).unwrap();
    let var = |name: &str| map.data().lock().unwrap()[name].clone();
    check("swish", &swish, &xs, &[var("swish.beta")]);
    check(EVERY, &every, &xs, &[var("every.beta"), var("every.alpha")]);
    let wrong = Tensor::zeros((2, 4), DType::F64, &Device::Cpu).unwrap();
    let error = swish.forward(&wrong).unwrap_err().to_string();
    assert!(error.contains("expected 3 channels in dimension 1, found [2, 4]"), "{error}");
}
