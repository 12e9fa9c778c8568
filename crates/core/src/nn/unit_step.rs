//! The passes of a [`super::unit::Unit`] over the kernels' blocks.

use super::buffer::{Buffer, Data, Memory, Stored};
use super::error::{Error, Result};
use super::map::{Map, Node, Pending};
use super::norm::{Norm, NormLayer};
use super::params::Compute;
use super::run::{Kind, Run};
use super::tape::{Backward, Gradient, Gradients, Pull, Step, add_to, narrow};
use super::unit::Unit;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use swish_kernels::Real;
use swish_kernels::block::{self, Correction, Downstream, Geometry, Input, Lanes, Moments, Output, Trained, Upstream};
use swish_kernels::conv::Prepared;

/// What a unit reads, and the norm and activation on the way.
pub(super) struct Source {
    pub(super) node: Arc<Node>,
    pub(super) norm: Option<(Arc<NormLayer>, Arc<Moments>)>,
    pub(super) residual: Option<Arc<Node>>,
    /// Where the activated values are kept for others.
    pub(super) keep: Option<Arc<Pending>>,
}

/// The mean and variance of a map: its maker's, or found now.
pub(super) fn moments(node: &Node) -> Result<Arc<Moments>> {
    if let Some(moments) = node.moments.get() {
        return Ok(moments.clone());
    }
    fn find<E: Stored>(node: &Node) -> Result<Moments> {
        let [n, h, w, c] = node.shape;
        Ok(block::moments::<E>(n, h * w, Lanes::all(c), E::of(&node.data)?))
    }
    let found = match &node.data {
        Data::F32(_) => find::<f32>(node)?,
        Data::F64(_) => find::<f64>(node)?,
        Data::Bf16(_) => find::<half::bf16>(node)?,
    };
    Ok(node.moments.get_or_init(|| Arc::new(found)).clone())
}

/// Where the unit's values come from.
pub(super) fn source<E: Kind>(unit: &Unit, xs: &Map, run: &mut Run<'_>) -> Result<Source> {
    match (&unit.pre, &xs.pending) {
        (Some(pre), _) => {
            let node = plain::<E>(xs, run)?;
            let moments = pre.moments(&node, run.pass)?;
            Ok(Source { node, norm: Some((pre.clone(), moments)), residual: None, keep: None })
        }
        (None, Some(pending)) if pending.kept.get().is_none() => Ok(of_pending(xs, pending)),
        _ => Ok(Source { node: plain::<E>(xs, run)?, norm: None, residual: None, keep: None }),
    }
}

pub(super) fn of_pending(xs: &Map, pending: &Arc<Pending>) -> Source {
    Source {
        node: xs.node.clone(),
        norm: Some((pending.norm.clone(), pending.moments.clone())),
        residual: pending.residual.clone(),
        keep: pending.shared.load(Ordering::Relaxed).then(|| pending.clone()),
    }
}

/// The map's values, with what was pending on it run.
pub(super) fn plain<E: Kind>(xs: &Map, run: &mut Run<'_>) -> Result<Arc<Node>> {
    let Some(pending) = &xs.pending else {
        return Ok(xs.node.clone());
    };
    if let Some(kept) = pending.kept.get() {
        return Ok(kept.clone());
    }
    let source = Source { keep: None, ..of_pending(xs, pending) };
    let node = run_unit::<E>("activation", None, source, None, xs.node.shape, false, run)?;
    Ok(pending.kept.get_or_init(|| node).clone())
}

