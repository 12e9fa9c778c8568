//! Activation functions as values: the paper's search space (section 2), parsed, printed, derived, brought to a canonical form,
//! compiled to programs for the kernels.
//!
//! | module | what it has |
//! |---|---|
//! | [`ops`] | the operators: 25 unary, 10 binary, and the primitive functions they are made of |
//! | [`expr`] | the expression tree and its parameters |
//! | [`parse`], `lex`, `functions` | text to expression |
//! | `print` | expression to text |
//! | [`eval`] | value and derivative at a point, the reference of the tests |
//! | `canonical` | one form for equal functions |
//! | [`named`] | the table of names |
//! | [`units`] | core units, of which the search builds functions |
//! | `program` | compiles to [`swish_kernels::act::Program`] |
//! | [`mod@export`] | the function as code of PyTorch, JAX, TensorFlow, C, CUDA, candle |
//! | [`error`] | what can be wrong with a text |
//!
//! ```
//! use swish_core::activation::Activation;
//! let swish: Activation = "x*sigmoid(beta*x)".parse()?;
//! assert_eq!(swish, Activation::named("swish")?);
//! assert_eq!(swish.params()[0].name, "beta");
//! assert!((swish.grad(0.0, &[1.0]).dx - 0.5).abs() < 1e-15);
//! # Ok::<(), swish_core::activation::ParseError>(())
//! ```

mod canonical;
pub mod error;
pub mod eval;
pub mod export;
pub mod expr;
mod functions;
mod lex;
pub mod named;
pub mod ops;
pub mod parse;
mod print;
mod program;
pub mod units;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use swish_kernels::act::Program;
use swish_kernels::rng::fnv1a64;

pub use error::{ParseError, Problem};
pub use eval::Grad;
pub use expr::{Expr, Symbol};
pub use named::NAMED;
pub use ops::{Binary, Func, Unary};
pub use units::{CoreUnit, CoreUnits, Input, UnitsError};

/// The largest number of nodes of an expression.
pub const MAX_NODES: usize = 1000;
/// The largest number of distinct parameters of an activation.
pub const MAX_PARAMS: usize = 6;

/// A trainable parameter of an activation, one value a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// `beta`, `alpha`, `beta2`, ...: the name at the end of the variable's path in a weight file.
    pub name: String,
    /// The value at the start of training: 1.0 for betas, 0.25 for alphas.
    pub init: f64,
}

/// An activation function. Cheap to clone; equal if the canonical forms are.
///
/// Parameters are those of the canonical form: `beta`, `beta2`, ... in the order in which they are met there, whatever the text
/// called them, then `alpha`, `alpha2`, ...; a parameter that has no effect (`beta-beta+x`) is none. Values, gradients and programs
/// are those of the canonical form as well, so that equal activations train alike to the last bit.
#[derive(Clone)]
pub struct Activation(Arc<Inner>);

struct Inner {
    /// The table's name that it was given by.
    given: Option<&'static str>,
    expr: Expr,
    canonical: Expr,
    text: String,
    symbols: Vec<Symbol>,
    params: Vec<Param>,
    program: Program,
}

impl Activation {
    /// The function of this name or alias, whatever the case, hyphens and underscores: `swish`, `Swish-1`, `leaky_relu`.
    ///
    /// # Errors
    /// [`ParseError`] with the nearest name if there is none such.
    pub fn named(name: &str) -> Result<Self, ParseError> {
        let Some(row) = named::find(name) else {
            let nearest = error::nearest(name, named::names());
            return Err(ParseError::whole(name, Problem::UnknownName { what: "name", name: name.to_owned(), nearest }));
        };
        Self::build(row.expr(), Some(row.name), row.formula)
    }

    /// f(x) = x.
    pub fn identity() -> Self {
        Self(Arc::new(Inner {
            given: Some("identity"),
            expr: Expr::X,
            canonical: Expr::X,
            text: Expr::X.to_string(),
            symbols: Vec::new(),
            params: Vec::new(),
            program: Program::identity(),
        }))
    }

