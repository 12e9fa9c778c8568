//! Numbers in English and German words.

const ENGLISH: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const ENGLISH_TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
/// One is `ein` inside a word and `eins` at its end.
const GERMAN: [&str; 20] = [
    "null",
    "ein",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
];
const GERMAN_TENS: [&str; 10] =
    ["", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"];

/// 0 to 999,999 in British English: `two thousand and five`, `three hundred and twenty-one thousand`.
pub(crate) fn english(n: u32) -> String {
    match n {
        0..20 => ENGLISH[n as usize].into(),
        20..100 => joined(ENGLISH_TENS[(n / 10) as usize], "-", n % 10),
        100..1000 => joined(&format!("{} hundred", english(n / 100)), " and ", n % 100),
        _ => {
            let join = if n % 1000 < 100 { " and " } else { " " };
            joined(&format!("{} thousand", english(n / 1000)), join, n % 1000)
        }
    }
}

fn joined(head: &str, join: &str, rest: u32) -> String {
    if rest == 0 { head.into() } else { format!("{head}{join}{}", english(rest)) }
}

/// 0 to 999,999 in German as one word: `zweitausendfünf`, `einhunderteins`.
pub(crate) fn german(n: u32) -> String {
    let word = german_inside(n);
    // `elf` and `zwölf` end otherwise, so only a final one is meant.
    if n % 100 == 1 { word + "s" } else { word }
}

/// As [`german`], but before `hundert`, `tausend` or `und`: `ein`.
fn german_inside(n: u32) -> String {
    let part = |n: u32| if n == 0 { String::new() } else { german_inside(n) };
    match n {
        0..20 => GERMAN[n as usize].into(),
        20..100 => {
            let unit = if n.is_multiple_of(10) { String::new() } else { format!("{}und", part(n % 10)) };
            unit + GERMAN_TENS[(n / 10) as usize]
        }
        100..1000 => format!("{}hundert{}", part(n / 100), part(n % 100)),
        _ => format!("{}tausend{}", part(n / 1000), part(n % 1000)),
    }
}

/// The ordinal of 1 to 31: `third`, `twenty-first`.
pub(crate) fn english_ordinal(n: u32) -> String {
    match n {
        1 => "first".into(),
        2 => "second".into(),
        3 => "third".into(),
        5 => "fifth".into(),
        8 => "eighth".into(),
        9 => "ninth".into(),
        12 => "twelfth".into(),
        20 => "twentieth".into(),
        30 => "thirtieth".into(),
        21..=31 => format!("{}-{}", ENGLISH_TENS[(n / 10) as usize], english_ordinal(n % 10)),
        _ => format!("{}th", english(n)),
    }
}

/// The ordinal of 1 to 31 after `der`: `dritte`, `einundzwanzigste`; after `am` an n follows.
pub(crate) fn german_ordinal(n: u32) -> String {
    match n {
        1 => "erste".into(),
        3 => "dritte".into(),
        7 => "siebte".into(),
        8 => "achte".into(),
        0..20 => format!("{}te", german(n)),
        _ => format!("{}ste", german(n)),
    }
}

/// With the separators of English (`1,234.50`) or German (`1.234,50`); `cents` are the two digits after the point.
pub(crate) fn digits(n: u32, cents: Option<u32>, [thousands, point]: [char; 2]) -> String {
    let plain = n.to_string();
    let mut text = String::new();
    for (i, digit) in plain.chars().enumerate() {
        if i > 0 && (plain.len() - i).is_multiple_of(3) {
            text.push(thousands);
        }
        text.push(digit);
    }
    cents.map_or(text.clone(), |cents| format!("{text}{point}{cents:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_as_the_grammars_say() {
        for (n, en, de) in [
            (0, "zero", "null"),
            (1, "one", "eins"),
            (7, "seven", "sieben"),
            (11, "eleven", "elf"),
            (16, "sixteen", "sechzehn"),
            (17, "seventeen", "siebzehn"),
            (20, "twenty", "zwanzig"),
            (21, "twenty-one", "einundzwanzig"),
            (30, "thirty", "dreißig"),
            (66, "sixty-six", "sechsundsechzig"),
            (77, "seventy-seven", "siebenundsiebzig"),
            (100, "one hundred", "einhundert"),
            (101, "one hundred and one", "einhunderteins"),
            (111, "one hundred and eleven", "einhundertelf"),
            (555, "five hundred and fifty-five", "fünfhundertfünfundfünfzig"),
            (1000, "one thousand", "eintausend"),
            (1001, "one thousand and one", "eintausendeins"),
            (1100, "one thousand one hundred", "eintausendeinhundert"),
            (21_021, "twenty-one thousand and twenty-one", "einundzwanzigtausendeinundzwanzig"),
            (101_000, "one hundred and one thousand", "einhunderteintausend"),
            (101_101, "one hundred and one thousand one hundred and one", "einhunderteintausendeinhunderteins"),
            (
                999_999,
                "nine hundred and ninety-nine thousand nine hundred and ninety-nine",
                "neunhundertneunundneunzigtausendneunhundertneunundneunzig",
            ),
        ] {
            assert_eq!((english(n).as_str(), german(n).as_str()), (en, de));
        }
    }

    #[test]
    fn ordinals_have_their_irregular_forms() {
        for (n, en, de) in [
            (1, "first", "erste"),
            (2, "second", "zweite"),
            (3, "third", "dritte"),
            (4, "fourth", "vierte"),
            (7, "seventh", "siebte"),
            (8, "eighth", "achte"),
            (11, "eleventh", "elfte"),
            (12, "twelfth", "zwölfte"),
            (16, "sixteenth", "sechzehnte"),
            (19, "nineteenth", "neunzehnte"),
            (20, "twentieth", "zwanzigste"),
            (21, "twenty-first", "einundzwanzigste"),
            (30, "thirtieth", "dreißigste"),
            (31, "thirty-first", "einunddreißigste"),
        ] {
            assert_eq!((english_ordinal(n).as_str(), german_ordinal(n).as_str()), (en, de));
        }
    }

    #[test]
    fn separators_are_exchanged() {
        assert_eq!(digits(1_234_567, Some(5), [',', '.']), "1,234,567.05");
        assert_eq!(digits(1_234_567, Some(5), ['.', ',']), "1.234.567,05");
        assert_eq!((digits(999, None, [',', '.']), digits(1000, None, ['.', ','])), ("999".into(), "1.000".into()));
    }
}
