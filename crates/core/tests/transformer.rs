//! The Transformer against itself: gradients by finite differences, padding, threads, precision; beam search against one that computes
//! everything anew at each step. (Against PyTorch: tests/reference.rs.)

use candle_core::{DType, Device, Tensor};
use swish_core::activation::Activation;
use swish_core::models::transformer::{Beam, EOS, Hypothesis, TextBatch, Transformer, TransformerConfig};
use swish_core::nn::{Data, Error, Pass};
use swish_kernels::conv::Operands;
use swish_kernels::rng::Rng;

const SMALL: TransformerConfig = TransformerConfig {
    vocab: 13,
    hidden: 8,
    filter: 12,
    heads: 2,
    encoder_layers: 2,
    decoder_layers: 2,
    dropout: 0.2,
};

fn model(config: &TransformerConfig, dtype: DType, seed: u64) -> Transformer {
    let swish: Activation = "swish".parse().unwrap();
    Transformer::new(config, &swish, seed, dtype, &Device::Cpu).unwrap()
}

/// Sentences of these lengths, the end included.
fn sentences(config: &TransformerConfig, seed: u64, lengths: &[usize]) -> Vec<Vec<u32>> {
    let mut rng = Rng::new(seed);
    let mut id = || 2 + rng.below(config.vocab as u64 - 2) as u32;
    lengths.iter().map(|&len| (1..len).map(|_| id()).chain([EOS]).collect()).collect()
}

fn batch(config: &TransformerConfig, src: &[usize], tgt: &[usize]) -> TextBatch {
    let (src, tgt) = (sentences(config, 1, src), sentences(config, 2, tgt));
    TextBatch::of(src.iter().map(|s| &s[..]).zip(tgt.iter().map(|t| &t[..])))
}

fn values(data: Data) -> Vec<f64> {
    data.to_tensor().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

#[test]
fn gradients_by_finite_differences() {
    let model = model(&SMALL, DType::F64, 3);
    let batch = batch(&SMALL, &[5, 3, 4], &[4, 6, 1]);
    let pass = Pass { dropout_seed: Some(9), ..Pass::train() };
    let done = model.loss_and_gradient(&batch, 0.1, &pass).unwrap();
    assert_eq!(done.tokens, 11);
    let gradient = values(done.gradient.unwrap());
    let start: Vec<f64> = model.params.flat.to_vec1().unwrap();
    let at = |place: usize, h: f64| {
        let mut moved = start.clone();
        moved[place] += h;
        model.params.flat.set(&Tensor::new(moved, &Device::Cpu).unwrap()).unwrap();
        model.loss_and_gradient(&batch, 0.1, &pass).unwrap().loss
    };
    for param in &model.params.params {
        let range = param.range();
        for place in range.clone().step_by(1 + range.len() / 4) {
            let difference = (at(place, 1e-5) - at(place, -1e-5)) / 2e-5;
            let off = (gradient[place] - difference).abs();
            assert!(off < 1e-8, "{} {}: {} {difference}", param.name, place - range.start, gradient[place]);
        }
    }
}

#[test]
fn padding_does_not_matter() {
    let model = model(&SMALL, DType::F64, 3);
    let narrow = batch(&SMALL, &[5, 3], &[4, 6]);
    let widen = |ids: &[u32], len: usize| -> Vec<u32> {
        ids.chunks(len).flat_map(|row| row.iter().copied().chain([0, 0, 0])).collect()
    };
    let wide = TextBatch {
        src_len: narrow.src_len + 3,
        tgt_len: narrow.tgt_len + 3,
        src: widen(&narrow.src, narrow.src_len),
        tgt: widen(&narrow.tgt, narrow.tgt_len),
        ..narrow
    };
    let [narrow, wide] = [&narrow, &wide].map(|batch| model.loss_and_gradient(batch, 0.1, &Pass::train()).unwrap());
    assert!((narrow.loss - wide.loss).abs() < 1e-12);
    for (a, b) in values(narrow.gradient.unwrap()).into_iter().zip(values(wide.gradient.unwrap())) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
}

/// Sizes that cut rows, vocabulary and heads into several tasks.
const MEDIUM: TransformerConfig = TransformerConfig {
    vocab: 1500,
    hidden: 64,
    filter: 96,
    heads: 4,
    encoder_layers: 1,
    decoder_layers: 2,
    dropout: 0.1,
};

#[test]
fn threads_do_not_matter_and_steps_repeat() {
    let model = model(&MEDIUM, DType::F32, 3);
    let batch = batch(&MEDIUM, &[30; 12], &[25; 12]);
    let pass = Pass { dropout_seed: Some(9), ..Pass::train() };
    for operands in [Operands::Exact, Operands::Bf16] {
        let pass = Pass { operands, ..pass.clone() };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let done = pool.install(|| model.loss_and_gradient(&batch, 0.1, &pass).unwrap());
            (done.loss.to_bits(), values(done.gradient.unwrap()))
        };
        let first = run(1);
        assert!(first == run(3) && first == run(2), "{operands:?}");
    }
}

