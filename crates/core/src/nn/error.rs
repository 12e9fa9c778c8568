//! What can go wrong when a network is built, loaded or run.

use std::path::PathBuf;

/// Errors of layers, parameters and models; each message is one line that names the thing and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of weights lacks a tensor that the model has.
    #[error("{}: tensor `{name}` is missing; the model expects it with shape {expected:?}", file.display())]
    MissingTensor {
        /// The file of weights.
        file: PathBuf,
        /// The tensor's name.
        name: String,
        /// The shape that the model expects.
        expected: Vec<usize>,
    },
    /// A file of weights lacks a trainable parameter of the activation.
    #[error("{}: tensor `{name}` is missing: the activation has trainable parameters (here of shape {expected:?}), and weights trained with another one, such as relu, have none", file.display())]
    MissingActivation {
        /// The file of weights.
        file: PathBuf,
        /// The tensor's name.
        name: String,
        /// The shape that the model expects.
        expected: Vec<usize>,
    },
    /// A tensor of a file has another shape than the model's.
    #[error("{}: tensor `{name}` has shape {found:?}, but the model expects {expected:?}; is it another model, or another --classes?", file.display())]
    WrongShape {
        /// The file of weights.
        file: PathBuf,
        /// The tensor's name.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape that the model expects.
        expected: Vec<usize>,
    },
    /// A file of weights has a tensor that the model lacks.
    #[error("{}: tensor `{name}` is none of this model's with this activation; is it another model's?", file.display())]
    SurplusTensor {
        /// The file of weights.
        file: PathBuf,
        /// The tensor's name.
        name: String,
    },
    /// A file of tensors that cannot be read or is not safetensors.
    #[error("{}: cannot be read as safetensors: {reason}", file.display())]
    BadFile {
        /// The file.
        file: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// A model name that the registry does not have.
    #[error("unknown model `{name}`{}; `swish models` lists them", suggestion.as_ref().map(|s| format!(", did you mean `{s}`?")).unwrap_or_default())]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// The nearest known name.
        suggestion: Option<String>,
    },
    /// A layer was given an input that it cannot take.
    #[error("{layer}: input has shape {found:?}, expected {expected}")]
    BadInput {
        /// The layer or model.
        layer: String,
        /// The shape that came.
        found: Vec<usize>,
        /// What would have been right.
        expected: String,
    },
    /// Sizes that fit no network.
    #[error("{model}: {reason}")]
    BadConfig {
        /// The model.
        model: String,
        /// What does not fit, and what was expected.
        reason: String,
    },
    /// A token that the vocabulary does not have.
    #[error("{what} ids: id {id} at place {place} is none of the vocabulary's; expected 0..{vocab}")]
    BadId {
        /// Whose ids.
        what: &'static str,
        /// Index of the id.
        place: usize,
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        vocab: usize,
    },
    /// A device that this build does not have, or that is no device.
    #[error("device `{name}`: {reason}")]
    BadDevice {
        /// As asked for.
        name: String,
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// Values of different element types, or of one that networks do not have, where one type was expected.
    #[error("element types are mixed: found {found}")]
    Mixed {
        /// What there was.
        found: String,
    },
    /// A second backward pass, or one that no training pass came before.
    #[error("network: there is nothing to go back through; run it forward once for every backward pass")]
    NothingKept,
    /// A training step was asked for in an evaluation pass.
    #[error("network: an evaluation pass has no gradient; use `Pass::train()`")]
    NotTraining,
    /// Logits were asked for from a device in a training pass.
    #[error("network: logits come from evaluation passes; use `Pass::eval()`")]
    NotEvaluating,
    /// A layer with weights was run twice in one training pass.
    #[error("{layer}: run twice in one training pass; share no layer, build a second one")]
    Twice {
        /// The layer.
        layer: String,
    },
    /// A gradient was asked for that the backward pass has not made.
    #[error("{layer}: no gradient has come back to it; is its result used?")]
    NoGradient {
        /// The layer.
        layer: String,
    },
    /// What a device says.
    #[error(transparent)]
    OnDevice(Box<dyn std::error::Error + Send + Sync>),
    /// An error of candle's.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// The result of building, loading or running a network.
pub type Result<T, E = Error> = std::result::Result<T, E>;
