//! [`Network`]: running a model, as one candle operator, and without candle's graph for training steps.

use super::buffer::{Buffer, Data, Memory};
use super::error::{Error, Result};
use super::graph::Graph;
use super::loss::{self, LossAndGradient, LossConfig};
use super::map::Map;
use super::params::{Params, Values, on_cpu};
use super::pass::Pass;
use super::run::{Run, to_tensor};
use super::tape::{Gradients, Tape};
use super::unit_step::settle;
use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result as CandleResult, Shape, Storage, Tensor};
use half::bf16;
use std::sync::{Arc, Mutex, PoisonError};

/// What a network computes.
pub trait Model: Send + Sync {
    /// Images (n, h, w, c) to logits (n, 1, 1, classes).
    ///
    /// # Errors
    /// [`Error::BadInput`] for images of another shape.
    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map>;
}

impl<F: Fn(&Map, &mut Run<'_>) -> Result<Map> + Send + Sync> Model for F {
    fn forward(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        self(xs, run)
    }
}

/// A model with its parameters.
#[derive(Clone)]
pub struct Network {
    /// Parameters and buffers under PyTorch's names.
    pub params: Params,
    model: Arc<dyn Model>,
    memory: Arc<Memory>,
}

impl Network {
    /// A model and the parameters that were declared for it. In training a layer with weights may run once a pass.
    pub fn new(params: Params, model: impl Model + 'static) -> Self {
        Self::boxed(params, Arc::new(model))
    }

    pub(crate) fn boxed(params: Params, model: Arc<dyn Model>) -> Self {
        Self { params, model, memory: Arc::default() }
    }

    /// Images (n, h, w, c) to logits (n, classes).
    ///
    /// Auxiliary heads are not run. In training the logits are part of candle's graph: their backward pass has a gradient for
    /// `params.flat`, and for `xs` if that is a variable.
    ///
    /// # Errors
    /// [`Error::BadInput`] for images of another shape.
    pub fn forward(&self, xs: &Tensor, pass: &Pass) -> Result<Tensor> {
        if !pass.train {
            return self.params.with_values(|values| {
                let mut run = Run::new(values, pass, &self.memory);
                let xs = run.input(xs, false)?;
                let logits = to_tensor(&self.made(&xs, &mut run)?.node);
                self.memory.end_pass();
                logits
            });
        }
        let op = NetOp { net: self.clone(), pass: pass.clone(), tracked: xs.track_op(), done: Mutex::default() };
        Ok(xs.contiguous()?.apply_op2(self.params.flat.as_tensor(), op)?)
    }

    /// What the model makes, with nothing pending.
    fn made(&self, xs: &Map, run: &mut Run<'_>) -> Result<Map> {
        let made = self.model.forward(xs, run)?;
        run.settled(&made)
    }

    /// The operators that the model runs on images (n, h, w, c), those of an auxiliary head included.
    pub(crate) fn graph(&self, shape: [usize; 4]) -> Result<Graph> {
        let pass = Pass::train();
        self.params.with_values(|values| {
            let run = Run::new(values, &pass, &self.memory).with_auxiliary();
            run.graph(shape, |images, run| self.made(images, run))
        })
    }

    /// The loss of a training pass and its gradient, without candle's graph.
    ///
    /// # Errors
    /// [`Error::BadInput`] for images of another shape or another number of targets, [`Error::NotTraining`] in an evaluation pass; a
    /// target that is no class.
    pub fn loss_and_gradient(
        &self,
        xs: &Tensor,
        targets: &[u32],
        config: &LossConfig,
        pass: &Pass,
    ) -> Result<LossAndGradient> {
        if !pass.train {
            return Err(Error::NotTraining);
        }
        let &LossConfig { smoothing, aux_weight } = config;
        self.params.with_values(|values| {
            let mut run = Run::new(values, pass, &self.memory);
            if aux_weight != 0.0 {
                run = run.with_auxiliary();
            }
            let xs = run.input(xs, false)?;
            let logits = self.made(&xs, &mut run)?;
            let aux_logits = run.take_auxiliary();
            let (main, d_logits) = loss::weighted(&logits, targets, smoothing, 1.0, &self.memory)?;
            let mut gradients = vec![(logits.node.id, d_logits)];
            let mut aux = None;
            if let Some(logits) = &aux_logits {
                let (loss, d_logits) = loss::weighted(logits, targets, smoothing, aux_weight, &self.memory)?;
                gradients.push((logits.node.id, d_logits));
                aux = Some(loss);
            }
            let loss = main + aux.map_or(0.0, |aux| aux_weight * aux);
            let gradient = match loss.is_finite() {
                true => Some(run.tape.backward(&self.memory, values, gradients)?.0),
                false => None,
            };
            self.memory.end_pass();
            let aux_logits = aux_logits.map(|logits| to_tensor(&logits.node)).transpose()?;
            Ok(LossAndGradient { loss, main, aux, logits: to_tensor(&logits.node)?, aux_logits, gradient })
        })
    }
}

