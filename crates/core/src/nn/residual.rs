//! The end of a Transformer's sublayer: [activation], projection, dropout, sum, LayerNorm.

use super::buffer::{Buffer, Stored};
use super::error::{Error, Result};
use super::graph::Op;
use super::linear::Linear;
use super::map::{Map, Node};
use super::norm::NormLayer;
use super::params::{Builder, Compute, Role};
use super::run::{Run, computed};
use super::tape::{Backward, Step};
use std::ops::Range;
use std::sync::Arc;
use swish_kernels::act::Program;
use swish_kernels::conv::Operands;
use swish_kernels::dropout::Dropout;
use swish_kernels::layer_norm::{Affine, RowStats};
use swish_kernels::residual::{Grads, Kept, Made, Residual as Kernel};

/// What LayerNorm adds to variances.
pub(crate) const EPSILON: f64 = 1e-6;

/// y = LayerNorm(x + dropout(f(h) W^T + b)) with the activation f of the network, or none.
#[derive(Clone, Debug)]
pub(crate) struct Residual {
    name: String,
    pub(crate) c_in: usize,
    pub(crate) width: usize,
    /// The activation and where its parameters lie.
    pub(crate) act: Option<(Arc<Program>, Range<usize>)>,
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Option<Range<usize>>,
    pub(crate) gamma: Range<usize>,
    pub(crate) beta: Range<usize>,
    dropout: f64,
    /// Tells the places of dropout apart.
    site: u64,
}

/// Names, sizes and dropout of a [`Residual`].
pub(crate) struct ResidualConfig<'a> {
    /// Site of the activation, where there is one.
    pub(crate) act: Option<&'a str>,
    /// Name of the projection, which has a bias where there is an activation.
    pub(crate) projection: &'a str,
    /// Name of the norm.
    pub(crate) norm: &'a str,
    pub(crate) c_in: usize,
    pub(crate) width: usize,
    pub(crate) dropout: f64,
    pub(crate) site: u64,
}

impl Residual {
    /// Declares the parameters.
    pub(crate) fn new(vb: &Builder, config: &ResidualConfig<'_>) -> Self {
        let &ResidualConfig { act, projection, norm, c_in, width, dropout, site } = config;
        let act = act.map(|act| (Arc::new(vb.activation().program()), vb.add_activation(act, c_in)));
        let at = vb.pp(projection);
        let weight = at.add("weight", &[width, c_in], Role::LinearWeight);
        let bias = act.is_some().then(|| at.add("bias", &[width], Role::Bias));
        let norm = vb.pp(norm);
        let gamma = norm.add("weight", &[width], Role::NormWeight);
        let beta = norm.add("bias", &[width], Role::NormBias);
        Self { name: at.path().to_string(), c_in, width, act, weight, bias, gamma, beta, dropout, site }
    }

    /// `hs` (n, 1, len, c_in) and `xs` (n, 1, len, width) to (n, 1, len, width).
    pub(crate) fn forward(&self, hs: &Map, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let (found, wanted) = (hs.shape(), xs.shape());
        if found[3] != self.c_in || wanted[3] != self.width || found[..3] != wanted[..3] {
            let expected = format!("{} channels beside {} of {wanted:?}", self.c_in, self.width);
            return Err(Error::BadInput { layer: self.name.clone(), found: found.to_vec(), expected });
        }
        if let Some(tally) = &run.pass.tally {
            tally.add((hs.node.pixels() * self.c_in * self.width) as u64);
        }
        run.note(&self.name, self.weight.start)?;
        if run.records() {
            return Ok(self.recorded(hs, xs, run));
        }
        computed!(run.values, T => self.run::<T>(&hs.node, &xs.node, run))
    }

    /// As operators of their own.
    fn recorded(&self, hs: &Map, xs: &Map, run: &mut Run<'_>) -> Map {
        let mut made = hs.clone();
        if let Some((program, params)) = &self.act {
            let layer = Arc::new(NormLayer::activation(program, params, self.c_in));
            made = run.record(Op::Norm { layer, xs: run.value(&made), residual: None }, hs.shape());
        }
        let (name, weight, bias) = (self.name.clone(), self.weight.clone(), self.bias.clone());
        made = Linear { name, c_in: self.c_in, c_out: self.width, weight, bias: None }.recorded(&made, run);
        let (p, site, residual) = (self.dropout, self.site, run.value(xs));
        made = run.record(Op::Residual { bias, p, site, xs: run.value(&made), residual }, xs.shape());
        let (gamma, beta) = (self.gamma.clone(), self.beta.clone());
        run.record(Op::LayerNorm { gamma, beta, epsilon: EPSILON, xs: run.value(&made) }, xs.shape())
    }

