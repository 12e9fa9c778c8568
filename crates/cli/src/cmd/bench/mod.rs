//! `swish bench`: how long things take.
//!
//! | module | what it has |
//! |---|---|
//! | `step` | a training step |
//! | `activation` | an activation function alone |
//! | `compare` | both beside PyTorch's, in turn |
//! | `machine`, `times` | what the lines of JSON have in common |

mod activation;
mod compare;
mod machine;
mod step;
mod times;

use anyhow::Result;

/// Time things
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Step(step::Args),
    Activation(activation::Args),
    Compare(compare::Args),
}

pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Step(args) => step::run(args),
        What::Activation(args) => activation::run(args),
        What::Compare(args) => compare::run(args),
    }
}
