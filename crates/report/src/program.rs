//! Functions in the form that the page's script evaluates: reverse Polish notation, words separated by spaces.
//!
//! `x`, numbers and `p0`, `p1`, .. (parameters) push a value; `^n` and the names of [`Func`] take one; `+ - * / max min` take two. The
//! rules at kinks and for epsilon are those of `swish_core::activation::eval`; `tests/report_page.py` compares both.

use std::fmt::Write as _;
use swish_core::activation::expr::Expr;
use swish_core::activation::ops::Join;
use swish_core::activation::{Activation, Symbol};

/// The canonical form of a function as a program.
pub fn program(activation: &Activation) -> String {
    let mut text = String::new();
    let expr = activation.canonical_expr();
    write(expr, &expr.symbols(), &mut text);
    text
}

fn write(expr: &Expr, symbols: &[Symbol], text: &mut String) {
    let word = |text: &mut String, word: &dyn std::fmt::Display| {
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{word}");
    };
    match expr {
        Expr::X => word(text, &"x"),
        Expr::Const(c) => word(text, c),
        Expr::Param(symbol) => {
            let index = symbols.iter().position(|other| other == symbol).unwrap_or_default();
            word(text, &format_args!("p{index}"));
        }
        Expr::Call(func, a) => {
            write(a, symbols, text);
            word(text, &func.names()[0]);
        }
        Expr::Pow(a, n) => {
            write(a, symbols, text);
            word(text, &format_args!("^{n}"));
        }
        Expr::Join(join, a, b) => {
            write(a, symbols, text);
            write(b, symbols, text);
            word(text, &sign(*join));
        }
    }
}

fn sign(join: Join) -> &'static str {
    match join {
        Join::Add => "+",
        Join::Sub => "-",
        Join::Mul => "*",
        Join::Div => "/",
        Join::Max => "max",
        Join::Min => "min",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn functions_become_words() {
        for (formula, expected) in [
            ("relu", "x relu"),
            ("min(x,sin(x))", "x x sin min"),
            ("x/(x+eps)", "x x /"),
            ("atan(x)^2-x", "x atan ^2 x -"),
            ("swish", "x x p0 * sigmoid *"),
            ("x*2.5", "x 2.5 *"),
        ] {
            let words = program(&formula.parse().unwrap());
            let sorted = |text: &str| {
                let mut words: Vec<&str> = text.split(' ').collect();
                words.sort_unstable();
                words.join(" ")
            };
            // The canonical form may order the sides of a sum or product otherwise.
            assert_eq!(sorted(&words), sorted(expected), "{formula}: {words}");
        }
        assert_eq!(program(&"min(x,sin(x))-x^3".parse().unwrap()).split(' ').next_back(), Some("-"));
    }
}
