//! `swish search compare`.

use super::run::strategy;
use crate::args::say;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use swish_core::activation::CoreUnits;
use swish_record::{to_csv, write_atomic};
use swish_search::candidates::{accuracies, read_csv};
use swish_search::compare::compare;
use swish_search::space::Space;
use swish_search::strategy::StrategyConfig;
use swish_search::{markdown, plots};

/// Compare strategies on the recorded results of an exhaustive search, without training anything
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  swish search compare results/search/one-unit/candidates.csv --strategies 'random;evolution;ppo' --seeds 20\n\nEach proposal counts as an evaluation. Writes compare.csv (curves), compare_summary.csv, compare.md and a plot."
)]
pub struct CompareArgs {
    /// Table of candidates, as `swish search table` writes it
    table: PathBuf,
    /// Strategies, separated by semicolons; parameters as JSON after the name: 'ppo {"learning_rate":0.01}'
    #[arg(long, value_delimiter = ';', default_value = "random;evolution;ppo", value_name = "S;S;..")]
    strategies: Vec<String>,
    /// Seeds of each strategy
    #[arg(long, default_value = "20")]
    seeds: NonZeroU64,
    /// The first of them: parameters are better chosen with other seeds than they are shown with
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Proposals of each search
    #[arg(long, default_value = "500")]
    evaluations: NonZeroUsize,
    /// Proposals between two updates of a strategy
    #[arg(long, default_value = "20")]
    batch: NonZeroUsize,
    /// Folder for tables and plot; that of the table unless given
    #[arg(long)]
    out: Option<PathBuf>,
}

pub fn run(args: CompareArgs) -> Result<()> {
    let candidates = read_csv(&args.table)?;
    if candidates.iter().any(|c| c.fate == "open") {
        bail!("{}: not all of its candidates are trained: finish the search first", args.table.display());
    }
    let space = Space::full(1)?;
    let known = accuracies(&candidates);
    let reward = |units: &CoreUnits| {
        let canonical = units.activation().map(|a| a.canonical()).unwrap_or_default();
        known.get(&canonical).copied().flatten().unwrap_or(0.0) / 100.0
    };
    for units in space.iter() {
        let canonical = units.activation()?.canonical();
        if !known.contains_key(&canonical) {
            let (table, formula) = (args.table.display(), units.expr());
            bail!("{table}: {formula} is missing: expected every function of one core unit");
        }
    }
    let named = args.strategies.iter().map(|text| {
        let (name, parameters) = text.split_once(' ').map_or((text.as_str(), None), |(n, p)| (n, Some(p)));
        Ok((text.clone(), strategy(name, parameters)?))
    });
    let strategies = named.collect::<Result<Vec<(String, StrategyConfig)>>>()?;
    let labels: BTreeSet<&String> = strategies.iter().map(|(label, _)| label).collect();
    if labels.len() < strategies.len() {
        bail!("--strategies {}: each at most once", args.strategies.join(";"));
    }
    let seeds: Vec<u64> = (0..args.seeds.get()).map(|i| args.first_seed.wrapping_add(i)).collect();
    let comparison = compare(&space, &reward, &strategies, &seeds, args.evaluations.get(), args.batch.get())?;

    let folder = args.table.parent().context("the table's folder")?;
    let out = args.out.as_deref().unwrap_or(folder);
    let (curves, summary) = (comparison.curves(), comparison.summary());
    write_atomic(out.join("compare.csv"), to_csv("compare", &curves)?)?;
    write_atomic(out.join("compare_summary.csv"), to_csv("compare_summary", &summary)?)?;
    let best = known.values().flatten().copied().fold(0.0, f64::max);
    let markdown = markdown::comparison(&summary, best);
    write_atomic(out.join("compare.md"), &markdown)?;
    plots::compare(&curves, best).write(out.join("compare"))?;
    say(markdown)
}
