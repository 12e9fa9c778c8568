//! Parameters and buffers of a network: how they are declared, drawn, named, read and written.
//!
//! All parameters of a network lie in one flat variable, and the names of PyTorch's `state_dict` are views into it. So a network is one
//! candle operator (operators take three tensors at most), and an optimizer walks one slice instead of hundreds of small tensors.

use super::error::{Error, Result};
use super::init::Scheme;
use crate::activation::Activation;
use candle_core::{CpuStorage, DType, Device, Layout, Storage, Tensor, Var};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use swish_kernels::Real;

/// What a parameter is; decides how it is drawn and whether a recipe decays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A convolution's weight, (c_out, c_in / groups, kh, kw).
    ConvWeight,
    /// A linear layer's weight, (c_out, c_in).
    LinearWeight,
    /// A matrix of embeddings, (ids, width).
    Embedding,
    /// The bias of a convolution or linear layer.
    Bias,
    /// A norm's scale (gamma).
    NormWeight,
    /// A norm's shift (beta).
    NormBias,
    /// A trainable parameter of an activation: one value a channel.
    Activation,
}

/// A named parameter: a view into the network's flat variable.
#[derive(Clone, Debug)]
pub struct Param {
    /// Name as in PyTorch's `state_dict`, e.g. `layer1.0.conv1.weight`.
    pub name: String,
    /// Shape as in PyTorch.
    pub shape: Vec<usize>,
    /// What it is.
    pub role: Role,
    /// Where it starts in the flat variable.
    pub offset: usize,
    /// Whether it belongs to an auxiliary head.
    pub auxiliary: bool,
}

impl Param {
    /// Number of values.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Where it lies in the flat variable.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.elements()
    }

    /// This parameter's part of a flat tensor laid out like the network's variable (the variable itself or its gradient).
    pub fn view(&self, flat: &Tensor) -> Result<Tensor> {
        Ok(flat.narrow(0, self.offset, self.elements())?.reshape(self.shape.as_slice())?)
    }
}

/// State that training updates without a gradient: BatchNorm's running statistics.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// Name as in PyTorch's `state_dict`, e.g. `bn1.running_mean`.
    pub name: String,
    /// Whether it belongs to an auxiliary head.
    pub auxiliary: bool,
    value: Arc<RwLock<Tensor>>,
}

impl Buffer {
    /// The present value, of shape (channels).
    pub fn get(&self) -> Tensor {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the value.
    pub fn set(&self, value: Tensor) {
        *self.value.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

/// One place where the activation stands in the network.
#[derive(Clone, Debug)]
pub struct Site {
    /// Name of the site, e.g. `layer1.0.act1`.
    pub name: String,
    /// Channels of its input.
    pub channels: usize,
    /// Whether it belongs to an auxiliary head.
    pub auxiliary: bool,
}

/// How large a network, or its auxiliary head, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Trainable values.
    pub params: usize,
    /// Values of BatchNorm's running statistics.
    pub statistics: usize,
    /// Places where the activation stands.
    pub sites: usize,
    /// Channels of all of them.
    pub channels: usize,
}

#[derive(Default)]
struct Store {
    params: Vec<Param>,
    /// What each parameter starts at, where it is not drawn.
    constants: Vec<Option<f64>>,
    /// Values of all parameters.
    len: usize,
    buffers: Vec<Buffer>,
    sites: Vec<Site>,
}

/// All parameters and buffers of a built network, in the order of definition.
#[derive(Clone, Debug)]
pub struct Params {
    /// All their values.
    pub flat: Var,
    /// The named views.
    pub params: Vec<Param>,
    /// BatchNorm's running statistics.
    pub buffers: Vec<Buffer>,
    /// Where the activation stands.
    pub sites: Vec<Site>,
}

impl Params {
    /// Number of trainable values.
    pub fn count(&self) -> usize {
        self.params.iter().map(Param::elements).sum()
    }

    /// Size of the auxiliary head, or of all but it.
    pub fn size(&self, auxiliary: bool) -> Size {
        let sites = || self.sites.iter().filter(|site| site.auxiliary == auxiliary);
        let buffers = self.buffers.iter().filter(|buffer| buffer.auxiliary == auxiliary);
        Size {
            params: self.params.iter().filter(|p| p.auxiliary == auxiliary).map(Param::elements).sum(),
            statistics: buffers.map(|buffer| buffer.get().elem_count()).sum(),
            sites: sites().count(),
            channels: sites().map(|site| site.channels).sum(),
        }
    }

    /// Number of trainable values that belong to the activation (one a channel for Swish and PReLU).
    pub fn activation_count(&self) -> usize {
        self.params.iter().filter(|p| p.role == Role::Activation).map(Param::elements).sum()
    }

    /// The parameter as a tensor of its own shape (shares the variable's storage).
    pub fn tensor(&self, param: &Param) -> Result<Tensor> {
        param.view(self.flat.as_tensor())
    }

    /// Calls `f` with the values of all parameters.
    pub(crate) fn with_values<R>(&self, f: impl FnOnce(Values<'_>) -> Result<R>) -> Result<R> {
        let (storage, layout) = self.flat.as_tensor().storage_and_layout();
        f(Values::of(on_cpu(&storage)?, layout)?)
    }
}

/// The storage of a tensor that has to be on the CPU.
pub(crate) fn on_cpu(storage: &Storage) -> Result<&CpuStorage> {
    let name = match storage {
        Storage::Cpu(storage) => return Ok(storage),
        Storage::Cuda(_) => "cuda",
        Storage::Metal(_) => "metal",
    };
    Err(Error::BadDevice { name: name.into(), reason: "this network runs on the CPU; move its input there" })
}

/// Parameters as slices, in the type that the network computes in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl<'a> Values<'a> {
    /// Of a contiguous tensor.
    pub(crate) fn of(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        let range = layout.contiguous_offsets();
        match (storage, range) {
            (CpuStorage::F32(values), Some((from, to))) => Ok(Self::F32(&values[from..to])),
            (CpuStorage::F64(values), Some((from, to))) => Ok(Self::F64(&values[from..to])),
            _ => Err(Error::Mixed { found: "parameters that are not contiguous f32 or f64".into() }),
        }
    }
}

/// A type that networks compute in.
pub(crate) trait Compute: Real {
    fn values(values: Values<'_>) -> Result<&[Self]>;
}

macro_rules! compute {
    ($t:ty, $variant:ident) => {
        impl Compute for $t {
            fn values(values: Values<'_>) -> Result<&[Self]> {
                match values {
                    Values::$variant(values) => Ok(values),
                    other => Err(Error::Mixed { found: format!("parameters of another type than {}", other.name()) }),
                }
            }
        }
    };
}
compute!(f32, F32);
compute!(f64, F64);

impl Values<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
        }
    }
}

