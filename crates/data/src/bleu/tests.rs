//! Against sacreBLEU and sacremoses: `golden/scores.tsv` was made by `golden/make.py`.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::digest::{hex, sha256};
use crate::tests::support::shared;
use crate::text::Lines;
use std::path::Path;

const SENTENCES: &str = include_str!("golden/sentences.tsv");
const SCORES: &str = include_str!("golden/scores.tsv");

/// Checks both schemes' lines of this name.
fn check(name: &str, hypotheses: &[String], references: &[String]) {
    let mut checked = 0;
    for line in SCORES.lines().filter(|line| line.split('\t').next() == Some(name)) {
        let fields: Vec<&str> = line.split('\t').collect();
        let scheme: Scheme = fields[1].parse().unwrap();
        let tokens: Vec<String> = hypotheses.iter().chain(references).map(|text| scheme.tokenize(text)).collect();
        let found = corpus_bleu(hypotheses, references, scheme).unwrap();
        let numbers = [found.score].into_iter().chain(found.precisions).chain([found.brevity_penalty]);
        for (found, expected) in numbers.zip(&fields[2..8]) {
            assert!((found - expected.parse::<f64>().unwrap()).abs() < 1e-5, "{line}: {found}\n{tokens:#?}");
        }
        assert_eq!([found.hyp_len.to_string(), found.ref_len.to_string()], fields[8..10], "{line}");
        assert_eq!(hex(&sha256(tokens.join("\n").as_bytes()), 16), fields[10], "{line}\n{tokens:#?}");
        checked += 1;
    }
    assert_eq!(checked, 2, "{name}");
}

#[test]
fn written_sentences_score_as_sacrebleu_scores_them() {
    let rows: Vec<Vec<&str>> = SENTENCES.lines().map(|line| line.split('\t').collect()).collect();
    let mut names: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    names.dedup();
    assert!(names.len() > 18);
    let side = |name: Option<&str>, column: usize| -> Vec<String> {
        rows.iter().filter(|row| name.is_none_or(|name| row[0] == name)).map(|row| row[column].to_owned()).collect()
    };
    for name in names {
        check(name, &side(Some(name), 1), &side(Some(name), 2));
    }
    check("all", &side(None, 1), &side(None, 2));
}

/// The translation that a system of `make.py` gives for a pair of sentences.
fn translated(system: &str, english: &str, german: &str) -> String {
    let words: Vec<&str> = german.split(' ').collect();
    let kept = |keep: fn(usize) -> bool| -> String {
        let kept: Vec<&str> = words.iter().enumerate().filter(|(i, _)| keep(*i)).map(|(_, word)| *word).collect();
        kept.join(" ")
    };
    match system {
        "same" => german.to_owned(),
        "without_7th" => kept(|i| i % 7 != 6),
        "without_3rd" => kept(|i| i % 3 != 2),
        "first_half" => words[..words.len() / 2].join(" "),
        "third_twice" => {
            let twice =
                |(i, word): (usize, &&str)| if i % 3 == 0 { format!("{word} {word}") } else { (*word).to_owned() };
            words.iter().enumerate().map(twice).collect::<Vec<_>>().join(" ")
        }
        "swapped" => {
            let mut words = words.clone();
            words.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
            words.join(" ")
        }
        "no_stops" => german.replace('.', ""),
        _ => english.to_owned(),
    }
}

#[test]
fn real_text_scores_as_sacrebleu_scores_it() {
    let Some(shared) = shared() else { return };
    let mut pairs = 0;
    let read = |name: &str, side: &str| -> Lines {
        crate::text::read_lines(&shared.join(Path::new("wmt-ende/eval")).join(format!("{name}.{side}.zst"))).unwrap()
    };
    let mut names: Vec<&str> =
        SCORES.lines().filter_map(|line| line.split('\t').next()).filter(|name| name.contains('/')).collect();
    names.dedup();
    let mut sets: HashMap<&str, [Lines; 2]> = HashMap::new();
    for name in names {
        let (set, system) = name.split_once('/').unwrap();
        let [en, de] = sets.entry(set).or_insert_with(|| ["en", "de"].map(|side| read(set, side)));
        let hypotheses: Vec<String> = en.iter().zip(de.iter()).map(|(en, de)| translated(system, en, de)).collect();
        check(name, &hypotheses, &de.iter().map(str::to_owned).collect::<Vec<_>>());
        pairs += 1;
    }
    assert_eq!(pairs, 24);
}

/// sacremoses knows fewer letters than Perl; this is what `tokenizer.perl`'s patterns do in Perl 5.36.
#[test]
fn letters_of_every_script_stay_together() {
    let tokens = super::moses::tokenize("日本語の文、中文句子。ⅣⅤ ① ²½ ก็ हिन्दी");
    assert_eq!(tokens, "日本語の文 、 中文句子 。 ⅣⅤ ① ² ½ ก ็ हिन ् दी");
}

#[test]
fn numbers_of_sentences_must_agree() {
    let none: [&str; 0] = [];
    let message = corpus_bleu(["a", "b", "c"], ["a"], Scheme::Mteval13a).unwrap_err().to_string();
    assert_eq!(message, "3 translations for 1 references; expected one for each");
    let message = corpus_bleu(none, ["a", "b"], Scheme::MosesCompound).unwrap_err().to_string();
    assert_eq!(message, "0 translations for 2 references; expected one for each");
    assert_eq!(corpus_bleu(none, none, Scheme::Mteval13a).unwrap().score, 0.0);
    assert!("none".parse::<Scheme>().is_err());
}

#[test]
fn the_line_reads_as_sacrebleus() {
    let score = corpus_bleu(["Das ist ein altes Haus."], ["Das ist ein neues Haus."], Scheme::Mteval13a).unwrap();
    let line = score.to_string();
    let version = env!("CARGO_PKG_VERSION");
    assert!(line.starts_with(&format!("BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:swish-{version} = ")));
    assert!(line.ends_with(" 83.3/60.0/25.0/16.7 (BP = 1.000 ratio = 1.000 hyp_len = 6 ref_len = 6)"), "{line}");
}
