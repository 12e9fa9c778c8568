//! An activation as code of other programs, to be pasted there: value, derivative and trainable parameters, one a channel.
//!
//! All targets write the canonical form, so values, derivatives at kinks and shares at ties are those of [`Activation::grad`].
//! Where a library derives by itself, functions whose derivative is another there are brought along.
//!
//! | module | what it has |
//! |---|---|
//! | `graph` | the expression with equal parts shared |
//! | `slope` | its derivatives, for targets that do not derive by themselves |
//! | `code` | from graph to named values and their formulas |
//! | `python` | what the Python targets share |
//! | `pytorch`, `jax`, `tensorflow`, `c`, `cuda`, `candle` | a target each |

mod c;
mod candle;
mod candle_templates;
mod code;
mod cuda;
mod graph;
mod jax;
mod python;
mod pytorch;
mod slope;
mod tensorflow;

use std::fmt;
use std::str::FromStr;

use super::{Activation, Param};
use graph::{Graph, Id};

/// What the code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A function and an `nn.Module`.
    PyTorch,
    /// A pure function, and one that makes its parameters.
    Jax,
    /// A function and a Keras layer.
    TensorFlow,
    /// `__device__` functions and kernels for both directions.
    Cuda,
    /// `static inline` functions of value and derivatives.
    C,
    /// A `Module` for candle, on the CPU.
    Candle,
}

impl Target {
    /// Every target.
    pub const ALL: [Target; 6] = [Self::PyTorch, Self::Jax, Self::TensorFlow, Self::Cuda, Self::C, Self::Candle];

    /// The name that the tool takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::PyTorch => "pytorch",
            Self::Jax => "jax",
            Self::TensorFlow => "tensorflow",
            Self::Cuda => "cuda",
            Self::C => "c",
            Self::Candle => "candle",
        }
    }

    /// Whether the code is for one type of number, rather than for that of its input.
    pub fn has_precision(self) -> bool {
        matches!(self, Self::Cuda | Self::C)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Target {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, ExportError> {
        let found = Self::ALL.into_iter().find(|target| target.name() == text);
        found.ok_or_else(|| ExportError::Target { given: text.to_owned() })
    }
}

/// The type of numbers in C and CUDA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// `float`
    #[default]
    F32,
    /// `double`
    F64,
}

/// Why there is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// An unknown target.
    #[error("export to \"{given}\": expected pytorch, jax, tensorflow, cuda, c or candle")]
    Target {
        /// What was given.
        given: String,
    },
    /// A name that cannot stand in the code.
    #[error("the name \"{given}\" cannot be that of a function: expected {expected}")]
    Name {
        /// What was given.
        given: String,
        /// What could be.
        expected: &'static str,
    },
    /// A constant is no activation.
    #[error("{0} does not depend on x, so there is nothing to export")]
    Constant(String),
}

/// The code of an activation. `name` is that of the function, `snake_case`; types are called by its `CamelCase`. Without one the
/// function has the name that the activation was given, or has in the table of names, or one made of its id.
///
/// `precision` matters where [`Target::has_precision`].
///
/// # Errors
/// [`ExportError::Name`] for a name that is no identifier, or a word of a target language; [`ExportError::Constant`].
pub fn export(
    activation: &Activation,
    target: Target,
    name: Option<&str>,
    precision: Precision,
) -> Result<String, ExportError> {
    if !activation.canonical_expr().uses_x() {
        return Err(ExportError::Constant(activation.to_string()));
    }
    let name = match name {
        Some(name) => name.to_owned(),
        None => default_name(activation),
    };
    let source = Source { activation, params: activation.params(), names: Names::new(&name)?, precision };
    Ok(match target {
        Target::PyTorch => pytorch::source(&source),
        Target::Jax => jax::source(&source),
        Target::TensorFlow => tensorflow::source(&source),
        Target::Cuda => cuda::source(&source),
        Target::C => c::source(&source),
        Target::Candle => candle::source(&source),
    })
}

fn default_name(activation: &Activation) -> String {
    match activation.name() {
        Some(name) => name.replace('-', "_"),
        None => format!("activation_{}", &activation.id()[..8]),
    }
}

/// What things are called in the code.
struct Names {
    /// `swish_1`
    function: String,
    /// `Swish1`
    class: String,
    /// `SWISH_1`
    constant: String,
}

