//! What is done to a map before it is read: BatchNorm or a factor, a residual, an activation. Its parameters, its numbers in one pass, and
//! what comes back from the kernels.

use super::error::Result;
use super::map::Node;
use super::params::{Buffer, Builder, Compute, Role, Values};
use super::pass::Pass;
use super::tape::{Pull, narrow};
use super::unit_step;
use crate::activation::Activation;
use candle_core::{DType, Tensor};
use std::ops::Range;
use std::sync::Arc;
use swish_kernels::act::Program;
use swish_kernels::block::{InputSums, Moments, NormAct};

/// BatchNorm's constants.
#[derive(Clone, Copy, Debug)]
pub struct NormConfig {
    /// Added to the variance.
    pub eps: f64,
    /// Share of the batch's statistics in the new running ones (PyTorch's `momentum`).
    pub momentum: f64,
}

impl NormConfig {
    /// Torch's: eps 1e-5, momentum 0.1; what all CIFAR networks use.
    pub const TORCH: Self = Self { eps: 1e-5, momentum: 0.1 };
    /// TensorFlow slim's for ImageNet: eps 1e-3, decay 0.9997.
    pub const SLIM: Self = Self { eps: 1e-3, momentum: 3e-4 };
}

/// What stands before or behind a unit's convolution, with the names of its parts.
#[derive(Debug)]
pub(super) enum Stage<'a> {
    /// BatchNorm and, where it has a name, the activation.
    Norm { norm: &'a str, config: NormConfig, act: Option<&'a str> },
    /// The activation alone.
    Act(&'a str),
    /// (x + bias) times a factor and, where it has a name, the activation.
    Scale { factor: f64, bias: Range<usize>, act: Option<&'a str> },
}

/// BatchNorm or a factor, and the activation behind it, with the places of their parameters.
#[derive(Debug)]
pub(crate) struct NormLayer {
    pub(crate) channels: usize,
    pub(crate) kind: Kind,
    pub(crate) params: Range<usize>,
    pub(crate) program: Arc<Program>,
    /// Name of the activation's site, where there is an activation.
    site: Option<String>,
}

/// What is done before the activation.
#[derive(Debug)]
pub(crate) enum Kind {
    Batch {
        config: NormConfig,
        gamma: Range<usize>,
        beta: Range<usize>,
        running_mean: Buffer,
        running_var: Buffer,
    },
    /// (x + bias) times a factor; without statistics.
    Scale {
        factor: f64,
        bias: Option<Range<usize>>,
    },
}

impl NormLayer {
    pub(super) fn new(vb: &Builder, stage: Stage<'_>, c: usize) -> Result<Arc<Self>> {
        let (kind, act) = match stage {
            Stage::Norm { norm, config, act } => {
                let at = vb.pp(norm);
                let kind = Kind::Batch {
                    config,
                    gamma: at.add("weight", &[c], Role::NormWeight),
                    beta: at.add("bias", &[c], Role::NormBias),
                    running_mean: at.buffer("running_mean", c, 0.0)?,
                    running_var: at.buffer("running_var", c, 1.0)?,
                };
                (kind, act)
            }
            Stage::Act(act) => (Kind::Scale { factor: 1.0, bias: None }, Some(act)),
            Stage::Scale { factor, bias, act } => (Kind::Scale { factor, bias: Some(bias) }, act),
        };
        let site = act.map(|act| vb.pp(act).path().to_owned());
        let (params, program) = match act {
            Some(act) => (vb.add_activation(act, c), vb.activation().program()),
            None => (0..0, Activation::identity().program()),
        };
        Ok(Arc::new(Self { channels: c, kind, params, program: Arc::new(program), site }))
    }

    /// An activation whose parameters are declared.
    pub(super) fn activation(program: &Arc<Program>, params: &Range<usize>, c: usize) -> Self {
        let (kind, params, program) = (Kind::Scale { factor: 1.0, bias: None }, params.clone(), program.clone());
        Self { channels: c, kind, params, program, site: None }
    }

    /// The statistics to normalise `node` with: in training the batch's, which also move the running ones.
    pub(super) fn moments(&self, node: &Node, pass: &Pass) -> Result<Arc<Moments>> {
        if !pass.train || !self.has_statistics() {
            return self.running(pass);
        }
        let moments = unit_step::moments(node)?;
        self.update_running(&moments, node.pixels(), pass)?;
        Ok(moments)
    }

    pub(super) fn has_statistics(&self) -> bool {
        matches!(self.kind, Kind::Batch { .. })
    }

    pub(super) fn running(&self, pass: &Pass) -> Result<Arc<Moments>> {
        Ok(match &self.kind {
            Kind::Batch { config, running_mean, running_var, .. } => {
                let mut var = to_f64(&running_var.get())?;
                if let Some(eps) = pass.norm_eps {
                    var.iter_mut().for_each(|var| *var += eps - config.eps);
                }
                Arc::new(Moments { mean: to_f64(&running_mean.get())?, var })
            }
            Kind::Scale { .. } => Arc::default(),
        })
    }

    /// running = (1 - momentum) running + momentum * batch, the variance unbiased, as PyTorch does.
    pub(super) fn update_running(&self, batch: &Moments, rows: usize, pass: &Pass) -> Result<()> {
        let Kind::Batch { config, running_mean, running_var, .. } = &self.kind else {
            return Ok(());
        };
        let momentum = pass.norm_momentum.unwrap_or(config.momentum);
        let unbiased = rows as f64 / (rows as f64 - 1.0).max(1.0);
        for (buffer, new, factor) in [(running_mean, &batch.mean, 1.0), (running_var, &batch.var, unbiased)] {
            let old = buffer.get();
            let mixed: Vec<f64> =
                to_f64(&old)?.iter().zip(new).map(|(o, n)| (1.0 - momentum) * o + momentum * n * factor).collect();
            buffer.set(Tensor::from_vec(mixed, self.channels, old.device())?.to_dtype(old.dtype())?);
        }
        Ok(())
    }
}

fn to_f64(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.to_dtype(DType::F64)?.to_vec1()?)
}

