//! The tokens of Moses' `tokenizer.perl -l de` (Koehn et al. 2007, "Moses: Open Source Toolkit for Statistical Machine Translation"),
//! without `-a` and with its escapes; and the splitting of compounds of tensor2tensor's `get_ende_bleu.sh`.

use regex::Regex;
use std::sync::LazyLock;

/// Replacements, one after the other.
pub(super) struct Rules(Vec<(Regex, &'static str)>);

/// Compiles constant patterns.
#[expect(clippy::unwrap_used, reason = "the patterns are constants, and all of them are used in tests")]
pub(super) fn rules(patterns: &[(&str, &'static str)]) -> Rules {
    Rules(patterns.iter().map(|(pattern, to)| (Regex::new(pattern).unwrap(), *to)).collect())
}

impl Rules {
    pub(super) fn apply(&self, text: String) -> String {
        self.0.iter().fold(text, |text, (pattern, to)| pattern.replace_all(&text, *to).into_owned())
    }
}

/// Stands for a full stop in a row of them; control characters have been removed before.
const DOT: char = '\0';

static SPACES: LazyLock<Rules> = LazyLock::new(|| rules(&[(r"\s+", " "), (r"[\x00-\x1f]", "")]));
static PUNCTUATION: LazyLock<Rules> = LazyLock::new(|| rules(&[(r"[^\p{Alphabetic}\p{Nd}\s.'`,-]", " $0 ")]));
/// A row of two or more full stops, and whether something follows it.
static DOTS: LazyLock<Rules> = LazyLock::new(|| rules(&[(r"(\.\.+)$", " $1"), (r"(\.\.+)([^.])", " $1 $2")]));
/// A comma stands alone unless it is within a number; in German every apostrophe does.
static COMMAS: LazyLock<Rules> =
    LazyLock::new(|| rules(&[(r"(\P{N}),", "$1 , "), (r",(\P{N})", " , $1"), (r"(\p{N}),$", "$1 , "), ("'", " ' ")]));
static COMPOUND: LazyLock<Rules> = LazyLock::new(|| rules(&[(r"(\S)-(\S)", "$1 ##AT##-##AT## $2")]));

/// Abbreviations whose full stop belongs to them: Moses' `nonbreaking_prefix.de`. To these come single letters, Roman numerals
/// to XX in both cases, and the numbers 1 to 99.
const ABBREVIATIONS: &str = "Adj Adm Adv Art Asst BSE Bart Bldg Brig Bros Buchst Ca Capt Chr Cmdr Co Col Comdr Con Corp Cpl DR Dkr Dr \
    Ens Gen Gov Hon Hosp I.F Insp Lt Ltd MM MR MRS MS Maj Messrs Mio Mlle Mme Mr Mrd Mrs Ms Msgr MwSt No Nos Nr Op Ord Pfc Ph Prof Pvt \
    Rep Reps Res Rev Rt SA Sen Sens Sfc Sgt Sr St Std Supt Surg Zt b.A bzgl bzw c.-à-d ca d.J d.h dergl dgl etc evtl ff g.U g.g.A ggf \
    i.H.v jun k.o m.E o.ä pp s.p.a sen sog sogen spp u.E u.U u.a u.s.w u.ä usf usw v vgl vs z.B z.T z.Zt zzt D.h";

fn is_abbreviation(word: &str) -> bool {
    static ROMAN: LazyLock<Vec<&str>> = LazyLock::new(|| {
        "I II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX".split(' ').collect()
    });
    let one_case = word.chars().all(char::is_lowercase) || word.chars().all(char::is_uppercase);
    let bytes = word.as_bytes();
    match bytes {
        [letter] if letter.is_ascii_alphabetic() => true,
        [first, rest @ ..] if first.is_ascii_digit() => {
            *first != b'0' && rest.len() < 2 && rest.iter().all(u8::is_ascii_digit)
        }
        _ => {
            (one_case && ROMAN.contains(&word.to_uppercase().as_str()))
                || ABBREVIATIONS.split_ascii_whitespace().any(|abbreviation| abbreviation == word)
        }
    }
}

/// The tokens with single spaces between them, special characters escaped.
pub(super) fn tokenize(sentence: &str) -> String {
    let text = SPACES.apply(sentence.to_owned());
    let text = PUNCTUATION.apply(text.trim().to_owned());
    let text = COMMAS.apply(hide_dots(&DOTS.apply(text)));
    let words: Vec<&str> = text.split_whitespace().collect();
    let words: Vec<String> =
        words.iter().enumerate().map(|(i, word)| final_stop(word, words.get(i + 1).copied())).collect();
    let mut escaped = words.join(" ").replace(DOT, ".");
    for (character, escape) in [
        ("&", "&amp;"),
        ("|", "&#124;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("'", "&apos;"),
        ("\"", "&quot;"),
        ("[", "&#91;"),
        ("]", "&#93;"),
    ] {
        escaped = escaped.replace(character, escape);
    }
    escaped
}

/// The text with [`DOT`] for each full stop that has another beside it.
fn hide_dots(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let in_row = |i: usize| chars[i] == '.' && ((i > 0 && chars[i - 1] == '.') || chars.get(i + 1) == Some(&'.'));
    (0..chars.len()).map(|i| if in_row(i) { DOT } else { chars[i] }).collect()
}

/// The word, its final full stop apart unless it is an abbreviation's or the sentence goes on.
fn final_stop(word: &str, next: Option<&str>) -> String {
    let Some(stem) = word.strip_suffix('.').filter(|stem| !stem.is_empty()) else {
        return word.to_owned();
    };
    let letters_and_stops = stem.contains('.') && stem.contains(char::is_alphabetic);
    let goes_on = next.is_some_and(|next| next.starts_with(char::is_lowercase));
    if letters_and_stops || is_abbreviation(stem) || goes_on { word.to_owned() } else { format!("{stem} .") }
}

/// `rich-text` becomes `rich ##AT##-##AT## text`; of several hyphens in a word with one letter between them every second.
pub(super) fn split_compounds(tokens: &str) -> String {
    COMPOUND.apply(tokens.to_owned())
}
