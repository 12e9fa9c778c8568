//! From graph to statements: what is used more than once, or is long, gets a name; parentheses stand only where they are needed.

use std::collections::{HashMap, HashSet};

use super::graph::{Graph, Id, Node, Pair, Prim};

/// How strongly the outermost operator of a text binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Sum,
    Quotient,
    Product,
    Negation,
    Power,
    Atom,
}

/// A text of the target language.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub text: String,
    pub level: Level,
}

impl Text {
    pub fn atom(text: impl Into<String>) -> Self {
        Self { text: text.into(), level: Level::Atom }
    }

    /// In parentheses where it binds less strongly than its place asks for.
    pub fn at(&self, level: Level) -> String {
        if self.level < level { format!("({})", self.text) } else { self.text.clone() }
    }
}

/// How a target language writes what is not arithmetic.
pub(super) trait Language {
    /// A number that is not below 0.
    fn number(&self, c: f64) -> String;
    /// A function of one number other than `Neg`.
    fn call(&self, prim: Prim, a: &Text) -> Text;
    /// `max`, `min` or which of both wins.
    fn choice(&self, pair: Pair, a: &Text, b: &Text) -> Text;
    /// A power, where the language has an operator for it.
    fn pow(&self, a: &Text, n: u32) -> Text;
}

/// A named value.
pub(super) struct Statement {
    pub name: String,
    pub value: String,
}

/// Statements, and the texts of the values that they lead to.
pub(super) struct Code {
    pub statements: Vec<Statement>,
    pub results: Vec<String>,
}

impl Code {
    /// Whether a name stands in the code.
    pub fn uses(&self, name: &str) -> bool {
        let word = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == name);
        self.results.iter().any(|text| word(text)) || self.statements.iter().any(|s| word(&s.value))
    }
}

/// Operands that make a longer text become statements of their own.
const LONG: usize = 60;

/// The code of some nodes. `params` are the names of the parameters, `taken` those that no value may have.
pub(super) fn code(
    graph: &Graph<'_>,
    roots: &[Id],
    language: &dyn Language,
    params: &[String],
    taken: &[&str],
) -> Code {
    let mut writer = Writer {
        graph,
        language,
        params,
        uses: uses(graph, roots),
        names: HashMap::new(),
        taken: taken.iter().map(|name| (*name).to_owned()).chain(params.iter().cloned()).collect(),
        statements: Vec::new(),
    };
    let results = roots.iter().map(|root| writer.text(*root).text).collect();
    Code { statements: writer.statements, results }
}

/// The functions that some nodes need.
pub(super) fn needed(graph: &Graph<'_>, roots: &[Id]) -> (Vec<Prim>, Vec<Pair>) {
    let uses = uses(graph, roots);
    let (mut prims, mut pairs) = (Vec::new(), Vec::new());
    for (node, _) in graph.nodes.iter().zip(&uses).filter(|(_, uses)| **uses > 0) {
        match *node {
            Node::Call(prim, _) if !prims.contains(&prim) => prims.push(prim),
            Node::Pair(pair, ..) if !pairs.contains(&pair) => pairs.push(pair),
            _ => {}
        }
    }
    (prims, pairs)
}

/// How often each node is used. One with a minus before it is not named but written again, so what is below counts as often.
fn uses(graph: &Graph<'_>, roots: &[Id]) -> Vec<usize> {
    let mut uses = vec![0; graph.nodes.len()];
    for &root in roots {
        uses[root] += 1;
    }
    for id in (0..graph.nodes.len()).rev() {
        let times = match graph.nodes[id] {
            Node::Call(Prim::Neg, _) => uses[id],
            _ => uses[id].min(1),
        };
        match graph.nodes[id] {
            Node::X | Node::Const(_) | Node::Param(_) => {}
            Node::Call(_, a) | Node::Pow(a, _) => uses[a] += times,
            Node::Pair(_, a, b) => {
                uses[a] += times;
                uses[b] += times;
            }
        }
    }
    uses
}

struct Writer<'a> {
    graph: &'a Graph<'a>,
    language: &'a dyn Language,
    params: &'a [String],
    uses: Vec<usize>,
    names: HashMap<Id, String>,
    taken: HashSet<String>,
    statements: Vec<Statement>,
}

