//! Spaces of functions: how many core units, of which operators; counting, enumerating, drawing and changing their members.
//!
//! A member is a list of *choices*, one for each *slot* in which the space leaves a choice: the two inputs, the two unary
//! operators and the binary operator of each core unit, in this order (Figure 2 of the paper). A controller predicts them one
//! after another, evolution changes one of them, and a number in mixed radix, the last slot fastest, enumerates them.

mod classes;
mod screen;

pub use classes::{Class, Classes};
pub use screen::{Rejection, screen};

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use swish_core::activation::{Binary, CoreUnit, CoreUnits, Input, Unary};
use swish_kernels::rng::Rng;

/// The largest number of core units in a space.
pub const MAX_UNITS: usize = 4;

/// A space of functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    units: usize,
    unary: Vec<Unary>,
    binary: Vec<Binary>,
    slots: Vec<Slot>,
}

/// A place in a function where the space leaves a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The core unit, from 0.
    pub unit: usize,
    /// What is chosen.
    pub part: Part,
    /// Number of choices, 2 or more.
    pub choices: usize,
}

/// What is chosen at a [`Slot`]; the number tells the two sides of a unit apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// An input: choice 0 is `x`, choice `k` the output of unit `k - 1`.
    Input(usize),
    /// A unary operator.
    Unary(usize),
    /// The binary operator.
    Binary,
}

/// The order in which the parts of a unit are chosen.
const PARTS: [Part; 5] = [Part::Input(0), Part::Input(1), Part::Unary(0), Part::Unary(1), Part::Binary];

/// A space as it is written down: operators by their functional names, empty for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceConfig {
    /// Number of core units.
    pub units: usize,
    /// Unary operators allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unary: Vec<String>,
    /// Binary operators allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binary: Vec<String>,
}

impl SpaceConfig {
    /// The space.
    ///
    /// # Errors
    /// A number of units that is not allowed, an operator that is unknown or named twice.
    pub fn build(&self) -> Result<Space> {
        let unary = operators("unary operator", &self.unary, &Unary::ALL, |u| [u.name(), u.notation()])?;
        let binary = operators("binary operator", &self.binary, &Binary::ALL, |b| [b.name(), b.notation()])?;
        Space::new(self.units, unary, binary)
    }
}

