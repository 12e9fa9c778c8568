//! The search space itself: core units `b(u1(x1), u2(x2))` and functions made of them (paper, section 2).

use super::error::ParseError;
use super::expr::{Expr, Family, Symbol};
use super::ops::{Binary, Unary};
use super::{Activation, MAX_NODES};

/// The largest number of core units in a function.
///
/// Written out, a function doubles with each unit; the paper's searches use up to three.
pub const MAX_UNITS: usize = 6;

/// An input of a core unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// The preactivation.
    X,
    /// The output of an earlier unit, counted from 0.
    Unit(usize),
}

/// A core unit `binary(unary[0](inputs[0]), unary[1](inputs[1]))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreUnit {
    /// The two inputs.
    pub inputs: [Input; 2],
    /// The unary operator on each input.
    pub unary: [Unary; 2],
    /// What joins them.
    pub binary: Binary,
    /// Which beta the unit's operators use: 0 is the `beta` that all units share, `k` is `beta{k}`.
    pub beta: u8,
}

/// Why a list of core units is no function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitsError {
    /// None, or too many.
    #[error("{0} core units: from 1 to {MAX_UNITS} are taken")]
    Count(usize),
    /// An input that is not an earlier unit.
    #[error("core unit {unit} takes unit {input} as an input: only x and units before it can be")]
    Input {
        /// The unit, from 0.
        unit: usize,
        /// The input it names.
        input: usize,
    },
}

/// Core units in order; the output of the last is the activation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreUnits(Vec<CoreUnit>);

impl CoreUnit {
    /// A unit with the shared beta, both inputs being `x`.
    pub fn of_x(u1: Unary, u2: Unary, binary: Binary) -> Self {
        Self { inputs: [Input::X; 2], unary: [u1, u2], binary, beta: 0 }
    }
}

impl CoreUnits {
    /// A function of these units.
    ///
    /// # Errors
    /// [`UnitsError`] if there are none or more than [`MAX_UNITS`], or an input is not an earlier unit.
    pub fn new(units: Vec<CoreUnit>) -> Result<Self, UnitsError> {
        if units.is_empty() || units.len() > MAX_UNITS {
            return Err(UnitsError::Count(units.len()));
        }
        for (unit, core) in units.iter().enumerate() {
            for input in core.inputs {
                if let Input::Unit(input) = input
                    && input >= unit
                {
                    return Err(UnitsError::Input { unit, input });
                }
            }
        }
        Ok(Self(units))
    }

    /// The units.
    pub fn units(&self) -> &[CoreUnit] {
        &self.0
    }

    /// The 6,250 functions of one core unit, in the order of the operators' tables (first unary slowest, binary fastest).
    pub fn all_single() -> impl Iterator<Item = CoreUnits> {
        Unary::ALL.into_iter().flat_map(|u1| {
            Unary::ALL
                .into_iter()
                .flat_map(move |u2| Binary::ALL.into_iter().map(move |b| CoreUnits(vec![CoreUnit::of_x(u1, u2, b)])))
        })
    }

    /// The formula, units written out in one another.
    pub fn expr(&self) -> Expr {
        let mut outputs: Vec<Expr> = Vec::new();
        for unit in &self.0 {
            let beta = Symbol { family: Family::Beta, label: unit.beta };
            let side = |i: usize| {
                let input = match unit.inputs[i] {
                    Input::X => Expr::X,
                    Input::Unit(k) => outputs[k].clone(),
                };
                unit.unary[i].apply(input, beta)
            };
            let output = unit.binary.apply(side(0), side(1), Expr::Param(beta));
            outputs.push(output);
        }
        outputs.pop().unwrap_or(Expr::X)
    }

    /// The function as an activation.
    ///
    /// # Errors
    /// [`ParseError`] if a constant part has no finite value (which takes more than one unit), or written out it is larger than
    /// expressions may be.
    pub fn activation(&self) -> Result<Activation, ParseError> {
        Activation::from_expr(self.expr())
    }
}

// A full tree of units stays within the limit on nodes: at most 11 of its own a unit.
const _: () = assert!(((1 << MAX_UNITS) - 1) * 11 + (1 << MAX_UNITS) <= MAX_NODES);
