#![allow(clippy::unwrap_used)]

use super::*;
use crate::tests::support::{from_dir, shared};
use crate::text::{TextOptions, load, phrases};
use crate::{DataChoice, DataOptions};
use rayon::prelude::*;
use std::path::PathBuf;

/// Sentences that a tokenizer of words or characters would not give back.
const ODD: [&str; 12] = [
    "",
    " ",
    "  two  spaces, one at the end ",
    "\t\ttabs\tand\r\ncarriage returns\n\nlines\u{b}\u{c}",
    "emoji 😀👍🏽👨‍👩‍👧 and flags 🇩🇪",
    "combining e\u{301} a\u{308}\u{323} and the same in one: é ạ̈",
    "no-break\u{a0}space, zero\u{200b}width, \u{feff}mark, line\u{2028}separator",
    "control \0\u{1}\u{7f}\u{85} characters",
    "<pad></s><pad> are letters here, and <s> and <unk> too",
    "日本語 Привет שלום ٣٤ \u{10ffff}",
    "Donaudampfschifffahrtsgesellschaftskapitän",
    "Ġ Ċ â are what bytes look like inside",
];

fn round_trip(tokenizer: &Tokenizer, sentence: &str) {
    let ids = tokenizer.encode(sentence).unwrap();
    let (last, rest) = ids.split_last().unwrap();
    assert!(*last == EOS && rest.iter().all(|id| *id > EOS && (*id as usize) < tokenizer.vocab_size()), "{sentence:?}");
    assert_eq!(tokenizer.decode(&ids).unwrap(), sentence);
    // What follows the end does not matter.
    assert_eq!(tokenizer.decode(&[ids, vec![7, 0, 0]].concat()).unwrap(), sentence);
}

#[test]
fn every_phrase_and_odd_sentence_comes_back() {
    let [train, val, test] = phrases::generate();
    let tokenizer = Tokenizer::train(train.en.iter().chain(train.de.iter()), 1_000).unwrap();
    assert_eq!(tokenizer.vocab_size(), 1_000);
    let sets = [&train, &val, &test];
    let sentences: Vec<&str> = sets.iter().flat_map(|set| set.en.iter().chain(set.de.iter())).chain(ODD).collect();
    sentences.par_iter().for_each(|sentence| round_trip(&tokenizer, sentence));
    // Only bytes, no merges: as many ids as bytes, and the end.
    let bytes = Tokenizer::train(["x"].into_iter(), 258).unwrap();
    for sentence in ODD {
        round_trip(&bytes, sentence);
        assert_eq!(bytes.encode(sentence).unwrap().len(), sentence.len() + 1);
    }
    let digits: usize = val.de.iter().map(|line| tokenizer.encode(line).unwrap().len()).sum();
    let letters: usize = val.de.iter().map(str::len).sum();
    assert!(letters > 3 * digits, "a token of German phrases has more than three bytes: {letters} in {digits}");
}

#[test]
fn training_twice_gives_the_same_bytes_whatever_the_order_and_the_threads() {
    let [set, ..] = phrases::generate();
    let sentences: Vec<&str> = set.en.iter().chain(set.de.iter()).take(6_000).collect();
    let train = |threads: usize, sentences: Vec<&str>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Tokenizer::train(sentences.into_iter(), 1_500)).unwrap()
    };
    let first = train(1, sentences.clone());
    let reversed = sentences.iter().rev().copied().collect();
    for other in [train(1, sentences.clone()), train(4, sentences.clone()), train(3, reversed)] {
        assert_eq!(other.json, first.json);
    }
    assert_ne!(train(1, sentences[1..].to_vec()).fingerprint(), first.fingerprint());
    // A change of the trainer would change what runs of different versions mean.
    assert_eq!(first.fingerprint(), "1da5229a15ab4cd4");
}

#[test]
fn a_file_is_read_back_and_another_tokenizer_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/tokenizer.json");
    let tokenizer = Tokenizer::train(["ein Hund", "a dog"].into_iter(), 262).unwrap();
    tokenizer.save(&path).unwrap();
    let read = Tokenizer::load(&path).unwrap();
    assert_eq!((read.fingerprint(), read.vocab_size()), (tokenizer.fingerprint(), tokenizer.vocab_size()));
    ODD.iter().for_each(|sentence| round_trip(&read, sentence));
    read.check(tokenizer.fingerprint()).unwrap();
    let other = Tokenizer::train(["eine Katze"].into_iter(), 262).unwrap();
    let message = other.check(tokenizer.fingerprint()).unwrap_err().to_string();
    let (found, expected) = (other.fingerprint(), tokenizer.fingerprint());
    assert!(message.starts_with(&format!("the tokenizer's fingerprint is {found}; expected {expected}")), "{message}");

    for (text, wrong) in [("{}", "not"), ("no json", "expected"), ("", "EOF")] {
        std::fs::write(&path, text).unwrap();
        let message = Tokenizer::load(&path).unwrap_err().to_string();
        assert!(message.starts_with(&path.display().to_string()) && !message.contains('\n'), "{wrong}: {message}");
    }
    std::fs::write(&path, tokenizer.json.replace("</s>", "<end>")).unwrap();
    assert!(Tokenizer::load(&path).unwrap_err().to_string().contains("id 1 is not </s>"));
    assert!(Tokenizer::load(&folder.path().join("none")).is_err());
}

#[test]
fn what_cannot_be_is_refused() {
    for size in [0, 257, 65_537] {
        let message = Tokenizer::train(["a"].into_iter(), size).unwrap_err().to_string();
        assert!(message.starts_with(&format!("vocabulary size {size}: expected 258 to 65536")), "{message}");
    }
    let tokenizer = Tokenizer::train(["a"].into_iter(), 258).unwrap();
    assert_eq!(
        tokenizer.decode(&[258]).unwrap_err().to_string(),
        "token id 258: expected below the vocabulary size 258"
    );
    // Half a letter, as a model may put it.
    let half = tokenizer.encode("ä").unwrap()[0];
    assert_eq!(tokenizer.decode(&[half, EOS]).unwrap(), "\u{fffd}");
    assert_eq!(tokenizer.decode(&[]).unwrap(), "");
}

#[test]
fn real_text_comes_back_and_trains_the_same_tokenizer_twice() {
    let Some(shared) = shared() else { return };
    let data = DataOptions { choice: DataChoice::Dir, ..from_dir(&shared) };
    let all = |side: &str| -> Vec<PathBuf> {
        let files = ["train", "eval"].map(|part| std::fs::read_dir(shared.join("wmt-ende").join(part)).unwrap());
        let paths = files.into_iter().flatten().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.to_string_lossy().ends_with(&format!(".{side}.zst"))).collect()
    };
    let corpus = load(&TextOptions { sets: vec!["multi30k".into()], ..TextOptions::new(data) }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::of_corpus(&corpus, 2_000, Some(folder.path())).unwrap();
    let again = Tokenizer::of_corpus(&corpus, 2_000, None).unwrap();
    let kept = Tokenizer::of_corpus(&corpus, 2_000, Some(folder.path())).unwrap();
    assert!(again.json == tokenizer.json && kept.json == tokenizer.json);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let mut sentences = 0;
    for path in all("en").into_iter().chain(all("de")) {
        let lines = crate::text::read_lines(&path).unwrap();
        (0..lines.len()).into_par_iter().for_each(|i| round_trip(&tokenizer, lines.get(i)));
        sentences += lines.len();
    }
    // Both sides of 287,138 training and 54,699 evaluation pairs.
    assert_eq!(sentences, 2 * (287_138 + 54_699));
}