/// Declares parameters while a network is built: a path of names, the activation, and how values are drawn.
#[derive(Clone)]
pub struct Builder {
    store: Arc<Mutex<Store>>,
    path: String,
    auxiliary: bool,
    activation: Activation,
    scheme: Scheme,
    seed: u64,
    dtype: DType,
    device: Device,
}

impl Builder {
    /// A builder at the root of a new network. `dtype` is F32, or F64 for checks of gradients.
    pub fn new(activation: &Activation, scheme: Scheme, seed: u64, dtype: DType, device: &Device) -> Self {
        Self {
            store: Arc::default(),
            path: String::new(),
            auxiliary: false,
            activation: activation.clone(),
            scheme,
            seed,
            dtype,
            device: device.clone(),
        }
    }

    /// The same builder one name further down, as in `vb.pp("conv1")`.
    pub fn pp(&self, name: impl std::fmt::Display) -> Self {
        let path = self.join(&name.to_string());
        Self { path, ..self.clone() }
    }

    /// The same builder for an auxiliary head.
    pub fn for_auxiliary_head(&self) -> Self {
        Self { auxiliary: true, ..self.clone() }
    }

    /// The activation under study.
    pub fn activation(&self) -> &Activation {
        &self.activation
    }

    /// Where in the tree of names this builder stands.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Type of the parameters.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    fn join(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Declares the parameter `name` under this builder's path, drawn by the network's scheme for its role. Returns its place in the
    /// flat variable.
    pub fn add(&self, name: &str, shape: &[usize], role: Role) -> Range<usize> {
        self.push(self.join(name), shape, role, None)
    }

    /// Declares the trainable parameters of the activation (none for ReLU, `beta` for Swish) at the site `name`: one after the other in
    /// the place that is returned.
    pub fn add_activation(&self, name: &str, channels: usize) -> Range<usize> {
        let site = self.join(name);
        let start = self.store().len;
        for p in self.activation.params() {
            self.push(format!("{site}.{}", p.name), &[channels], Role::Activation, Some(p.init));
        }
        let end = self.store().len;
        if !self.activation.is_identity() {
            self.store().sites.push(Site { name: site, channels, auxiliary: self.auxiliary });
        }
        start..end
    }

    fn push(&self, name: String, shape: &[usize], role: Role, constant: Option<f64>) -> Range<usize> {
        let mut store = self.store();
        let param = Param { name, shape: shape.to_vec(), role, offset: store.len, auxiliary: self.auxiliary };
        let range = param.range();
        store.len = range.end;
        store.params.push(param);
        store.constants.push(constant);
        range
    }

    /// Declares a buffer of `channels` values, all `value` at the start.
    pub fn buffer(&self, name: &str, channels: usize, value: f64) -> Result<Buffer> {
        let tensor = Tensor::full(value, channels, &self.device)?.to_dtype(self.dtype)?;
        let buffer = Buffer { name: self.join(name), auxiliary: self.auxiliary, value: Arc::new(RwLock::new(tensor)) };
        self.store().buffers.push(buffer.clone());
        Ok(buffer)
    }

    /// Ends the building and hands over all that was declared.
    ///
    /// # Errors
    /// Candle's, when the device is out of memory.
    pub fn finish(self) -> Result<Params> {
        let store = std::mem::take(&mut *self.store());
        let flat = match self.dtype {
            DType::F64 => Tensor::from_vec(self.start::<f64>(&store), store.len, &self.device)?,
            other => Tensor::from_vec(self.start::<f32>(&store), store.len, &self.device)?.to_dtype(other)?,
        };
        let Store { params, buffers, sites, .. } = store;
        Ok(Params { flat: Var::from_tensor(&flat)?, params, buffers, sites })
    }

    /// The values that all parameters start at. Each has a stream of its own, so they are drawn side by side.
    fn start<T: Real>(&self, store: &Store) -> Vec<T> {
        let mut values = vec![T::ZERO; store.len];
        let mut rest = &mut values[..];
        let mut pieces = Vec::with_capacity(store.params.len());
        for (param, constant) in store.params.iter().zip(&store.constants) {
            let (piece, behind) = rest.split_at_mut(param.elements());
            pieces.push((piece, param, constant));
            rest = behind;
        }
        pieces.into_par_iter().for_each(|(piece, param, constant)| match constant {
            Some(constant) => piece.fill(T::from_f64(*constant)),
            None => {
                let drawn = self.scheme.draw(param.role, &param.shape, self.seed, &param.name);
                piece.iter_mut().zip(drawn).for_each(|(value, drawn)| *value = T::from_f64(drawn));
            }
        });
        values
    }
}
