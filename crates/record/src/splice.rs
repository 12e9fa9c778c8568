//! Generated text between two markers of a hand-written file.

use crate::error::{RecordError, Result};

/// Replaces what stands between `<!-- begin NAME (written by: COMMAND) -->` and `<!-- end NAME -->`.
///
/// Markers stand alone on their lines and are kept; the text around them is untouched. Splicing the
/// same content twice changes nothing.
///
/// # Errors
/// [`RecordError::Marker`] when a marker is missing, stands twice, or the end comes first.
pub fn splice(text: &str, name: &str, content: &str) -> Result<String> {
    let begin = format!("<!-- begin {name} (written by: ");
    let end = format!("<!-- end {name} -->");
    let begins: Vec<(usize, usize)> = lines(text)
        .filter(|(_, line)| line.starts_with(&begin) && line.ends_with(" -->"))
        .map(|(at, line)| (at, at + line.len()))
        .collect();
    let ends: Vec<usize> = lines(text).filter(|(_, line)| *line == end).map(|(at, _)| at).collect();
    let fail = |marker: &str, reason| {
        let marker = marker.to_owned();
        Err(RecordError::Marker { marker, reason })
    };
    let shown = format!("{begin}COMMAND) -->");
    let head = match begins[..] {
        [] => {
            return fail(&shown, "not found on a line of its own: add it where the text should go");
        }
        [(_, head)] => head,
        _ => return fail(&shown, "stands more than once: keep one"),
    };
    let tail = match ends[..] {
        [] => {
            return fail(&end, "not found on a line of its own: add it after the begin marker");
        }
        [tail] => tail,
        _ => return fail(&end, "stands more than once: keep one"),
    };
    if tail < head {
        return fail(&end, "stands before its begin marker: swap them");
    }
    let content = content.trim_matches('\n');
    Ok(format!("{}\n\n{content}\n\n{}", &text[..head], &text[tail..]))
}

/// The lines of `text`, trimmed at the end, with the byte each starts at.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line.trim_end()))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const README: &str = "# Title\n\n<!-- begin cifar (written by: make tables) -->\nold\nolder\n<!-- end cifar -->\n\nrest\n\
                          <!-- begin cifar100 (written by: make tables) -->\n<!-- end cifar100 -->\n";

    #[test]
    fn only_the_part_between_the_markers_changes() {
        let once = splice(README, "cifar", "| a |\n").unwrap();
        let expected = "# Title\n\n<!-- begin cifar (written by: make tables) -->\n\n| a |\n\n<!-- end cifar -->\n\nrest\n\
                        <!-- begin cifar100 (written by: make tables) -->\n<!-- end cifar100 -->\n";
        assert_eq!(once, expected);
        assert_eq!(splice(&once, "cifar", "| a |").unwrap(), once);
    }

    #[test]
    fn the_error_names_the_marker_that_is_missing() {
        let message = |text: &str, name: &str| splice(text, name, "x").unwrap_err().to_string();
        assert!(message(README, "imagenet").contains("begin imagenet"));
        assert!(message(&README.replace("<!-- end cifar -->", ""), "cifar").contains("end cifar -->"));
        assert!(message(&README.repeat(2), "cifar").contains("more than once"));
        let swapped = "<!-- end a -->\n<!-- begin a (written by: b) -->\n";
        assert!(message(swapped, "a").contains("before"));
        // A marker quoted inside a line is prose.
        assert!(message("see `<!-- begin a (written by: b) -->`\n", "a").contains("not found"));
    }
}
