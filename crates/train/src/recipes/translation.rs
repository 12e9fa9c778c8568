//! The recipes of Table 11, translation from English to German with the Transformer, and its reduced forms.

use crate::optimizer::{DecayOn, OptimizerConfig, Rule};
use crate::schedule::Schedule;
use crate::translation::{LastAverage, Search, TranslationRecipe};
use swish_core::models::transformer::TransformerInfo;
use swish_record::Profile;

/// What Vaswani's rate is multiplied with for the two rates of an activation. The paper tried two and does not print them: the authors'
/// own, and one below it, as the paper advises for Swish.
pub const TRANSLATION_RATE_FACTORS: [f64; 2] = [0.5, 1.0];

/// Adam as Vaswani et al. have it, without weight decay and without clipping.
fn adam() -> OptimizerConfig {
    let rule = Rule::Adam { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 };
    OptimizerConfig { rule, weight_decay: 0.0, decay_on: DecayOn::Weights, clip_norm: None }
}

/// How many layers the paper's "12 layer Base Transformer" has. It does not say which it means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// 12 to read and 12 to write: the words as they stand. 107.1M parameters at a vocabulary of 37,000.
    #[default]
    Twelve,
    /// 6 to read and 6 to write, 12 in all: the base model of Vaswani et al., whose results the paper's ReLU row has. 63.0M.
    Six,
}

/// The base Transformer on WMT 2014: Vaswani et al. 2017, sections 5 and 6.1, and tensor2tensor's `transformer_base` of October 2017. Adam
/// (0.9, 0.98, 1e-9), warm-up of 4,000 steps, dropout 0.1 of embeddings and sublayers, label smoothing 0.1, 8 replicas of 4,096
/// tokens with their padding, which are the paper's some 25,000 tokens a step, sentences of at most 256 tokens, a shared vocabulary
/// of 2^15; the mean of the last 5 checkpoints, ten minutes of theirs or some 1,500 steps apart; a beam of 4. Vaswani et al. train 100K
/// steps, the Swish paper 300K: its ReLU row has BLEU 26.1, 27.8, 29.8, 33.3 on newstest2013 to 2016.
pub fn transformer(depth: Depth) -> TranslationRecipe {
    let model = match depth {
        Depth::Twelve => "transformer_12",
        Depth::Six => "transformer_base",
    };
    TranslationRecipe {
        name: format!("wmt/{model}"),
        model: model.into(),
        vocab: 1 << 15,
        max_len: 256,
        dropout: 0.1,
        optimizer: adam(),
        schedule: Schedule::noam(1.0, 512, 4_000),
        tokens: 4_096,
        replicas: 8,
        steps: 300_000,
        label_smoothing: 0.1,
        average: Some(LastAverage { checkpoints: 5, every: 1_500 }),
        search: Search::default(),
        log_every: 500,
        eval_every: 15_000,
    }
}

/// Any registered Transformer under one plain recipe, for `swish train`: a vocabulary of 8,000, sentences of at most 128 tokens, 2,048
/// tokens a step, the mean of five checkpoints from the last sixth, half of Vaswani's rate, as so few tokens a step ask for, with a rise
/// over a quarter of the steps; all else as in [`transformer()`]. Made for `transformer_small` on some 200,000 pairs of short sentences
/// (Tatoeba and Multi30k), of which 6,000 steps are some five epochs.
pub fn plain_translation(model: &TransformerInfo, steps: u64) -> TranslationRecipe {
    TranslationRecipe {
        name: "plain-translation".into(),
        model: model.name.into(),
        vocab: 8_000,
        max_len: 128,
        schedule: Schedule::noam(0.5, model.config.hidden, (steps / 4).max(1)),
        tokens: 2_048,
        replicas: 1,
        steps,
        average: Some(LastAverage { checkpoints: 5, every: (steps / 30).max(1) }),
        log_every: steps.div_ceil(120),
        eval_every: steps.div_ceil(6),
        ..transformer(Depth::default())
    }
}

/// The recipe of Table 11 in a profile. The reduced and smoke ones are made for the phrases that the program makes: their numbers say
/// nothing about the paper's.
pub fn translation(profile: Profile, depth: Depth) -> TranslationRecipe {
    match profile {
        Profile::Paper => transformer(depth),
        Profile::Reduced => TranslationRecipe {
            name: "translation-reduced/transformer_mini".into(),
            model: "transformer_mini".into(),
            vocab: 600,
            max_len: 64,
            schedule: Schedule::noam(1.0, 64, 500),
            tokens: 1_024,
            replicas: 1,
            steps: 2_500,
            average: Some(LastAverage { checkpoints: 5, every: 50 }),
            log_every: 50,
            eval_every: 500,
            ..transformer(depth)
        },
        Profile::Smoke => TranslationRecipe {
            name: "translation-smoke/transformer_tiny".into(),
            model: "transformer_tiny".into(),
            vocab: 300,
            max_len: 64,
            schedule: Schedule::noam(1.0, 32, 4),
            tokens: 256,
            replicas: 2,
            steps: 6,
            average: Some(LastAverage { checkpoints: 2, every: 2 }),
            search: Search { width: 2, extra: 5, ..Search::default() },
            log_every: 2,
            eval_every: 3,
            ..transformer(depth)
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::task::Task;
    use swish_core::models::transformer::TRANSFORMERS;

    #[test]
    fn every_recipe_makes_sense_in_every_profile() {
        for (info, steps) in TRANSFORMERS.iter().flat_map(|info| [(info, 1), (info, 6_000)]) {
            plain_translation(info, steps).check().unwrap();
        }
        for profile in [Profile::Smoke, Profile::Reduced, Profile::Paper] {
            for depth in [Depth::Six, Depth::Twelve] {
                translation(profile, depth).check().unwrap();
            }
        }
    }

    /// The numbers that the doc comment of `transformer` names.
    #[test]
    fn the_full_recipe_is_its_authors() {
        let recipe = transformer(Depth::Six);
        assert_eq!(recipe.outline().examples_a_step, 32_768);
        // 512^-0.5 * 4000^-0.5, the peak.
        assert!((recipe.schedule.at(3_999, recipe.steps) - 6.987712429686843e-4).abs() < 1e-15);
        let layers = |depth| {
            let config = transformer(depth).config(37_000).unwrap();
            (config.encoder_layers, config.decoder_layers, config.hidden, config.dropout)
        };
        assert_eq!((layers(Depth::Six), layers(Depth::Twelve)), ((6, 6, 512, 0.1), (12, 12, 512, 0.1)));
    }
}
