//! `swish search`: a search begun, resumed, looked at.

mod compare;
mod engine;
mod report;
mod rerun;
mod run;
mod show;

use anyhow::Result;
use clap::Subcommand;
use std::path::PathBuf;
use swish_core::nn::Compute;
use swish_search::worker;

/// Search for activation functions; killed at any time, a search goes on with `resume`
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  swish search run results/runs/mine --strategy ppo --units 2 --evaluations 500 --data-dir DIR\n  swish search status results/runs/mine\n  swish search resume results/runs/mine\n  swish search top results/runs/mine --n 20"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Box<run::RunArgs>),
    Resume(run::ResumeArgs),
    Status(show::StatusArgs),
    Top(show::TopArgs),
    Table(show::TableArgs),
    Report(report::ReportArgs),
    Rerun(rerun::RerunArgs),
    Compare(compare::CompareArgs),
    /// Run one trial of a list: what an engine's task does
    #[command(hide = true)]
    Task {
        /// Folder of the search
        dir: PathBuf,
        /// File with a trial a line
        #[arg(long)]
        trials: PathBuf,
        /// Line of the trial, from 0
        #[arg(long)]
        index: usize,
    },
    /// Run the trials that come on standard input: what a worker of the local engine does
    #[command(hide = true)]
    Worker {
        /// Folder of the search
        dir: PathBuf,
        /// Another device than the search's
        #[arg(long)]
        device: Option<Compute>,
    },
}

pub fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Run(args) => run::run(*args),
        Command::Resume(args) => run::resume(args),
        Command::Status(args) => show::status(args),
        Command::Top(args) => show::top(args),
        Command::Table(args) => show::table(args),
        Command::Report(args) => report::run(args),
        Command::Rerun(args) => rerun::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Task { dir, trials, index } => Ok(worker::task(&dir, &trials, index)?),
        Command::Worker { dir, device } => Ok(worker::serve(&dir, device)?),
    }
}