#[test]
fn precisions_agree() {
    let single = model(&MEDIUM, DType::F32, 3);
    let double = model(&MEDIUM, DType::F64, 3);
    let batch = batch(&MEDIUM, &[30, 7, 20], &[25, 25, 3]);
    let run = |model: &Transformer, operands| {
        let done = model.loss_and_gradient(&batch, 0.1, &Pass { operands, ..Pass::train() }).unwrap();
        (done.loss, values(done.gradient.unwrap()))
    };
    let (exact, exact_gradient) = run(&double, Operands::Exact);
    let norm = |xs: &mut dyn Iterator<Item = f64>| xs.map(|x| x * x).sum::<f64>().sqrt();
    for (operands, bound) in [(Operands::Exact, 1e-5), (Operands::Bf16, 5e-2)] {
        let (loss, gradient) = run(&single, operands);
        let off = norm(&mut gradient.iter().zip(&exact_gradient).map(|(a, b)| a - b))
            / norm(&mut exact_gradient.iter().copied());
        assert!(
            (loss - exact).abs() < bound * exact && off < bound,
            "{operands:?}: loss {loss} {exact}, gradient {off:e}"
        );
        assert!(operands == Operands::Exact || off > 1e-4, "bf16 rounds: {off:e}");
    }
}

/// Half a batch has the same loss whatever else is in it, and evaluation is training without dropout.
#[test]
fn evaluation_is_the_loss_without_dropout() {
    let model = model(&SMALL, DType::F64, 3);
    let batch = batch(&SMALL, &[5, 3], &[4, 6]);
    let pass = Pass { dropout_seed: Some(9), ..Pass::train() };
    let evaluated = model.loss(&batch, 0.1, &pass).unwrap();
    assert!(evaluated.gradient.is_none());
    assert_eq!(evaluated.loss, model.loss_and_gradient(&batch, 0.1, &Pass::train()).unwrap().loss);
    assert_ne!(evaluated.loss, model.loss_and_gradient(&batch, 0.1, &pass).unwrap().loss);
}

/// Log-probabilities of the token behind `ids`, everything computed anew.
fn next(model: &Transformer, src: &[u32], ids: &[u32]) -> Vec<f64> {
    // The last target is a place-holder: a token is not seen where it is written.
    let tgt: Vec<u32> = ids.iter().copied().chain([EOS]).collect();
    let logits = model.logits(&TextBatch::of([(src, &tgt[..])]), &Pass::eval()).unwrap();
    let logits: Vec<f64> =
        logits.to_dtype(DType::F64).unwrap().get(0).unwrap().get(ids.len()).unwrap().to_vec1().unwrap();
    let sum: f64 = logits.iter().map(|z| z.exp()).sum();
    logits.iter().map(|z| z - sum.ln()).collect()
}

/// Beam search as its documentation says, a hypothesis at a time.
fn naive(model: &Transformer, src: &[u32], beam: &Beam) -> Hypothesis {
    let penalty = |len: usize| ((5.0 + len as f64) / 6.0).powf(beam.alpha);
    let limit = beam.max_len.min(src.len() + beam.extra);
    let (mut live, mut finished) = (vec![(0.0, Vec::new())], Vec::<Hypothesis>::new());
    for length in 1..=limit {
        let mut all: Vec<(f64, Vec<u32>)> = Vec::new();
        for (score, ids) in &live {
            for (id, p) in next(model, src, ids).into_iter().enumerate().skip(1) {
                all.push((score + p, ids.iter().copied().chain([id as u32]).collect()));
            }
        }
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        all.truncate(2 * beam.width);
        for (score, ids) in all.iter().take(beam.width).filter(|(_, ids)| ids.last() == Some(&EOS)) {
            finished.push(Hypothesis { ids: ids[..length - 1].to_vec(), score: score / penalty(length) });
        }
        live = all.into_iter().filter(|(_, ids)| ids.last() != Some(&EOS)).take(beam.width).collect();
        let bound = live[0].0 / penalty(limit);
        if finished.len() >= beam.width || finished.iter().any(|f| f.score >= bound) {
            break;
        }
    }
    let unfinished = live.into_iter().map(|(score, ids)| Hypothesis { score: score / penalty(ids.len()), ids });
    let all: Vec<_> = if finished.is_empty() { unfinished.collect() } else { finished };
    all.into_iter().reduce(|a, b| if b.score > a.score { b } else { a }).unwrap()
}

