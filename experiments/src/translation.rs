//! Table 11: nine activations in a Transformer that translates English into German, each with two learning rates.

use crate::args::{ROWS, TableArgs, rows};
use crate::runs::{curves, stem, write_table};
use crate::trials::{Trials, check_rates, shown};
use anyhow::{Result, bail};
use std::num::NonZeroU64;
use std::sync::Arc;
use swish_core::activation::Activation;
use swish_data::DataOptions;
use swish_data::text::{self, TextOptions};
use swish_record::paper::Metric;
use swish_record::table::{Column, Table, TableSpec};
use swish_record::{Profile, RunRecord};
use swish_train::TranslationRecipe;
use swish_train::cell::Cell;
use swish_train::recipes::{Depth, TRANSLATION_RATE_FACTORS, translation};
use swish_train::task::Origin;
use swish_train::translation::TextData;

/// Flags of the table.
#[derive(Clone, Debug, clap::Args)]
pub struct TranslationArgs {
    /// Those of every table.
    #[command(flatten)]
    pub table: TableArgs,
    /// Layers on either side of the paper profile's Transformer: 12, as "12 layer" reads, or 6, the base model
    #[arg(long, default_value = "12", value_name = "6|12")]
    pub layers: u64,
    /// Only these training sets, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "S,S,..")]
    pub sets: Vec<String>,
    /// These evaluation sets, separated by commas, the development set first; without it the paper's, or what the data have instead
    #[arg(long, value_delimiter = ',', value_name = "S,S,..")]
    pub eval: Vec<String>,
    /// These learning rates (factors of Vaswani's) instead of the recipe's two, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "R,R,..")]
    pub rates: Vec<f64>,
    /// Seeds at the best rate of an activation
    #[arg(long, default_value = "1")]
    pub seeds: NonZeroU64,
}

/// Number of the table in the paper.
const NUMBER: u8 = 11;
/// The paper's data set and evaluation sets.
const PAPER: (&str, [&str; 4]) = ("wmt14-en-de", ["newstest2013", "newstest2014", "newstest2015", "newstest2016"]);
/// The paper's name of its model.
const MODEL: &str = "transformer-12";

/// Trains the cells that have no record yet, then writes the table, its learning rates and plots.
///
/// # Errors
/// Bad flags, missing data, files that cannot be written, an activation that is unknown.
pub fn run(args: &TranslationArgs) -> Result<()> {
    check_rates(&args.rates)?;
    let depth = match args.layers {
        6 => Depth::Six,
        12 => Depth::Twelve,
        other => bail!("--layers {other}: expected 6 or 12"),
    };
    let recipe = translation(args.table.profile, depth);
    let data = load(args, &recipe)?;
    let activations = args.table.activations(&rows(ROWS)?).to_vec();
    let trials = Trials {
        experiment: "wmt-transformer",
        activations: &activations,
        rates: match args.rates.is_empty() {
            true => TRANSLATION_RATE_FACTORS.iter().map(|factor| factor * recipe.schedule.lr).collect(),
            false => args.rates.clone(),
        },
        seeds: args.seeds.get(),
        metric: Metric::Bleu,
        cell: &|activation, lr, seed| cell(args, &recipe, activation, lr, seed),
    };
    let Some(runs) = trials.run(&data, &args.table)? else { return Ok(()) };
    // What is there is shown, whatever failed.
    write(args, &trials, &recipe, &runs.records, &data)?;
    runs.end()
}

/// The text, with the tokenizer that the recipe asks for.
fn load(args: &TranslationArgs, recipe: &TranslationRecipe) -> Result<TextData> {
    let cache = DataOptions::default_cache();
    let data = args.table.data_options();
    let corpus = text::load(&TextOptions { data, sets: args.sets.clone(), eval: args.eval.clone() })?;
    eprintln!("{}", corpus.note);
    let data = TextData::prepare(Arc::new(corpus), recipe, Some(&cache))?;
    eprintln!("{}", data.note());
    Ok(data)
}

fn cell(
    args: &TranslationArgs,
    recipe: &TranslationRecipe,
    activation: &Activation,
    lr: Option<f64>,
    seed: u64,
) -> Cell<TranslationRecipe> {
    let (precision, profile) = (args.table.precision, args.table.profile);
    let mut recipe = recipe.clone();
    recipe.schedule.lr = lr.unwrap_or(recipe.schedule.lr);
    Cell { recipe, activation: activation.clone(), seed, precision, profile }
}

/// Both kinds of BLEU on every evaluation set, called as the paper calls it where it is one of the paper's; and the paper's own sets.
fn columns(recipe: &TranslationRecipe, data: &TextData) -> Vec<Column> {
    let (paper, paper_sets) = PAPER;
    let dataset = data.dataset();
    let ours = data.eval().iter().map(|set| {
        let as_run = format!("{dataset}/{}", set.name);
        let called =
            if paper_sets.contains(&set.name.as_str()) { format!("{paper}/{}", set.name) } else { as_run.clone() };
        (called, as_run)
    });
    let printed = paper_sets.iter().map(|set| format!("{paper}/{set}")).map(|set| (set.clone(), set));
    let mut columns: Vec<Column> = Vec::new();
    for (dataset, dataset_as_run) in ours.chain(printed) {
        let column = |metric| Column {
            dataset: dataset.clone(),
            dataset_as_run: dataset_as_run.clone(),
            model: MODEL.into(),
            model_as_run: recipe.model.clone(),
            metric,
        };
        let both = [Metric::Bleu, Metric::TokenisedBleu].map(column);
        if !columns.iter().any(|column| column.dataset == dataset) {
            columns.extend(both);
        }
    }
    columns
}

/// The table, all of its learning rates, a dot plot, and training curves at the rates that the table shows.
fn write(
    args: &TranslationArgs,
    trials: &Trials<TranslationRecipe>,
    recipe: &TranslationRecipe,
    records: &[RunRecord],
    data: &TextData,
) -> Result<()> {
    let rows: Vec<String> = trials.activations.iter().map(ToString::to_string).collect();
    let chosen = !args.rates.is_empty() || !args.sets.is_empty() || !args.eval.is_empty() || args.seeds.get() > 1;
    let ending = if args.table.profile == Profile::Paper && args.layers == 6 { "-6" } else { "" };
    let stem = stem(NUMBER, &args.table, data.source(), ending, args.table.selects() || chosen);
    let spec = TableSpec {
        number: NUMBER,
        title: format!("Table {NUMBER}: Transformer on English-German translation"),
        stem: stem.clone(),
        rows: rows.clone(),
        columns: columns(recipe, data),
    };
    let mut written = write_table(&Table::build(spec, records), &args.table)?;
    let curves =
        curves("Transformer: training curves", &rows, &shown(trials.activations, records, trials.metric), &args.table)?;
    written.extend(curves.write(args.table.results.join("figures").join(format!("{stem}_curves")))?);
    for file in written {
        eprintln!("wrote {}", file.display());
    }
    Ok(())
}
