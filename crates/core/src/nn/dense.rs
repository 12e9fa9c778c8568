//! DenseNet's block: every layer appends channels to one map, in place, so nothing is copied and no gradient is cut up.
//!
//! The channels' statistics are found once, when they are made, and serve all the norms that read them (Huang et al. 2016; the reuse of
//! memory is that of Pleiss et al. 2017, arXiv 1707.06990, without its copies).

use super::buffer::Buffer;
use super::error::{Error, Result};
use super::join::concat;
use super::map::{Map, Node};
use super::norm::Norm;
use super::run::{Kind, Run, typed};
use super::tape::{Backward, Step};
use super::unit::Unit;
use super::unit_step::{self, UnitStep, plain, settle_channels};
use std::sync::Arc;
use swish_kernels::block::{self, Geometry, Input, Lanes, Moments, Output};
use swish_kernels::conv::Operands;

/// One layer: [BatchNorm, activation, 1x1 convolution,] BatchNorm, activation, 3x3 convolution.
#[derive(Clone, Debug)]
pub struct DenseLayer {
    /// The bottleneck, where there is one.
    pub narrow: Option<Unit>,
    /// Makes the channels that are appended.
    pub grow: Unit,
}

/// Layers that each read all channels made so far.
#[derive(Clone, Debug)]
pub struct DenseBlock {
    /// In order.
    pub layers: Vec<DenseLayer>,
}

impl DenseBlock {
    /// Images (n, h, w, c) to (n, h, w, c + the channels that the layers make).
    ///
    /// # Errors
    /// [`Error::BadInput`] where a layer does not fit the channels before it.
    pub fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let [n, h, w, c] = xs.shape();
        let mut channels = c;
        for layer in &self.layers {
            let mut shape = [n, h, w, channels];
            for unit in layer.narrow.iter().chain([&layer.grow]) {
                let made = unit.out_shape(shape)?;
                if made[..3] != shape[..3] || unit.pre.is_none() || unit.conv.is_none() {
                    let expected = "a norm, an activation and a convolution that keep the size".into();
                    return Err(Error::BadInput { layer: unit.name.clone(), found: made.to_vec(), expected });
                }
                shape = made;
            }
            channels += shape[3];
            if let Some(tally) = &run.pass.tally {
                let units = layer.narrow.iter().chain([&layer.grow]);
                let macs = units.filter_map(|unit| unit.conv.as_ref());
                tally.add(macs.map(|(conv, _)| n as u64 * conv.at(xs.shape(), Operands::Exact).macs()).sum());
            }
        }
        if run.records() {
            return self.recorded(xs, run);
        }
        typed!(xs, E => Growing::<E>::start(xs, channels, run)?.finish(self, run))
    }
}

impl DenseBlock {
    /// As layers of their own, each of whose channels are joined to those before them.
    fn recorded(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let mut xs = xs.clone();
        for layer in &self.layers {
            let mut made = xs.clone();
            for unit in layer.narrow.iter().chain([&layer.grow]) {
                made = unit.recorded(&made, None, unit.out_shape(made.shape())?, run)?;
            }
            xs = concat(&[xs, made], run)?;
        }
        Ok(xs)
    }
}

/// Channels that a layer appends.
fn growth(layer: &DenseLayer) -> usize {
    layer.grow.conv.as_ref().map_or(0, |(conv, _)| conv.c_out)
}

/// A block's map while its layers fill it.
struct Growing<E: Kind> {
    shape: [usize; 4],
    values: Buffer<E>,
    /// Of the channels made so far.
    moments: Moments,
    /// The block's input.
    input: Arc<Node>,
}

/// A step without its nodes, which stand only when the whole map does.
struct Draft<E: Kind> {
    unit: Unit,
    geometry: Geometry,
    in_lanes: Lanes,
    out_lanes: Lanes,
    norm: Norm<E::Real>,
    conv: Option<unit_step::Conv<E::Real>>,
    /// The map between bottleneck and growth.
    between: Option<Arc<Node>>,
}

impl<E: Kind> Growing<E> {
    fn start(xs: &Map, channels: usize, run: &mut Run<'_>) -> Result<Self> {
        let input = plain::<E>(xs, run)?;
        let [n, h, w, c] = input.shape;
        let mut values = run.buffer::<E>(n * h * w * channels);
        unit_step::copy_channels::<E>(
            E::of(&input.data)?,
            Lanes::all(c),
            &mut values,
            Lanes { stride: channels, first: 0, channels: c },
        );
        let moments = if run.pass.train { unit_step::moments(&input)?.as_ref().clone() } else { Moments::default() };
        Ok(Self { shape: [n, h, w, channels], values, moments, input })
    }

    fn finish(mut self, block: &DenseBlock, run: &mut Run<'_>) -> Result<Map> {
        let mut drafts = Vec::new();
        let mut made = self.input.shape[3];
        for layer in &block.layers {
            let out = Lanes { stride: self.shape[3], first: made, channels: growth(layer) };
            let between = layer.narrow.as_ref().map(|unit| self.narrow(unit, made, run, &mut drafts)).transpose()?;
            self.grow(&layer.grow, made, out, between, run, &mut drafts)?;
            made += out.channels;
        }
        let node = Node::new(self.shape, E::wrap(self.values), true);
        let node = Arc::new(node.with_moments(run.pass.train.then_some(self.moments)));
        if run.pass.train {
            run.tape.push(CopyStep::<E> { input: self.input, out: node.clone(), element: std::marker::PhantomData });
            for draft in drafts {
                let Draft { unit, geometry, in_lanes, out_lanes, norm, conv, between } = draft;
                let (input, out) = match between {
                    None => (node.clone(), node.clone()),
                    Some(between) if out_lanes.is_dense() => (node.clone(), between),
                    Some(between) => (between, node.clone()),
                };
                let norm = Some(norm);
                let (name, residual, kept, shortcut) = (unit.name.clone(), None, None, None);
                let out_shared = !out_lanes.is_dense();
                run.tape.push(UnitStep::<E> {
                    name,
                    geometry,
                    input,
                    in_lanes,
                    norm,
                    residual,
                    kept,
                    conv,
                    out,
                    out_lanes,
                    out_shared,
                    shortcut,
                });
            }
        }
        Ok(Map { node, pending: None })
    }

