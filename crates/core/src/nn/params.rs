//! Parameters and buffers of a network: how they are declared, drawn, named, read and written.
//!
//! candle's custom operators take three tensors at most, and a block (convolution, BatchNorm, activation) has more
//! parameters than that. So a block keeps all its parameters in one flat variable, and the names of PyTorch's
//! `state_dict` are views into it. The optimizer walks a few flat slices instead of hundreds of small tensors.

use super::error::Result;
use super::init::Scheme;
use crate::activation::Activation;
use candle_core::{DType, Device, Tensor, Var};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// What a parameter is; decides how it is drawn and whether a recipe decays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A convolution's weight, (c_out, c_in / groups, kh, kw).
    ConvWeight,
    /// A linear layer's weight, (c_out, c_in).
    LinearWeight,
    /// The bias of a convolution or linear layer.
    Bias,
    /// BatchNorm's scale (gamma).
    NormWeight,
    /// BatchNorm's shift (beta).
    NormBias,
    /// A trainable parameter of an activation: one value a channel.
    Activation,
}

/// A named parameter: a view into the flat variable of its block.
#[derive(Clone, Debug)]
pub struct Param {
    /// Name as in PyTorch's `state_dict`, e.g. `layer1.0.conv1.weight`.
    pub name: String,
    /// Shape as in PyTorch.
    pub shape: Vec<usize>,
    /// What it is.
    pub role: Role,
    /// Index of the block's variable in [`Params::vars`].
    pub block: usize,
    /// Where it starts in that variable.
    pub offset: usize,
}

impl Param {
    /// Number of values.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// This parameter's part of a flat tensor laid out like the block's variable (the variable itself or its gradient).
    pub fn view(&self, flat: &Tensor) -> Result<Tensor> {
        Ok(flat.narrow(0, self.offset, self.elements())?.reshape(self.shape.as_slice())?)
    }
}

/// State that training updates without a gradient: BatchNorm's running statistics.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// Name as in PyTorch's `state_dict`, e.g. `bn1.running_mean`.
    pub name: String,
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
}

#[derive(Default)]
struct Store {
    vars: Vec<Var>,
    params: Vec<Param>,
    buffers: Vec<Buffer>,
    sites: Vec<Site>,
}

/// All parameters and buffers of a built network, in the order of definition.
#[derive(Clone, Debug)]
pub struct Params {
    /// One flat variable a block.
    pub vars: Vec<Var>,
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

    /// Number of trainable values that belong to the activation (one a channel for Swish and PReLU).
    pub fn activation_count(&self) -> usize {
        self.params.iter().filter(|p| p.role == Role::Activation).map(Param::elements).sum()
    }

    /// The parameter as a tensor of its own shape (shares the variable's storage).
    pub fn tensor(&self, param: &Param) -> Result<Tensor> {
        param.view(self.vars[param.block].as_tensor())
    }
}

/// Declares parameters while a network is built: a path of names, the activation, and how values are drawn.
#[derive(Clone)]
pub struct Builder {
    store: Arc<Mutex<Store>>,
    path: String,
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

    /// The activation under study.
    pub fn activation(&self) -> &Activation {
        &self.activation
    }

    /// The same builder with another activation (identity for a block that ends without one).
    pub fn with_activation(&self, activation: Activation) -> Self {
        Self { activation, ..self.clone() }
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

    /// Starts a block: its parameters are added one after the other and end up in one flat variable.
    pub fn block(&self) -> Block<'_> {
        let index = self.store().vars.len();
        Block { vb: self, index, values: Vec::new() }
    }

    /// Declares a buffer of `channels` values, all `value` at the start.
    pub fn buffer(&self, name: &str, channels: usize, value: f64) -> Result<Buffer> {
        let tensor = Tensor::full(value, channels, &self.device)?.to_dtype(self.dtype)?;
        let buffer = Buffer { name: self.join(name), value: Arc::new(RwLock::new(tensor)) };
        self.store().buffers.push(buffer.clone());
        Ok(buffer)
    }

    /// Ends the building and hands over all that was declared.
    pub fn finish(self) -> Params {
        let mut store = self.store();
        let Store { vars, params, buffers, sites } = std::mem::take(&mut *store);
        Params { vars, params, buffers, sites }
    }
}

/// A block under construction, see [`Builder::block`].
pub struct Block<'a> {
    vb: &'a Builder,
    index: usize,
    values: Vec<f64>,
}

impl Block<'_> {
    /// Adds the parameter `vb`'s path + `name`, drawn by the network's scheme for its role.
    pub fn add(&mut self, vb: &Builder, name: &str, shape: &[usize], role: Role) {
        let full = vb.join(name);
        let values = vb.scheme.draw(role, shape, vb.seed, &full);
        self.push(vb, full, shape, role, values);
    }

    /// Adds the trainable parameters of `vb`'s activation (none for ReLU, `beta` for Swish) at the site `name`.
    pub fn add_activation(&mut self, vb: &Builder, name: &str, channels: usize) {
        let site = vb.join(name);
        for p in vb.activation.params() {
            let values = vec![p.init; channels];
            self.push(vb, format!("{site}.{}", p.name), &[channels], Role::Activation, values);
        }
        if !vb.activation.is_identity() {
            vb.store().sites.push(Site { name: site, channels });
        }
    }

    fn push(&mut self, vb: &Builder, name: String, shape: &[usize], role: Role, values: Vec<f64>) {
        let param = Param { name, shape: shape.to_vec(), role, block: self.index, offset: self.values.len() };
        debug_assert_eq!(param.elements(), values.len());
        vb.store().params.push(param);
        self.values.extend(values);
    }

    /// Closes the block: its flat variable.
    pub fn finish(self) -> Result<Var> {
        let (vb, n) = (self.vb, self.values.len());
        let flat = Tensor::from_vec(self.values, n, &vb.device)?.to_dtype(vb.dtype)?;
        let var = Var::from_tensor(&flat)?;
        let mut store = vb.store();
        debug_assert_eq!(store.vars.len(), self.index, "one block at a time");
        store.vars.push(var.clone());
        Ok(var)
    }
}
