//! `swish bench`: how long things take.
//!
//! | module | what it has |
//! |---|---|
//! | `step` | a training step |
//! | `translate` | beam search |
//! | `text` | both of them, of Transformers |
//! | `activation` | an activation function alone |
//! | `compare` | both beside PyTorch's, in turn |
//! | `machine`, `times` | what the lines of JSON have in common |

mod activation;
mod compare;
mod machine;
mod step;
mod text;
mod times;
mod translate;

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
    Translate(translate::Args),
    Activation(activation::Args),
    Compare(compare::Args),
}

pub fn run(args: Args) -> Result<()> {
    match args.what {
        What::Step(args) => step::run(args),
        What::Translate(args) => translate::run(args),
        What::Activation(args) => activation::run(args),
        What::Compare(args) => compare::run(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn every_command_has_an_example() {
        let mut program = Program::command();
        let commands: Vec<_> = program.get_subcommands_mut().map(|c| c.render_long_help().to_string()).collect();
        assert_eq!(commands.len(), 4);
        assert!(commands.iter().all(|help| help.contains("Example")));
    }
}
