//! candle: a `Module` whose value and derivatives are operators of their own, since candle has not all functions and other rules at kinks.

use super::candle_templates::{PER_CHANNEL, PLAIN};
use super::code::{Code, Language, Level, Text, code, needed};
use super::graph::{Id, Node, Pair, Prim};
use super::{Names, Source};

/// Rust's standard library, and functions that the file brings along.
struct Rust;

const HELPERS: &[(&str, &str)] = &[
    ("safe_sqrt", "fn safe_sqrt(x: f64) -> f64 {\n    if x <= 0.0 { 0.0 } else { x.sqrt() }\n}\n"),
    ("safe_sqrt_slope", "fn safe_sqrt_slope(x: f64) -> f64 {\n    if x <= 0.0 { 0.0 } else { 0.5 / x.sqrt() }\n}\n"),
    (
        "sinc",
        "fn sinc(x: f64) -> f64 {
    let s = x * x;
    if s < 0.0625 {
        return 1.0 - s / 6.0 * (1.0 - s / 20.0 * (1.0 - s / 42.0 * (1.0 - s / 72.0)));
    }
    x.sin() / x
}
",
    ),
    (
        "sinc_slope",
        "fn sinc_slope(x: f64) -> f64 {
    let s = x * x;
    if s < 0.0625 {
        let rest = 1.0 - s / 54.0 * (1.0 - s / 88.0);
        return -x / 3.0 * (1.0 - s / 10.0 * (1.0 - s / 28.0 * rest));
    }
    (x.cos() - x.sin() / x) / x
}
",
    ),
    ("relu", "fn relu(x: f64) -> f64 {\n    if x <= 0.0 { 0.0 } else { x }\n}\n"),
    ("min_zero", "fn min_zero(x: f64) -> f64 {\n    if x >= 0.0 { 0.0 } else { x }\n}\n"),
    ("step", "fn step(x: f64) -> f64 {\n    if x > 0.0 { 1.0 } else { 0.0 }\n}\n"),
    ("sign", "fn sign(x: f64) -> f64 {\n    if x == 0.0 { 0.0 } else { x.signum() }\n}\n"),
    (
        "sigmoid",
        "fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    (if x >= 0.0 { 1.0 } else { e }) / (1.0 + e)
}
",
    ),
    (
        "softplus",
        "fn softplus(x: f64) -> f64 {
    let positive = if x <= 0.0 { 0.0 } else { x };
    positive + (-x.abs()).exp().ln_1p()
}
",
    ),
    ("larger", "fn larger(a: f64, b: f64) -> f64 {\n    if a > b || a.is_nan() { a } else { b }\n}\n"),
    ("smaller", "fn smaller(a: f64, b: f64) -> f64 {\n    if a < b || a.is_nan() { a } else { b }\n}\n"),
    (
        "wins",
        "/// The larger number's share of a gradient: a tie is shared.
fn wins(a: f64, b: f64) -> f64 {
    match a.partial_cmp(&b) {
        Some(std::cmp::Ordering::Greater) => 1.0,
        Some(std::cmp::Ordering::Less) => 0.0,
        _ => 0.5,
    }
}
",
    ),
];

impl Rust {
    fn chooser(pair: Pair) -> &'static str {
        match pair {
            Pair::Max => "larger",
            Pair::Min => "smaller",
            _ => "wins",
        }
    }

    /// The helpers that these functions need, a blank line before each.
    fn helpers((prims, pairs): &(Vec<Prim>, Vec<Pair>)) -> String {
        let called: Vec<&str> =
            prims.iter().map(|prim| prim.name()).chain(pairs.iter().map(|pair| Self::chooser(*pair))).collect();
        // Arithmetic has no helper, though it would be called by the last one's name.
        let wins = pairs.contains(&Pair::Wins);
        let needed = HELPERS.iter().filter(|(name, _)| called.contains(name) && (*name != "wins" || wins));
        needed.map(|(_, text)| format!("\n{text}")).collect()
    }
}

impl Language for Rust {
    fn number(&self, c: f64) -> String {
        format!("{c:?}")
    }

    fn call(&self, prim: Prim, a: &Text) -> Text {
        let method = match prim {
            Prim::Log => "ln",
            Prim::Expm1 => "exp_m1",
            Prim::Erf => return Text::atom(format!("erf_f64({})", a.text)),
            _ if HELPERS.iter().any(|(name, _)| *name == prim.name()) => {
                return Text::atom(format!("{}({})", prim.name(), a.text));
            }
            _ => prim.name(),
        };
        Text::atom(format!("{}.{method}()", a.at(Level::Atom)))
    }

