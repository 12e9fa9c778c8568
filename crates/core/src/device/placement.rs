//! [`Placement`]: where parameters lie on a device.
//!
//! On the host they stand in the order of their declaration, with PyTorch's layouts. On the device the matrices that maps are multiplied
//! with come first, those of convolutions with the channels last as libraries want them, each at the start of a line of memory; so one
//! launch makes the copy in the type of the maps that products are made from. What is read as f32 follows.

use crate::nn::graph::{Graph, Op};
use crate::nn::norm::Kind;
use std::collections::HashMap;
use std::ops::Range;

/// Elements that matrices start at a multiple of: 256 bytes of bf16, which libraries count on.
const MATRIX: usize = 128;
/// Elements that tables of channels start at a multiple of: 16 bytes of f32, the widest load.
const TABLE: usize = 4;

/// One stretch of parameters.
#[derive(Clone, Debug)]
struct Piece {
    host: Range<usize>,
    device: usize,
    /// (c_out, c_in / groups, taps) on the host, for those whose channels stand last on the device.
    transposed: Option<[usize; 3]>,
}

/// The places of all parameters that a graph uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placement {
    pieces: Vec<Piece>,
    /// Pieces by their start on the host.
    by_start: HashMap<usize, usize>,
    /// Elements of the matrices, gaps included.
    pub(super) matrices: usize,
    /// Elements of all, gaps included.
    pub(super) len: usize,
}

impl Placement {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut places = Self::default();
        for step in &graph.steps {
            match &step.op {
                Op::Conv { conv, weight, .. } if !is_depthwise(conv) => {
                    let shape = [conv.c_out, conv.c_in / conv.groups, conv.kh * conv.kw];
                    places.push(weight.clone(), MATRIX, Some(shape));
                }
                Op::Linear { layer, .. } if !step.wide => places.push(layer.weight.clone(), MATRIX, None),
                _ => {}
            }
        }
        places.len = places.len.next_multiple_of(MATRIX);
        places.matrices = places.len;
        for step in &graph.steps {
            match &step.op {
                Op::Conv { weight, .. } => places.push(weight.clone(), TABLE, None),
                Op::Norm { layer, .. } => {
                    // Norms are sure of this order.
                    for range in tables(&layer.kind) {
                        places.push(range, TABLE, None);
                    }
                    places.push(layer.params.clone(), TABLE, None);
                }
                Op::Linear { layer, .. } => {
                    places.push(layer.weight.clone(), MATRIX, None);
                    if let Some(bias) = &layer.bias {
                        places.push(bias.clone(), TABLE, None);
                    }
                }
                Op::Residual { bias: Some(bias), .. } => places.push(bias.clone(), TABLE, None),
                Op::Embedding { layer, .. } => places.push(layer.weight.clone(), MATRIX, None),
                // Their gradients are written together; they are declared one behind the other.
                Op::LayerNorm { gamma, beta, .. } => places.push(gamma.start..beta.end, TABLE, None),
                _ => {}
            }
        }
        places
    }

    fn push(&mut self, host: Range<usize>, align: usize, transposed: Option<[usize; 3]>) {
        if host.is_empty() || self.by_start.contains_key(&host.start) {
            return;
        }
        let device = self.len.next_multiple_of(align);
        self.len = device + host.len();
        self.by_start.insert(host.start, self.pieces.len());
        self.pieces.push(Piece { host, device, transposed });
    }

    /// Where a stretch lies on the device. An empty one lies behind all others.
    pub(super) fn find(&self, host: &Range<usize>) -> Range<usize> {
        match self.number(host) {
            Some(piece) => self.pieces[piece].device..self.pieces[piece].device + host.len(),
            None => self.len..self.len,
        }
    }

    /// Where its pieces start, in order.
    pub(super) fn starts(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.pieces.iter().map(|piece| piece.device)
    }

    /// Number of the piece that holds a stretch; none holds an empty one.
    pub(super) fn number(&self, host: &Range<usize>) -> Option<usize> {
        self.by_start.get(&host.start).copied().filter(|_| !host.is_empty())
    }

    /// Values laid out as on the host to the layout of the device, with `gap` between them.
    pub(super) fn to_device(&self, host: &[f32], gap: f32) -> Vec<f32> {
        let mut device = vec![gap; self.len];
        for piece in &self.pieces {
            let (from, to) = (&host[piece.host.clone()], &mut device[piece.device..][..piece.host.len()]);
            match piece.transposed {
                Some([c_out, c_in, taps]) => transpose([c_out, c_in, taps], from, to),
                None => to.copy_from_slice(from),
            }
        }
        device
    }

    /// The reverse of [`Placement::to_device`]; what no piece covers stays as it is.
    pub(super) fn to_host(&self, device: &[f32], host: &mut [f32]) {
        for piece in &self.pieces {
            let (from, to) = (&device[piece.device..][..piece.host.len()], &mut host[piece.host.clone()]);
            match piece.transposed {
                Some([c_out, c_in, taps]) => transpose([c_out, taps, c_in], from, to),
                None => to.copy_from_slice(from),
            }
        }
    }

    /// Lengths of neighbouring stretches of the device's layout, gaps included, each with a property of its parameters, of which `of`
    /// is told where they begin on the host.
    pub(crate) fn groups<T: PartialEq>(&self, of: impl Fn(usize) -> T) -> Vec<(usize, T)> {
        let ends = self.pieces.iter().skip(1).map(|piece| piece.device).chain([self.len]);
        let mut groups: Vec<(usize, T)> = Vec::new();
        for (piece, end) in self.pieces.iter().zip(ends) {
            let (len, property) = (end - piece.device, of(piece.host.start));
            match groups.last_mut() {
                Some(group) if group.1 == property => group.0 += len,
                _ => groups.push((len, property)),
            }
        }
        groups
    }
}

/// A norm's parameters on the host.
pub(super) fn tables(kind: &Kind) -> Vec<Range<usize>> {
    match kind {
        Kind::Batch { gamma, beta, .. } => vec![gamma.clone(), beta.clone()],
        Kind::Scale { bias, .. } => bias.iter().cloned().collect(),
    }
}

/// Whether kernels of ours run a convolution: one filter a channel.
pub(super) fn is_depthwise(conv: &swish_kernels::conv::Conv2d) -> bool {
    conv.groups == conv.c_in && conv.groups == conv.c_out && conv.groups > 1
}

/// (n, a, b) to (n, b, a).
fn transpose([n, a, b]: [usize; 3], xs: &[f32], ys: &mut [f32]) {
    for (xs, ys) in xs.chunks_exact(a * b).zip(ys.chunks_exact_mut(a * b)).take(n) {
        for (j, y) in ys.chunks_exact_mut(a).enumerate() {
            y.iter_mut().enumerate().for_each(|(i, y)| *y = xs[i * b + j]);
        }
    }
}