/// The operators of these names or notations; all of them where none is named.
fn operators<T: Copy + PartialEq>(
    what: &'static str,
    names: &[String],
    all: &[T],
    texts: impl Fn(&T) -> [&'static str; 2],
) -> Result<Vec<T>> {
    if names.is_empty() {
        return Ok(all.to_vec());
    }
    let mut chosen = Vec::new();
    for name in names {
        let plain: String = name.chars().filter(|c| !c.is_whitespace()).collect();
        let Some(found) = all.iter().find(|t| texts(t).contains(&plain.as_str())) else {
            let expected = all.iter().map(|t| texts(t)[0]).collect::<Vec<_>>().join(", ");
            return Err(Error::BadValue { what, value: name.clone(), expected: format!("one of {expected}") });
        };
        if chosen.contains(found) {
            return Err(Error::BadValue { what, value: name.clone(), expected: "each operator once".into() });
        }
        chosen.push(*found);
    }
    Ok(chosen)
}

impl Space {
    /// The space of `units` core units with these operators.
    ///
    /// # Errors
    /// No operators, or not from 1 to [`MAX_UNITS`] units.
    pub fn new(units: usize, unary: Vec<Unary>, binary: Vec<Binary>) -> Result<Self> {
        let bad =
            |what, value: usize, expected: String| Err(Error::BadValue { what, value: value.to_string(), expected });
        if !(1..=MAX_UNITS).contains(&units) {
            return bad("number of core units", units, format!("from 1 to {MAX_UNITS}"));
        }
        if unary.is_empty() || binary.is_empty() {
            return bad("number of operators", 0, "at least one unary and one binary operator".into());
        }
        let choices = |unit: usize, part| match part {
            Part::Input(_) => unit + 1,
            Part::Unary(_) => unary.len(),
            Part::Binary => binary.len(),
        };
        let slots = (0..units).flat_map(|unit| PARTS.map(|part| Slot { unit, part, choices: choices(unit, part) }));
        let slots = slots.filter(|slot| slot.choices > 1).collect();
        Ok(Self { units, unary, binary, slots })
    }

    /// The space with all of the paper's operators.
    ///
    /// # Errors
    /// Not from 1 to [`MAX_UNITS`] units.
    pub fn full(units: usize) -> Result<Self> {
        Self::new(units, Unary::ALL.to_vec(), Binary::ALL.to_vec())
    }

    /// Number of core units.
    pub fn units(&self) -> usize {
        self.units
    }

    /// The unary operators, in the order of their choices.
    pub fn unary(&self) -> &[Unary] {
        &self.unary
    }

    /// The binary operators, in the order of their choices.
    pub fn binary(&self) -> &[Binary] {
        &self.binary
    }

    /// The slots, in the order in which choices are listed.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Number of members, equal functions counted as often as they can be written: 6,250 for one unit of all operators.
    pub fn count(&self) -> u128 {
        self.slots.iter().map(|slot| slot.choices as u128).product()
    }

    /// Member number `index`, below [`Space::count`]; the numbers go round beyond it.
    pub fn at(&self, mut index: u128) -> CoreUnits {
        let mut choices = vec![0; self.slots.len()];
        for (choice, slot) in choices.iter_mut().zip(&self.slots).rev() {
            let n = slot.choices as u128;
            (*choice, index) = ((index % n) as usize, index / n);
        }
        self.decode(&choices)
    }

    /// All members in order; useful for small spaces only.
    pub fn iter(&self) -> impl Iterator<Item = CoreUnits> + '_ {
        (0..self.count()).map(|index| self.at(index))
    }

    /// The member of these choices, one a slot; a choice beyond its slot's number goes round.
    #[expect(clippy::expect_used, reason = "the slots leave no choice but earlier units, and their number is checked")]
    pub fn decode(&self, choices: &[usize]) -> CoreUnits {
        let first = CoreUnit { inputs: [Input::X; 2], unary: [self.unary[0]; 2], binary: self.binary[0], beta: 0 };
        // Each unit has a beta of its own: one parameter a unit, as each has its own place in the network.
        let mut units: Vec<CoreUnit> = (0..self.units).map(|unit| CoreUnit { beta: unit as u8, ..first }).collect();
        for (slot, choice) in self.slots.iter().zip(choices) {
            let choice = choice % slot.choices;
            let unit = &mut units[slot.unit];
            match slot.part {
                Part::Input(side) => unit.inputs[side] = choice.checked_sub(1).map_or(Input::X, Input::Unit),
                Part::Unary(side) => unit.unary[side] = self.unary[choice],
                Part::Binary => unit.binary = self.binary[choice],
            }
        }
        CoreUnits::new(units).expect("units of a space")
    }

    /// The choices that make this member; `None` for a function of another space.
    pub fn encode(&self, units: &CoreUnits) -> Option<Vec<usize>> {
        let choice = |slot: &Slot| {
            let unit = units.units().get(slot.unit)?;
            match slot.part {
                Part::Input(side) => Some(match unit.inputs[side] {
                    Input::X => 0,
                    Input::Unit(k) => k + 1,
                }),
                Part::Unary(side) => self.unary.iter().position(|u| *u == unit.unary[side]),
                Part::Binary => self.binary.iter().position(|b| *b == unit.binary),
            }
        };
        let choices = self.slots.iter().map(choice).collect::<Option<Vec<_>>>()?;
        (self.decode(&choices) == *units).then_some(choices)
    }

    /// A member drawn uniformly.
    pub fn sample(&self, rng: &mut Rng) -> CoreUnits {
        let choices: Vec<usize> = self.slots.iter().map(|slot| rng.below(slot.choices as u64) as usize).collect();
        self.decode(&choices)
    }

    /// The member with one choice, drawn uniformly among the slots, changed to another one of its slot. A space of one function
    /// gives that function.
    pub fn mutate(&self, units: &CoreUnits, rng: &mut Rng) -> CoreUnits {
        let (Some(mut choices), false) = (self.encode(units), self.slots.is_empty()) else {
            return self.sample(rng);
        };
        let at = rng.below(self.slots.len() as u64) as usize;
        let n = self.slots[at].choices;
        choices[at] = (choices[at] + 1 + rng.below(n as u64 - 1) as usize) % n;
        self.decode(&choices)
    }

    /// The space as it is written down.
    pub fn config(&self) -> SpaceConfig {
        let named =
            |all: bool, names: Vec<&str>| if all { Vec::new() } else { names.into_iter().map(str::to_owned).collect() };
        SpaceConfig {
            units: self.units,
            unary: named(self.unary == Unary::ALL, self.unary.iter().map(|u| u.name()).collect()),
            binary: named(self.binary == Binary::ALL, self.binary.iter().map(|b| b.name()).collect()),
        }
    }
}