/// Runs a block and puts it on the tape.
pub(super) fn run_unit<E: Kind>(
    name: &str,
    conv: Option<Conv<E::Real>>,
    source: Source,
    shortcut: Option<Arc<Node>>,
    shape: [usize; 4],
    measured: bool,
    run: &mut Run<'_>,
) -> Result<Arc<Node>> {
    let [n, h, w, c_in] = source.node.shape;
    let [_, out_h, out_w, c_out] = shape;
    let geometry = Geometry { images: n, in_pixels: h * w, out_pixels: out_h * out_w, c_in, c_out };
    let norm = source.norm.map(|(layer, moments)| Norm::new(&layer, &moments, run.values)).transpose()?;
    let input = Input {
        xs: Some(E::of(&source.node.data)?),
        lanes: Lanes::all(c_in),
        norm: norm.as_ref().map(Norm::kernel),
        residual: values_of::<E>(source.residual.as_ref())?,
    };
    run.observe::<E>(norm.as_ref(), &geometry, &input)?;
    let mut ys = run.buffer::<E>(n * out_h * out_w * c_out);
    let mut activated = source.keep.as_ref().map(|_| run.buffer::<E>(n * h * w * c_in));
    let found = block::forward(
        &geometry,
        &input,
        conv.as_ref().map(|conv| &conv.prepared),
        Output {
            ys: &mut ys,
            lanes: Lanes::all(c_out),
            shortcut: values_of::<E>(shortcut.as_ref())?,
            activated: activated.as_deref_mut(),
            add: false,
            moments: run.pass.train && measured,
        },
    );
    let node = Arc::new(Node::new(shape, E::wrap(ys), true).with_moments(found));
    let kept = activated.map(|values| Arc::new(Node::new(source.node.shape, E::wrap(values), true)));
    if let (Some(pending), Some(kept)) = (&source.keep, &kept) {
        let _ = pending.kept.set(kept.clone());
    }
    if run.pass.train {
        run.tape.push(UnitStep::<E> {
            name: name.to_string(),
            geometry,
            input: source.node,
            in_lanes: Lanes::all(c_in),
            norm,
            residual: source.residual,
            kept,
            conv,
            out: node.clone(),
            out_lanes: Lanes::all(c_out),
            out_shared: false,
            shortcut,
        });
    }
    Ok(node)
}

pub(super) fn values_of<E: Stored>(node: Option<&Arc<Node>>) -> Result<Option<&[E]>> {
    node.map(|node| E::of(&node.data)).transpose()
}

/// A convolution with its weights packed, and their place.
pub(super) struct Conv<T: Real> {
    pub(super) prepared: Prepared<T>,
    pub(super) weight: Range<usize>,
}

impl Unit {
    /// The unit's convolution for images of `shape`.
    pub(super) fn prepare<E: Kind>(&self, shape: [usize; 4], run: &mut Run<'_>) -> Result<Option<Conv<E::Real>>> {
        let Some((config, weight)) = &self.conv else {
            return Ok(None);
        };
        run.note(&self.name, weight.start)?;
        let values = <E::Real as Compute>::values(run.values)?;
        let prepared = Prepared::new(&config.at(shape, E::OPERANDS), &values[weight.clone()], run.pass.train);
        Ok(Some(Conv { prepared, weight: weight.clone() }))
    }
}

/// What the way back through a unit needs.
pub(super) struct UnitStep<E: Kind> {
    pub(super) name: String,
    pub(super) geometry: Geometry,
    pub(super) input: Arc<Node>,
    pub(super) in_lanes: Lanes,
    pub(super) norm: Option<Norm<E::Real>>,
    pub(super) residual: Option<Arc<Node>>,
    pub(super) kept: Option<Arc<Node>>,
    pub(super) conv: Option<Conv<E::Real>>,
    pub(super) out: Arc<Node>,
    pub(super) out_lanes: Lanes,
    /// Whether other steps read the same gradient of `out`, which one before them on the tape takes away.
    pub(super) out_shared: bool,
    pub(super) shortcut: Option<Arc<Node>>,
}

/// A gradient's corrections for some channels, in the type to compute in.
struct Corrected<T> {
    mean: Vec<T>,
    pull: Vec<T>,
    term: Vec<T>,
}

impl<T: Real> Corrected<T> {
    fn of(node: &Node, pull: &Pull, channels: Range<usize>) -> Result<Self> {
        Ok(Self {
            mean: narrow(&moments(node)?.mean[channels.clone()]),
            pull: narrow(&pull.pull[channels.clone()]),
            term: narrow(&pull.term[channels]),
        })
    }
}