/// A norm with its statistics; one value a channel.
pub(super) struct Norm<T> {
    layer: Arc<NormLayer>,
    mean: Vec<T>,
    scale: Vec<T>,
    beta: Vec<T>,
    params: Vec<T>,
    /// Empty without statistics.
    inv_std: Vec<f64>,
    slope: Vec<f64>,
}

impl<T: Compute> Norm<T> {
    /// `moments` may have more channels than the layer, which then takes the first ones.
    pub(super) fn new(layer: &Arc<NormLayer>, moments: &Moments, values: Values<'_>) -> Result<Self> {
        let values = T::values(values)?;
        let c = layer.channels;
        let (mean, beta, inv_std, slope): (_, _, Vec<f64>, Vec<f64>) = match &layer.kind {
            Kind::Batch { config, gamma, beta, .. } => {
                let inv_std: Vec<f64> = moments.var[..c].iter().map(|var| 1.0 / (var + config.eps).sqrt()).collect();
                let slope = values[gamma.clone()].iter().zip(&inv_std).map(|(gamma, s)| gamma.to_f64() * s).collect();
                (narrow(&moments.mean[..c]), values[beta.clone()].to_vec(), inv_std, slope)
            }
            Kind::Scale { factor, bias } => {
                let shift = match bias {
                    Some(bias) => values[bias.clone()].iter().map(|&b| b * T::from_f64(*factor)).collect(),
                    None => vec![T::ZERO; c],
                };
                (vec![T::ZERO; c], shift, Vec::new(), vec![*factor; c])
            }
        };
        let params = values[layer.params.clone()].to_vec();
        Ok(Self { layer: layer.clone(), mean, scale: narrow(&slope), beta, params, inv_std, slope })
    }

    /// As the kernels take it.
    pub(super) fn kernel(&self) -> NormAct<'_, T> {
        NormAct {
            program: &self.layer.program,
            mean: &self.mean,
            scale: &self.scale,
            beta: &self.beta,
            params: &self.params,
        }
    }

    /// Name of the activation's site, where there is an activation.
    pub(super) fn site(&self) -> Option<&str> {
        self.layer.site.as_deref()
    }

    /// d x / d u without the part through the statistics; `None` for ones.
    pub(super) fn scale(&self) -> Option<&[T]> {
        match self.layer.kind {
            Kind::Scale { factor: 1.0, .. } => None,
            _ => Some(&self.scale),
        }
    }

    /// As [`Norm::scale`], whatever it is.
    pub(super) fn slope(&self) -> &[f64] {
        &self.slope
    }

    /// From the kernels' sums over `rows` pixels to the gradients of the parameters, which are added to `d_params`, and to what the
    /// statistics pull at the input.
    pub(super) fn finish(&self, sums: &InputSums, rows: usize, d_params: &mut [T]) -> Option<Pull> {
        let mut add = |range: &Range<usize>, sums: &[f64]| {
            for (d, &sum) in d_params[range.clone()].iter_mut().zip(sums) {
                *d += T::from_f64(sum);
            }
        };
        add(&self.layer.params, &sums.d_params);
        match &self.layer.kind {
            Kind::Batch { gamma, beta, .. } => {
                let of_scale: Vec<f64> = sums.d_u_x.iter().zip(&self.inv_std).map(|(sum, s)| sum * s).collect();
                add(beta, &sums.d_u);
                add(gamma, &of_scale);
                // d x = slope (du - mean(du) - xhat mean(du xhat)).
                let rows = rows as f64;
                let channels = 0..self.layer.channels;
                Some(Pull {
                    pull: channels.clone().map(|i| -self.slope[i] * self.inv_std[i] * of_scale[i] / rows).collect(),
                    term: channels.map(|i| -self.slope[i] * sums.d_u[i] / rows).collect(),
                })
            }
            Kind::Scale { factor, bias } => {
                if let Some(bias) = bias {
                    let of_bias: Vec<f64> = sums.d_u.iter().map(|sum| sum * factor).collect();
                    add(bias, &of_bias);
                }
                None
            }
        }
    }
}
