//! [`Run`]: one pass through a network.

use super::buffer::{Buffer, Data, Memory, Stored};
use super::error::{Error, Result};
use super::graph::{Graph, Op, Recorder};
use super::map::{Map, Node};
use super::params::{Compute, Values, on_cpu};
use super::pass::Pass;
use super::tape::Tape;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, Layout, Tensor};
use half::bf16;
use std::collections::HashSet;
use std::sync::Arc;
use swish_kernels::conv::Operands;
use swish_kernels::dropout::Dropout;
use swish_kernels::{element, rng};

/// An element type of maps and the type behind it, as the layers need them.
pub(crate) trait Kind: Stored<Real: Compute + Stored<Real = Self::Real>> {}

impl<E: Stored<Real: Compute + Stored<Real = E::Real>>> Kind for E {}

/// One pass through a network: the parameters, how it is run, and in training the tape.
#[derive(Debug)]
pub struct Run<'a> {
    /// How the network is run.
    pub pass: &'a Pass,
    pub(crate) values: Values<'a>,
    /// What maps are stored in: F32, F64 or BF16.
    pub(crate) dtype: DType,
    pub(crate) memory: Arc<Memory>,
    pub(crate) tape: Tape,
    /// Where the weights of the layers that have run lie.
    ran: HashSet<usize>,
    /// Sites of the activation that the probe has seen in this pass.
    pub(super) observed: HashSet<String>,
    auxiliary: Auxiliary,
    /// Where operators are taken down instead of being run.
    pub(super) recorder: Option<Recorder>,
}

/// What becomes of an auxiliary head in this pass.
#[derive(Debug, Default)]
enum Auxiliary {
    /// It is not run.
    #[default]
    Unwanted,
    /// It will be run.
    Wanted,
    /// Its logits.
    Made(Map),
}

/// Runs `$body` with `$t` bound to the element type of a map. Features are in the type to compute in, whatever the images are in.
macro_rules! typed {
    ($map:expr, $t:ident => $body:expr) => {
        match &$map.node.data {
            crate::nn::buffer::Data::F64(_) => {
                type $t = f64;
                $body
            }
            crate::nn::buffer::Data::Bf16(_) => {
                type $t = half::bf16;
                $body
            }
            crate::nn::buffer::Data::F32(_) => {
                type $t = f32;
                $body
            }
        }
    };
}
pub(crate) use typed;

/// Runs `$body` with `$t` bound to the type that the network computes in.
macro_rules! computed {
    ($values:expr, $t:ident => $body:expr) => {
        match $values {
            crate::nn::params::Values::F64(_) => {
                type $t = f64;
                $body
            }
            crate::nn::params::Values::F32(_) => {
                type $t = f32;
                $body
            }
        }
    };
}
pub(crate) use computed;

impl<'a> Run<'a> {
    pub(crate) fn new(values: Values<'a>, pass: &'a Pass, memory: &Arc<Memory>) -> Self {
        let dtype = match (values, pass.operands) {
            (Values::F64(_), _) => DType::F64,
            (Values::F32(_), Operands::Exact) => DType::F32,
            (Values::F32(_), Operands::Bf16) => DType::BF16,
        };
        Self {
            pass,
            values,
            dtype,
            memory: memory.clone(),
            tape: Tape::default(),
            ran: HashSet::new(),
            observed: HashSet::new(),
            auxiliary: Auxiliary::Unwanted,
            recorder: None,
        }
    }

    /// The same pass with auxiliary heads, whose logits [`Run::take_auxiliary`] hands over.
    pub(crate) fn with_auxiliary(self) -> Self {
        Self { auxiliary: Auxiliary::Wanted, ..self }
    }

    /// A pass that takes down what `model` does to images of `shape` (n, h, w, c), and computes nothing.
    pub(crate) fn graph(self, shape: [usize; 4], model: impl FnOnce(&Map, &mut Self) -> Result<Map>) -> Result<Graph> {
        if shape.contains(&0) {
            return Err(bad_input(&shape));
        }
        self.written_down(|run| {
            let images = run.record(Op::Input, shape);
            model(&images, run)
        })
    }