fn assert_same(found: &Hypothesis, expected: &Hypothesis) {
    assert_eq!(found.ids, expected.ids);
    assert!((found.score - expected.score).abs() < 1e-9, "{} {}", found.score, expected.score);
}

#[test]
fn beam_search_is_that_of_the_definition() {
    let (mut ended, mut cut) = (0, 0);
    for seed in 0..3 {
        let model = model(&SMALL, DType::F64, seed);
        let src = sentences(&SMALL, 4, &[6, 2, 9, 4, 6]);
        for beam in [
            Beam { extra: 4, ..Beam::default() },
            Beam { extra: 4, ..Beam::greedy() },
            Beam { max_len: 3, ..Beam::default() },
        ] {
            let found = model.translate(&src, &beam, &Pass::eval()).unwrap();
            assert_eq!(found.len(), src.len());
            for (src, found) in src.iter().zip(&found) {
                assert_same(found, &naive(&model, src, &beam));
                if found.ids.len() == beam.max_len.min(src.len() + beam.extra) { cut += 1 } else { ended += 1 }
            }
        }
    }
    assert!(ended > 5 && cut > 5, "both ways to end are met: {ended} {cut}");
}

#[test]
fn greedy_takes_the_likeliest_token() {
    let model = model(&SMALL, DType::F64, 1);
    let src = &sentences(&SMALL, 4, &[6])[0];
    let found =
        model.translate(std::slice::from_ref(src), &Beam { extra: 5, ..Beam::greedy() }, &Pass::eval()).unwrap();
    let mut ids = Vec::new();
    while ids.len() < src.len() + 5 {
        let next = next(&model, src, &ids);
        // But padding.
        let best = (1..next.len()).max_by(|&a, &b| next[a].total_cmp(&next[b])).unwrap() as u32;
        if best == EOS {
            break;
        }
        ids.push(best);
    }
    assert_eq!(found[0].ids, ids);
}

/// In single precision too, where more sentences than a group has are translated.
#[test]
fn a_batch_is_translated_as_its_sentences_alone() {
    let model = model(&MEDIUM, DType::F32, 3);
    let lengths: Vec<usize> = (0..40).map(|i| 2 + i * 7 % 11).collect();
    let src = sentences(&MEDIUM, 4, &lengths);
    let beam = Beam { extra: 3, ..Beam::default() };
    for operands in [Operands::Exact, Operands::Bf16] {
        let pass = Pass { operands, ..Pass::eval() };
        let together = model.translate(&src, &beam, &pass).unwrap();
        for (src, found) in src.iter().zip(&together) {
            let alone = model.translate(std::slice::from_ref(src), &beam, &pass).unwrap();
            assert_eq!(found.ids, alone[0].ids);
            assert!((found.score - alone[0].score).abs() < 1e-4);
        }
    }
}

#[test]
fn bad_input_is_named() {
    let model = model(&SMALL, DType::F32, 3);
    let good = batch(&SMALL, &[3], &[3]);
    let loss = |batch: &TextBatch| model.loss_and_gradient(batch, 0.1, &Pass::train());
    let text = |batch: &TextBatch| loss(batch).unwrap_err().to_string();
    assert!(text(&TextBatch { src: vec![2, 13, 1], ..good.clone() }).contains("source ids: id 13 at place 1"));
    assert!(text(&TextBatch { tgt: vec![2, 0, 1], ..good.clone() }).contains("padding"));
    assert!(text(&TextBatch { tgt: vec![0; 3], ..good.clone() }).contains("one token"));
    assert!(matches!(loss(&TextBatch { n: 2, ..good.clone() }), Err(Error::BadInput { .. })));
    assert!(matches!(model.loss_and_gradient(&good, 0.1, &Pass::eval()), Err(Error::NotTraining)));
    assert!(matches!(model.loss(&good, 1.5, &Pass::eval()), Err(Error::BadConfig { .. })));
    let translate = |src: Vec<u32>, beam: Beam| model.translate(&[src], &beam, &Pass::eval());
    assert!(matches!(translate(vec![], Beam::default()), Err(Error::BadInput { .. })));
    assert!(matches!(translate(vec![2, 40, 1], Beam::default()), Err(Error::BadId { id: 40, .. })));
    assert!(matches!(translate(vec![1], Beam { width: 0, ..Beam::default() }), Err(Error::BadConfig { .. })));
    let odd = TransformerConfig { heads: 3, ..SMALL };
    let relu = "relu".parse().unwrap();
    assert!(matches!(Transformer::undrawn(&odd, &relu, DType::F32, &Device::Cpu), Err(Error::BadConfig { .. })));
}