/// The whole network as an operator on (xs, params.flat).
struct NetOp {
    net: Network,
    pass: Pass,
    /// Whether the gradient of the images is wanted.
    tracked: bool,
    done: Mutex<Option<Done>>,
}

/// A forward pass that waits for its gradient.
struct Done {
    tape: Tape,
    input: Map,
    logits: Map,
}

impl NetOp {
    fn run(&self, xs: (&CpuStorage, &Layout), params: (&CpuStorage, &Layout)) -> Result<(CpuStorage, Shape)> {
        let mut run = Run::new(Values::of(params.0, params.1)?, &self.pass, &self.net.memory);
        let input = run.input_values(xs.0, xs.1, self.tracked)?;
        let logits = self.net.made(&input, &mut run)?;
        let shape = Shape::from(logits.dims());
        let storage = to_storage(&logits.node.data)?;
        let done = Done { tape: run.tape, input, logits };
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        Ok((storage, shape))
    }

    fn gradients(&self, xs: &Tensor, params: &Tensor, d_logits: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Done { tape, input, logits }) = done else {
            return Err(Error::NothingKept);
        };
        let d_logits = d_logits.contiguous()?;
        let (d_params, mut gradients) = self.net.params.with_values(|values| {
            let (storage, layout) = d_logits.storage_and_layout();
            let d_logits = match Values::of(on_cpu(&storage)?, layout)? {
                Values::F32(d) => Data::F32(Buffer::copy(&self.net.memory, d)),
                Values::F64(d) => Data::F64(Buffer::copy(&self.net.memory, d)),
            };
            tape.backward(&self.net.memory, values, [(logits.node.id, d_logits)])
        })?;
        self.net.memory.end_pass();
        let d_xs = of_input(&mut gradients, &input, &self.net.memory)?.map(|d| d.reshape(xs.dims())).transpose()?;
        let d_params = Tensor::from_storage(
            Storage::Cpu(to_storage(&d_params)?),
            params.dims(),
            candle_core::op::BackpropOp::none(),
            false,
        );
        Ok((d_xs, Some(d_params)))
    }
}

/// The gradient of the images, if it was wanted.
fn of_input(gradients: &mut Gradients, input: &Map, memory: &Arc<Memory>) -> Result<Option<Tensor>> {
    let Some(gradient) = gradients.take(input.node.id) else {
        return Ok(None);
    };
    let values = match &input.node.data {
        Data::F32(_) => settle::<f32>(&gradient, &input.node, memory)?,
        Data::F64(_) => settle::<f64>(&gradient, &input.node, memory)?,
        Data::Bf16(_) => settle::<bf16>(&gradient, &input.node, memory)?,
    };
    let values = values.to_tensor()?;
    Ok(Some(if values.dtype() == DType::BF16 { values.to_dtype(DType::F32)? } else { values }))
}

fn to_storage(data: &Data) -> Result<CpuStorage> {
    match data {
        Data::F32(values) => Ok(CpuStorage::F32(values.to_vec())),
        Data::F64(values) => Ok(CpuStorage::F64(values.to_vec())),
        Data::Bf16(_) => Err(Error::Mixed { found: "bf16".into() }),
    }
}

impl CustomOp2 for NetOp {
    fn name(&self) -> &'static str {
        "network"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        lx: &Layout,
        params: &CpuStorage,
        lp: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        self.run((xs, lx), (params, lp)).map_err(candle_core::Error::wrap)
    }

    fn bwd(
        &self,
        xs: &Tensor,
        params: &Tensor,
        _logits: &Tensor,
        d_logits: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
        self.gradients(xs, params, d_logits).map_err(candle_core::Error::wrap)
    }
}

/// As a candle module: full precision, no dropout; in training the result has a gradient for `params.flat`.
impl candle_nn::ModuleT for Network {
    fn forward_t(&self, xs: &Tensor, train: bool) -> CandleResult<Tensor> {
        let pass = if train { Pass::train() } else { Pass::eval() };
        self.forward(xs, &pass).map_err(candle_core::Error::wrap)
    }
}
