//! Gradients against finite differences in f64, through candle's backward pass.

use candle_core::{DType, Device, Tensor, Var};
use swish_core::activation::Activation;
use swish_core::nn::init::Scheme;
use swish_core::nn::{Builder, Model, Network, Pass};
use swish_kernels::rng::Rng;

pub fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = Rng::new(seed);
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| rng.normal()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub fn builder(activation: &str) -> Builder {
    Builder::new(&activation.parse::<Activation>().unwrap(), Scheme::WIDE_RESNET, 5, DType::F64, &Device::Cpu)
}

/// sum(ys * fixed random numbers), whose gradients in the input and in all parameters are checked at some of their elements.
pub fn check(vb: Builder, shape: &[usize], model: impl Model + 'static) {
    check_with(vb, shape, Pass::train(), model);
}

pub fn check_with(vb: Builder, shape: &[usize], pass: Pass, model: impl Model + 'static) {
    let network = Network::new(vb.finish().unwrap(), model);
    let xs = Var::from_tensor(&random(shape, 1)).unwrap();
    let value = || {
        let ys = network.forward(xs.as_tensor(), &pass).unwrap();
        let weights = random(ys.dims(), 99);
        (ys * weights).unwrap().sum_all().unwrap()
    };
    let vars = if network.params.count() == 0 { vec![&xs] } else { vec![&xs, &network.params.flat] };
    let grads = value().backward().unwrap();
    for (v, var) in vars.iter().enumerate() {
        let grad: Vec<f64> = grads.get(var.as_tensor()).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let original: Vec<f64> = var.as_tensor().flatten_all().unwrap().to_vec1().unwrap();
        let set = |values: Vec<f64>| var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap()).unwrap();
        let scale = grad.iter().fold(1.0, |m: f64, g| m.max(g.abs()));
        let mut rng = Rng::new(v as u64);
        for _ in 0..40.min(original.len()) {
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
