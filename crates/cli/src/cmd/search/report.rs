//! `swish search report`.

use anyhow::Result;
use std::path::PathBuf;
use swish_core::activation::Activation;
use swish_record::{to_csv, write_atomic};
use swish_search::history::History;
use swish_search::{candidates, markdown, plots};

/// Write what a search found: every candidate, a summary, plots
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  swish search report results/runs/search --out results/search/mine\n\nWrites asked.json (what was asked), candidates.csv, summary.md; and as PNG and SVG: progress (every proposal and the best so far), groups\n(accuracy by core units, unary and binary operator), functions (the best as curves)."
)]
pub struct ReportArgs {
    /// Folder of the search
    dir: PathBuf,
    /// Folder for the report
    #[arg(long)]
    out: PathBuf,
    /// How many of the best functions to draw
    #[arg(long, default_value_t = 8)]
    top: usize,
}

pub fn run(args: ReportArgs) -> Result<()> {
    let history = History::read(&args.dir)?;
    let out = &args.out;
    let candidates = candidates::of(&history)?;
    write_atomic(out.join("candidates.csv"), to_csv("candidates", &candidates)?)?;
    write_atomic(out.join("summary.md"), markdown::summary(&history, &candidates)?)?;
    // The folder of the data is of no use to others; and under its own name the file would make a search of a report.
    let mut asked = history.config.clone();
    asked.child.data_dir = None;
    asked.write_as(&out.join("asked.json"))?;
    plots::progress(&history).write(out.join("progress"))?;
    plots::groups(&history)?.write(out.join("groups"))?;
    let best = history.ranking().into_iter().take(args.top).map(|(proposal, _)| proposal.formula.parse::<Activation>());
    let best = best.collect::<Result<Vec<_>, _>>()?;
    let title = format!("The {} best functions of the search", best.len());
    plots::functions(&title, plots::notes(&history), &best).write(out.join("functions"))?;
    eprintln!("wrote {}", out.display());
    Ok(())
}
