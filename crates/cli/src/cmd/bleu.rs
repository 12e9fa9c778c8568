//! `swish bleu`: the score of translations.

use crate::args::say;
use anyhow::Result;
use std::path::PathBuf;
use swish_data::bleu::{Scheme, corpus_bleu};
use swish_data::text::read_lines;

/// Score German translations by BLEU
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  swish bleu translated.de newstest2014.de\n  swish bleu translated.de newstest2014.de.gz --tokenize moses-compound --json"
)]
pub struct Args {
    /// The translations, one a line; plain text, .gz or .zst
    hypotheses: PathBuf,
    /// The references, line by line of the same sentences
    references: PathBuf,
    /// 13a (sacreBLEU's default) or moses-compound (tensor2tensor's get_ende_bleu.sh); their scores do not compare
    #[arg(long, default_value = "13a")]
    tokenize: Scheme,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<()> {
    let [hypotheses, references] = [&args.hypotheses, &args.references].map(|path| read_lines(path));
    let bleu = corpus_bleu(hypotheses?.iter(), references?.iter(), args.tokenize)?;
    if !args.json {
        return say(bleu);
    }
    say(serde_json::json!({
        "score": bleu.score,
        "precisions": bleu.precisions,
        "brevity_penalty": bleu.brevity_penalty,
        "hyp_len": bleu.hyp_len,
        "ref_len": bleu.ref_len,
        "correct": bleu.correct,
        "total": bleu.total,
        "signature": bleu.scheme.signature(),
    }))
}
