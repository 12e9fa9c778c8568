//! `swish bench compare`: our times beside PyTorch's, in turn.
//!
//! | module | what it has |
//! |---|---|
//! | `case` | what is timed, and the arguments that both programs take |
//! | `process` | one process and its line of JSON |
//! | `rounds` | the times of a case, and their ratio |
//! | `table` | the rows of `cpu.csv`, merged by what tells them apart |
//! | `report` | the rows as Markdown and as a plot |

mod case;
mod process;
mod report;
mod rounds;
mod table;

use crate::args::{Whole, say};
use anyhow::{Context, Result};
use case::{Case, MODELS, MODES, ModelCase, What, is_text};
use clap::builder::PossibleValuesParser;
use process::Programs;
use rounds::{Effort, Rounds};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use swish_core::activation::Activation;
use swish_record::write_atomic;
use swish_train::cell::Precision;
use table::{Key, Row};

/// Time training steps, beam search and activations beside PyTorch: rows of results/bench/cpu.csv, a table and a plot
///
/// Ours and PyTorch's modes run in turn, each in a process of its own, and a row is written as soon as it is measured. Rows that this
/// program has measured before on this machine are kept, so that an interrupted run goes on where it was. Without PyTorch ours is
/// measured alone.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  swish bench compare --models resnet20 --precisions bf16 --rounds 3 --steps 10 --peers compile"
)]
pub struct Args {
    /// Only these kinds of rows
    #[arg(long, value_enum, value_delimiter = ',', default_value = "step,translate,activation", value_name = "W,W,..")]
    what: Vec<What>,
    /// Models of the training steps and of beam search, which Transformers have
    #[arg(long, value_delimiter = ',', value_name = "M,M,..", value_parser = PossibleValuesParser::new(MODELS.map(|m| m.name)),
          default_values = MODELS.map(|m| m.name))]
    models: Vec<String>,
    /// Activations in the models, separated by semicolons: names or expressions; unless given swish, for CIFAR's also max(x, sin(x))
    #[arg(long, value_delimiter = ';', value_name = "A;A;..")]
    activations: Vec<Activation>,
    /// Activations alone, separated by semicolons
    #[arg(
        long,
        value_delimiter = ';',
        value_name = "A;A;..",
        default_value = "swish;max(x, sin(x));cos(x) - x;min(x, sin(x));atan(x)^2 - x"
    )]
    functions: Vec<Activation>,
    /// Precisions of the training steps and of beam search
    #[arg(long, value_delimiter = ',', value_name = "P,P", default_value = "f32,bf16")]
    precisions: Vec<Precision>,
    /// Examples a step, of Transformers tokens; unless given 8 to 128 examples, by the size of the model, and 2048 tokens
    #[arg(long, value_parser = Whole(1..=65_536))]
    batch: Option<usize>,
    /// Sentences that beam search translates at a time
    #[arg(long, default_value_t = 32, value_parser = Whole(1..=65_536))]
    sentences: usize,
    /// Modes of PyTorch
    #[arg(long, value_delimiter = ',', value_name = "M,M,..", value_parser = PossibleValuesParser::new(MODES),
          default_values = MODES)]
    peers: Vec<String>,
    /// Rounds: ours, then each mode of PyTorch
    #[arg(long, default_value_t = 3, value_parser = Whole(1..=1000))]
    rounds: usize,
    /// Steps, searches, or repeats of a function, that each process times; unless given 10, and 3 where they take seconds
    #[arg(long, value_parser = Whole(1..=1_000_000))]
    steps: Option<usize>,
    /// To save time: after the first round, of PyTorch's modes only the fastest
    #[arg(long)]
    fastest_only: bool,
    /// Measure again what has been measured
    #[arg(long)]
    again: bool,
    /// CPU threads; all cores unless given
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Minutes after which a process is given up
    #[arg(long, default_value_t = 60, value_parser = Whole(1..=10_000))]
    limit: usize,
    /// Python with the packages of bench/requirements.txt
    #[arg(long, default_value = ".venv/bin/python", value_name = "FILE")]
    python: PathBuf,
    /// The script that times PyTorch
    #[arg(long, default_value = "bench/peer.py", value_name = "FILE")]
    script: PathBuf,
    /// Folder of results
    #[arg(long, default_value = "results", value_name = "DIR")]
    results: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    let all = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let effort = Effort {
        rounds: args.rounds,
        threads: args.threads.map_or_else(all, NonZeroUsize::get),
        fastest_only: args.fastest_only,
    };
    let programs = Programs {
        swish: std::env::current_exe().context("the path of this program")?,
        python: args.python.clone(),
        script: args.script.clone(),
        limit: Duration::from_secs(args.limit as u64 * 60),
    };
    let torch = match programs.torch() {
        Ok(torch) => Some(torch),
        Err(reason) => {
            eprintln!("PyTorch cannot be used ({reason}): ours is measured alone; `make bench-cpu` sets it up");
            None
        }
    };
    let modes: Vec<&str> = if torch.is_some() { args.peers.iter().map(String::as_str).collect() } else { Vec::new() };
    let path = args.results.join("bench/cpu.csv");
    let mut rows = table::read(&path)?;
    for case in args.cases()? {
        let key = Key::of(&case, effort.threads);
        let old = rows.iter().find(|row| row.key == key);
        if !args.again && old.is_some_and(|row| row.covers(&modes, &case, &effort, torch.as_deref())) {
            eprintln!("{}: measured before", case.label());
            continue;
        }
        let start = Instant::now();
        let rounds = Rounds::measure(&case, &modes, &programs, &effort)?;
        let row = Row::of(&case, &rounds, &effort, torch.as_deref(), start.elapsed().as_secs())?;
        if !table::merge(&mut rows, row) {
            eprintln!(
                "{}: PyTorch gave no time, so the comparison measured before is kept and this one is not written",
                case.label()
            );
        }
        table::write(&path, &rows)?;
    }
    let text = report::markdown(&rows);
    write_atomic(path.with_extension("md"), &text)?;
    let mut written = vec![path.clone(), path.with_extension("md")];
    if let Some(plot) = report::plot(&rows) {
        written.extend(plot.write(path.with_extension(""))?);
    }
    for file in written {
        eprintln!("wrote {}", file.display());
    }
    say(text.trim_end())
}

