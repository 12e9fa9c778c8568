//! Dates and clock times in English and German.

use super::numbers::{english, english_ordinal, german, german_ordinal};
use swish_kernels::rng::Rng;

const MONTHS: [(&str, &str, u32); 12] = [
    ("January", "Januar", 31),
    ("February", "Februar", 28),
    ("March", "März", 31),
    ("April", "April", 30),
    ("May", "Mai", 31),
    ("June", "Juni", 30),
    ("July", "Juli", 31),
    ("August", "August", 31),
    ("September", "September", 30),
    ("October", "Oktober", 31),
    ("November", "November", 30),
    ("December", "Dezember", 31),
];
const DAYS: [(&str, &str); 7] = [
    ("Monday", "Montag"),
    ("Tuesday", "Dienstag"),
    ("Wednesday", "Mittwoch"),
    ("Thursday", "Donnerstag"),
    ("Friday", "Freitag"),
    ("Saturday", "Samstag"),
    ("Sunday", "Sonntag"),
];
const PARTS: [(&str, &str); 3] =
    [("in the morning", "am Morgen"), ("in the afternoon", "am Nachmittag"), ("in the evening", "am Abend")];

/// Both languages.
pub(crate) type Pair = (String, String);

/// One of these at random.
pub(crate) fn one<'a, T>(rng: &mut Rng, items: &'a [T]) -> &'a T {
    &items[rng.below(items.len() as u64) as usize]
}

/// A number from `low` to `high`.
pub(crate) fn between(rng: &mut Rng, low: u32, high: u32) -> u32 {
    low + rng.below(u64::from(high - low) + 1) as u32
}

/// A date that answers `when`: `on the third of May 1998`, `am dritten Mai 1998`.
pub(crate) fn on_date(rng: &mut Rng) -> Pair {
    let (en_month, de_month, days) = *one(rng, &MONTHS);
    let day = between(rng, 1, days);
    let (en_day, de_day) = (english_ordinal(day), german_ordinal(day));
    let year = between(rng, 1500, 2099);
    match rng.below(5) {
        0 => (format!("on the {en_day} of {en_month}"), format!("am {de_day}n {de_month}")),
        1 => (format!("on {day} {en_month} {year}"), format!("am {day}. {de_month} {year}")),
        2 => {
            let (en, de) = one(rng, &DAYS);
            (format!("on {en}, the {en_day} of {en_month}"), format!("am {de}, dem {de_day}n {de_month}"))
        }
        _ => (format!("on the {en_day} of {en_month} {year}"), format!("am {de_day}n {de_month} {year}")),
    }
}

/// A date as a thing: `the third of May 1998`, `der dritte Mai 1998`.
pub(crate) fn date(rng: &mut Rng) -> Pair {
    let (en_month, de_month, days) = *one(rng, &MONTHS);
    let (day, year) = (between(rng, 1, days), between(rng, 1500, 2099));
    (
        format!("the {} of {en_month} {year}", english_ordinal(day)),
        format!("der {} {de_month} {year}", german_ordinal(day)),
    )
}

/// A year of 1100 to 1999 in words: `nineteen oh five`, `neunzehnhundertfünf`.
pub(crate) fn year(rng: &mut Rng) -> Pair {
    let (century, rest) = (between(rng, 11, 19), between(rng, 0, 99));
    let de = format!("{}hundert{}", german(century), if rest == 0 { String::new() } else { german(rest) });
    let en = match rest {
        0 => "hundred".into(),
        1..10 => format!("oh {}", english(rest)),
        _ => english(rest),
    };
    (format!("{} {en}", english(century)), de)
}

/// A time of day: `half past seven`, `halb acht`; after `at` and `um`.
pub(crate) fn clock(rng: &mut Rng) -> Pair {
    if rng.below(4) == 0 {
        return digital(rng);
    }
    let minute = if rng.below(3) == 0 { between(rng, 1, 29) } else { 5 * between(rng, 0, 11) };
    let (en, de) = spoken(between(rng, 1, 12), minute);
    match rng.below(4) {
        0 => {
            let (en_part, de_part) = one(rng, &PARTS);
            (format!("{en} {en_part}"), format!("{de} {de_part}"))
        }
        _ => (en, de),
    }
}

/// `7:45 p.m.` and `19.45 Uhr`.
fn digital(rng: &mut Rng) -> Pair {
    let (hour, minute) = (between(rng, 0, 23), between(rng, 0, 59));
    let half = if hour < 12 { "a.m." } else { "p.m." };
    (format!("{}:{minute:02} {half}", (hour + 11) % 12 + 1), format!("{hour}.{minute:02} Uhr"))
}

/// The time `minute` minutes after `hour` (1 to 12).
fn spoken(hour: u32, minute: u32) -> Pair {
    let next = hour % 12 + 1;
    let at = |en: String, de: &str, to: u32| (format!("{en} {}", english(to)), format!("{de} {}", german(to)));
    match minute {
        0 if hour == 1 => ("one o'clock".into(), "ein Uhr".into()),
        0 => (format!("{} o'clock", english(hour)), format!("{} Uhr", german(hour))),
        15 => at("quarter past".into(), "Viertel nach", hour),
        // The half hour is that of the hour to come, and so are the five minutes on both sides of it.
        25 => (format!("twenty-five past {}", english(hour)), format!("fünf vor halb {}", german(next))),
        30 => (format!("half past {}", english(hour)), format!("halb {}", german(next))),
        35 => at("twenty-five to".into(), "fünf nach halb", next),
        45 => at("quarter to".into(), "Viertel vor", next),
        1 => at("one minute past".into(), "eine Minute nach", hour),
        5 | 10 | 20 => at(format!("{} past", english(minute)), &format!("{} nach", german(minute)), hour),
        40 | 50 | 55 => at(format!("{} to", english(60 - minute)), &format!("{} vor", german(60 - minute)), next),
        _ => at(format!("{} minutes past", english(minute)), &format!("{} Minuten nach", german(minute)), hour),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_times_are_told_as_they_are_spoken() {
        for (hour, minute, en, de) in [
            (7, 0, "seven o'clock", "sieben Uhr"),
            (1, 0, "one o'clock", "ein Uhr"),
            (1, 5, "five past one", "fünf nach eins"),
            (7, 15, "quarter past seven", "Viertel nach sieben"),
            (7, 20, "twenty past seven", "zwanzig nach sieben"),
            (7, 25, "twenty-five past seven", "fünf vor halb acht"),
            (7, 30, "half past seven", "halb acht"),
            (12, 30, "half past twelve", "halb eins"),
            (7, 35, "twenty-five to eight", "fünf nach halb acht"),
            (7, 40, "twenty to eight", "zwanzig vor acht"),
            (12, 45, "quarter to one", "Viertel vor eins"),
            (7, 55, "five to eight", "fünf vor acht"),
            (7, 1, "one minute past seven", "eine Minute nach sieben"),
            (7, 17, "seventeen minutes past seven", "siebzehn Minuten nach sieben"),
        ] {
            let (english, german) = spoken(hour, minute);
            assert_eq!((english.as_str(), german.as_str()), (en, de));
        }
    }
}
