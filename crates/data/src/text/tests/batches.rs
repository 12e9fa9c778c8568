#![allow(clippy::unwrap_used)]

use super::*;
use crate::text::{Bitext, EOS, PAD, Tokenizer};
use std::collections::HashMap;

/// Sentences of 1 to 60 letters a side.
fn pairs(n: usize) -> Arc<Encoded> {
    let tokenizer = Tokenizer::train(["ab"].into_iter(), 258).unwrap();
    let letters = |n: usize| "ab".repeat(30)[..n].to_owned();
    let rows: Vec<(String, String)> =
        (0..n).map(|i| (format!("{i:04}{}", letters(i * 7 % 50)), letters(1 + i * 11 % 60))).collect();
    let set = Bitext::new("", rows.iter().map(|(en, de)| (en.as_str(), de.as_str())));
    Arc::new(Encoded::eval(&set, &tokenizer).unwrap())
}

fn rows(batch: &TextBatch) -> Vec<&[u32]> {
    batch.src.chunks_exact(batch.src_len).collect()
}

#[test]
fn every_pair_comes_once_an_epoch_and_no_batch_is_too_large() {
    let pairs = pairs(1000);
    let batches = TextBatches::new(pairs.clone(), 500, 3, 0).unwrap();
    let steps = batches.steps_per_epoch() as usize;
    let epochs: Vec<TextBatch> = batches.take(2 * steps).collect();
    let (mut padding, mut all) = (0, 0);
    for epoch in epochs.chunks(steps) {
        let mut seen: HashMap<Vec<u32>, usize> = HashMap::new();
        for batch in epoch {
            assert!(batch.n * batch.src_len.max(batch.tgt_len) <= 500 && batch.n > 0);
            rows(batch)
                .into_iter()
                .for_each(|row| *seen.entry(row.iter().copied().filter(|id| *id != PAD).collect()).or_default() += 1);
            padding += batch.tgt.iter().chain(&batch.src).filter(|id| **id == PAD).count();
            all += batch.tgt.len() + batch.src.len();
        }
        assert_eq!((seen.len(), seen.values().max()), (1000, Some(&1)));
        assert!(
            (0..1000).all(|i| seen.contains_key(&pairs.src(i).iter().map(|id| u32::from(*id)).collect::<Vec<_>>()))
        );
    }
    // The sides of these pairs are of unlike lengths, so one of them has padding; buckets keep it to about a third.
    assert!(padding * 5 < all * 2, "{padding} of {all}");
    assert_ne!(epochs[..steps], epochs[steps..], "the epochs are shuffled apart");
}

#[test]
fn a_run_resumed_at_a_step_goes_on_as_if_it_had_not_stopped() {
    let pairs = pairs(300);
    let from = |seed, step| TextBatches::new(pairs.clone(), 400, seed, step).unwrap();
    let steps = from(1, 0).steps_per_epoch() as usize;
    let whole: Vec<TextBatch> = from(1, 0).take(2 * steps + 3).collect();
    for step in [1, steps - 1, steps, steps + 1, 2 * steps] {
        assert_eq!(from(1, step as u64).take(3).collect::<Vec<_>>(), whole[step..][..3], "{step}");
    }
    assert_ne!(from(2, 0).take(5).collect::<Vec<_>>(), whole[..5]);
    assert!(whole.iter().all(|batch| rows(batch).iter().all(|row| row.contains(&EOS))));
}

#[test]
fn evaluation_goes_through_all_pairs_and_says_which_they_are() {
    let pairs = pairs(101);
    let mut seen = vec![0; 101];
    let mut last = usize::MAX;
    for (sentences, batch) in pairs.in_order(300).unwrap() {
        assert!(batch.n * batch.src_len.max(batch.tgt_len) <= 300 && batch.n == sentences.len());
        assert!(batch.src_len <= last, "longest first");
        last = batch.src_len;
        for (i, row) in sentences.iter().zip(rows(&batch)) {
            seen[*i] += 1;
            let ids: Vec<u32> = pairs.src(*i).iter().map(|id| u32::from(*id)).collect();
            assert_eq!(row[..ids.len()], ids);
        }
    }
    assert_eq!(seen, vec![1; 101]);
}

#[test]
fn too_few_tokens_are_refused() {
    let message = TextBatches::new(pairs(50), 30, 1, 0).unwrap_err().to_string();
    assert!(message.starts_with("tokens in a batch 30: expected at least the "), "{message}");
    assert!(pairs(50).in_order(30).is_err());
    let none = Arc::new(Encoded::default());
    assert_eq!(TextBatches::new(none, 30, 1, 0).unwrap_err().to_string(), "sentence pairs 0: expected at least 1");
}

#[test]
fn buckets_grow_as_in_tensor2tensor() {
    // 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 24, ...: a tenth more, at least one.
    assert_eq!([1, 8, 9, 10, 19, 20, 21, 22, 23].map(bucket), [0, 0, 1, 2, 11, 12, 13, 13, 14]);
    assert!((1..3000).all(|length| bucket(length) <= bucket(length + 1)));
}