    /// A pass that takes down what `model` does to make its logits.
    pub(crate) fn written_down(mut self, model: impl FnOnce(&mut Self) -> Result<Map>) -> Result<Graph> {
        self.recorder = Some(Recorder::default());
        let logits = model(&mut self)?;
        let aux_logits = self.take_auxiliary();
        self.recorder.take().unwrap_or_default().finish(&logits, aux_logits.as_ref())
    }

    /// Runs the auxiliary head of a network, which makes logits (n, 1, 1, classes), where the loss of this pass has a part for it; in
    /// evaluation it has none.
    ///
    /// # Errors
    /// Those of the head.
    pub fn auxiliary(&mut self, head: impl FnOnce(&mut Self) -> Result<Map>) -> Result<()> {
        if matches!(self.auxiliary, Auxiliary::Wanted) {
            let logits = head(self)?;
            self.auxiliary = Auxiliary::Made(self.settled(&logits)?);
        }
        Ok(())
    }

    pub(crate) fn take_auxiliary(&mut self) -> Option<Map> {
        match std::mem::take(&mut self.auxiliary) {
            Auxiliary::Made(logits) => Some(logits),
            Auxiliary::Unwanted | Auxiliary::Wanted => None,
        }
    }

    /// Images (n, h, w, c), or any other tensor of four dimensions on the CPU, as a map. `tracked`: its gradient is wanted.
    ///
    /// # Errors
    /// [`Error::BadInput`] for other shapes, [`Error::Mixed`] for other element types than F32 and F64.
    pub fn input(&self, xs: &Tensor, tracked: bool) -> Result<Map> {
        let xs = xs.contiguous()?;
        let (storage, layout) = xs.storage_and_layout();
        self.input_values(on_cpu(&storage)?, layout, tracked)
    }

    pub(crate) fn input_values(&self, storage: &CpuStorage, layout: &Layout, tracked: bool) -> Result<Map> {
        let &[n, h, w, c] = layout.dims() else {
            return Err(bad_input(layout.dims()));
        };
        if n * h * w * c == 0 {
            return Err(bad_input(layout.dims()));
        }
        let data = match (Values::of(storage, layout)?, self.dtype) {
            (Values::F32(xs), DType::F32) => self.stored::<f32>(xs),
            (Values::F32(xs), DType::BF16) => self.stored::<bf16>(xs),
            (Values::F64(xs), DType::F64) => self.stored::<f64>(xs),
            _ => return Err(Error::Mixed { found: format!("images of {:?}", storage.dtype()) }),
        };
        Ok(Map::of(Node::new([n, h, w, c], data, tracked)))
    }

    fn stored<E: Stored>(&self, xs: &[E::Real]) -> Data {
        let mut buffer = Buffer::<E>::new(&self.memory, xs.len());
        element::store(xs, &mut buffer);
        E::wrap(buffer)
    }

    /// The same map with nothing pending on it.
    pub(crate) fn settled(&mut self, xs: &Map) -> Result<Map> {
        if self.records() {
            return Ok(xs.clone());
        }
        let node = typed!(xs, E => super::unit_step::plain::<E>(xs, self)?);
        Ok(Map { node, pending: None })
    }

    /// Notes that a layer with weights runs: their gradient is written, not added to, so in training it may do so once.
    pub(crate) fn note(&mut self, layer: &str, weight: usize) -> Result<()> {
        if self.ran.insert(weight) || !self.pass.train {
            return Ok(());
        }
        Err(Error::Twice { layer: layer.to_string() })
    }

    /// Dropout with probability `p` at one place of the network, where the pass trains and has a seed.
    pub(crate) fn dropout(&self, p: f64, site: u64) -> Option<Dropout> {
        let seed = self.pass.drops().filter(|_| p > 0.0)?;
        Some(Dropout { p, seed: rng::at(seed, site) })
    }

    pub(crate) fn buffer<E: Stored>(&self, len: usize) -> Buffer<E> {
        Buffer::new(&self.memory, len)
    }
}

fn bad_input(found: &[usize]) -> Error {
    Error::BadInput { layer: "network".into(), found: found.to_vec(), expected: "(n, h, w, c), none of them 0".into() }
}

/// The values of a map as a tensor: features as (n, c), images as (n, h, w, c).
pub(crate) fn to_tensor(node: &Node) -> Result<Tensor> {
    Ok(node.data.to_tensor()?.reshape(super::map::dims(node.shape))?)
}
