//! C: functions of one number, value and derivatives, without dependencies but the standard library's mathematics. CUDA's are the same.

use super::code::{Code, Language, Level, Text, code, needed};
use super::graph::{Graph, Id, Pair, Prim};
use super::{Names, Precision, Source};

/// C and CUDA, which differ in what stands before a function.
pub(super) struct CLike<'a> {
    pub names: &'a Names,
    pub precision: Precision,
    /// What stands before a function's type.
    pub qualifier: &'static str,
}

/// Functions that the standard library has not. `@` stands before their names, `real` for the type; the library's functions and
/// numbers are written as for `double`.
const HELPERS: &[(Helper, &str)] = &[
    (Helper::Prim(Prim::SafeSqrt), "real @safe_sqrt(real x) {\n    return x <= 0.0 ? 0.0 : sqrt(x);\n}\n"),
    (
        Helper::Prim(Prim::SafeSqrtSlope),
        "real @safe_sqrt_slope(real x) {\n    return x <= 0.0 ? 0.0 : 0.5 / sqrt(x);\n}\n",
    ),
    (
        Helper::Prim(Prim::Sinc),
        "real @sinc(real x) {
    const real s = x * x;
    if (s < 0.0625) {
        return 1.0 - s / 6.0 * (1.0 - s / 20.0 * (1.0 - s / 42.0 * (1.0 - s / 72.0)));
    }
    return sin(x) / x;
}
",
    ),
    (
        Helper::Prim(Prim::SincSlope),
        "real @sinc_slope(real x) {
    const real s = x * x;
    if (s < 0.0625) {
        return -x / 3.0 * (1.0 - s / 10.0 * (1.0 - s / 28.0 * (1.0 - s / 54.0 * (1.0 - s / 88.0))));
    }
    return (cos(x) - sin(x) / x) / x;
}
",
    ),
    (Helper::Prim(Prim::Relu), "real @relu(real x) {\n    return x <= 0.0 ? 0.0 : x;\n}\n"),
    (Helper::Prim(Prim::MinZero), "real @min_zero(real x) {\n    return x >= 0.0 ? 0.0 : x;\n}\n"),
    (Helper::Prim(Prim::Step), "real @step(real x) {\n    return x > 0.0 ? 1.0 : 0.0;\n}\n"),
    (Helper::Prim(Prim::Sign), "real @sign(real x) {\n    return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x;\n}\n"),
    (
        Helper::Prim(Prim::Sigmoid),
        "real @sigmoid(real x) {
    const real e = exp(-fabs(x));
    return (x >= 0.0 ? 1.0 : e) / (1.0 + e);
}
",
    ),
    (
        Helper::Prim(Prim::Softplus),
        "real @softplus(real x) {\n    return (x <= 0.0 ? 0.0 : x) + log1p(exp(-fabs(x)));\n}\n",
    ),
    (Helper::Pair(Pair::Max), "real @max(real a, real b) {\n    return a > b || a != a ? a : b;\n}\n"),
    (Helper::Pair(Pair::Min), "real @min(real a, real b) {\n    return a < b || a != a ? a : b;\n}\n"),
    (
        Helper::Pair(Pair::Wins),
        "/* The larger number's share of a gradient: a tie is shared. */
real @wins(real a, real b) {
    return a > b ? 1.0 : a < b ? 0.0 : 0.5;
}
",
    ),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Helper {
    Prim(Prim),
    Pair(Pair),
}

/// Functions of the standard library that helpers call.
const STANDARD: [&str; 6] = ["sqrt(", "sin(", "cos(", "exp(", "fabs(", "log1p("];

