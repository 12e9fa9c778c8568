//! `swish search status`, `top` and `table`.

use crate::args::say;
use anyhow::{Context, Result};
use std::path::PathBuf;
use swish_search::candidates;
use swish_search::history::History;

/// Show how a search stands
#[derive(clap::Args)]
#[command(after_help = "Example:\n  swish search status results/runs/ppo --json")]
pub struct StatusArgs {
    /// Folder of the search
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List the best functions of a search
#[derive(clap::Args)]
#[command(after_help = "Example:\n  swish search top results/runs/ppo --n 20")]
pub struct TopArgs {
    /// Folder of the search
    dir: PathBuf,
    /// How many
    #[arg(long, default_value_t = 20)]
    n: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Write every candidate of a search as CSV
#[derive(clap::Args)]
#[command(after_help = "Example:\n  swish search table results/runs/one-unit --out candidates.csv")]
pub struct TableArgs {
    /// Folder of the search
    dir: PathBuf,
    /// File to write; standard output unless given
    #[arg(long)]
    out: Option<PathBuf>,
}

pub fn status(args: StatusArgs) -> Result<()> {
    let status = History::read(&args.dir)?.status(&args.dir);
    if args.json {
        return say(serde_json::to_string(&status)?);
    }
    say(format_args!("{}: {} of {} proposals", status.state, status.proposed, status.evaluations))?;
    say(format_args!("  trained   {:>7}   {} of them failed", status.done, status.failed))?;
    say(format_args!("  open      {:>7}", status.open))?;
    say(format_args!("  same      {:>7}   rejected {}", status.same, status.rejected))?;
    if let (Some(best), Some(top1)) = (&status.best, status.best_top1) {
        say(format_args!("  best      {top1:>7.2} % {best}"))?;
    }
    if let Some(rate) = status.per_hour {
        let left = status.seconds_left.map_or_else(String::new, |s| format!(", about {:.0} min left", s / 60.0));
        say(format_args!("  an hour   {rate:>7.0}{left}"))?;
    }
    Ok(())
}

pub fn top(args: TopArgs) -> Result<()> {
    let history = History::read(&args.dir)?;
    let best = history.ranking().into_iter().take(args.n).enumerate();
    for (rank, (proposal, outcome)) in best {
        let (rank, top1) = (rank + 1, outcome.top1.unwrap_or(f64::NAN));
        if args.json {
            say(serde_json::json!({"rank": rank, "top1": top1, "formula": proposal.formula, "trial": outcome.id}))?;
        } else {
            say(format_args!("{rank:>4}  {top1:>6.2} %  {}", proposal.formula))?;
        }
    }
    Ok(())
}

pub fn table(args: TableArgs) -> Result<()> {
    let csv = swish_record::to_csv("candidates", &candidates::of(&History::read(&args.dir)?)?)?;
    match args.out {
        Some(out) => Ok(swish_record::write_atomic(out, csv)?),
        None => std::io::Write::write_all(&mut std::io::stdout(), &csv).context("standard output"),
    }
}
