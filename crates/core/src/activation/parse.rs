//! The parser: paper notation and functional notation, with the usual precedence.
//!
//! ```text
//! sum     = product { ("+" | "-") product }
//! product = unary { ("*" | "/") unary }
//! unary   = ("-" | "+") unary | power
//! power   = primary [ "^" integer ]
//! primary = number | x | parameter | pi | function "(" sum { "," sum } ")" | "(" sum ")" | "|" sum "|"
//! ```
//!
//! `a/b` means the space's `a/(b+eps)`, and `a/(b+eps)` may be written out; division by a number is exact, since its denominator
//! cannot reach 0. Likewise `log(|x|)` means `log(|x|+eps)`.

use super::error::{ParseError, Problem, nearest};
use super::eval;
use super::expr::{Expr, Family, MAX_POWER, Symbol};
use super::functions::{Callable, callable, known_names, two};
use super::lex::{Token, Word, words};
use super::ops::{Binary, Func, Join};

/// The longest text taken, in characters.
pub const MAX_LENGTH: usize = 4000;
/// The deepest nesting of parentheses, bars, arguments and minus signs taken.
pub const MAX_DEPTH: usize = 100;

/// Parses a formula. A function's name alone means that function of `x`.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    let len = text.chars().count();
    if len > MAX_LENGTH {
        return Err(ParseError::whole(text, Problem::TooLong { len, max: MAX_LENGTH }));
    }
    let words = words(text)?;
    if let [Word { token: Token::Name(name), .. }, _] = words.as_slice()
        && let Some(Callable::One(f)) = callable(name)
    {
        return Ok(f.apply(Expr::X));
    }
    if words.len() == 1 {
        return Err(ParseError::whole(text, Problem::Empty));
    }
    let mut parser = Parser { text, words, at: 0, depth: 0 };
    let parsed = parser.sum()?;
    let expr = parser.plain(parsed)?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.expected("an operator or the end")),
    }
}

/// A sum on its way up: `eps` has the column where `+eps` stood, and `expr` is absent if nothing else did.
struct Parsed {
    expr: Option<Expr>,
    eps: Option<usize>,
}

impl From<Expr> for Parsed {
    fn from(expr: Expr) -> Self {
        Parsed { expr: Some(expr), eps: None }
    }
}

struct Parser<'a> {
    text: &'a str,
    words: Vec<Word>,
    at: usize,
    depth: usize,
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

