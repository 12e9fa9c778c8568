//! Sums of maps, joined along their channels: what is pending on a map is run on the way to its place, so nothing is copied twice, and on
//! the way back every term reads its channels of one gradient.

use super::error::{Error, Result};
use super::graph::Op;
use super::map::{Map, Node};
use super::norm::Norm;
use super::run::{Kind, Run, typed};
use super::tape::{Backward, Step};
use super::unit_step::{self, Source, UnitStep, of_pending, plain};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use swish_kernels::block::{self, Geometry, Input, Lanes, Output};

/// a + b, both (n, h, w, c).
///
/// # Errors
/// [`Error::BadInput`] for maps of unequal shapes.
pub fn sum(a: &Map, b: &Map, run: &mut Run<'_>) -> Result<Map> {
    join(&[&[a, b]], run)
}

/// Maps (n, h, w, c_i) side by side: (n, h, w, sum of c_i).
///
/// # Errors
/// [`Error::BadInput`] for maps of unequal sizes, or none.
pub fn concat(parts: &[Map], run: &mut Run<'_>) -> Result<Map> {
    let parts: Vec<[&Map; 1]> = parts.iter().map(|part| [part]).collect();
    join(&parts.iter().map(|part| &part[..]).collect::<Vec<_>>(), run)
}

/// Side by side, the sums of each part's maps: (n, h, w, c_i) to (n, h, w, sum of c_i).
///
/// # Errors
/// [`Error::BadInput`] for maps of unequal sizes, a sum of unequal channels, or an empty part.
pub fn join(parts: &[&[&Map]], run: &mut Run<'_>) -> Result<Map> {
    let bad = |found: [usize; 4], expected| Error::BadInput { layer: "join".into(), found: found.to_vec(), expected };
    let first = parts.first().and_then(|part| part.first()).ok_or_else(|| bad([0; 4], "at least one map".into()))?;
    let [n, h, w, _] = first.shape();
    let mut channels = 0;
    for part in parts {
        let c = part.first().map_or(0, |term| term.shape()[3]);
        if let Some(term) = part.iter().find(|term| term.shape() != [n, h, w, c]) {
            return Err(bad(term.shape(), format!("{:?}", [n, h, w, c])));
        }
        channels += c;
    }
    if run.records() {
        return Ok(recorded(parts, [n, h, w, channels], run));
    }
    typed!(first, E => join_typed::<E>(parts, [n, h, w, channels], run))
}

/// Sums first, then what they make side by side.
fn recorded(parts: &[&[&Map]], shape: [usize; 4], run: &mut Run<'_>) -> Map {
    let sum = |part: &&[&Map]| match part {
        [] => None,
        [one] => Some((*one).clone()),
        [first, ..] => {
            let terms = part.iter().map(|term| run.value(term)).collect();
            Some(run.record(Op::Sum { terms }, first.shape()))
        }
    };
    let sums: Vec<Map> = parts.iter().filter_map(sum).collect();
    match &sums[..] {
        [one] => one.clone(),
        sums => {
            let parts = sums.iter().map(|sum| run.value(sum)).collect();
            run.record(Op::Concat { parts }, shape)
        }
    }
}

fn join_typed<E: Kind>(parts: &[&[&Map]], shape: [usize; 4], run: &mut Run<'_>) -> Result<Map> {
    let [images, h, w, stride] = shape;
    let mut ys = run.buffer::<E>(shape.iter().product());
    let mut terms = Vec::new();
    let mut first = 0;
    for part in parts {
        let channels = part.first().map_or(0, |term| term.shape()[3]);
        let out_lanes = Lanes { stride, first, channels };
        first += channels;
        for (i, term) in part.iter().enumerate() {
            let Source { node, norm, residual, .. } = source::<E>(term, run)?;
            let norm = norm.map(|(layer, moments)| Norm::new(&layer, &moments, run.values)).transpose()?;
            let geometry = Geometry { images, in_pixels: h * w, out_pixels: h * w, c_in: channels, c_out: channels };
            let input = Input {
                xs: Some(E::of(&node.data)?),
                lanes: Lanes::all(channels),
                norm: norm.as_ref().map(Norm::kernel),
                residual: unit_step::values_of::<E>(residual.as_ref())?,
            };
            run.observe::<E>(norm.as_ref(), &geometry, &input)?;
            let output =
                Output { ys: &mut ys, lanes: out_lanes, shortcut: None, activated: None, add: i > 0, moments: false };
            block::forward(&geometry, &input, None, output);
            terms.push((geometry, node, norm, residual, out_lanes));
        }
    }
    let out = Arc::new(Node::new(shape, E::wrap(ys), true));
    if run.pass.train {
        run.tape.push(EndStep { out: out.clone() });
        for (geometry, input, norm, residual, out_lanes) in terms {
            run.tape.push(UnitStep::<E> {
                name: "join".into(),
                geometry,
                in_lanes: Lanes::all(geometry.c_in),
                input,
                norm,
                residual,
                kept: None,
                conv: None,
                out: out.clone(),
                out_lanes,
                out_shared: true,
                shortcut: None,
            });
        }
    }
    Ok(Map { node: out, pending: None })
}

/// What is pending is run here, unless others want its values too.
fn source<E: Kind>(term: &Map, run: &mut Run<'_>) -> Result<Source> {
    match &term.pending {
        Some(pending) if pending.kept.get().is_none() && !pending.shared.load(Ordering::Relaxed) => {
            Ok(of_pending(term, pending))
        }
        _ => Ok(Source { node: plain::<E>(term, run)?, norm: None, residual: None, keep: None }),
    }
}

/// Takes away the gradient that all terms have read.
struct EndStep {
    out: Arc<Node>,
}

impl Step for EndStep {
    fn backward(self: Box<Self>, back: &mut Backward<'_>) -> Result<()> {
        let gradient = back.gradients.take(self.out.id);
        gradient.map(drop).ok_or_else(|| Error::NoGradient { layer: "join".into() })
    }
}