    fn choice(&self, pair: Pair, a: &Text, b: &Text) -> Text {
        Text::atom(format!("{}({}, {})", Self::chooser(pair), a.text, b.text))
    }

    fn pow(&self, a: &Text, n: u32) -> Text {
        Text::atom(format!("{}.powi({n})", a.at(Level::Atom)))
    }
}

fn statements(code: &Code) -> String {
    code.statements.iter().map(|s| format!("    let {} = {};\n", s.name, s.value)).collect()
}

/// The file. `@N` is the number of parameters; the rest of what is replaced are names and code.
pub(super) fn source(source: &Source<'_>) -> String {
    let Names { class, .. } = &source.names;
    let params = source.param_names();
    let (mut graph, value) = source.value();
    let slopes = graph.slopes(value, params.len());
    let mut roots = vec![slopes.x];
    roots.extend(slopes.params);
    let all: Vec<Id> = roots.iter().copied().chain([value]).collect();
    let functions = needed(&graph, &all);
    // A value with the name of a function would hide it.
    let taken: Vec<&str> = std::iter::once("x").chain(HELPERS.iter().map(|(name, _)| *name)).collect();
    let (of_value, of_slopes) =
        (code(&graph, &[value], &Rust, &params, &taken), code(&graph, &roots, &Rust, &params, &taken));
    let argument = |code: &Code, name: &str| if code.uses(name) { name.to_owned() } else { format!("_{name}") };
    let pattern = |code: &Code| params.iter().map(|p| argument(code, p)).collect::<Vec<_>>().join(", ");
    let about: String = source.about().iter().map(|line| format!("//! {line}").trim_end().to_owned() + "\n").collect();
    let has_digits = graph.nodes.iter().any(|node| matches!(*node, Node::Const(c) if (c * 100.0).fract() != 0.0));
    let template = if params.is_empty() { PLAIN } else { PER_CHANNEL };
    let each = |form: &dyn Fn(&super::Param) -> String| source.params.iter().map(form).collect::<String>();
    let listed = |form: &dyn Fn(&str) -> String| params.iter().map(|p| form(p)).collect::<Vec<_>>().join(", ");
    template
        .replace("@ABOUT\n", &about)
        .replace("@ALLOW\n", if has_digits { ALLOW } else { "" })
        .replace("@ERF\n", if functions.0.contains(&Prim::Erf) { "use candle_core::cpu::erf::erf_f64;\n" } else { "" })
        .replace("@CLASS", class)
        .replace("@FIELDS\n", &each(&|p| format!("    {}: Tensor,\n", p.name)))
        .replace(
            "@READ\n",
            &each(&|p| {
                format!(
                    "        let {0} = vb.get_with_hints(channels, \"{0}\", Init::Const({1:?}))?;\n",
                    p.name, p.init
                )
            }),
        )
        .replace("@NAMES\n", &each(&|p| format!("            {},\n", p.name)))
        .replace("@STACKED", &listed(&|p| format!("&self.{p}")))
        .replace("@SLOPES_X", &argument(&of_slopes, "x"))
        .replace("@VALUE_PARAMS", &pattern(&of_value))
        .replace("@SLOPES_PARAMS", &pattern(&of_slopes))
        .replace("@VALUE_BODY\n", &format!("{}    {}\n", statements(&of_value), of_value.results[0]))
        .replace(
            "@SLOPES_BODY\n",
            &match params.is_empty() {
                true => format!("{}    {}\n", statements(&of_slopes), of_slopes.results[0]),
                false => format!("{}{}", statements(&of_slopes), array(&of_slopes.results)),
            },
        )
        .replace("@COUNT", &(params.len() + 1).to_string())
        .replace("@N", &params.len().to_string())
        .replace("@HELPERS\n", &Rust::helpers(&functions))
}

/// A number of a formula may come near to one that the standard library has.
const ALLOW: &str = "\n#![allow(clippy::approx_constant)]\n";

/// An array as the value of a function, over several lines where one is too short.
fn array(items: &[String]) -> String {
    let line = format!("    [{}]\n", items.join(", "));
    if line.len() <= 64 {
        return line;
    }
    let lines: String = items.iter().map(|item| format!("        {item},\n")).collect();
    format!("    [\n{lines}    ]\n")
}
