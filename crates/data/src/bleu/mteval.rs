//! The tokens of `mteval-v13a.pl`, as sacreBLEU makes them: punctuation stands alone, except between digits.

use super::moses::{Rules, rules};
use std::sync::LazyLock;

/// After them a digit's hyphen; then what is left of white space is one space.
static RULES: LazyLock<Rules> = LazyLock::new(|| {
    rules(&[
        // ASCII punctuation without the apostrophe, the comma, the hyphen and the full stop.
        (r"[{-~\[-` -&(-+:-@/]", " $0 "),
        (r"([^0-9])([.,])", "$1 $2 "),
        (r"([.,])([^0-9])", " $1 $2"),
        (r"([0-9])(-)", "$1 $2 "),
    ])
});

/// The tokens with single spaces between them.
pub(super) fn tokenize(sentence: &str) -> String {
    let mut text = sentence.trim_end_matches(is_space).replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    for (entity, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
        text = text.replace(entity, character);
    }
    let text = RULES.apply(format!(" {text} "));
    text.split(is_space).filter(|token| !token.is_empty()).collect::<Vec<_>>().join(" ")
}

/// White space as Python has it: Unicode's and the four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}
