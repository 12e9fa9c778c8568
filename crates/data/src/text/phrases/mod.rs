//! Translation data made by the program: English and German numbers, dates, clock times, prices and short sentences of them.
//!
//! German differs from English where a model has to learn something: units before tens (einundzwanzig), the half hour
//! before the full one (halb acht), endings (am dritten Mai), verbs at the end (hat zwölf Bücher gekauft), the date before the time.
//!
//! The same phrases on every machine; no English and no German phrase comes twice, in one set or in two.

mod numbers;
mod sentences;
mod times;

use crate::stream::{PHRASES, stream};
use crate::text::Bitext;
use std::collections::HashSet;

/// Name of the validation set.
pub(crate) const VAL: &str = "phrases_val";
/// Name of the test set.
pub(crate) const TEST: &str = "phrases_test";

/// Name and number of pairs of the training, validation and test set.
const SETS: [(&str, usize); 3] = [("phrases", 30_000), (VAL, 1_000), (TEST, 1_000)];

/// The training, validation and test set.
pub(crate) fn generate() -> [Bitext; 3] {
    let mut rng = stream(0, &[PHRASES]);
    let mut seen = HashSet::new();
    SETS.map(|(name, n)| {
        let mut set = Bitext { name: name.to_owned(), ..Bitext::default() };
        while set.len() < n {
            let (en, de) = sentences::draw(&mut rng);
            // A side that was there with another partner is no new phrase either.
            if !seen.contains(&en) && !seen.contains(&de) {
                set.push(&en, &de);
                seen.extend([en, de]);
            }
        }
        set
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::text::corpus::version;

    #[test]
    fn the_same_phrases_everywhere_and_none_twice() {
        let sets = generate();
        assert_eq!(sets.each_ref().map(Bitext::len), [30_000, 1_000, 1_000]);
        assert_eq!(version(generate().iter()), version(sets.iter()));
        let (mut en, mut de) = (HashSet::new(), HashSet::new());
        for (english, german) in sets.iter().flat_map(Bitext::pairs) {
            assert!(en.insert(english) && de.insert(german), "{english} | {german}");
            assert!(!english.contains("  ") && !german.contains("  ") && english.trim() == english);
        }
        // A change of the phrases changes what results on them mean: then this changes too.
        assert_eq!(version(sets.iter()), "2915838dbdb8");
    }
}
