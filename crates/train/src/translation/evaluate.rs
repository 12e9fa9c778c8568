//! How well a Transformer translates evaluation sets: loss, accuracy of tokens, BLEU.

use crate::cell::Precision;
use crate::error::Result;
use crate::task::Outcome;
use candle_core::{DType, Tensor};
use rayon::prelude::*;
use std::fmt::Write as _;
use std::path::Path;
use swish_core::device::TextRunner;
use swish_core::models::transformer::{Beam, PAD, TextBatch};
use swish_core::nn::Pass;
use swish_data::bleu::{Scheme, corpus_bleu};
use swish_data::text::{Bitext, Encoded, Tokenizer};
use swish_record::{Columns, Row, RunRecord, SetScore, to_csv, write_atomic};

/// Tokens that a step of an evaluation takes; it decides speed and memory, not results.
const TOKENS: usize = 2048;
/// Sentences of an evaluation set that are shown with their translations.
const SAMPLES: usize = 20;

/// A sentence, how it should be translated, and how it was.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Sample {
    /// Evaluation set.
    pub set: String,
    /// English.
    pub source: String,
    /// German.
    pub reference: String,
    /// Ours.
    pub hypothesis: String,
}

/// What an evaluation finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TranslationEvaluation {
    /// The sets evaluated, the development set first.
    pub sets: Vec<SetScore>,
    /// Some of their sentences.
    pub samples: Vec<Sample>,
}

impl TranslationEvaluation {
    fn dev(&self) -> Option<&SetScore> {
        self.sets.first()
    }
}

impl Outcome for TranslationEvaluation {
    const COLUMNS: Columns = Columns::Translation;

    /// On the development set.
    fn loss(&self) -> f64 {
        self.dev().map_or(f64::NAN, |dev| dev.loss)
    }

    fn words(&self) -> String {
        let each = |set: &SetScore| format!("BLEU {:.2} on {}, {:.2} % of tokens", set.bleu, set.set, set.accuracy);
        self.sets.iter().map(each).collect::<Vec<_>>().join("; ")
    }

    fn fill_row(&self, row: &mut Row) {
        row.test_loss = self.dev().map(|dev| dev.loss);
        row.test_top1 = self.dev().map(|dev| dev.accuracy);
        row.test_bleu = self.dev().map(|dev| dev.bleu);
    }

    fn fill_record(&self, record: &mut RunRecord) {
        record.top1 = self.dev().map(|dev| dev.accuracy);
        record.bleu = self.dev().map(|dev| dev.bleu);
        record.scores.clone_from(&self.sets);
    }

    /// `samples.csv`, and `samples.md` to read.
    fn keep(&self, dir: &Path) -> Result<()> {
        write_atomic(dir.join("samples.csv"), to_csv("samples", &self.samples)?)?;
        Ok(write_atomic(dir.join("samples.md"), markdown(&self.samples))?)
    }
}

/// One list a set: source, reference, translation.
fn markdown(samples: &[Sample]) -> String {
    let mut text = String::from("# Sample translations\n");
    let mut set = "";
    for sample in samples {
        if sample.set != set {
            set = &sample.set;
            let _ = write!(text, "\n## {set}\n\nEnglish, reference, ours.\n\n");
        }
        let Sample { source, reference, hypothesis, .. } = sample;
        let _ = write!(text, "- {source}\n  - {reference}\n  - {hypothesis}\n");
    }
    text
}

/// Evaluates on all sentences of the sets.
///
/// # Errors
/// Text that the tokenizer cannot take; memory.
pub(super) fn evaluate(
    net: &mut dyn TextRunner,
    tokenizer: &Tokenizer,
    sets: &[Bitext],
    beam: &Beam,
    precision: Precision,
) -> Result<TranslationEvaluation> {
    let pass = Pass { operands: precision.operands(), ..Pass::eval() };
    let mut found = TranslationEvaluation::default();
    for set in sets {
        let (loss, accuracy) = of_tokens(net, &Encoded::eval(set, tokenizer)?, &pass)?;
        // A network that has exploded translates nothing; its loss says so.
        let hypotheses = match loss.is_finite() {
            true => translate(net, tokenizer, set.en.iter(), beam, &pass)?,
            false => vec![String::new(); set.len()],
        };
        let [sacre, tokenised] =
            [Scheme::Mteval13a, Scheme::MosesCompound].map(|scheme| corpus_bleu(&hypotheses, set.de.iter(), scheme));
        let (sacre, tokenised) = (sacre?, tokenised?);
        found.sets.push(SetScore {
            set: set.name.clone(),
            sentences: set.len(),
            loss,
            accuracy,
            bleu: sacre.score,
            signature: sacre.scheme.signature(),
            tokenised_bleu: tokenised.score,
            tokenised_signature: tokenised.scheme.signature(),
        });
        found.samples.extend(set.pairs().zip(&hypotheses).take(SAMPLES).map(|((source, reference), hypothesis)| {
            let [source, reference, hypothesis] = [source, reference, hypothesis].map(str::to_owned);
            Sample { set: set.name.clone(), source, reference, hypothesis }
        }));
    }
    Ok(found)
}