impl<E: Kind> Step for UnitStep<E> {
    fn backward(self: Box<Self>, back: &mut Backward<'_>) -> Result<()> {
        let no_gradient = || Error::NoGradient { layer: self.name.clone() };
        // A layer of a dense block reads and writes channels of one map, whose gradient then is one too.
        let in_place = self.out.id == self.input.id;
        let up = match self.out_shared && !in_place {
            true => back.gradients.get(self.out.id),
            false => back.gradients.take(self.out.id),
        };
        let up = up.ok_or_else(no_gradient)?;
        let channels = self.out_lanes.first..self.out_lanes.first + self.out_lanes.channels;
        let slope: Option<Vec<E::Real>> = up.slope.as_deref().map(|slope| narrow(&slope[channels.clone()]));
        let corrected = up.correction.as_ref().map(|pull| Corrected::of(&self.out, pull, channels)).transpose()?;
        let down = if in_place { Some(up.clone()) } else { back.gradients.take(self.input.id) };
        let up_d = (!in_place).then(|| up.d.clone());
        drop(up.d);
        let shares_shortcut = slope.is_none() && corrected.is_none();
        let shortcut = self.shortcut.as_ref().filter(|node| node.tracked);
        let mut settled = match shortcut {
            Some(node) if !shares_shortcut => Some(Buffer::<E>::new(&back.memory, E::of(&node.data)?.len())),
            _ => None,
        };
        let extra = match &self.kept {
            Some(kept) => back.gradients.take(kept.id).map(|g| settle::<E>(&g, kept, &back.memory)).transpose()?,
            None => None,
        };
        let mut receiver = self.receiver(down, back)?;
        let ds = match &mut receiver.gradient {
            Some(gradient) => Some(E::of_mut(Arc::make_mut(&mut gradient.d))?),
            None => None,
        };
        let d_params = <E::Real as Stored>::of_mut(&mut back.d_params)?;
        let sums = block::backward(
            &self.geometry,
            &Input {
                xs: Some(E::of(&self.input.data)?),
                lanes: self.in_lanes,
                norm: self.norm.as_ref().map(Norm::kernel),
                residual: values_of::<E>(self.residual.as_ref())?,
            },
            self.conv
                .as_ref()
                .map(|conv| Trained { prepared: &conv.prepared, d_weight: &mut d_params[conv.weight.clone()] }),
            Upstream {
                ds: up_d.as_deref().map(E::of).transpose()?,
                lanes: self.out_lanes,
                slope: slope.as_deref(),
                correction: match &corrected {
                    Some(c) => Some(Correction {
                        zs: E::of(&self.out.data)?,
                        lanes: self.out_lanes,
                        mean: &c.mean,
                        pull: &c.pull,
                        term: &c.term,
                    }),
                    None => None,
                },
                settled: settled.as_deref_mut(),
            },
            Downstream {
                ds,
                lanes: self.in_lanes,
                slope: self.norm.as_ref().filter(|_| !receiver.raw).and_then(Norm::scale),
                add: !receiver.fresh,
                extra: extra.as_deref().map(E::of).transpose()?,
            },
        );
        let rows = self.geometry.images * self.geometry.in_pixels;
        let pull = self.norm.as_ref().and_then(|norm| norm.finish(&sums, rows, d_params));
        self.deliver(receiver, pull, &mut back.gradients)?;
        match (shortcut, settled, up_d) {
            (Some(node), Some(settled), _) => back.gradients.add::<E>(node.id, Arc::new(E::wrap(settled)))?,
            (Some(node), None, Some(d)) => back.gradients.add::<E>(node.id, d)?,
            _ => {}
        }
        Ok(())
    }
}

/// The gradient of a unit's input while the unit adds to it.
struct Receiver {
    /// `None` where nobody wants it.
    gradient: Option<Gradient>,
    /// What other readers of the same map have given, where that has to stay apart.
    earlier: Option<Gradient>,
    /// Whether `gradient` is a new buffer, to be overwritten.
    fresh: bool,
    /// Whether the gradient of u is stored, and not that of x but for the pull.
    raw: bool,
}

