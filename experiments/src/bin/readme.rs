//! Puts the Markdown of every table in `results/tables`, of the search, of the benchmark and of translation beside PyTorch's between the
//! markers of README.md.

use anyhow::{Context, Result};
use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write the tables of results/tables, results/search and results/bench into README.md
#[derive(Parser)]
#[command(version, after_help = "Example:\n  readme --readme README.md --results results")]
struct Args {
    /// File with the markers
    #[arg(long, default_value = "README.md")]
    readme: PathBuf,
    /// Folder of results
    #[arg(long, default_value = "results")]
    results: PathBuf,
}

fn main() -> ExitCode {
    swish_experiments::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<()> {
    let read = |file: &Path| std::fs::read_to_string(file).with_context(|| file.display().to_string());
    let folder = args.results.join("tables");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
    // Whole tables only: parts and smoke runs are for whoever made them, and all learning rates are too many columns for a page.
    let left_out = ["-partial", "-smoke-", "_rates"];
    let whole = |name: &str| name.ends_with(".md") && !left_out.iter().any(|part| name.contains(part));
    files.retain(|f| f.file_name().is_some_and(|name| whole(&name.to_string_lossy())));
    files.sort();
    let tables = files.iter().map(|f| read(f)).collect::<Result<Vec<_>>>()?;
    let text = swish_record::splice(&read(&args.readme)?, "results", &tables.join("\n"))?;
    let speed = args.results.join("bench/cpu.md");
    let text = match speed.exists() {
        true => swish_record::splice(&text, "speed", &format!("{}{}", speed_plot(&args.results), read(&speed)?))?,
        false => text,
    };
    let translation = args.results.join("bench/translation.md");
    let text = match translation.exists() {
        true => swish_record::splice(&text, "translation", &read(&translation)?)?,
        false => text,
    };
    let search = args.results.join("search/one-unit");
    let text = match search.join("summary.md").exists() {
        true => swish_record::splice(&text, "search", &found(&search)?)?,
        false => text,
    };
    swish_record::write_atomic(&args.readme, text)?;
    eprintln!("{}: {} tables", args.readme.display(), files.len());
    Ok(())
}

/// What the search of the one-unit space found: its summary, what its candidates are made of, strategies beside one another.
fn found(folder: &Path) -> Result<String> {
    let read = |name: &str| {
        std::fs::read_to_string(folder.join(name)).with_context(|| folder.join(name).display().to_string())
    };
    let mut text = read("summary.md")?;
    for (name, title) in [
        ("groups", "Accuracy by operator"),
        ("compare", "Strategies on the recorded space"),
        ("rerun", "Trained again"),
    ] {
        if folder.join(name).with_extension("png").exists() {
            text += &format!("\n![{title}]({})\n", folder.join(name).with_extension("png").display());
        }
        if name == "compare" && folder.join("compare.md").exists() {
            text += &format!("\n{}", read("compare.md")?);
        }
    }
    if folder.join("rerun.md").exists() {
        text +=
            &format!("\nAll functions that were trained again: [rerun.md]({}).\n", folder.join("rerun.md").display());
    }
    Ok(text)
}

/// The plot of the benchmark as Markdown, where there is one.
fn speed_plot(results: &Path) -> String {
    let plot = results.join("bench/cpu.png");
    if plot.exists() { format!("![PyTorch's time by ours]({})\n\n", plot.display()) } else { String::new() }
}
