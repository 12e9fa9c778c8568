//! The functions that have a name: the paper's baselines, Swish, and what the search found. Adding one is one row.

use super::expr::Expr;
use super::parse;

/// A function with a name.
#[derive(Debug)]
pub struct Named {
    /// The name under which it is printed.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// The formula.
    pub formula: &'static str,
}

/// Names are compared without regard to case, hyphens and underscores.
pub const NAMED: &[Named] = &[
    row("identity", &["linear"], "x"),
    row("relu", &[], "max(x,0)"),
    row("relu6", &[], "min(max(x,0),6)"),
    row("lrelu", &["leaky_relu"], "max(x,0)+0.01*min(x,0)"),
    row("prelu", &[], "max(x,0)+alpha*min(x,0)"),
    row("softplus", &[], "log(1+exp(x))"),
    row("elu", &[], "max(x,0)+expm1(min(x,0))"),
    // Klambauer et al. 2017: scale*(max(x,0)+a*expm1(min(x,0))).
    row("selu", &[], "1.0507009873554804934*(max(x,0)+1.6732632423543772848*expm1(min(x,0)))"),
    row("gelu", &[], "0.5*x*(1+erf(x/sqrt(2)))"),
    row("swish-1", &["swish1", "silu"], "x*sigmoid(x)"),
    row("swish", &[], "x*sigmoid(beta*x)"),
    // Table 1 of the paper, beside Swish.
    row("max_x_sigmoid", &[], "max(x,sigmoid(x))"),
    row("cos_minus_x", &[], "cos(x)-x"),
    row("min_x_sin", &[], "min(x,sin(x))"),
    row("atan2_minus_x", &[], "atan(x)^2-x"),
    row("max_x_tanh", &[], "max(x,tanh(x))"),
    row("sinc_plus_x", &[], "sinc(x)+x"),
    row("x_asinh2", &[], "x*asinh(x)^2"),
];

const fn row(name: &'static str, aliases: &'static [&'static str], formula: &'static str) -> Named {
    Named { name, aliases, formula }
}

impl Named {
    /// The formula as an expression.
    #[expect(clippy::expect_used, reason = "the formulas are constants, and a test parses each")]
    pub fn expr(&self) -> Expr {
        parse::parse(self.formula).expect("a formula of the table")
    }
}

/// The row with this name or alias.
pub fn find(name: &str) -> Option<&'static Named> {
    let plain = plain(name);
    NAMED.iter().find(|row| all_names(row).any(|n| self::plain(n) == plain))
}

/// Every name and alias.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMED.iter().flat_map(all_names)
}

fn all_names(row: &'static Named) -> impl Iterator<Item = &'static str> {
    std::iter::once(row.name).chain(row.aliases.iter().copied())
}

fn plain(name: &str) -> String {
    name.trim().chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}