impl<E: Kind> UnitStep<E> {
    /// Goes on with the gradient that was found, or starts one. With a residual the gradient of u is stored, which is the residual's too;
    /// so it must not be mixed with what other readers have given.
    fn receiver(&self, mut found: Option<Gradient>, back: &Backward<'_>) -> Result<Receiver> {
        let earlier = if self.residual.is_some() { found.take() } else { None };
        let fresh = found.is_none();
        let raw = found.as_ref().map_or(self.residual.is_some(), |gradient| gradient.slope.is_some());
        if fresh && self.input.tracked {
            let len = E::of(&self.input.data)?.len();
            let d = match self.in_lanes.is_dense() {
                true => Buffer::<E>::new(&back.memory, len),
                false => Buffer::zeros(&back.memory, len),
            };
            let slope = self.norm.as_ref().filter(|_| raw).map(|norm| norm.slope().to_vec());
            found = Some(Gradient { d: Arc::new(E::wrap(d)), slope, correction: None });
        }
        Ok(Receiver { gradient: found, earlier, fresh, raw })
    }

    /// Hands the gradient to the residual and, with what the statistics pull, to the input.
    fn deliver(&self, receiver: Receiver, pull: Option<Pull>, gradients: &mut Gradients) -> Result<()> {
        let Some(mut gradient) = receiver.gradient else {
            return Ok(());
        };
        if let Some(residual) = self.residual.as_ref().filter(|node| node.tracked) {
            gradients.add::<E>(residual.id, gradient.d.clone())?;
        }
        if let Some(mut earlier) = receiver.earlier {
            add_to(E::of_mut(Arc::make_mut(&mut earlier.d))?, E::of(&gradient.d)?);
            gradient = earlier;
        }
        if let Some(pull) = pull {
            gradient.correction = Some(match gradient.correction.take() {
                Some(mut own) => {
                    own.add(&pull);
                    own
                }
                None => pull.padded(self.in_lanes.stride),
            });
        }
        gradients.put(self.input.id, gradient);
        Ok(())
    }
}

/// A gradient without slope and correction.
pub(super) fn settle<E: Kind>(gradient: &Gradient, node: &Node, memory: &Arc<Memory>) -> Result<Arc<Data>> {
    if gradient.slope.is_none() && gradient.correction.is_none() {
        return Ok(gradient.d.clone());
    }
    let lanes = Lanes::all(node.shape[3]);
    let mut out = Buffer::<E>::new(memory, E::of(&node.data)?.len());
    settle_channels(gradient, node, lanes, &mut out)?;
    Ok(Arc::new(E::wrap(out)))
}

/// The whole gradient of some channels of a node: (pixels, channels).
pub(super) fn settle_channels<E: Kind>(gradient: &Gradient, node: &Node, lanes: Lanes, out: &mut [E]) -> Result<()> {
    let channels = lanes.first..lanes.first + lanes.channels;
    let corrected =
        gradient.correction.as_ref().map(|pull| Corrected::<E::Real>::of(node, pull, channels.clone())).transpose()?;
    let slope: Option<Vec<E::Real>> = gradient.slope.as_deref().map(|slope| narrow(&slope[channels]));
    let (ds, zs) = (E::of(&gradient.d)?, E::of(&node.data)?);
    block::settle(
        &Upstream {
            ds: Some(ds),
            lanes,
            slope: slope.as_deref(),
            correction: corrected.as_ref().map(|c| Correction {
                zs,
                lanes,
                mean: &c.mean,
                pull: &c.pull,
                term: &c.term,
            }),
            settled: None,
        },
        [node.shape[0], node.shape[1] * node.shape[2]],
        out,
    );
    Ok(())
}

/// Copies some channels of every pixel.
pub(super) fn copy_channels<E: Stored>(xs: &[E], from: Lanes, ys: &mut [E], to: Lanes) {
    use rayon::prelude::*;
    const PIXELS: usize = 1024;
    xs.par_chunks(from.len(PIXELS)).zip(ys.par_chunks_mut(to.len(PIXELS))).for_each(|(xs, ys)| {
        for (x, y) in xs.chunks_exact(from.stride).zip(ys.chunks_exact_mut(to.stride)) {
            y[to.first..][..to.channels].copy_from_slice(&x[from.first..][..from.channels]);
        }
    });
}