impl Writer<'_> {
    fn text(&mut self, id: Id) -> Text {
        if let Some(name) = self.names.get(&id) {
            return Text::atom(name.clone());
        }
        let text = match self.graph.nodes[id] {
            Node::X => return Text::atom("x"),
            Node::Param(k) => return Text::atom(self.params[k].clone()),
            Node::Const(c) if c < 0.0 => {
                return Text { text: format!("-{}", self.language.number(-c)), level: Level::Negation };
            }
            Node::Const(c) => return Text::atom(self.language.number(c)),
            Node::Call(Prim::Neg, a) => {
                let a = self.text(a);
                let level = a.level.clamp(Level::Quotient, Level::Negation);
                // Without need, but formatters of Python want them about a power.
                let text = if a.level == Level::Power {
                    format!("-({})", a.text)
                } else {
                    format!("-{}", a.at(Level::Quotient))
                };
                return Text { text, level };
            }
            Node::Call(prim, a) => {
                let text = self.text(a);
                let text = self.shortened(a, text, LONG);
                self.language.call(prim, &text)
            }
            Node::Pow(a, n) => {
                let text = self.text(a);
                let text = self.shortened(a, text, LONG);
                self.language.pow(&text, n)
            }
            Node::Pair(pair, a, b) => {
                let (mut left, mut right) = (self.text(a), self.text(b));
                // The longer one first.
                if left.text.len() > right.text.len() {
                    left = self.shortened(a, left, LONG.saturating_sub(right.text.len()));
                }
                right = self.shortened(b, right, LONG.saturating_sub(left.text.len()));
                left = self.shortened(a, left, LONG.saturating_sub(right.text.len()));
                self.pair(pair, &left, &right)
            }
        };
        if self.uses[id] < 2 { text } else { self.named(id, text) }
    }

    /// The text, or the name of a statement that has it where it is longer.
    fn shortened(&mut self, id: Id, text: Text, longest: usize) -> Text {
        let short = text.level == Level::Atom && !text.text.contains('(');
        if short || text.text.len() <= longest { text } else { self.named(id, text) }
    }

    fn named(&mut self, id: Id, text: Text) -> Text {
        let name = self.name(self.graph.nodes[id]);
        self.names.insert(id, name.clone());
        self.statements.push(Statement { name: name.clone(), value: text.text });
        Text::atom(name)
    }

    fn pair(&self, pair: Pair, a: &Text, b: &Text) -> Text {
        let (sign, level, left, right) = match pair {
            Pair::Add => ("+", Level::Sum, Level::Sum, Level::Sum),
            Pair::Sub => ("-", Level::Sum, Level::Sum, Level::Quotient),
            Pair::Mul => ("*", Level::Product, Level::Quotient, Level::Product),
            Pair::Div => ("/", Level::Quotient, Level::Quotient, Level::Negation),
            Pair::Max | Pair::Min | Pair::Wins => return self.language.choice(pair, a, b),
        };
        Text { text: format!("{} {sign} {}", a.at(left), b.at(right)), level }
    }

    /// A name that says what the value is, with a number where it is taken.
    fn name(&mut self, node: Node) -> String {
        let leaf = |id: Id| match self.graph.nodes[id] {
            Node::X => Some("x"),
            Node::Param(k) => Some(self.params[k].as_str()),
            _ => None,
        };
        let base = match node {
            Node::X | Node::Const(_) | Node::Param(_) => "value".to_owned(),
            Node::Call(prim, a) => leaf(a).map_or(word(prim).to_owned(), |a| format!("{}_{a}", word(prim))),
            Node::Pow(a, n) => {
                let a = leaf(a).unwrap_or("value");
                match n {
                    2 => format!("{a}_squared"),
                    3 => format!("{a}_cubed"),
                    n => format!("{a}_to_{n}"),
                }
            }
            Node::Pair(Pair::Mul, a, b) if a == b => format!("{}_squared", leaf(a).unwrap_or("value")),
            Node::Pair(Pair::Mul, a, b) => match (leaf(a), leaf(b)) {
                (Some(a), Some(b)) => format!("{a}_{b}"),
                _ => "product".to_owned(),
            },
            Node::Pair(Pair::Add, ..) => "sum".to_owned(),
            Node::Pair(Pair::Sub, ..) => "difference".to_owned(),
            Node::Pair(Pair::Div, ..) => "ratio".to_owned(),
            Node::Pair(Pair::Max, ..) => "larger".to_owned(),
            Node::Pair(Pair::Min, ..) => "smaller".to_owned(),
            Node::Pair(Pair::Wins, ..) => "share".to_owned(),
        };
        let mut name = base.clone();
        let mut n = 1;
        while !self.taken.insert(name.clone()) {
            n += 1;
            name = format!("{base}_{n}");
        }
        name
    }
}

/// What a value is called that is this function of another. None is the name of a function in C; functions that a target brings along
/// it names as taken.
fn word(prim: Prim) -> &'static str {
    match prim {
        Prim::Neg => "negative",
        Prim::Abs => "size",
        Prim::SafeSqrt | Prim::Sqrt => "root",
        Prim::Log => "logarithm",
        Prim::Exp => "e_to",
        Prim::Expm1 => "e_less_1",
        Prim::Sin => "sine",
        Prim::Cos => "cosine",
        Prim::Sinh => "sinus_h",
        Prim::Cosh => "cosinus_h",
        Prim::Tanh => "tangent_h",
        Prim::Asinh => "area_sine",
        Prim::Atan => "angle",
        Prim::Sinc => "sinc_of",
        Prim::Relu => "positive",
        Prim::MinZero => "below_zero",
        Prim::Sigmoid => "gate",
        Prim::Softplus => "soft",
        Prim::Erf => "error",
        Prim::Sign => "sign_of",
        Prim::Step => "step_of",
        Prim::SafeSqrtSlope => "root_slope",
        Prim::SincSlope => "sinc_slope",
    }
}
