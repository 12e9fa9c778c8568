//! What is left out of training text: pairs with an empty side, pairs that also stand in an evaluation set, and repetitions.
//!
//! Two pairs are the same when both sides are, apart from white space at their ends. Evaluation sets are never touched.

use crate::digest::sha256;
use crate::text::corpus::is_empty;
use crate::text::{Bitext, Dropped};
use std::collections::HashSet;

/// Half a SHA-256: that two of some millions of pairs share one by chance is out of the question.
type Key = [u8; 16];

fn key(en: &str, de: &str) -> Key {
    let hash = sha256(format!("{}\n{}", en.trim(), de.trim()).as_bytes());
    std::array::from_fn(|i| hash[i])
}

/// The training sets without what should not be in them.
pub(crate) fn clean(train: &[Bitext], eval: &[Bitext]) -> (Vec<Bitext>, Dropped) {
    let evaluated: HashSet<Key> = eval.iter().flat_map(Bitext::pairs).map(|(en, de)| key(en, de)).collect();
    let (mut seen, mut dropped) = (HashSet::new(), Dropped::default());
    let mut kept = |(en, de): &(&str, &str)| {
        let key = key(en, de);
        let count = if is_empty(en) || is_empty(de) {
            &mut dropped.empty
        } else if evaluated.contains(&key) {
            &mut dropped.in_evaluation
        } else if !seen.insert(key) {
            &mut dropped.duplicate
        } else {
            return true;
        };
        *count += 1;
        false
    };
    let cleaned = train.iter().map(|set| Bitext::new(&set.name, set.pairs().filter(&mut kept))).collect();
    (cleaned, dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_once_and_the_rest_stays() {
        let eval = [Bitext::new("test", [("Held out.", "Zur Seite gelegt."), ("", "")])];
        let one = Bitext::new("one", [("A.", "Ein."), (" ", "Leer."), ("", ""), ("A. ", "Ein."), ("A.", "Eine.")]);
        let two = Bitext::new("two", [("Held out.", " Zur Seite gelegt."), ("Held out.", "Anders."), ("A.", "Ein.")]);
        let (kept, dropped) = clean(&[one, two], &eval);
        assert_eq!(dropped, Dropped { empty: 2, duplicate: 2, in_evaluation: 1, ..Dropped::default() });
        assert_eq!(dropped.to_string(), "2 empty, 1 also in an evaluation set, 2 duplicate");
        assert_eq!(kept[0].pairs().collect::<Vec<_>>(), [("A.", "Ein."), ("A.", "Eine.")]);
        assert_eq!(kept[1].pairs().collect::<Vec<_>>(), [("Held out.", "Anders.")]);
    }
}
