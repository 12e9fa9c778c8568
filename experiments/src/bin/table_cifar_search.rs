//! Tables 1 and 2 of the paper: the functions that its search found, and ReLU, in ResNet-164, WRN-28-10 and DenseNet-100-12, on CIFAR-10
//! and CIFAR-100; with `--from`, the best of a search of one's own as well.

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use swish_core::activation::Activation;
use swish_data::Dataset;
use swish_experiments::args::rows;
use swish_experiments::cifar::{self, CifarArgs, CifarTable};
use swish_search::history::History;
use swish_search::plots;

/// The rows, in the paper's order and notation.
const ACTIVATIONS: &[&str] = &[
    "max(x,0)",
    "x*sigmoid(beta*x)",
    "max(x,sigmoid(x))",
    "cos(x)-x",
    "min(x,sin(x))",
    "atan(x)^2-x",
    "max(x,tanh(x))",
    "sinc(x)+x",
    "x*asinh(x)^2",
];

/// Tables 1 and 2, and Figure 3: the functions that a search found x three models on CIFAR-10 and CIFAR-100
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  table_cifar_search --profile reduced --data-dir DIR --from results/search/mine --top 5"
)]
struct Args {
    #[command(flatten)]
    cifar: CifarArgs,
    /// Folder of a search, whose best functions become rows too
    #[arg(long, value_name = "SEARCH_DIR")]
    from: Option<PathBuf>,
    /// How many of its best functions
    #[arg(long, default_value_t = 8)]
    top: usize,
}

fn main() -> ExitCode {
    swish_experiments::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    let mut activations = rows(ACTIVATIONS)?;
    // All but ReLU are what the paper's search found: its Figure 3.
    let notes = vec!["beta = 1".to_owned()];
    let figure = plots::functions("Figure 3: functions that the paper's search found", notes, &activations[1..]);
    if !args.cifar.table.dry_run {
        figure.write(args.cifar.table.results.join("figures/figure_03"))?;
    }
    if let Some(dir) = &args.from {
        for (proposal, _) in History::read(dir)?.ranking().into_iter().take(args.top) {
            let found: Activation = proposal.formula.parse()?;
            if !activations.contains(&found) {
                activations.push(found);
            }
        }
    }
    let ending = if args.from.is_some() { "-found" } else { "" };
    let table = |number, dataset| CifarTable { number, dataset, activations: activations.clone(), ending };
    cifar::run("table-cifar-search", &[table(1, Dataset::Cifar10), table(2, Dataset::Cifar100)], &args.cifar)
}
