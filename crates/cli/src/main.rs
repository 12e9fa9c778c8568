//! `swish`: search for, test and use activation functions.
//!
//! One file a command in `cmd/`. Results go to standard output, talk to standard error; any failure is one line and an
//! exit code other than 0.

mod args;
mod cmd;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "swish", version, about = "Search for, test and use activation functions")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Activation(cmd::activation::Args),
    Export(cmd::export::Args),
    Space(cmd::space::Args),
    Models(cmd::models::Args),
    Forward(cmd::forward::Args),
    Train(cmd::train::Args),
    Eval(cmd::eval::Args),
    Translate(cmd::translate::Args),
    Bench(cmd::bench::Args),
    Search(cmd::search::Args),
    Data(cmd::data::Args),
    Report(cmd::report::Args),
    Bleu(cmd::bleu::Args),
    Gpu(cmd::gpu::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Activation(args) => cmd::activation::run(args),
        Command::Export(args) => cmd::export::run(&args),
        Command::Space(args) => cmd::space::run(args),
        Command::Models(args) => cmd::models::run(args),
        Command::Forward(args) => cmd::forward::run(args),
        Command::Train(args) => cmd::train::run(args),
        Command::Eval(args) => cmd::eval::run(args),
        Command::Translate(args) => cmd::translate::run(args),
        Command::Bench(args) => cmd::bench::run(args),
        Command::Search(args) => cmd::search::run(args),
        Command::Data(args) => cmd::data::run(args),
        Command::Report(args) => cmd::report::run(args),
        Command::Bleu(args) => cmd::bleu::run(args),
        Command::Gpu(args) => cmd::gpu::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}
