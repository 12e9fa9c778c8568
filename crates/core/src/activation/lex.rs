//! The text of a formula cut into tokens.

use super::error::{ParseError, Problem};

/// A word of a formula.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    /// A name in lower case, Greek letters spelled out.
    Name(String),
    /// One of `+ - * / ^ ( ) | ,`
    Mark(char),
    End,
}

/// A token, its text, and its column in characters from 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    pub token: Token,
    pub text: String,
    pub column: usize,
}

impl Word {
    /// The word as an error message quotes it.
    pub fn shown(&self) -> String {
        if self.token == Token::End { "the end".to_owned() } else { format!("\"{}\"", self.text) }
    }
}

/// The words of a text, the last being [`Token::End`].
pub(super) fn words(text: &str) -> Result<Vec<Word>, ParseError> {
    let chars: Vec<char> = text.chars().collect();
    let error = |at: usize, problem| ParseError { text: text.to_owned(), column: Some(at + 1), problem };
    let mut words = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c.is_whitespace() {
            at += 1;
            continue;
        }
        let end = if c.is_ascii_digit() || c == '.' {
            number_end(&chars, at)
        } else if c.is_alphabetic() || c == '_' {
            at + chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count()
        } else {
            at + 1
        };
        let word: String = chars[at..end].iter().collect();
        let token = if c.is_ascii_digit() || c == '.' {
            match word.parse::<f64>() {
                Ok(n) if n.is_finite() => Token::Number(n),
                Ok(_) => return Err(error(at, Problem::Number(word))),
                Err(_) => {
                    return Err(error(
                        at,
                        Problem::Expected { expected: "a number".into(), found: format!("\"{word}\"") },
                    ));
                }
            }
        } else if c.is_alphabetic() || c == '_' {
            Token::Name(plain_name(&word))
        } else {
            match c {
                '+' | '-' | '*' | '/' | '^' | '(' | ')' | '|' | ',' => Token::Mark(c),
                '\u{2212}' => Token::Mark('-'),
                '\u{b7}' | '\u{d7}' => Token::Mark('*'),
                _ => return Err(error(at, Problem::Character(c))),
            }
        };
        words.push(Word { token, text: word, column: at + 1 });
        at = end;
    }
    words.push(Word { token: Token::End, text: String::new(), column: chars.len() + 1 });
    Ok(words)
}

/// Where the number that begins at `at` ends: digits, a point, digits, an exponent if digits follow its `e`.
fn number_end(chars: &[char], mut at: usize) -> usize {
    let digits = |mut at: usize| {
        while chars.get(at).is_some_and(char::is_ascii_digit) {
            at += 1;
        }
        at
    };
    at = digits(at);
    if chars.get(at) == Some(&'.') {
        at = digits(at + 1);
    }
    if matches!(chars.get(at), Some('e' | 'E')) {
        let sign = usize::from(matches!(chars.get(at + 1), Some('+' | '-')));
        let end = digits(at + 1 + sign);
        if end > at + 1 + sign {
            at = end;
        }
    }
    at
}

fn plain_name(word: &str) -> String {
    word.to_lowercase()
        .replace('β', "beta")
        .replace('α', "alpha")
        .replace(['ε', 'ϵ'], "eps")
        .replace(['σ', 'ς'], "sigma")
        .replace('π', "pi")
}