    fn geometry(&self, c_in: usize, c_out: usize) -> Geometry {
        let [images, h, w, _] = self.shape;
        Geometry { images, in_pixels: h * w, out_pixels: h * w, c_in, c_out }
    }

    /// The statistics that a norm over the first channels uses.
    fn norm(&self, unit: &Unit, run: &Run<'_>) -> Result<Norm<E::Real>> {
        let bad = || Error::BadInput { layer: unit.name.clone(), found: vec![], expected: "a norm".into() };
        let layer = unit.pre.as_ref().ok_or_else(bad)?;
        if !run.pass.train {
            return Norm::new(layer, layer.running(run.pass)?.as_ref(), run.values);
        }
        let [n, h, w, _] = self.shape;
        layer.update_running(&self.moments, n * h * w, run.pass)?;
        Norm::new(layer, &self.moments, run.values)
    }

    fn narrow(&self, unit: &Unit, made: usize, run: &mut Run<'_>, drafts: &mut Vec<Draft<E>>) -> Result<Arc<Node>> {
        let [n, h, w, channels] = self.shape;
        let conv = unit.prepare::<E>([n, h, w, made], run)?;
        let c_out = unit.conv.as_ref().map_or(0, |(conv, _)| conv.c_out);
        let (in_lanes, out_lanes) = (Lanes { stride: channels, first: 0, channels: made }, Lanes::all(c_out));
        let (norm, geometry) = (self.norm(unit, run)?, self.geometry(made, c_out));
        let input = Input { xs: Some(&self.values[..]), lanes: in_lanes, norm: Some(norm.kernel()), residual: None };
        run.observe::<E>(Some(&norm), &geometry, &input)?;
        let mut ys = run.buffer::<E>(n * h * w * c_out);
        let found = block::forward(
            &geometry,
            &input,
            conv.as_ref().map(|conv| &conv.prepared),
            Output {
                ys: &mut ys,
                lanes: out_lanes,
                shortcut: None,
                activated: None,
                add: false,
                moments: run.pass.train,
            },
        );
        let between = Arc::new(Node::new([n, h, w, c_out], E::wrap(ys), true).with_moments(found));
        if run.pass.train {
            let (unit, between) = (unit.clone(), Some(between.clone()));
            drafts.push(Draft { unit, geometry, in_lanes, out_lanes, norm, conv, between });
        }
        Ok(between)
    }

    fn grow(
        &mut self,
        unit: &Unit,
        made: usize,
        out_lanes: Lanes,
        between: Option<Arc<Node>>,
        run: &mut Run<'_>,
        drafts: &mut Vec<Draft<E>>,
    ) -> Result<()> {
        let [n, h, w, channels] = self.shape;
        let (in_lanes, norm) = match (&between, &unit.pre) {
            (Some(node), Some(layer)) => {
                let moments = layer.moments(node, run.pass)?;
                (Lanes::all(node.shape[3]), Norm::new(layer, &moments, run.values)?)
            }
            _ => (Lanes { stride: channels, first: 0, channels: made }, self.norm(unit, run)?),
        };
        let conv = unit.prepare::<E>([n, h, w, in_lanes.channels], run)?;
        let geometry = self.geometry(in_lanes.channels, out_lanes.channels);
        let xs = between.as_ref().map(|node| E::of(&node.data)).transpose()?;
        // Without a bottleneck the layer reads the map that it writes to.
        let read =
            Input { xs: Some(xs.unwrap_or(&self.values)), lanes: in_lanes, norm: Some(norm.kernel()), residual: None };
        run.observe::<E>(Some(&norm), &geometry, &read)?;
        let found = block::forward(
            &geometry,
            &Input { xs, lanes: in_lanes, norm: Some(norm.kernel()), residual: None },
            conv.as_ref().map(|conv| &conv.prepared),
            Output {
                ys: &mut self.values,
                lanes: out_lanes,
                shortcut: None,
                activated: None,
                add: false,
                moments: run.pass.train,
            },
        );
        if let Some(found) = found {
            self.moments.mean.extend(found.mean);
            self.moments.var.extend(found.var);
        }
        if run.pass.train {
            drafts.push(Draft { unit: unit.clone(), geometry, in_lanes, out_lanes, norm, conv, between });
        }
        Ok(())
    }
}

/// The way back into the block's input.
struct CopyStep<E> {
    input: Arc<Node>,
    out: Arc<Node>,
    element: std::marker::PhantomData<E>,
}

impl<E: Kind> Step for CopyStep<E> {
    fn backward(self: Box<Self>, back: &mut Backward<'_>) -> Result<()> {
        let no_gradient = || Error::NoGradient { layer: "dense block".into() };
        let gradient = back.gradients.take(self.out.id).ok_or_else(no_gradient)?;
        let mut d_xs = Buffer::<E>::new(&back.memory, E::of(&self.input.data)?.len());
        let lanes = Lanes { stride: self.out.shape[3], first: 0, channels: self.input.shape[3] };
        settle_channels(&gradient, &self.out, lanes, &mut d_xs)?;
        back.gradients.add::<E>(self.input.id, Arc::new(E::wrap(d_xs)))
    }
}
