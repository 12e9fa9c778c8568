#![allow(clippy::unwrap_used)]

use super::*;
use crate::DataSource;
use crate::tests::support::{from_dir, shared};
use crate::text::{EOS, PAD, TextBatches, TextOptions, load};
use std::sync::Arc;

fn tokenizer() -> Tokenizer {
    Tokenizer::train(["the dog sees the cat", "der Hund sieht die Katze"].into_iter(), 300).unwrap()
}

fn corpus() -> Corpus {
    let long = "word ".repeat(40);
    let pairs = [
        ("the dog", "der Hund"),
        (&long, &long),
        ("the cat", "die Katze"),
        ("a", "der Hund sieht die Katze und mehr als das"),
    ];
    Corpus {
        source: DataSource::Embedded,
        note: String::new(),
        version: "0123456789ab".into(),
        train: vec![Bitext::new("one", pairs), Bitext::new("two", [("the dog sees", "der Hund sieht")])],
        eval: vec![Bitext::new("dev", pairs)],
        dropped: Dropped { empty: 5, ..Dropped::default() },
    }
}

#[test]
fn limits_keep_what_is_within_and_count_the_rest() {
    let (tokenizer, corpus) = (tokenizer(), corpus());
    let limits = Limits { tokens: 60, ratio: 3.0 };
    let (encoded, dropped) = Encoded::train(&corpus, &tokenizer, limits, None).unwrap();
    assert_eq!(dropped, Dropped { empty: 5, too_long: 1, ratio: 1, ..Dropped::default() });
    let decoded = |ids: &[u16]| tokenizer.decode(&ids.iter().map(|id| u32::from(*id)).collect::<Vec<_>>()).unwrap();
    let pairs: Vec<_> = (0..encoded.len()).map(|i| (decoded(encoded.src(i)), decoded(encoded.tgt(i)))).collect();
    let expected = [("the dog", "der Hund"), ("the cat", "die Katze"), ("the dog sees", "der Hund sieht")];
    assert_eq!(pairs, expected.map(|(en, de)| (en.to_owned(), de.to_owned())));
    // A length is within the limit when it is equal to it.
    let lengths: Vec<usize> = (0..3).map(|i| encoded.longest(i)).collect();
    for tokens in *lengths.iter().min().unwrap()..=60 {
        let kept = Encoded::train(&corpus, &tokenizer, Limits { tokens, ..limits }, None).unwrap().0.len();
        assert_eq!(kept, lengths.iter().filter(|length| **length <= tokens).count(), "{tokens}");
    }
    assert_eq!(Encoded::eval(corpus.dev(), &tokenizer).unwrap().len(), 4);
    for limits in
        [Limits { tokens: 1, ..limits }, Limits { ratio: 0.5, ..limits }, Limits { ratio: f64::NAN, ..limits }]
    {
        assert!(Encoded::train(&corpus, &tokenizer, limits, None).is_err(), "{limits:?}");
    }
}

#[test]
fn a_batch_is_padded_behind_its_ends() {
    let encoded = Encoded::eval(&Bitext::new("", [("the dog", "a"), ("a", "der Hund sieht")]), &tokenizer()).unwrap();
    let batch = encoded.batch(&[1, 0]);
    assert_eq!((batch.n, batch.src.len(), batch.tgt.len()), (2, 2 * batch.src_len, 2 * batch.tgt_len));
    assert_eq!((batch.src_len, batch.tgt_len), (encoded.src(0).len(), encoded.tgt(1).len()));
    let row = |ids: &[u16], len: usize| -> Vec<u32> {
        let ids = ids.iter().map(|id| u32::from(*id));
        ids.chain(std::iter::repeat(PAD)).take(len).collect()
    };
    assert_eq!(batch.src, [row(encoded.src(1), batch.src_len), row(encoded.src(0), batch.src_len)].concat());
    assert_eq!(batch.tgt, [row(encoded.tgt(1), batch.tgt_len), row(encoded.tgt(0), batch.tgt_len)].concat());
    assert_eq!(batch.src[1], EOS);
}

#[test]
fn the_copy_on_disk_is_used_and_every_damage_to_it_noticed() {
    let (tokenizer, corpus) = (tokenizer(), corpus());
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("new/cache");
    let (limits, other) = (Limits::default(), Limits { tokens: 20, ..Limits::default() });
    let encode = |limits| Encoded::train(&corpus, &tokenizer, limits, Some(&cache)).unwrap();
    let first = encode(limits);
    let kept = Kept::new(&cache, &corpus, &tokenizer, limits);
    assert_eq!(kept.read().unwrap(), (first.0.clone(), [first.1.too_long, first.1.ratio]));
    assert_eq!(encode(limits), first);
    assert_ne!(encode(other), first);
    assert!(
        Kept::new(&cache, &Corpus { version: "other".into(), ..corpus.clone() }, &tokenizer, limits).read().is_none()
    );

    let whole = std::fs::read(&kept.file).unwrap();
    for position in [0, 20, 50, HEADER, HEADER + 10, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[position] ^= 1;
        std::fs::write(&kept.file, damaged).unwrap();
        assert!(kept.read().is_none(), "byte {position}");
    }
    for length in [0, 10, HEADER, HEADER + 30, whole.len() - 1] {
        std::fs::write(&kept.file, &whole[..length]).unwrap();
        assert!(kept.read().is_none(), "length {length}");
        assert_eq!(encode(limits), first);
        assert!(kept.read().is_some());
    }
}

/// The counts of pairs are those of the table beside the real text. Batches are here since they are made of what was kept.
#[test]
fn of_real_text_little_is_left_out_and_little_is_padding() {
    let Some(shared) = shared() else { return };
    let sets = ["multi30k", "europarl_comtrans", "chat_bcontrast"].map(str::to_owned).to_vec();
    let corpus = load(&TextOptions { sets, ..TextOptions::new(from_dir(&shared)) }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::of_corpus(&corpus, 4_000, None).unwrap();
    let encode = || Encoded::train(&corpus, &tokenizer, Limits::default(), Some(folder.path())).unwrap();
    let (encoded, dropped) = encode();
    eprintln!("{}\nleft out: {dropped}; {:?} tokens", corpus.note, encoded.tokens());
    assert_eq!(encode(), (encoded.clone(), dropped));
    assert_eq!(encoded.len() + dropped.total(), 29_000 + 23_580 + 15_747);
    assert!(dropped.too_long < 100 && dropped.ratio < 1_000, "{dropped}");
    let (src, tgt) = encoded.tokens();
    let batches = TextBatches::new(Arc::new(encoded), 4_096, 1, 0).unwrap();
    let steps = batches.steps_per_epoch() as usize;
    let padded: usize = batches.take(steps).map(|batch| batch.src.len() + batch.tgt.len()).sum();
    eprintln!("{steps} steps an epoch, {:.1} % padding", 100.0 - 100.0 * (src + tgt) as f64 / padded as f64);
    assert!(padded < (src + tgt) * 5 / 4);
}