/// Mean cross-entropy a target token in nats, and the share of tokens that are the likeliest given those before, in percent.
fn of_tokens(net: &mut dyn TextRunner, set: &Encoded, pass: &Pass) -> Result<(f64, f64)> {
    let (mut loss, mut right, mut tokens) = (0.0, 0, 0);
    let longest = (0..set.len()).map(|i| set.src(i).len().max(set.tgt(i).len())).max();
    for (_, batch) in set.in_order(TOKENS.max(longest.unwrap_or(1)))? {
        for (of_token, likeliest) in token_losses(&net.logits(&batch, pass)?, &batch)? {
            loss += of_token;
            right += usize::from(likeliest);
            tokens += 1;
        }
    }
    let n = tokens.max(1) as f64;
    Ok((loss / n, 100.0 * right as f64 / n))
}

/// Of every target token that is no padding: its cross-entropy, and whether no other id has as large a logit.
fn token_losses(logits: &Tensor, batch: &TextBatch) -> Result<Vec<(f64, bool)>> {
    let rows = logits.to_dtype(DType::F32)?.flatten_to(1)?.to_vec2::<f32>()?;
    let tokens = rows.par_iter().zip(&batch.tgt).filter(|(_, target)| **target != PAD);
    let of_token = |(row, &target): (&Vec<f32>, &u32)| {
        let own = f64::from(row[target as usize]);
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
        let rivals = row.iter().enumerate().filter(|(id, logit)| *id != target as usize && f64::from(**logit) >= own);
        (f64::from(largest) + sum.ln() - own, rivals.count() == 0 && own.is_finite())
    };
    Ok(tokens.map(of_token).collect())
}

/// Translations of these sentences, in order; of an empty one nothing.
///
/// # Errors
/// Text that the tokenizer cannot take; memory.
pub(super) fn translate<'s>(
    net: &mut dyn TextRunner,
    tokenizer: &Tokenizer,
    sentences: impl Iterator<Item = &'s str>,
    beam: &Beam,
    pass: &Pass,
) -> Result<Vec<String>> {
    let encoded = sentences.map(|s| if s.trim().is_empty() { Ok(Vec::new()) } else { tokenizer.encode(s) });
    let encoded = encoded.collect::<Result<Vec<_>, _>>()?;
    let written: Vec<usize> = (0..encoded.len()).filter(|&i| !encoded[i].is_empty()).collect();
    let sources: Vec<Vec<u32>> = written.iter().map(|&i| encoded[i].clone()).collect();
    let mut translations = vec![String::new(); encoded.len()];
    for (i, hypothesis) in written.into_iter().zip(net.translate(&sources, beam, pass)?) {
        // A line of text stays one.
        translations[i] = tokenizer.decode(&hypothesis.ids)?.replace(['\n', '\r'], " ");
    }
    Ok(translations)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use candle_core::Device;

    #[test]
    fn padding_does_not_count_and_ties_are_not_right() {
        let batch = TextBatch { n: 1, src_len: 1, tgt_len: 4, src: vec![1], tgt: vec![2, 3, 1, PAD] };
        let rows = [[0.0_f32, 0.0, 2.0, 0.0], [1.0, 0.0, 1.0, 1.0], [0.0, f32::NAN, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]];
        let logits = Tensor::new(&[rows], &Device::Cpu).unwrap();
        let found = token_losses(&logits, &batch).unwrap();
        assert_eq!(found.len(), 3);
        // log(e^2 + 3) - 2.
        assert!((found[0].0 - 0.340_752_954).abs() < 1e-6 && found[0].1, "{found:?}");
        assert!(!found[1].1 && !found[2].1 && found[2].0.is_nan(), "{found:?}");
    }

    #[test]
    fn samples_are_lists_by_set() {
        let sample = |set: &str, n: &str| Sample {
            set: set.into(),
            source: format!("en{n}"),
            reference: format!("de{n}"),
            hypothesis: format!("ours{n}"),
        };
        let text = markdown(&[sample("dev", "1"), sample("dev", "2"), sample("test", "3")]);
        assert_eq!(text.matches("## ").count(), 2);
        assert!(text.contains("- en2\n  - de2\n  - ours2\n\n## test\n"), "{text}");
    }
}