impl Parser<'_> {
    fn word(&self) -> &Word {
        &self.words[self.at]
    }

    fn peek(&self) -> &Token {
        &self.word().token
    }

    /// The current word; the end stays.
    fn advance(&mut self) -> Word {
        let word = self.word().clone();
        self.at = (self.at + 1).min(self.words.len() - 1);
        word
    }

    fn take(&mut self, mark: char) -> bool {
        let found = *self.peek() == Token::Mark(mark);
        if found {
            self.advance();
        }
        found
    }

    fn close(&mut self, mark: char) -> Result<()> {
        if self.take(mark) { Ok(()) } else { Err(self.expected(&format!("an operator or \"{mark}\""))) }
    }

    fn error(&self, column: usize, problem: Problem) -> ParseError {
        ParseError { text: self.text.to_owned(), column: Some(column), problem }
    }

    fn expected(&self, what: &str) -> ParseError {
        let word = self.word();
        self.error(word.column, Problem::Expected { expected: what.to_owned(), found: word.shown() })
    }

    /// An expression in which no `+eps` is left over.
    fn plain(&self, parsed: Parsed) -> Result<Expr> {
        match parsed {
            Parsed { expr: Some(expr), eps: None } => Ok(expr),
            Parsed { eps, .. } => Err(self.error(eps.unwrap_or(1), Problem::Eps)),
        }
    }

    /// One level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(self.word().column, Problem::TooDeep { max: MAX_DEPTH }));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn sum(&mut self) -> Result<Parsed> {
        self.nested(|p| {
            let mut left = p.product()?;
            loop {
                if p.take('+') {
                    let right = p.product()?;
                    if let (Some(_), Some(column)) = (left.eps, right.eps) {
                        return Err(p.error(column, Problem::Eps));
                    }
                    let expr = match (left.expr, right.expr) {
                        (Some(a), Some(b)) => Some(a + b),
                        (a, b) => a.or(b),
                    };
                    left = Parsed { expr, eps: left.eps.or(right.eps) };
                } else if p.take('-') {
                    let right = p.product()?;
                    let right = p.plain(right)?;
                    let expr = Some(left.expr.map_or_else(|| -right.clone(), |a| a - right.clone()));
                    left = Parsed { expr, eps: left.eps };
                } else {
                    return Ok(left);
                }
            }
        })
    }

    fn product(&mut self) -> Result<Parsed> {
        let mut left = self.unary()?;
        loop {
            if self.take('*') {
                let (a, b) = (self.plain(left)?, self.unary()?);
                left = (a * self.plain(b)?).into();
            } else if self.take('/') {
                let column = self.word().column;
                let (a, b) = (self.plain(left)?, self.unary()?);
                left = self.quotient(a, b, column)?.into();
            } else {
                return Ok(left);
            }
        }
    }

    fn quotient(&self, a: Expr, b: Parsed, column: usize) -> Result<Expr> {
        let Parsed { expr, eps } = b;
        let b = expr.unwrap_or(Expr::Const(0.0));
        if eps.is_some() || b.uses_x() || b.uses_params() {
            return Ok(a.join(Join::Div, b));
        }
        let number = eval::value(&b, 0.0, eval::Env { symbols: &[], values: &[] });
        if number == 0.0 {
            return Err(self.error(column, Problem::ZeroDivision));
        }
        Ok(match a {
            Expr::Const(c) => Expr::Const(c / number),
            a => a * Expr::Const(number.recip()),
        })
    }

    fn unary(&mut self) -> Result<Parsed> {
        if self.take('+') {
            return self.nested(Self::unary);
        }
        if !self.take('-') {
            return self.power();
        }
        let inner = self.nested(Self::unary)?;
        Ok(match self.plain(inner)? {
            Expr::Const(c) => Expr::Const(-c),
            e => -e,
        }
        .into())
    }

    fn power(&mut self) -> Result<Parsed> {
        let base = self.primary()?;
        if !self.take('^') {
            return Ok(base);
        }
        let base = self.plain(base)?;
        let word = self.advance();
        let exponent = match word.token {
            Token::Number(n) if n.fract() == 0.0 && (1.0..=f64::from(MAX_POWER)).contains(&n) => n as u32,
            Token::End => {
                return Err(self.expected(&format!("an integer exponent from 1 to {MAX_POWER}")));
            }
            Token::Mark('-') => {
                return Err(self.error(word.column, Problem::Exponent(format!("-{}", self.word().text))));
            }
            _ => return Err(self.error(word.column, Problem::Exponent(word.text))),
        };
        if *self.peek() == Token::Mark('^') {
            return Err(self.expected("an operator (parentheses say which of two powers comes first)"));
        }
        Ok(base.pow(exponent).into())
    }

    fn primary(&mut self) -> Result<Parsed> {
        match self.peek() {
            Token::Number(n) => {
                let n = *n;
                self.advance();
                Ok(Expr::Const(n).into())
            }
            Token::Name(_) => self.name(),
            Token::Mark('(') => {
                self.advance();
                let inner = self.sum()?;
                self.close(')')?;
                Ok(inner)
            }
            Token::Mark('|') => {
                self.advance();
                let inner = self.sum()?;
                self.close('|')?;
                Ok(self.plain(inner)?.call(Func::Abs).into())
            }
            _ => Err(self.expected("x, a number, a parameter, a function, \"(\" or \"|\"")),
        }
    }

    fn name(&mut self) -> Result<Parsed> {
        let word = self.advance();
        let Token::Name(name) = &word.token else {
            return Err(self.expected("a name"));
        };
        if *self.peek() == Token::Mark('(')
            && let Some(f) = callable(name)
        {
            return self.call(&word.text, f);
        }
        match name.as_str() {
            "x" => return Ok(Expr::X.into()),
            "pi" => return Ok(Expr::Const(std::f64::consts::PI).into()),
            "eps" => {
                return Ok(Parsed { expr: None, eps: Some(word.column) });
            }
            _ => {}
        }
        for (prefix, family) in [("beta", Family::Beta), ("alpha", Family::Alpha)] {
            if let Some(digits) = name.strip_prefix(prefix)
                && digits.chars().all(|c| c.is_ascii_digit())
            {
                let label = if digits.is_empty() { Ok(0) } else { digits.parse() };
                let label = label.map_err(|_| self.error(word.column, Problem::Label(word.text.clone())))?;
                return Ok(Expr::Param(Symbol { family, label }).into());
            }
        }
        if callable(name).is_some() {
            return Err(self.expected(&format!("\"(\" after {}", word.text)));
        }
        let what = if *self.peek() == Token::Mark('(') { "function" } else { "name" };
        let nearest = nearest(name, known_names());
        Err(self.error(word.column, Problem::UnknownName { what, name: word.text.clone(), nearest }))
    }

    /// The arguments of a function and the function of them; the current word is the opening parenthesis.
    fn call(&mut self, name: &str, f: Callable) -> Result<Parsed> {
        let column = self.advance().column;
        if *self.peek() == Token::End {
            return Err(self.expected("an argument and \")\""));
        }
        let mut arguments = Vec::new();
        while *self.peek() != Token::Mark(')') || !arguments.is_empty() {
            arguments.push(self.sum()?);
            if !self.take(',') {
                break;
            }
        }
        if !self.take(')') {
            return Err(self.expected("an operator, \",\" or \")\""));
        }
        let given = arguments.len();
        let wrong = |takes| self.error(column, Problem::Arguments { name: name.to_owned(), takes, given });
        let mut arguments = arguments.into_iter();
        let next = arguments.next();
        Ok(match f {
            Callable::Log => match next {
                Some(parsed) if given == 1 => self.log(parsed, column)?,
                _ => return Err(wrong("one argument")),
            },
            Callable::One(one) => match next {
                Some(parsed) if given == 1 => one.apply(self.plain(parsed)?),
                _ => return Err(wrong("one argument")),
            },
            Callable::Two(binary) => {
                let takes = if binary.has_parameter() {
                    "two arguments, or three with the parameter last"
                } else {
                    "two arguments"
                };
                let (Some(a), Some(b)) = (next, arguments.next()) else {
                    return Err(wrong(takes));
                };
                let a = self.plain(a)?;
                let p = match arguments.next() {
                    Some(p) if given == 3 && binary.has_parameter() => self.plain(p)?,
                    Some(_) => return Err(wrong(takes)),
                    None => Expr::Param(Symbol::BETA),
                };
                match binary {
                    Binary::Div => a.join(Join::Div, b.expr.unwrap_or(Expr::Const(0.0))),
                    _ => two(binary, a, self.plain(b)?, p),
                }
            }
        }
        .into())
    }

    /// The three logarithms of the space, by the shape of the argument.
    fn log(&self, argument: Parsed, column: usize) -> Result<Expr> {
        let one = Expr::Const(1.0);
        Ok(match (argument.expr, argument.eps) {
            (Some(Expr::Call(Func::Abs, a)), _) => a.call(Func::LogAbs),
            (Some(Expr::Join(Join::Add, a, b)), None) => match (*a, *b) {
                (a, Expr::Call(Func::Exp, e)) if a == one => e.call(Func::Softplus),
                (Expr::Call(Func::Exp, e), b) if b == one => e.call(Func::Softplus),
                _ => return Err(self.error(column, Problem::Log)),
            },
            _ => return Err(self.error(column, Problem::Log)),
        })
    }
}
