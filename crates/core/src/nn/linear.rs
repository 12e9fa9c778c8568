//! The fully connected layer.

use super::buffer::{Buffer, Data, Stored};
use super::error::{Error, Result};
use super::graph::Op;
use super::map::{Map, Node};
use super::params::{Builder, Compute, Role};
use super::run::{Run, computed};
use super::shape::global_mean;
use super::tape::{Backward, Gradient, Step};
use super::unit_step::settle;
use candle_core::DType;
use std::ops::Range;
use std::sync::Arc;
use swish_kernels::conv::Operands;
use swish_kernels::linear;

/// y = x W^T + b, with `weight` (c_out, c_in) and `bias` (c_out).
#[derive(Clone, Debug)]
pub struct Linear {
    pub(super) name: String,
    pub(crate) c_in: usize,
    pub(crate) c_out: usize,
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Option<Range<usize>>,
}

impl Linear {
    /// Declares the layer's `NAME.weight` and `NAME.bias`.
    pub fn new(vb: &Builder, name: &str, c_in: usize, c_out: usize) -> Self {
        let at = vb.pp(name);
        let weight = at.add("weight", &[c_out, c_in], Role::LinearWeight);
        let bias = Some(at.add("bias", &[c_out], Role::Bias));
        Self { name: at.path().to_string(), c_in, c_out, weight, bias }
    }

    /// Layers of `c_out` channels each that read the same rows, side by side: one layer of all their channels, without biases.
    pub fn side_by_side(vb: &Builder, names: &[&str], c_in: usize, c_out: usize) -> Self {
        let places = names.iter().map(|name| vb.pp(name).add("weight", &[c_out, c_in], Role::LinearWeight));
        // Parameters are declared one behind the other.
        let weight = places.reduce(|first, last| first.start..last.end).unwrap_or_default();
        Self { name: vb.path().to_string(), c_in, c_out: names.len() * c_out, weight, bias: None }
    }

    /// Rows (n, h, w, c_in), in the type that the network computes in, to (n, h, w, c_out).
    ///
    /// # Errors
    /// [`Error::BadInput`] for another number of channels.
    pub fn forward_rows(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        if xs.shape()[3] != self.c_in || xs.pending.is_some() {
            let expected = format!("(n, h, w, {}), nothing pending on it", self.c_in);
            return Err(Error::BadInput { layer: self.name.clone(), found: xs.shape().to_vec(), expected });
        }
        self.prepare(xs.node.pixels(), run)?;
        if run.records() {
            let xs = if run.is_wide(xs) { run.narrowed(xs) } else { xs.clone() };
            return Ok(self.recorded(&xs, run));
        }
        computed!(run.values, T => self.typed::<T>(&xs.node, run))
    }

    fn prepare(&self, rows: usize, run: &mut Run<'_>) -> Result<()> {
        if let Some(tally) = &run.pass.tally {
            tally.add((rows * self.c_in * self.c_out) as u64);
        }
        run.note(&self.name, self.weight.start)
    }

    /// Features (n, 1, 1, c_in) to (n, 1, 1, c_out), the result in the type that the network computes in.
    ///
    /// # Errors
    /// [`Error::BadInput`] for another shape.
    pub fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let [n, h, w, c] = xs.shape();
        if h * w != 1 || c != self.c_in {
            let expected = format!("(n, 1, 1, {})", self.c_in);
            return Err(Error::BadInput { layer: self.name.clone(), found: xs.shape().to_vec(), expected });
        }
        self.prepare(n, run)?;
        if run.records() {
            let features = if run.is_wide(xs) { xs.clone() } else { global_mean(xs, run)? };
            return Ok(self.recorded(&features, run));
        }
        match &xs.node.data {
            Data::F64(_) if xs.pending.is_none() => self.typed::<f64>(&xs.node, run),
            Data::F32(_) if xs.pending.is_none() => self.typed::<f32>(&xs.node, run),
            // The mean over one pixel: the same values, in the type to compute in.
            _ => match global_mean(xs, run)? {
                xs if run.dtype == DType::F64 => self.typed::<f64>(&xs.node, run),
                xs => self.typed::<f32>(&xs.node, run),
            },
        }
    }

    pub(super) fn recorded(&self, xs: &Map, run: &mut Run<'_>) -> Map {
        let [n, h, w, _] = xs.shape();
        run.record(Op::Linear { layer: self.clone(), xs: run.value(xs) }, [n, h, w, self.c_out])
    }

    fn typed<T: Compute + Stored<Real = T>>(&self, xs: &Arc<Node>, run: &mut Run<'_>) -> Result<Map> {
        let (rows, values) = (xs.pixels(), T::values(run.values)?);
        let mut ys = run.buffer::<T>(rows * self.c_out);
        let (weight, bias) = (&values[self.weight.clone()], self.bias.clone().map(|bias| &values[bias]));
        let operands = run.pass.operands;
        linear::forward(rows, self.c_in, self.c_out, T::of(&xs.data)?, weight, bias, &mut ys, operands);
        let [n, h, w, _] = xs.shape;
        let out = Arc::new(Node::new([n, h, w, self.c_out], T::wrap(ys), true));
        if run.pass.train {
            let element = std::marker::PhantomData::<T>;
            run.tape.push(LinearStep { layer: self.clone(), operands, input: xs.clone(), out: out.clone(), element });
        }
        Ok(Map { node: out, pending: None })
    }
}

struct LinearStep<T> {
    layer: Linear,
    operands: Operands,
    input: Arc<Node>,
    out: Arc<Node>,
    element: std::marker::PhantomData<T>,
}

impl<T: Compute + Stored<Real = T>> Step for LinearStep<T> {
    fn backward(self: Box<Self>, back: &mut Backward<'_>) -> Result<()> {
        let Linear { name, c_in, c_out, weight, bias } = &self.layer;
        let no_gradient = || Error::NoGradient { layer: name.clone() };
        let gradient = back.gradients.take(self.out.id).ok_or_else(no_gradient)?;
        let values = T::values(back.values)?;
        let d_ys = settle::<T>(&gradient, &self.out, &back.memory)?;
        let rows = self.input.pixels();
        // What other readers of the input have sent back, to add to.
        let earlier = back.gradients.take(self.input.id);
        let add = earlier.is_some();
        let mut d_xs = match earlier {
            Some(earlier) => earlier,
            None => Gradient::plain(Arc::new(T::wrap(Buffer::<T>::new(&back.memory, rows * c_in)))),
        };
        // The bias stands behind the weight.
        let end = bias.as_ref().map_or(weight.end, |bias| bias.end);
        let d_params = &mut T::of_mut(&mut back.d_params)?[weight.start..end];
        let (d_weight, d_bias) = d_params.split_at_mut(weight.len());
        linear::backward(
            rows,
            *c_in,
            *c_out,
            T::of(&self.input.data)?,
            &values[weight.clone()],
            T::of(&d_ys)?,
            linear::LinearGrads {
                d_xs: Some(T::of_mut(Arc::make_mut(&mut d_xs.d))?),
                add,
                d_weight,
                d_bias: bias.as_ref().map(|_| d_bias),
            },
            self.operands,
        );
        if self.input.tracked {
            back.gradients.put(self.input.id, d_xs);
        }
        Ok(())
    }
}
