//! `swish search rerun`.

use crate::args::say;
use anyhow::Result;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;
use swish_core::activation::Activation;
use swish_core::nn::Compute;
use swish_record::{RunRecord, RunStore, to_csv, write_atomic};
use swish_search::candidates;
use swish_search::history::History;
use swish_search::rerun::{self, Again};
use swish_search::{child::Child, markdown, plots};
use swish_train::jobs::run_all;
use swish_train::progress::Progress;
use swish_train::trainer::RunOptions;

/// Train the best functions of a search again: longer, with several seeds, on the test set
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  swish search rerun results/runs/mine --top 20 --steps 1000 --seeds 3\n\nWrites rerun.csv, rerun.md and a scatter plot of both accuracies; the records of the runs go to rerun/runs. Started\nagain, it trains only what is missing."
)]
pub struct RerunArgs {
    /// Folder of the search
    dir: PathBuf,
    /// How many of its best functions
    #[arg(long, default_value_t = 20)]
    top: usize,
    /// Functions that are trained in any case, separated by semicolons; the paper's unless given
    #[arg(long, value_delimiter = ';', value_name = "A;A;..")]
    named: Vec<Activation>,
    /// Further functions drawn among all that were trained: they tell how far the search's ranking holds
    #[arg(long, default_value_t = 30)]
    drawn: usize,
    /// Steps of each training
    #[arg(long)]
    steps: NonZeroU64,
    /// Seeds of each function, from 1
    #[arg(long, default_value = "3")]
    seeds: NonZeroU64,
    /// Folder for the table and the plot; that of the search unless given
    #[arg(long)]
    out: Option<PathBuf>,
    /// Trainings at the same time; one a core unless given
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
}

pub fn run(args: RerunArgs) -> Result<()> {
    let history = History::read(&args.dir)?;
    let candidates = candidates::of(&history)?;
    let named = if args.named.is_empty() {
        rerun::NAMED.iter().map(|name| Activation::named(name)).collect::<Result<Vec<_>, _>>()?
    } else {
        args.named.clone()
    };
    let chosen = rerun::choose(&candidates, args.top, &named, args.drawn, history.config.seed)?;
    let config = &history.config.child;
    let child = Child::new(config.clone())?;
    let cells = rerun::cells(config, &chosen, args.steps.get(), args.seeds.get())?;
    let cells: Vec<_> = cells.into_iter().map(|cell| (cell, child.data())).collect();
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let options = RunOptions {
        tensorboard: false,
        store: RunStore::new(args.dir.join("rerun")),
        experiment: "search-rerun".into(),
        device: config.device.parse::<Compute>()?.into(),
        threads: config.threads,
        checkpoint_every: Duration::from_secs(60),
        keep_weights: false,
        progress: Progress::default(),
        begun: None,
    };
    let jobs = args.jobs.map_or_else(cores, NonZeroUsize::get);
    let records = run_all(&cells, jobs, &options).into_iter().collect::<Result<Vec<RunRecord>, _>>()?;
    let again = rerun::summarise(&chosen, &records);

    let out = args.out.as_ref().unwrap_or(&args.dir);
    write_atomic(out.join("rerun.csv"), to_csv("rerun", &again)?)?;
    let markdown = markdown::rerun(&history, &again);
    write_atomic(out.join("rerun.md"), &markdown)?;
    plots::rerun(&history, &again).write(out.join("rerun"))?;
    say(markdown)?;
    let failed = again.iter().map(|row: &Again| row.failed).sum::<usize>();
    eprintln!("{} functions, {} runs, {failed} of them failed", again.len(), records.len());
    Ok(())
}