/// Words that the generated code or its language takes.
const RESERVED: &str = "\
    abs acos acosh and as asin asinh assert async atan atan2 atanh auto await bool break case catch cbrt ceil \
    channel channel_axis channels char class const constexpr continue cos cosh crate decltype def default del delete \
    do double dtype dx dy elif else enum erf erfc except exp exp2 explicit expm1 export extern fabs false finally \
    float floor fmax fmin fmod fn for friend from gamma global goto hypot i if impl import in init inline inner int \
    is isinf isnan j0 j1 jax jn jnp k lambda layout ldexp let log log10 log1p log2 long loop main map match mod \
    module move mut mutable n namespace new nn none nonlocal not nullptr ok operator option or outer params pass pow \
    private protected pub public raise ref register restrict result return rint round self shape short signed sin \
    sinh sizeof slope slopes some sqrt static struct super switch tan tanh template tensor tf tgamma this throw \
    torch trait true trunc try type typedef typename union unsafe unsigned use using value vec virtual void volatile \
    where while with x xor y y0 y1 yield yn";

impl Names {
    fn new(name: &str) -> Result<Self, ExportError> {
        let bad = |expected| Err(ExportError::Name { given: name.to_owned(), expected });
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.chars().all(letters) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return bad("ASCII letters, digits and underscores, a small letter first");
        }
        let parameter = |word: &str| {
            ["beta", "alpha", "d_beta", "d_alpha"]
                .iter()
                .any(|p| word.strip_prefix(p).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit())))
        };
        let lower = name.to_ascii_lowercase();
        if RESERVED.split_whitespace().any(|word| word == lower) || parameter(&lower) {
            return bad("a word that neither the target languages nor the code itself take");
        }
        let class = name.split('_').filter(|part| !part.is_empty()).map(|part| {
            let (first, rest) = part.split_at(1);
            first.to_ascii_uppercase() + rest
        });
        Ok(Self { function: name.to_owned(), class: class.collect(), constant: name.to_ascii_uppercase() })
    }
}

/// What all targets start from.
struct Source<'a> {
    activation: &'a Activation,
    params: &'a [Param],
    names: Names,
    precision: Precision,
}

/// Lines of documentation are at most about this long.
const ABOUT_WIDTH: usize = 84;

impl Source<'_> {
    /// The graph of the value.
    fn value(&self) -> (Graph<'_>, Id) {
        Graph::of(self.activation.canonical_expr(), &self.activation.0.symbols)
    }

    fn param_names(&self) -> Vec<String> {
        self.params.iter().map(|p| p.name.clone()).collect()
    }

    /// Lines that say what the function is and where it comes from.
    fn about(&self) -> Vec<String> {
        let mut lines = vec![format!("f(x) = {}", self.activation.formula()), String::new()];
        lines.extend(wrapped(&origin(self.activation)));
        if !self.params.is_empty() {
            let params: Vec<String> = self.params.iter().map(|p| format!("{} from {:?}", p.name, p.init)).collect();
            let text = format!("Trainable, one value a channel: {}.", params.join(", "));
            lines.extend(wrapped(&text));
        }
        lines
    }
}

const PAPER: &str = "\"Searching for Activation Functions\" (Ramachandran, Zoph and Le 2017, arXiv 1710.05941)";

/// Where a function comes from, in a sentence.
fn origin(activation: &Activation) -> String {
    match activation.name() {
        Some("swish" | "swish-1") => format!("Swish, section 4 of {PAPER}."),
        Some(
            "max_x_sigmoid" | "cos_minus_x" | "min_x_sin" | "atan2_minus_x" | "max_x_tanh" | "sinc_plus_x" | "x_asinh2",
        ) => format!("Found by the search of {PAPER}, Table 1."),
        Some("relu" | "lrelu" | "prelu" | "softplus" | "elu" | "selu" | "gelu") => {
            format!("A baseline of {PAPER}.")
        }
        _ => format!("Found by a search of the program swish, or written for it, in the search space of {PAPER}."),
    }
}

/// The text in lines.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if let Some(line) =
            lines.last_mut().filter(|line| line.is_empty() || line.len() + 1 + word.len() <= ABOUT_WIDTH)
        {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