    /// The layer with its values.
    pub(crate) fn kernel<'a, T>(
        &'a self,
        values: &'a [T],
        dropout: Option<Dropout>,
        operands: Operands,
    ) -> Kernel<'a, T> {
        let at = |range: &Range<usize>| &values[range.clone()];
        Kernel {
            act: self.act.as_ref().map(|(program, params)| (&**program, at(params))),
            weight: at(&self.weight),
            bias: self.bias.as_ref().map(at),
            dropout,
            epsilon: EPSILON,
            affine: Affine { gamma: at(&self.gamma), beta: at(&self.beta) },
            operands,
        }
    }

    fn run<T: Compute + Stored<Real = T>>(&self, hs: &Arc<Node>, xs: &Arc<Node>, run: &mut Run<'_>) -> Result<Map> {
        let rows = xs.pixels();
        let dropout = run.dropout(self.dropout, self.site);
        let mut zs = run.buffer::<T>(rows * self.width);
        let mut ys = run.buffer::<T>(rows * self.width);
        let (mut mean, mut inv_std) = (run.buffer::<T>(rows), run.buffer::<T>(rows));
        let stats = RowStats { mean: &mut mean, inv_std: &mut inv_std };
        let made = Made { zs: &mut zs, ys: &mut ys, stats };
        let kernel = self.kernel(T::values(run.values)?, dropout, run.pass.operands);
        kernel.forward(T::of(&hs.data)?, T::of(&xs.data)?, made);
        let out = Arc::new(Node::new(xs.shape, T::wrap(ys), true));
        if run.pass.train {
            let (layer, operands) = (self.clone(), run.pass.operands);
            let (hs, xs, out) = (hs.clone(), xs.clone(), out.clone());
            run.tape.push(ResidualStep { layer, operands, dropout, hs, xs, out, zs, mean, inv_std });
        }
        Ok(Map { node: out, pending: None })
    }
}

struct ResidualStep<T: Stored> {
    layer: Residual,
    operands: Operands,
    dropout: Option<Dropout>,
    hs: Arc<Node>,
    xs: Arc<Node>,
    out: Arc<Node>,
    zs: Buffer<T>,
    mean: Buffer<T>,
    inv_std: Buffer<T>,
}

impl<T: Compute + Stored<Real = T>> Step for ResidualStep<T> {
    fn backward(self: Box<Self>, back: &mut Backward<'_>) -> Result<()> {
        let Self { layer, operands, dropout, hs, xs, out, zs, mean, inv_std } = &*self;
        let no_gradient = || Error::NoGradient { layer: layer.name.clone() };
        let gradient = back.gradients.take(out.id).ok_or_else(no_gradient)?;
        let mut d_xs = Buffer::<T>::new(&back.memory, zs.len());
        let hs_values = T::of(&hs.data)?;
        let mut d_hs = Buffer::<T>::new(&back.memory, hs_values.len());
        // The parameters stand in this order.
        let start = layer.act.as_ref().map_or(layer.weight.start, |(_, params)| params.start);
        let d_params = &mut T::of_mut(&mut back.d_params)?[start..layer.beta.end];
        let (d_params, rest) = d_params.split_at_mut(layer.weight.start - start);
        let (d_weight, rest) = rest.split_at_mut(layer.weight.len());
        let (d_bias, rest) = rest.split_at_mut(layer.bias.as_ref().map_or(0, Range::len));
        let (d_gamma, d_beta) = rest.split_at_mut(layer.gamma.len());
        let d_bias = layer.bias.as_ref().map(|_| d_bias);
        layer.kernel(T::values(back.values)?, *dropout, *operands).backward(
            &Kept { hs: hs_values, zs, mean, inv_std },
            T::of(&gradient.d)?,
            Grads { d_xs: &mut d_xs, d_hs: &mut d_hs, d_params, d_weight, d_bias, d_gamma, d_beta },
        );
        back.gradients.add::<T>(xs.id, Arc::new(T::wrap(d_xs)))?;
        back.gradients.add::<T>(hs.id, Arc::new(T::wrap(d_hs)))
    }
}