    /// The activation of an expression.
    ///
    /// # Errors
    /// [`ParseError`] if it is larger than the limits or a constant part is not finite.
    pub fn from_expr(expr: Expr) -> Result<Self, ParseError> {
        let text = expr.to_string();
        Self::build(expr, None, &text)
    }

    fn build(expr: Expr, given: Option<&'static str>, text: &str) -> Result<Self, ParseError> {
        let fail = |problem| ParseError::whole(text, problem);
        let params = expr.symbols().len();
        if params > MAX_PARAMS {
            return Err(fail(Problem::Parameters { given: params, max: MAX_PARAMS }));
        }
        let within = |expr: &Expr| {
            let len = expr.size();
            if len > MAX_NODES { Err(fail(Problem::TooLarge { len, max: MAX_NODES })) } else { Ok(()) }
        };
        within(&expr)?;
        let canonical = canonical::canonical(&expr);
        within(&canonical)?;
        let symbols = canonical.symbols();
        let program = program::compile(&canonical, &symbols).map_err(fail)?;
        let params = symbols.iter().map(|s| Param { name: s.to_string(), init: s.init() }).collect();
        let text = canonical.to_string();
        Ok(Self(Arc::new(Inner { given, expr, canonical, text, symbols, params, program })))
    }

    /// True for f(x) = x, however written.
    pub fn is_identity(&self) -> bool {
        self.0.canonical == Expr::X
    }

    /// The name of the function in the table of names, whether it was given by name or is equal to it: `relu` for `max(x,0)`.
    pub fn name(&self) -> Option<&'static str> {
        static TEXTS: OnceLock<Vec<(String, &'static str)>> = OnceLock::new();
        self.0.given.or_else(|| {
            let texts = TEXTS
                .get_or_init(|| NAMED.iter().map(|n| (canonical::canonical(&n.expr()).to_string(), n.name)).collect());
            texts.iter().find(|(text, _)| *text == self.0.text).map(|(_, name)| *name)
        })
    }

    /// The expression as written.
    pub fn expr(&self) -> &Expr {
        &self.0.expr
    }

    /// The formula as written, in the paper's notation, such as `x*sigmoid(beta*x)`.
    pub fn formula(&self) -> String {
        self.0.expr.to_string()
    }

    /// The canonical form as an expression.
    pub fn canonical_expr(&self) -> &Expr {
        &self.0.canonical
    }

    /// The canonical form as text; the same for equal functions, and itself a formula.
    pub fn canonical(&self) -> String {
        self.0.text.clone()
    }

    /// 16 hexadecimal digits that stand for the canonical form.
    pub fn id(&self) -> String {
        format!("{:016x}", fnv1a64(&self.0.text))
    }

    /// The trainable parameters.
    pub fn params(&self) -> &[Param] {
        &self.0.params
    }

    /// f(x). `params` are values in the order of [`Activation::params`]; missing ones have their initial value.
    pub fn eval(&self, x: f64, params: &[f64]) -> f64 {
        eval::value(&self.0.canonical, x, self.env(params))
    }

    /// f(x) with its derivatives. `params` as in [`Activation::eval`].
    pub fn grad(&self, x: f64, params: &[f64]) -> Grad {
        eval::grad(&self.0.canonical, x, self.env(params))
    }

    fn env<'a>(&'a self, values: &'a [f64]) -> eval::Env<'a> {
        eval::Env { symbols: &self.0.symbols, values }
    }

    /// The program that the kernels run: equal parts shared, constant parts computed.
    pub fn program(&self) -> Program {
        self.0.program.clone()
    }
}

impl FromStr for Activation {
    type Err = ParseError;

    /// A name of the table, else a formula.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if let Some(row) = named::find(text) {
            return Self::build(row.expr(), Some(row.name), row.formula);
        }
        Self::build(parse::parse(text)?, None, text)
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.given {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0.expr),
        }
    }
}

impl fmt::Debug for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Activation({self})")
    }
}

impl PartialEq for Activation {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Activation {}

impl Hash for Activation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}