impl Args {
    /// The rows asked for, the cheap ones first.
    fn cases(&self) -> Result<Vec<Case>> {
        let mut cases = Vec::new();
        if self.what.contains(&What::Activation) {
            cases.extend(self.functions.iter().map(Case::activation));
        }
        if self.what.contains(&What::Step) {
            cases.extend(self.of_models(|_| true, Case::step)?);
        }
        if self.what.contains(&What::Translate) {
            cases.extend(self.of_models(is_text, Case::translate)?);
        }
        for case in &mut cases {
            case.steps = self.steps.unwrap_or(case.steps);
            match case.what {
                What::Step => case.batch = self.batch.unwrap_or(case.batch),
                What::Translate => case.batch = self.sentences,
                What::Activation => {}
            }
        }
        Ok(cases)
    }

    /// Of those models asked for that `some` are: a case for each activation and precision.
    fn of_models(
        &self,
        some: impl Fn(&str) -> bool,
        case: impl Fn(ModelCase, &Activation, Precision) -> Case,
    ) -> Result<Vec<Case>> {
        let mut cases = Vec::new();
        let asked = |name: &str| self.models.iter().any(|model| model == name);
        for model in MODELS.into_iter().filter(|model| asked(model.name) && some(model.name)) {
            let mut activations = self.activations.clone();
            if activations.is_empty() {
                activations = model.activations.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
            }
            for activation in &activations {
                cases.extend(self.precisions.iter().map(|&precision| case(model, activation, precision)));
            }
        }
        Ok(cases)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    fn cases(words: &[&str]) -> Vec<Case> {
        let words = std::iter::once("compare").chain(words.iter().copied());
        Program::try_parse_from(words).unwrap().args.cases().unwrap()
    }

    fn labels(words: &[&str]) -> Vec<String> {
        cases(words).iter().map(Case::label).collect()
    }

    #[test]
    fn rows_can_be_chosen() {
        assert_eq!(labels(&[]).len(), 5 + 4 * 2 * 2 + 4 * 2 + 2 + 2);
        let some = labels(&["--what", "step", "--models", "wrn28_10,resnet20", "--activations", "relu"]);
        let expected = [
            "resnet20, relu, 128 images, f32",
            "resnet20, relu, 128 images, bf16",
            "wrn28_10, relu, 32 images, f32",
            "wrn28_10, relu, 32 images, bf16",
        ];
        assert_eq!(some, expected);
        assert_eq!(labels(&["--what", "activation", "--functions", "relu;sin(x)"]), ["relu alone", "sin(x) alone"]);
        assert!(Program::try_parse_from(["compare", "--models", "resnet21"]).is_err());
    }

    #[test]
    fn slow_models_take_fewer_images_and_steps() {
        let told = |words: &[&str]| cases(words).into_iter().map(|c| (c.batch, c.steps)).collect::<Vec<_>>();
        let models = "resnet20,nasnet_a_mobile,inception_resnet_v2";
        let words = ["--what", "step", "--precisions", "f32", "--models", models, "--activations", "swish"];
        assert_eq!(told(&words), [(128, 10), (16, 3), (8, 3)]);
        assert_eq!(told(&[&words[..], &["--steps", "5", "--batch", "4"]].concat()), [(4, 5); 3]);
    }

    #[test]
    fn transformers_are_timed_by_tokens() {
        let some = labels(&["--what", "step", "--models", "transformer_base"]);
        assert_eq!(some, ["transformer_base, swish, 2048 tokens, f32", "transformer_base, swish, 2048 tokens, bf16"]);
    }

    #[test]
    fn transformers_translate_too() {
        let some = labels(&["--what", "translate", "--precisions", "bf16"]);
        assert_eq!(some, ["transformer_base, swish, 32 sentences translated, bf16"]);
        assert_eq!(labels(&["--what", "translate", "--models", "resnet20"]), Vec::<String>::new());
        let [case] = &cases(&["--what", "translate", "--precisions", "f32", "--sentences", "8"])[..] else { panic!() };
        let expected =
            "translate --model transformer_base --activation swish --batch 8 --precision f32 --steps 3 --threads 2";
        assert_eq!(case.arguments("swish", 2).join(" "), expected);
    }

    #[test]
    fn models_of_imagenet_are_timed_with_swish() {
        let some = labels(&["--what", "step", "--models", "mobilenet_v1_same,inception_resnet_v2"]);
        let expected = [
            "mobilenet_v1_same, swish, 16 images, f32",
            "mobilenet_v1_same, swish, 16 images, bf16",
            "inception_resnet_v2, swish, 8 images, f32",
            "inception_resnet_v2, swish, 8 images, bf16",
        ];
        assert_eq!(some, expected);
    }

    #[test]
    fn both_programs_get_the_same_arguments() {
        let model = ModelCase { batch: 32, steps: 7, ..MODELS[0] };
        let step = Case::step(model, &"max(x, sin(x))".parse().unwrap(), Precision::Bf16);
        let words = step.arguments("max(x,sin(x))", 2).join(" ");
        let expected =
            "step --model resnet20 --activation max(x,sin(x)) --batch 32 --precision bf16 --steps 7 --threads 2";
        assert_eq!(words, expected);
        let alone = Case::activation(&"swish".parse().unwrap()).arguments("swish", 2).join(" ");
        assert_eq!(alone, "activation swish --elements 10000000 --channels 16 --repeats 10 --threads 2");
    }
}
