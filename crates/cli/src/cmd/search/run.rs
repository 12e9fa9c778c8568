//! `swish search run` and `swish search resume`.

use super::super::space::SpaceArgs;
use super::engine::EngineArgs;
use crate::args::{DataArgs, say};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use swish_record::Profile;
use swish_search::config::{ChildConfig, SearchConfig};
use swish_search::driver::{News, Search};
use swish_search::engine::Notify;
use swish_search::strategy::StrategyConfig;
use swish_train::cell::Precision;
use swish_train::recipes;

/// Proposals between two updates of a strategy.
const BATCH: usize = 20;
/// Time between two lines of progress where there is no terminal.
const TALK: Duration = Duration::from_secs(30);

/// Begin a search
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  swish search run results/runs/one-unit --strategy exhaustive --data-dir DIR\n  swish search run results/runs/ppo --strategy ppo --units 2 --evaluations 500 --data-dir DIR\n\nThe folder keeps search.json (what was asked), journal.jsonl (what happened), results/ (an outcome a trial)."
)]
pub struct RunArgs {
    /// Folder of the search; made if missing
    dir: PathBuf,
    #[command(flatten)]
    space: SpaceArgs,
    /// exhaustive, random, evolution or ppo
    #[arg(long, default_value = "ppo")]
    strategy: String,
    /// Parameters of the strategy as JSON, e.g. '{"learning_rate":0.002}'; the others have their defaults
    #[arg(long, value_name = "JSON")]
    strategy_config: Option<String>,
    /// Seed of the strategy
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Proposals in all; the size of the space for an exhaustive search, else 500 unless given
    #[arg(long)]
    evaluations: Option<u64>,
    /// Proposals between two updates of the strategy
    #[arg(long, default_value_t = BATCH)]
    batch: usize,
    /// smoke (seconds), reduced (small child networks) or paper (ResNet-20, 10,000 steps)
    #[arg(long, default_value = "reduced")]
    profile: Profile,
    /// Steps of a child; the profile's unless given
    #[arg(long)]
    steps: Option<u64>,
    /// Model of a child; the profile's unless given
    #[arg(long)]
    model: Option<String>,
    /// Examples a step of a child; the profile's unless given
    #[arg(long)]
    child_batch: Option<usize>,
    /// Seed of the children's weights, order and augmentation
    #[arg(long, default_value_t = 1)]
    child_seed: u64,
    /// Precision of the children: f32 or bf16
    #[arg(long, default_value = "bf16")]
    precision: Precision,
    #[command(flatten)]
    data: DataArgs,
    /// cpu, or cuda:N in a build with CUDA
    #[arg(long, default_value = "cpu")]
    device: String,
    /// CPU threads of a child: one wastes least, and many children share the cores
    #[arg(long, default_value = "1")]
    threads: NonZeroUsize,
    #[command(flatten)]
    engine: EngineArgs,
}

/// Go on with a search that was stopped
#[derive(clap::Args)]
#[command(after_help = "Example:\n  swish search resume results/runs/ppo")]
pub struct ResumeArgs {
    /// Folder of the search
    dir: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
}

pub fn run(args: RunArgs) -> Result<()> {
    let mut recipe = recipes::search_child(args.data.images()?, args.profile);
    if let Some(model) = &args.model {
        recipe.model = swish_core::models::find(model)?.name.into();
        recipe.name = format!("search-child/{}", recipe.model);
    }
    recipe.batch = args.child_batch.unwrap_or(recipe.batch);
    if let Some(steps) = args.steps {
        recipe = recipe.with_steps(steps);
    }
    let space = args.space.config()?;
    let strategy = strategy(&args.strategy, args.strategy_config.as_deref())?;
    let all = u64::try_from(space.build()?.count()).unwrap_or(u64::MAX);
    let default = if strategy == StrategyConfig::Exhaustive { all } else { 500 };
    let config = SearchConfig {
        space,
        strategy,
        seed: args.seed,
        evaluations: args.evaluations.unwrap_or(default),
        batch: args.batch,
        child: ChildConfig {
            recipe,
            precision: args.precision.to_string(),
            seed: args.child_seed,
            profile: args.profile,
            device: args.device,
            threads: args.threads.get(),
            data: args.data.choice.to_string(),
            data_dir: args.data.absolute_dir()?,
        },
    };
    let search = Search::create(&args.dir, config, &mut |note| eprintln!("{note}"))?;
    drive(search, &args.engine)
}

pub fn resume(args: ResumeArgs) -> Result<()> {
    let search = Search::open(&args.dir, &mut |note| eprintln!("{note}"))?;
    drive(search, &args.engine)
}

/// The strategy of that name, with the parameters that are given.
pub fn strategy(name: &str, parameters: Option<&str>) -> Result<StrategyConfig> {
    let known = StrategyConfig::named(name)
        .with_context(|| format!("strategy {name:?}: expected exhaustive, random, evolution or ppo"))?;
    let Some(parameters) = parameters else { return Ok(known) };
    let given: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(parameters).with_context(|| format!("parameters of {name}: expected a JSON object"))?;
    let mut all = serde_json::to_value(&known)?;
    for (key, value) in given {
        match all.get_mut(&key) {
            Some(old) if key != "strategy" => *old = value,
            _ => bail!("{name} has no parameter {key:?}; it has {all}"),
        }
    }
    serde_json::from_value(all).with_context(|| format!("parameters of {name}"))
}

fn drive(mut search: Search, engine: &EngineArgs) -> Result<()> {
    let mut screen = Screen::new();
    let mut engine = engine.build(search.dir(), search.config().child.device.parse()?, screen.notify())?;
    let summary = search.run(engine.as_mut(), &mut |news| screen.show(news))?;
    screen.finish();
    let best =
        summary.best.map_or_else(|| "none".into(), |(reward, formula)| format!("{:.2} % {formula}", 100.0 * reward));
    say(format_args!(
        "{} proposals, {} functions trained, {} of them failed; best: {best}",
        summary.proposals, summary.trials, summary.failed
    ))
}

/// Shows a search: a bar on a terminal, a line now and then elsewhere.
struct Screen {
    bar: Option<ProgressBar>,
    said: Instant,
    failed: u64,
}

impl Screen {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{wide_bar} {pos}/{len} proposals  {msg}  {eta} left";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style)
        });
        Self { bar, said: Instant::now(), failed: 0 }
    }

    /// Shows the notes of an engine.
    fn notify(&self) -> Notify {
        let bar = self.bar.clone();
        Box::new(move |note| print(bar.as_ref(), note))
    }

    fn show(&mut self, news: News<'_>) {
        match news {
            News::Outcome { outcome, .. } => self.failed += u64::from(outcome.err.is_some()),
            News::Progress { done, total, best } => {
                let best = best
                    .map_or_else(String::new, |(reward, formula)| format!("best {:.2} % {formula}", 100.0 * reward));
                if let Some(bar) = &self.bar {
                    bar.set_length(total);
                    bar.set_position(done);
                    bar.set_message(best);
                } else if self.said.elapsed() >= TALK {
                    self.said = Instant::now();
                    eprintln!("{done}/{total} proposals, {} failed, {best}", self.failed);
                }
            }
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line above the bar, where there is one.
fn print(bar: Option<&ProgressBar>, note: &str) {
    match bar {
        Some(bar) => bar.println(note),
        None => eprintln!("{note}"),
    }
}
