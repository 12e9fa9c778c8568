//! Phrases and short sentences of numbers, dates and times.

use super::numbers::{digits, english, german};
use super::times::{Pair, between, clock, date, on_date, one, year};
use swish_kernels::rng::Rng;

/// Separators of thousands and of cents.
const ENGLISH: [char; 2] = [',', '.'];
const GERMAN: [char; 2] = ['.', ','];

/// English singular and plural; German with the endings of an adjective before it (`ein roter Apfel`), singular and plural.
const THINGS: [(&str, &str, &str, &str, &str); 20] = [
    ("apple", "apples", "er", "Apfel", "Äpfel"),
    ("book", "books", "es", "Buch", "Bücher"),
    ("bottle", "bottles", "e", "Flasche", "Flaschen"),
    ("bridge", "bridges", "e", "Brücke", "Brücken"),
    ("car", "cars", "es", "Auto", "Autos"),
    ("cat", "cats", "e", "Katze", "Katzen"),
    ("chair", "chairs", "er", "Stuhl", "Stühle"),
    ("city", "cities", "e", "Stadt", "Städte"),
    ("dog", "dogs", "er", "Hund", "Hunde"),
    ("flower", "flowers", "e", "Blume", "Blumen"),
    ("horse", "horses", "es", "Pferd", "Pferde"),
    ("house", "houses", "es", "Haus", "Häuser"),
    ("key", "keys", "er", "Schlüssel", "Schlüssel"),
    ("lamp", "lamps", "e", "Lampe", "Lampen"),
    ("letter", "letters", "er", "Brief", "Briefe"),
    ("picture", "pictures", "es", "Bild", "Bilder"),
    ("ship", "ships", "es", "Schiff", "Schiffe"),
    ("table", "tables", "er", "Tisch", "Tische"),
    ("tree", "trees", "er", "Baum", "Bäume"),
    ("train", "trains", "er", "Zug", "Züge"),
];
/// German without its ending.
const QUALITIES: [(&str, &str); 12] = [
    ("big", "groß"),
    ("small", "klein"),
    ("old", "alt"),
    ("new", "neu"),
    ("red", "rot"),
    ("green", "grün"),
    ("yellow", "gelb"),
    ("white", "weiß"),
    ("black", "schwarz"),
    ("beautiful", "schön"),
    ("cheap", "billig"),
    ("heavy", "schwer"),
];
/// Subject and auxiliary.
const PEOPLE: [(&str, &str); 4] = [("He", "Er hat"), ("She", "Sie hat"), ("We", "Wir haben"), ("They", "Sie haben")];
/// What was done, with the participle that ends the German sentence.
const DEEDS: [(&str, &str); 6] = [
    ("bought", "gekauft"),
    ("sold", "verkauft"),
    ("saw", "gesehen"),
    ("counted", "gezählt"),
    ("found", "gefunden"),
    ("painted", "gemalt"),
];
/// What happens at a time; in German with what follows the time.
const EVENTS: [(&str, &str, &str); 10] = [
    ("The train leaves", "Der Zug fährt", " ab"),
    ("The bus arrives", "Der Bus kommt", " an"),
    ("The shop opens", "Der Laden öffnet", ""),
    ("The museum closes", "Das Museum schließt", ""),
    ("The film begins", "Der Film fängt", " an"),
    ("The concert ends", "Das Konzert endet", ""),
    ("The guests arrive", "Die Gäste kommen", " an"),
    ("School begins", "Die Schule beginnt", ""),
    ("She gets up", "Sie steht", " auf"),
    ("We meet", "Wir treffen uns", ""),
];
/// What happened on a day; in German the two parts around it.
const PAST: [(&str, &str, &str); 5] = [
    ("He was born", "Er wurde", "geboren"),
    ("She was born", "Sie wurde", "geboren"),
    ("The house was sold", "Das Haus wurde", "verkauft"),
    ("The letter was written", "Der Brief wurde", "geschrieben"),
    ("The bridge was opened", "Die Brücke wurde", "eröffnet"),
];

/// An English phrase or sentence and the same in German.
pub(crate) fn draw(rng: &mut Rng) -> Pair {
    match rng.below(14) {
        0 => words(number(rng)),
        1 => things(rng),
        2 => on_date(rng),
        3 => date(rng),
        4 => {
            let (en, de) = clock(rng);
            (format!("at {en}"), format!("um {de}"))
        }
        5 => {
            let ((en_from, de_from), (en_to, de_to)) = (clock(rng), clock(rng));
            (format!("from {en_from} to {en_to}"), format!("von {de_from} bis {de_to}"))
        }
        6 => {
            let (en, de) = year(rng);
            (format!("in the year {en}"), format!("im Jahr {de}"))
        }
        7 => sum(rng),
        8 => price(rng),
        9 => bought(rng),
        10 => {
            let ((en_when, de_when), (en, de, end)) = (on_date(rng), one(rng, &PAST));
            (format!("{en} {en_when}."), format!("{de} {} {end}.", within(&de_when)))
        }
        11 => {
            let ((en_at, de_at), (en, de, end)) = (clock(rng), one(rng, &EVENTS));
            (format!("{en} at {}", stop(&en_at)), format!("{de} um {de_at}{end}."))
        }
        _ => {
            let ((en_when, de_when), (en_at, de_at)) = (on_date(rng), clock(rng));
            let (en, de, end) = one(rng, &EVENTS);
            (format!("{en} at {en_at} {en_when}."), format!("{de} {} um {de_at}{end}.", within(&de_when)))
        }
    }
}

