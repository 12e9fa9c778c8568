//! Results of a search as Markdown.

use crate::candidates::Candidate;
use crate::compare::SummaryRow;
use crate::error::Result;
use crate::history::History;
use crate::rerun::{Again, Chosen, Kind, NAMED, choose, joined_kinds, rank_correlations};
use swish_core::activation::Activation;

/// Functions of a summary's list.
const BEST: usize = 20;

/// What a search was and what it found.
///
/// # Errors
/// A formula among the candidates that cannot be read.
pub fn summary(history: &History, candidates: &[Candidate]) -> Result<String> {
    let config = &history.config;
    let child = &config.child;
    let count = |fate: &str| candidates.iter().filter(|c| c.fate == fate).count();
    let (trained, failed, same) = (count("trained"), count("failed"), count("same"));
    let reasons = |start: &str| candidates.iter().filter(|c| c.fate == "failed" && c.err.starts_with(start)).count();
    let rejected = candidates.len() - trained - failed - same - count("open");
    let seconds: f64 = candidates.iter().filter_map(|c| c.seconds).sum();
    let named: Vec<Activation> = NAMED.iter().map(|name| Activation::named(name)).collect::<Result<_, _>>()?;
    let chosen = choose(candidates, BEST, &named, 0, config.seed)?;
    let rank = |c: &Chosen| c.rank.map_or_else(|| "failed".into(), |rank| rank.to_string());
    let row = |c: &Chosen| {
        let top1 = c.top1.map_or_else(String::new, |v| format!("{v:.2}"));
        format!("| {} | `{}` | {top1} |\n", rank(c), c.activation.formula().replace('|', "\\|"))
    };
    let in_space = |c: &Chosen| candidates.iter().any(|other| other.canonical == c.activation.canonical());
    let head = "| rank | function | accuracy, % |\n|---|---|---|\n";
    let mut best: Vec<&Chosen> = chosen.iter().filter(|c| c.rank.is_some_and(|rank| rank <= BEST)).collect();
    best.sort_by_key(|c| c.rank);
    let known: Vec<&Chosen> = chosen.iter().filter(|c| c.kinds.contains(&Kind::Named) && in_space(c)).collect();
    let mut text = format!(
        "{} proposals by {} in a space of {} core unit{}: {} different functions trained, {failed} of them failed ({} diverged, {} learned \
         nothing), {same} equal to an earlier one, {rejected} rejected unseen.\n\n{head}",
        candidates.len(),
        config.strategy.name(),
        config.space.units,
        if config.space.units == 1 { "" } else { "s" },
        trained + failed,
        reasons("diverged"),
        reasons("learns nothing"),
    );
    best.iter().for_each(|c| text += &row(c));
    if !known.is_empty() {
        text += &format!("\nWhere known functions stand, among {trained}:\n\n{head}");
        known.iter().for_each(|c| text += &row(c));
    }
    // Those that trained: outcomes may have been there before the search was.
    let mut commits: Vec<&str> = candidates.iter().map(|c| c.commit.as_str()).filter(|c| !c.is_empty()).collect();
    commits.sort_unstable();
    commits.dedup();
    text += &format!(
        "\nAccuracy on {} training images held out. Child: {}, {} steps of {}, one seed ({}), {}, {}. Provenance: profile {}, {}, commit {}, \
         {:.0} min of training in all.\n",
        child.recipe.holdout.unwrap_or(0),
        child.recipe.model,
        child.recipe.steps,
        child.recipe.batch,
        child.seed,
        child.precision,
        child.device,
        child.profile,
        history.starts.first().map_or("", |start| start.data.as_str()),
        commits.join(" "),
        seconds / 60.0
    );
    Ok(text)
}

/// The functions that were trained again, the best first.
pub fn rerun(history: &History, again: &[Again]) -> String {
    let child = &history.config.child;
    let number = |value: Option<f64>| value.map_or_else(String::new, |v| format!("{v:.2}"));
    let mut text = String::from(
        "| function | why | rank in the search | search, % | again, % | seeds |\n|---|---|---|---|---|---|\n",
    );
    for row in again {
        let kind = joined_kinds(&row.kinds);
        let spread = match (row.min, row.max) {
            (Some(min), Some(max)) => format!(" [{min:.2}, {max:.2}]"),
            _ => String::new(),
        };
        let failed = if row.failed > 0 { format!(", {} failed", row.failed) } else { String::new() };
        let rank = row.rank.map_or_else(String::new, |rank| rank.to_string());
        text += &format!(
            "| `{}` | {kind} | {rank} | {} | {}{spread} | {}{failed} |\n",
            row.formula.replace('|', "\\|"),
            number(row.search_top1),
            number(row.top1),
            row.n
        );
    }
    let (data, steps) =
        (history.starts.first().map_or("", |start| start.data.as_str()), again.first().map_or(0, |row| row.steps));
    let seconds: f64 = again.iter().map(|row| row.seconds).sum();
    let mut commits: Vec<&str> = again.iter().map(|row| row.commit.as_str()).collect();
    commits.sort_unstable();
    commits.dedup();
    text += &format!(
        "\nSearch: {}, {} steps of {}, one seed, accuracy on {} training images held out. Again: the same network, {steps} steps, all \
         training images, accuracy on the test images: median [smallest, largest] over the seeds. {}.\n\n\
         Provenance: profile {}, {data}, {}, {}, commit {}, {:.0} min of training in all.\n",
        child.recipe.model,
        child.recipe.steps,
        child.recipe.batch,
        child.recipe.holdout.unwrap_or(0),
        rank_correlations(again),
        child.profile,
        child.precision,
        child.device,
        commits.join(" "),
        seconds / 60.0
    );
    text
}

/// Strategies at the end of their searches on a recorded table. `best` is the table's best accuracy, in percent.
pub fn comparison(summary: &[SummaryRow], best: f64) -> String {
    let mean = |mean: f64, low: Option<f64>, high: Option<f64>| match (low, high) {
        (Some(low), Some(high)) => format!("{:.2} [{:.2}, {:.2}]", 100.0 * mean, 100.0 * low, 100.0 * high),
        _ => format!("{:.2}", 100.0 * mean),
    };
    let p =
        |p: Option<f64>| p.map_or_else(String::new, |p| if p < 1e-4 { format!("{p:.0e}") } else { format!("{p:.4}") });
    let mut text = String::from(
        "| strategy | best found, % | p | mean of the last 100, % | p | different proposals |\n|---|---|---|---|---|---|\n",
    );
    for row in summary {
        text += &format!(
            "| {} | {} | {} | {} | {} | {:.0} |\n",
            row.strategy,
            mean(row.best, row.best_low, row.best_high),
            p(row.best_p),
            mean(row.recent, row.recent_low, row.recent_high),
            p(row.recent_p),
            row.distinct
        );
    }
    let (seeds, evaluations) = summary.first().map_or((0, 0), |row| (row.seeds, row.evaluations));
    text += &format!(
        "\nMeans over {seeds} seeds with 95 % confidence intervals after {evaluations} proposals, each counted as an evaluation; a failed \
         training counts as 0. p: two-sided Mann-Whitney test against random search, not corrected for the number of strategies. The best of the space has {best:.2} %.\n"
    );
    text
}
