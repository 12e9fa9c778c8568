//! [`Run`]: one pass through a network.

use super::buffer::{Buffer, Data, Memory, Stored};
use super::error::{Error, Result};
use super::map::{Map, Node};
use super::params::{Compute, Values};
use super::pass::Pass;
use super::tape::Tape;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, Layout, Storage, Tensor};
use half::bf16;
use std::sync::Arc;
use swish_kernels::conv::Operands;
use swish_kernels::element;

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
}

/// Runs `$body` with `$t` bound to the element type of the run's maps.
macro_rules! typed {
    ($run:expr, $t:ident => $body:expr) => {
        match $run.dtype {
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            candle_core::DType::BF16 => {
                type $t = half::bf16;
                $body
            }
            _ => {
                type $t = f32;
                $body
            }
        }
    };
}
pub(crate) use typed;

impl<'a> Run<'a> {
    pub(crate) fn new(values: Values<'a>, pass: &'a Pass, memory: &Arc<Memory>) -> Self {
        let dtype = match (values, pass.operands) {
            (Values::F64(_), _) => DType::F64,
            (Values::F32(_), Operands::Exact) => DType::F32,
            (Values::F32(_), Operands::Bf16) => DType::BF16,
        };
        Self { pass, values, dtype, memory: memory.clone(), tape: Tape::default() }
    }

    /// Images (n, h, w, c), or any other tensor of four dimensions on the CPU, as a map. `tracked`: its gradient is wanted.
    ///
    /// # Errors
    /// [`Error::BadInput`] for other shapes, [`Error::Mixed`] for other element types than F32 and F64.
    pub fn input(&self, xs: &Tensor, tracked: bool) -> Result<Map> {
        let xs = xs.contiguous()?;
        let (storage, layout) = xs.storage_and_layout();
        match &*storage {
            Storage::Cpu(storage) => self.input_values(storage, layout, tracked),
            _ => Err(Error::BadDevice { name: "cuda".into(), reason: "this network runs on the CPU" }),
        }
    }

    pub(crate) fn input_values(&self, storage: &CpuStorage, layout: &Layout, tracked: bool) -> Result<Map> {
        let (n, h, w, c) = layout.shape().dims4().map_err(|_| Error::BadInput {
            layer: "network".into(),
            found: layout.dims().to_vec(),
            expected: "(n, h, w, c)".into(),
        })?;
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
        let node = typed!(self, E => super::unit_step::plain::<E>(xs, self)?);
        Ok(Map { node, pending: None })
    }

    pub(crate) fn buffer<E: Stored>(&self, len: usize) -> Buffer<E> {
        Buffer::new(&self.memory, len)
    }
}

/// The values of a map as a tensor: features as (n, c), images as (n, h, w, c).
pub(crate) fn to_tensor(node: &Node) -> Result<Tensor> {
    Ok(node.data.to_tensor()?.reshape(super::map::dims(node.shape))?)
}
