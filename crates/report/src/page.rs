//! The HTML: style, data and script in one file.

use crate::Report;
use crate::error::{ReportError, Result};

const PAGE: &str = include_str!("../assets/page.html");
const STYLE: &str = include_str!("../assets/page.css");
/// In the order in which they build on one another.
const SCRIPTS: [&str; 6] = [
    include_str!("../assets/dom.js"),
    include_str!("../assets/functions.js"),
    include_str!("../assets/tables.js"),
    include_str!("../assets/scatter.js"),
    include_str!("../assets/explorer.js"),
    include_str!("../assets/page.js"),
];

/// The page of a report.
pub fn render(report: &Report) -> Result<String> {
    let data = inert(&serde_json::to_string(report).map_err(ReportError::Json)?);
    Ok(assemble(&data))
}

/// The pieces in their places; each stands once in the page.
fn assemble(data: &str) -> String {
    let mut page = String::with_capacity(data.len() + 100_000);
    let mut rest = PAGE;
    for (mark, piece) in [("{{style}}", STYLE), ("{{data}}", data), ("{{script}}", &SCRIPTS.concat())] {
        let (before, after) = rest.split_once(mark).unwrap_or((rest, ""));
        page.push_str(before);
        page.push_str(piece);
        rest = after;
    }
    page.push_str(rest);
    page
}

/// JSON in which no text can end the element that holds it, nor begin another: `<`, `>` and `&` only stand in strings, where JSON has
/// another way to write them.
fn inert(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + json.len() / 16);
    for character in json.chars() {
        match character {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn no_text_breaks_out_of_the_data() {
        for evil in ["</script><script>alert(1)</script>", "<!--<script>", "a&amp;b", "\u{2028}\"\\<"] {
            let json = inert(&serde_json::to_string(&[evil]).unwrap());
            assert!(!json.contains(['<', '>', '&']), "{json}");
            assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [evil]);
        }
    }

    #[test]
    fn every_piece_has_one_place_and_none_ends_its_element() {
        for mark in ["{{style}}", "{{data}}", "{{script}}"] {
            assert_eq!(PAGE.matches(mark).count(), 1, "{mark}");
        }
        for script in SCRIPTS {
            assert!(!script.to_lowercase().contains("</script") && !script.contains("<!--"));
            assert!(!script.contains("innerHTML"), "text from results must stay text");
        }
        assert!(!STYLE.to_lowercase().contains("</style"));
        let page = assemble("[1]");
        assert!(page.contains(">[1]</script>") && !page.contains("{{"), "{page}");
        // Whatever a browser would fetch.
        for outside in ["http:", "https:", "@import", "url(", " src="] {
            assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(outside), "{outside}");
        }
    }
}
