//! What can be wrong with the text of an activation function.

/// Why a text or an expression is not an activation function; the message names the text, the column and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("activation \"{}\":{} {problem}", shortened(.text), at(*.column))]
pub struct ParseError {
    /// The text that was given.
    pub text: String,
    /// Column of the problem in characters from 1, where it has one.
    pub column: Option<usize>,
    /// What is wrong.
    pub problem: Problem,
}

impl ParseError {
    /// An error without a column.
    pub fn whole(text: &str, problem: Problem) -> Self {
        Self { text: text.to_owned(), column: None, problem }
    }
}

/// What is wrong with the text of an activation function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nothing but blanks.
    #[error("the text is empty; give a name (swish) or a formula (x*sigmoid(beta*x))")]
    Empty,
    /// More characters than the limit.
    #[error("{len} characters, at most {max} are taken")]
    TooLong {
        /// Characters given.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// More nodes (operators, numbers, letters) than the limit, as written or in canonical form.
    #[error("{len} operators and operands, at most {max} are taken")]
    TooLarge {
        /// Nodes of the expression.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Nested deeper than the limit.
    #[error("nested deeper than {max} levels")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// A character that no formula has.
    #[error("'{}' belongs to no formula", .0.escape_default())]
    Character(char),
    /// A name that is neither a function nor a parameter.
    #[error("unknown {what} \"{name}\"{}", suggestion(.nearest.as_deref()))]
    UnknownName {
        /// "name" or "function".
        what: &'static str,
        /// The name given.
        name: String,
        /// The known name most like it, if one is near.
        nearest: Option<String>,
    },
    /// Something else was expected here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What could have stood here.
        expected: String,
        /// What stands here.
        found: String,
    },
    /// An exponent other than an integer from 1 to 9.
    #[error("the exponent {0} is not taken: an integer from 1 to 9 is")]
    Exponent(String),
    /// A number too large for f64.
    #[error("the number {0} is not finite")]
    Number(String),
    /// `eps` in another place than the two that have it.
    #[error("eps stands only in log(|x|+eps) and in a denominator, a/(b+eps)")]
    Eps,
    /// A logarithm of something else than the space has.
    #[error("log is taken only of |x|+eps (or |x|) and of 1+exp(x)")]
    Log,
    /// Division by a constant 0.
    #[error("division by the number 0")]
    ZeroDivision,
    /// Another number of arguments than the function has.
    #[error("{name} takes {takes}, {given} given")]
    Arguments {
        /// The function.
        name: String,
        /// What it takes.
        takes: &'static str,
        /// Number of arguments given.
        given: usize,
    },
    /// A parameter label above 255.
    #[error("the number of parameter {0} is above 255")]
    Label(String),
    /// More parameters than the limit.
    #[error("{given} trainable parameters, at most {max} are taken")]
    Parameters {
        /// Distinct parameters.
        given: usize,
        /// The limit.
        max: usize,
    },
    /// A part without `x` or parameters has no finite value.
    #[error("a constant part of the formula is not finite")]
    NotFinite,
    /// The compiled program is refused by the kernels.
    #[error("cannot be compiled: {0}")]
    Program(String),
}

fn at(column: Option<usize>) -> String {
    column.map_or_else(String::new, |c| format!(" column {c}:"))
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |n| format!("; did you mean \"{n}\"?"))
}

/// The text on one line, cut where it is long.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut line: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        line.push_str("...");
    }
    line
}

/// The candidate nearest to `name` by edit distance, if near enough to be a slip: one edit in three characters.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let name: Vec<char> = name.to_lowercase().chars().take(64).collect();
    let limit = (name.len() / 3).clamp(1, 3);
    candidates
        .map(|c| (distance(&name, c), c))
        .filter(|(d, c)| *d <= limit && *d < c.chars().count())
        .min()
        .map(|(_, c)| c.to_owned())
}

/// Levenshtein distance, by rows.
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