/// With a full stop, unless it ends with one (`p.m.`).
fn stop(text: &str) -> String {
    if text.ends_with('.') { text.into() } else { format!("{text}.") }
}

/// A German date within a sentence: an apposition (`am Montag, dem dritten Mai,`) ends with a comma too.
fn within(date: &str) -> String {
    if date.contains(", dem ") { format!("{date},") } else { date.into() }
}

/// Of each number of digits equally many.
fn number(rng: &mut Rng) -> u32 {
    let below = 10_u32.pow(between(rng, 1, 6));
    between(rng, below / 10, below - 1)
}

/// At least two, so that what is counted stands in the plural; not ending in one, which German avoids before a noun.
fn several(rng: &mut Rng) -> u32 {
    loop {
        let n = number(rng);
        if n > 1 && n % 100 != 1 {
            return n;
        }
    }
}

fn words(n: u32) -> Pair {
    (english(n), german(n))
}

fn things(rng: &mut Rng) -> Pair {
    let (en, en_plural, ending, de, de_plural) = *one(rng, &THINGS);
    let (en_quality, de_quality) = *one(rng, &QUALITIES);
    if rng.below(8) == 0 {
        let article = if ending == "e" { "eine" } else { "ein" };
        return (format!("one {en_quality} {en}"), format!("{article} {de_quality}{ending} {de}"));
    }
    let (en, de) = words(several(rng));
    (format!("{en} {en_quality} {en_plural}"), format!("{de} {de_quality}e {de_plural}"))
}

fn bought(rng: &mut Rng) -> Pair {
    let (_, en_things, _, _, de_things) = *one(rng, &THINGS);
    let ((who, wer), (did, getan)) = (one(rng, &PEOPLE), one(rng, &DEEDS));
    let ((en, de), (en_quality, de_quality)) = (words(several(rng)), *one(rng, &QUALITIES));
    let (en_when, de_when) = if rng.below(2) == 0 { on_date(rng) } else { Pair::default() };
    if en_when.is_empty() {
        return (
            format!("{who} {did} {en} {en_quality} {en_things}."),
            format!("{wer} {de} {de_quality}e {de_things} {getan}."),
        );
    }
    (
        format!("{who} {did} {en} {en_things} {en_when}."),
        format!("{wer} {} {de} {de_things} {getan}.", within(&de_when)),
    )
}

fn sum(rng: &mut Rng) -> Pair {
    let (a, b) = (between(rng, 0, 99), between(rng, 0, 99));
    let (en_sign, de_sign, result) = match rng.below(3) {
        0 => ("plus", "plus", a + b),
        1 => ("times", "mal", a * b),
        _ => {
            let (high, low) = (a.max(b), a.min(b));
            let ((en_a, de_a), (en_b, de_b), (en, de)) = (words(high), words(low), words(high - low));
            return (format!("{en_a} minus {en_b} is {en}"), format!("{de_a} minus {de_b} ist {de}"));
        }
    };
    let ((en_a, de_a), (en_b, de_b), (en, de)) = (words(a), words(b), words(result));
    (format!("{en_a} {en_sign} {en_b} is {en}"), format!("{de_a} {de_sign} {de_b} ist {de}"))
}

fn price(rng: &mut Rng) -> Pair {
    let (_, en_things, _, _, de_things) = *one(rng, &THINGS);
    let (n, euros, cents) = (between(rng, 2, 99), several(rng), between(rng, 1, 99));
    match rng.below(3) {
        0 => (
            format!("{} euros", digits(euros, Some(cents), ENGLISH)),
            format!("{} Euro", digits(euros, Some(cents), GERMAN)),
        ),
        1 => (
            format!("{n} {en_things} cost {} euros.", digits(euros, Some(cents), ENGLISH)),
            format!("{n} {de_things} kosten {} Euro.", digits(euros, Some(cents), GERMAN)),
        ),
        _ => {
            let ((en_n, de_n), (en, de)) = (words(n), words(euros));
            let capital = |text: &str| text[..1].to_uppercase() + &text[1..];
            (
                format!("{} {en_things} cost {en} euros.", capital(&en_n)),
                format!("{} {de_things} kosten {de} Euro.", capital(&de_n)),
            )
        }
    }
}
