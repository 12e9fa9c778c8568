//! What the three Python targets share.

use super::code::{Code, Language, Level, Text};
use super::graph::{Pair, Prim};

/// The widest line, as formatters of Python have it.
const WIDTH: usize = 88;

/// How a library calls its functions, and those that a file brings with it where it needs them.
pub(super) struct Library {
    /// Where functions are that have no row in `names`.
    pub module: &'static str,
    /// Functions that are elsewhere, or derive otherwise than ours.
    pub names: &'static [(Prim, &'static str)],
    /// Names of `max` and `min`.
    pub choices: [&'static str; 2],
    /// The same where the second is a number.
    pub choices_with_number: [&'static str; 2],
    /// Name and source.
    pub helpers: &'static [(&'static str, &'static str)],
}

impl Library {
    fn function(&self, prim: Prim) -> String {
        let row = self.names.iter().find(|(p, _)| *p == prim);
        row.map_or_else(|| format!("{}.{}", self.module, prim.name()), |(_, name)| (*name).to_owned())
    }
}

impl Language for Library {
    fn number(&self, c: f64) -> String {
        format!("{c:?}")
    }

    fn call(&self, prim: Prim, a: &Text) -> Text {
        Text::atom(format!("{}({})", self.function(prim), a.text))
    }

    fn choice(&self, pair: Pair, a: &Text, b: &Text) -> Text {
        // A number comes last.
        let choices = if b.text.parse::<f64>().is_ok() { self.choices_with_number } else { self.choices };
        Text::atom(format!("{}({}, {})", choices[usize::from(pair != Pair::Max)], a.text, b.text))
    }

    /// Simple operands without blanks, as formatters of Python have it.
    fn pow(&self, a: &Text, n: u32) -> Text {
        let base = a.at(Level::Atom);
        let simple = base.chars().all(|c| c.is_alphanumeric() || c == '_');
        let text = if simple { format!("{base}**{n}") } else { format!("{base} ** {n}") };
        Text { text, level: Level::Power }
    }
}

impl Library {
    /// The helpers that the code calls, two blank lines before each.
    pub fn needed(&self, code: &Code) -> String {
        let texts = || code.statements.iter().map(|s| &s.value).chain(&code.results);
        let called = |name: &str| texts().any(|text| text.contains(&format!("{name}(")));
        let needed = self.helpers.iter().filter(|(name, _)| called(name));
        needed.map(|(_, source)| format!("\n\n{}\n", source.trim())).collect()
    }
}

/// `open`, items separated by commas, `close`; over several lines where one is too short for them.
pub(super) fn listed(open: &str, items: &[String], close: &str) -> String {
    let joined = items.join(", ");
    if open.len() + joined.len() + close.len() <= WIDTH {
        return format!("{open}{joined}{close}");
    }
    let indent = &open[..open.len() - open.trim_start().len()];
    if indent.len() + 4 + joined.len() <= WIDTH {
        return format!("{open}\n{indent}    {joined}\n{indent}{close}");
    }
    let lines: String = items.iter().map(|item| format!("{indent}    {item},\n")).collect();
    format!("{open}\n{lines}{indent}{close}")
}

/// The body of a function: its statements, and its value returned.
pub(super) fn body(code: &Code) -> String {
    let lines: String = code.statements.iter().map(|s| format!("    {} = {}\n", s.name, s.value)).collect();
    format!("{lines}    return {}\n", code.results[0])
}

/// A docstring indented by four.
pub(super) fn docstring(lines: &[String]) -> String {
    let [first, rest @ ..] = lines else { return String::new() };
    if rest.is_empty() {
        return format!("    \"\"\"{first}\"\"\"\n");
    }
    let rest: String =
        rest.iter().map(|line| if line.is_empty() { "\n".into() } else { format!("    {line}\n") }).collect();
    format!("    \"\"\"{first}\n{rest}    \"\"\"\n")
}