impl CLike<'_> {
    /// The type of numbers.
    pub fn real(&self) -> &'static str {
        match self.precision {
            Precision::F32 => "float",
            Precision::F64 => "double",
        }
    }

    /// What a number or a function of the standard library ends in.
    fn ending(&self) -> &'static str {
        match self.precision {
            Precision::F32 => "f",
            Precision::F64 => "",
        }
    }

    fn helper(&self, name: &str) -> String {
        format!("{}_{name}", self.names.function)
    }

    /// The helpers that these functions need, a blank line behind each.
    pub fn helpers(&self, (prims, pairs): &(Vec<Prim>, Vec<Pair>)) -> String {
        let needed = HELPERS.iter().filter(|(helper, _)| match helper {
            Helper::Prim(prim) => prims.contains(prim),
            Helper::Pair(pair) => pairs.contains(pair),
        });
        needed.map(|(_, text)| self.adapted(text) + "\n").collect()
    }

    /// The source of a helper for this type and these names.
    fn adapted(&self, text: &str) -> String {
        let mut lines = String::new();
        for line in text.lines() {
            if line.starts_with("real") {
                lines += self.qualifier;
                lines += " ";
            }
            lines += line;
            lines += "\n";
        }
        let mut text = lines.replace("real ", &format!("{} ", self.real())).replace('@', &self.helper(""));
        if self.precision == Precision::F32 {
            for function in STANDARD {
                let single = function.replace('(', "f(");
                text = text.replace(&format!(" {function}"), &format!(" {single}"));
                text = text.replace(&format!("({function}"), &format!("({single}"));
                text = text.replace(&format!("-{function}"), &format!("-{single}"));
            }
            text = single_numbers(&text);
        }
        text
    }

    /// `float x, float beta`
    pub fn arguments(&self, params: &[String]) -> String {
        let names = std::iter::once("x").chain(params.iter().map(String::as_str));
        names.map(|name| format!("{} {name}", self.real())).collect::<Vec<_>>().join(", ")
    }

    /// The function of the value, and that of the derivatives, with what they need.
    pub fn functions(&self, source: &Source<'_>) -> String {
        let params = source.param_names();
        let Names { function, .. } = self.names;
        let (mut graph, value) = source.value();
        let outs: Vec<String> = params.iter().map(|p| format!("d_{p}")).collect();
        let slopes = graph.slopes(value, params.len());
        let all: Vec<Id> = [value].into_iter().chain(slopes.params).chain([slopes.x]).collect();
        let (graph, all) = graph.with_products(&all);
        let taken: Vec<&str> = ["x"].into_iter().chain(outs.iter().map(String::as_str)).collect();
        let mut text = self.helpers(&needed(&graph, &all));
        let write = |graph: &Graph<'_>, roots: &[Id]| code(graph, roots, self, &params, &taken);

        let of_value = write(&graph, &all[..1]);
        text += &comment(&source.about());
        text += &format!("{} {} {function}({}) {{\n", self.qualifier, self.real(), self.arguments(&params));
        text += &self.statements(&of_value);
        text += &format!("    return {};\n}}\n\n", of_value.results[0]);

        let of_slopes = write(&graph, &all[1..]);
        let mut about = vec![format!("The derivative of {function} by x.")];
        if !outs.is_empty() {
            about.push(format!("Those by {} are written to {}.", params.join(", "), outs.join(", ")));
        }
        text += &comment(&about);
        let pointers: String = outs.iter().map(|out| format!(", {} *{out}", self.real())).collect();
        let arguments = self.arguments(&params) + &pointers;
        text += &format!("{} {} {function}_grad({arguments}) {{\n", self.qualifier, self.real());
        let unused = std::iter::once("x").chain(params.iter().map(String::as_str)).filter(|name| !of_slopes.uses(name));
        text += &unused.map(|name| format!("    (void){name};\n")).collect::<String>();
        text += &self.statements(&of_slopes);
        for (out, result) in outs.iter().zip(&of_slopes.results) {
            text += &format!("    *{out} = {result};\n");
        }
        text + &format!("    return {};\n}}\n", of_slopes.results[outs.len()])
    }

    fn statements(&self, code: &Code) -> String {
        code.statements.iter().map(|s| format!("    const {} {} = {};\n", self.real(), s.name, s.value)).collect()
    }

    /// What the parameters start at.
    pub fn starts(&self, source: &Source<'_>) -> String {
        let line = |p: &super::Param| {
            let name = p.name.to_ascii_uppercase();
            format!("#define {}_{name}_INIT {}\n", self.names.constant, self.number(p.init))
        };
        let lines: String = source.params.iter().map(line).collect();
        if lines.is_empty() { lines } else { lines + "\n" }
    }
}

/// Every number of a source with the ending of single precision.
fn single_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut last = ' ';
    let mut number = false;
    for c in text.chars() {
        if number && !(c.is_ascii_digit() || c == '.') {
            out.push('f');
            number = false;
        }
        number |= c.is_ascii_digit() && !last.is_alphanumeric() && last != '_';
        out.push(c);
        last = c;
    }
    out
}

/// A comment before a function.
pub(super) fn comment(lines: &[String]) -> String {
    match lines {
        [line] => format!("/* {line} */\n"),
        lines => {
            let lines: String = lines.iter().map(|line| format!(" * {line}").trim_end().to_owned() + "\n").collect();
            format!("/*\n{lines} */\n")
        }
    }
}

impl Language for CLike<'_> {
    fn number(&self, c: f64) -> String {
        format!("{c:?}{}", self.ending())
    }

    fn call(&self, prim: Prim, a: &Text) -> Text {
        let function = match prim {
            Prim::Abs => format!("fabs{}", self.ending()),
            _ if HELPERS.iter().any(|(helper, _)| *helper == Helper::Prim(prim)) => self.helper(prim.name()),
            _ => format!("{}{}", prim.name(), self.ending()),
        };
        Text::atom(format!("{function}({})", a.text))
    }

    fn choice(&self, pair: Pair, a: &Text, b: &Text) -> Text {
        let name = match pair {
            Pair::Max => "max",
            Pair::Min => "min",
            _ => "wins",
        };
        Text::atom(format!("{}({}, {})", self.helper(name), a.text, b.text))
    }

    fn pow(&self, a: &Text, n: u32) -> Text {
        Text { text: vec![a.at(Level::Atom); n as usize].join(" * "), level: Level::Product }
    }
}

/// The file.
pub(super) fn source(source: &Source<'_>) -> String {
    let c = CLike { names: &source.names, precision: source.precision, qualifier: "static inline" };
    format!("#include <math.h>\n\n{}{}", c.starts(source), c.functions(source))
}
