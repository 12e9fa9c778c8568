//! What a recipe says of its optimizer.

use crate::error::{Error, Result};
use crate::task::number;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use swish_core::nn::{Param, Role};

/// Which parameters are decayed. An activation's own parameters never are: He et al. 2015 (PReLU), section 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecayOn {
    /// All of them, BatchNorm's and biases included: Torch flattens the parameters into one vector.
    All,
    /// Weights of convolutions and linear layers (TensorFlow's ResNet, Inception-v3, Inception-v4, NASNet).
    Weights,
    /// These and the biases of convolutions and linear layers (slim's Inception-ResNet-v2).
    WeightsAndBiases,
    /// Weights but depthwise kernels (MobileNet, slim's `mobilenet_v1_arg_scope`).
    WeightsExceptDepthwise,
}

impl DecayOn {
    /// Whether this parameter is decayed. A depthwise kernel is told by its shape, (channels, 1, kh, kw).
    pub fn covers(self, param: &Param) -> bool {
        match param.role {
            Role::Activation => false,
            Role::ConvWeight => self != DecayOn::WeightsExceptDepthwise || param.shape.get(1) != Some(&1),
            Role::LinearWeight | Role::Embedding => true,
            Role::Bias => matches!(self, DecayOn::All | DecayOn::WeightsAndBiases),
            Role::NormWeight | Role::NormBias => self == DecayOn::All,
        }
    }
}

/// What an optimizer makes of a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// RMSProp in TensorFlow's form: epsilon inside the root, the rate inside the momentum, mean square 1 at the start.
    RmsProp {
        /// Decay of the mean square.
        decay: f64,
        /// Momentum.
        momentum: f64,
        /// Added to the mean square.
        epsilon: f64,
    },
    /// Adam in PyTorch's form.
    Adam {
        /// Decay of the mean gradient.
        beta1: f64,
        /// Decay of the mean square.
        beta2: f64,
        /// Added to the root of the mean square.
        epsilon: f64,
    },
    /// SGD with momentum in PyTorch's form. The first rule there was, and written without its name since: ids of runs hang on it.
    #[serde(untagged)]
    Sgd {
        /// Momentum.
        momentum: f64,
        /// Nesterov's form of it.
        nesterov: bool,
    },
}

impl Rule {
    /// What it keeps of earlier gradients, by the names in a checkpoint: a value a parameter each.
    pub fn state(self) -> &'static [&'static str] {
        match self {
            Rule::Sgd { .. } => &["optimizer.momentum"],
            Rule::RmsProp { .. } => &["optimizer.mean_square", "optimizer.momentum"],
            Rule::Adam { .. } => &["optimizer.mean", "optimizer.mean_square"],
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Rule::Sgd { .. } => "SGD",
            Rule::RmsProp { .. } => "RMSProp",
            Rule::Adam { .. } => "Adam",
        })
    }
}

impl FromStr for Rule {
    type Err = Error;

    /// `sgd`, `rms-prop` (epsilon 1) and `adam` (beta2 0.98) with the values of the paper's recipes.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "sgd" => Ok(Rule::Sgd { momentum: 0.9, nesterov: false }),
            "rms-prop" => Ok(Rule::RmsProp { decay: 0.9, momentum: 0.9, epsilon: 1.0 }),
            "adam" => Ok(Rule::Adam { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 }),
            _ => {
                Err(Error::BadValue { what: "optimizer", value: text.into(), expected: "sgd, rms-prop or adam".into() })
            }
        }
    }
}

/// An optimizer, weight decay and clipping included; the learning rate is the schedule's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimizerConfig {
    /// What becomes of a gradient.
    #[serde(flatten)]
    pub rule: Rule,
    /// Weight decay, added to the gradient as weight_decay * w.
    pub weight_decay: f64,
    /// Which parameters are decayed.
    pub decay_on: DecayOn,
    /// Largest norm of the gradient, decay included, of all parameters together; a longer one is shortened to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
}

impl OptimizerConfig {
    /// Checks that the values make sense.
    ///
    /// # Errors
    /// [`Error::BadValue`].
    pub fn check(&self) -> Result<()> {
        let Self { rule, weight_decay, clip_norm, .. } = *self;
        number("weight decay", weight_decay, "0 or more", |x| x >= 0.0)?;
        number("clip norm", clip_norm.unwrap_or(1.0), "above 0", |x| x > 0.0)?;
        let share = |what, x| number(what, x, "from 0 to 1, 1 excluded", |x| (0.0..1.0).contains(&x));
        match rule {
            Rule::Sgd { momentum, .. } => share("momentum", momentum),
            Rule::RmsProp { decay, momentum, epsilon } => {
                share("decay of the mean square", decay)?;
                share("momentum", momentum)?;
                number("epsilon", epsilon, "0 or more", |x| x >= 0.0)
            }
            Rule::Adam { beta1, beta2, epsilon } => {
                share("beta1", beta1)?;
                share("beta2", beta2)?;
                number("epsilon", epsilon, "0 or more", |x| x >= 0.0)
            }
        }
    }
}
