//! `swish space`: the search space, counted or listed.

use crate::args::say;
use anyhow::Result;
use std::collections::BTreeMap;
use swish_search::space::{Classes, Space, SpaceConfig, screen};

/// The largest space whose functions are listed or merged.
const LISTABLE: u128 = 1_000_000;

/// Show a search space: its size, its functions, and how many of them differ
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  swish space --units 2 --count\n  swish space --units 1 --unique\n  swish space --units 1 --unary 'x;sin(x);sigmoid(x)' --binary 'x1*x2;max(x1,x2)' --list"
)]
pub struct Args {
    #[command(flatten)]
    space: SpaceArgs,
    /// Print the number of functions (the default)
    #[arg(long, conflicts_with_all = ["list", "unique"])]
    count: bool,
    /// List every function as it is written
    #[arg(long, conflicts_with = "unique")]
    list: bool,
    /// Merge equal functions and list one of each, then say how many there are and how many of them are hopeless
    #[arg(long)]
    unique: bool,
}

/// Which functions.
#[derive(clap::Args)]
pub struct SpaceArgs {
    /// Core units of a function, 1 to 4
    #[arg(long, default_value_t = 1)]
    units: usize,
    /// Only these unary operators, by name or as the paper writes them, separated by semicolons; all 25 unless given
    #[arg(long, value_delimiter = ';', value_name = "U;U;..")]
    unary: Vec<String>,
    /// Only these binary operators; all 10 unless given
    #[arg(long, value_delimiter = ';', value_name = "B;B;..")]
    binary: Vec<String>,
}

impl SpaceArgs {
    /// The space, checked, as it is written down.
    pub fn config(&self) -> Result<SpaceConfig> {
        let config = SpaceConfig { units: self.units, unary: self.unary.clone(), binary: self.binary.clone() };
        Ok(config.build()?.config())
    }
}

pub fn run(args: Args) -> Result<()> {
    let space = args.space.config()?.build()?;
    if !(args.list || args.unique) {
        return say(space.count());
    }
    if space.count() > LISTABLE {
        anyhow::bail!(
            "{} functions: spaces of up to {LISTABLE} are listed; take fewer units or operators",
            space.count()
        );
    }
    if args.list { list(&space) } else { unique(&space) }
}

fn list(space: &Space) -> Result<()> {
    space.iter().try_for_each(|units| say(units.expr()))
}

fn unique(space: &Space) -> Result<()> {
    let (mut classes, mut unwritable) = (Classes::default(), 0);
    for units in space.iter() {
        match units.activation() {
            Ok(activation) => drop(classes.insert(&activation)),
            Err(_) => unwritable += 1,
        }
    }
    let mut hopeless: BTreeMap<String, usize> = BTreeMap::new();
    for activation in classes.firsts() {
        say(activation.canonical())?;
        if let Some(why) = screen(activation) {
            *hopeless.entry(why.to_string()).or_default() += 1;
        }
    }
    let counted: Vec<String> = hopeless.iter().map(|(why, n)| format!("{n} {why}")).collect();
    let rest = classes.len() - hopeless.values().sum::<usize>();
    eprintln!("{} functions, {} different", space.count(), classes.len());
    if unwritable > 0 {
        eprintln!("{unwritable} have a constant part that is not finite");
    }
    eprintln!("hopeless: {}; to train: {rest}", if counted.is_empty() { "none".into() } else { counted.join(", ") });
    Ok(())
}
