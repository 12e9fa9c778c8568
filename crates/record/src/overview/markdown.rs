//! The overview as Markdown.

use super::{BASELINES, Counts, Duel, Overview, PaperDuel, SWISHES, distinct, paper_columns};
use crate::paper::model_key;
use crate::provenance::short;
use std::fmt::Write as _;

pub(super) fn render(overview: &Overview, paper: &[PaperDuel]) -> String {
    let kind = format!("{} · {}", overview.profile, overview.data_source);
    let mut text = format!(
        "### Table 3: on how many models Swish is better, equal, worse\n\n#### Profile {}, data: {}\n\n| baseline |",
        overview.profile, overview.data_source
    );
    for swish in SWISHES {
        let _ = write!(text, " {swish} · {kind} | p, models | p, seeds |");
    }
    text.push_str(" Table 3 · in the paper |");
    for swish in SWISHES {
        let _ = write!(text, " {swish}, from its Tables 4 to 11 · in the paper |");
    }
    text.push('\n');
    text.push_str(&format!("|{}\n", "---|".repeat(2 + 4 * SWISHES.len())));
    for ((baseline, duels), paper) in BASELINES.iter().zip(&overview.rows).zip(paper) {
        let _ = write!(text, "| `{baseline}` |");
        for Duel { counts, p_models, p_seeds, .. } in duels {
            let _ = write!(text, " {} | {} | {} |", shown(*counts), probability(*p_models), probability(*p_seeds));
        }
        let _ = write!(text, " {} |", shown(paper.printed));
        for recounted in paper.recounted {
            let differs = if recounted == paper.printed { "" } else { " ≠" };
            let _ = write!(text, " {}{differs} |", shown(recounted));
        }
        text.push('\n');
    }
    text + &notes(overview)
}

/// `7 / 1 / 1`
fn shown(counts: Counts) -> String {
    format!("{} / {} / {}", counts.better, counts.equal, counts.worse)
}

fn probability(p: Option<f64>) -> String {
    p.map_or_else(|| "–".into(), |p| if p < 0.001 { format!("{p:.0e}") } else { format!("{p:.3}") })
}

fn notes(overview: &Overview) -> String {
    let seeded = overview.rows.iter().flatten().map(|duel| duel.seeded).max().unwrap_or(0);
    let absent = |model: &&str| !overview.models.iter().any(|own| model_key(own) == model_key(model));
    let missing = distinct(paper_columns().into_iter().map(|(_, _, model, _)| model).filter(absent));
    let missing = if missing.is_empty() { String::new() } else { format!(" No runs yet of {}.", missing.join(", ")) };
    let commits: Vec<&str> = overview.commits.iter().map(|commit| short(commit)).collect();
    format!(
        "\nModels on which Swish is better / equal / worse. Numbers are compared as the paper prints them, rounded to one decimal; equal \
         after rounding is a tie. A model counts once, by the majority of its data sets (top-1 accuracy, BLEU; medians over seeds). The \
         paper does not say how it counts: from its own tables this rule gives the last two columns, ≠ where they differ from its Table 3. \
         p, models: sign test over the models. p, seeds: van Elteren's rank test over the seeds of {seeded} data sets and models with several \
         seeds. Both are two-sided, not corrected for the number of baselines, and of few runs: three seeds of each on one model cannot go below 0.1. \
         {}\n\nProvenance: profile {}, data {}, {} models standing for {}, commit {}.{missing}\n",
        match overview.profile {
            crate::run::Profile::Paper => "",
            _ => "These runs are not the paper's in size: their counts do not compare with the paper's.",
        },
        overview.profile,
        overview.data_source,
        overview.models.len(),
        overview.models.join(", "),
        commits.join(" "),
    )
}
