//! The table as Markdown, for people: columns aligned, so that it reads in a terminal as well.

use std::fmt::Write as _;

use super::{Cell, Column, Provenance, Section, Table, TableSpec};
use crate::paper::{Metric, lookup_runs};
use crate::provenance::short;
use crate::stats::Summary;

/// A column of text: its heading, then a line a row.
pub(super) type TextColumn = (String, Vec<String>);

/// What stands where there is nothing to show.
pub(super) const NOTHING: &str = "–";

pub(super) fn render(table: &Table) -> String {
    let spec = &table.spec;
    let mut text = format!("### {}\n", spec.title);
    if table.sections.is_empty() {
        text.push_str("\nNo runs recorded yet. The paper's numbers:\n\n");
        text.push_str(&grid(&spec.rows, &paper_columns(spec, &spec.rows, &spec.columns)));
    }
    for section in &table.sections {
        let _ = write!(text, "\n#### Profile {}, data: {}\n\n", section.profile, section.data_source);
        text.push_str(&grid(&section.rows, &section_columns(spec, section)));
        text.push('\n');
        text.push_str(&notes(spec, section));
    }
    text
}

/// Ours, the paper's, and the difference where it means something, block by block.
fn section_columns(spec: &TableSpec, section: &Section) -> Vec<TextColumn> {
    let mut columns = Vec::new();
    for (n, block) in section.blocks.iter().enumerate() {
        columns.push((section.heading(block, spec), block.cells.iter().map(ours).collect()));
        // Blocks of one column stand side by side, the paper's numbers after the last of them.
        let next = section.blocks.get(n + 1);
        if block.comparable || next.is_none_or(|next| next.column.printed() != block.column.printed()) {
            columns.extend(paper_columns(spec, &section.rows, std::slice::from_ref(&block.column)));
        }
        if block.comparable {
            let shown = |cell: &Cell| cell.difference.map_or_else(|| NOTHING.into(), |d| format!("{d:+.2}"));
            columns.push(("difference".into(), block.cells.iter().map(shown).collect()));
        }
    }
    let unfilled: Vec<Column> = section.unfilled.iter().map(|block| block.column.clone()).collect();
    columns.extend(paper_columns(spec, &section.rows, &unfilled));
    columns
}

/// The paper's numbers for `columns`, each of the paper's columns once; those it does not print are left out.
fn paper_columns(spec: &TableSpec, rows: &[String], columns: &[Column]) -> Vec<TextColumn> {
    let mut texts: Vec<TextColumn> = Vec::new();
    for column in columns {
        let runs = |row: &String| lookup_runs(spec.number, &column.dataset, &column.model, column.metric, row);
        let numbers: Vec<Option<Summary>> = rows.iter().map(|row| Summary::of(&runs(row))).collect();
        let heading = spec.paper_heading(column);
        if numbers.iter().any(Option::is_some) && !texts.iter().any(|(other, _)| *other == heading) {
            let shown = |n: Option<Summary>| match n {
                None => NOTHING.into(),
                Some(s) if s.n == 1 => format!("{:.1}", s.median),
                Some(s) => format!("{:.1} [{:.1}, {:.1}] n={}", s.median, s.min, s.max, s.n),
            };
            texts.push((heading, numbers.into_iter().map(shown).collect()));
        }
    }
    texts
}

/// `93.80 [93.61, 93.95] n=5, 1 failed`.
fn ours(cell: &Cell) -> String {
    outcome(cell.summary, cell.failed, &cell.reasons)
}

/// As [`ours`], of any runs.
pub(super) fn outcome(summary: Option<Summary>, failed: usize, reasons: &[String]) -> String {
    let Some(s) = summary else {
        return match failed {
            0 => NOTHING.into(),
            failed => format!("{failed} failed: {}", reasons.join("; ").replace('|', "/")),
        };
    };
    let mut text = format!("{:.2}", s.median);
    if s.n > 1 {
        let _ = write!(text, " [{:.2}, {:.2}]", s.min, s.max);
    }
    let _ = write!(text, " n={}", s.n);
    if failed > 0 {
        let _ = write!(text, ", {failed} failed");
    }
    text
}

/// What the numbers are and where they come from.
fn notes(spec: &TableSpec, section: &Section) -> String {
    let mut metrics: Vec<&str> = Vec::new();
    for block in &section.blocks {
        let label = block.column.metric.label();
        if !metrics.contains(&label) {
            metrics.push(label);
        }
    }
    let mut text = format!("{}: median [smallest, largest] over n seeds.", metrics.join(", "));
    if section.blocks.iter().flat_map(|block| &block.cells).any(|cell| cell.rates.len() > 1) {
        let _ = write!(
            text,
            " Of several learning rates the one with the most finished runs, then the best median {} at the end, is shown.",
            deciding(section)
        );
    }
    if !section.blocks.iter().any(|block| block.comparable) {
        let why = match section.data_source.is_real() {
            true => "These runs are not the paper's in size",
            false => "These runs use data made by the program, which stand in for the data set",
        };
        let _ = write!(text, " {why}: their numbers do not compare with the paper's.");
    }
    text.push_str("\n\n");
    text.push_str(&made_with(section));
    let _ = writeln!(text, "\nThe paper's numbers: Table {} of arXiv 1710.05941v2.", spec.number);
    text
}

/// What decides among several learning rates.
pub(super) fn deciding(section: &Section) -> &'static str {
    match section.blocks.iter().any(|block| block.column.metric.printed() == Metric::Bleu) {
        true => "SacreBLEU on the development set",
        false => "top-1 accuracy",
    }
}

/// The runs of a section: how many, when and where, under which recipes.
pub(super) fn made_with(section: &Section) -> String {
    let mut text = provenance(section);
    let mut settings: Vec<String> = Vec::new();
    for block in &section.blocks {
        let s = &block.setting;
        let line = format!(
            "{}: recipe {}, {} steps of {}, {}, {} {}",
            block.column.model_as_run,
            s.recipe,
            s.steps,
            s.batch,
            s.precision,
            block.column.dataset_as_run.split('/').next().unwrap_or_default(),
            s.data_version
        );
        if !settings.contains(&line) {
            settings.push(line);
        }
    }
    let _ = writeln!(text, " Runs: {}.", settings.join("; "));
    text
}

/// `Provenance: profile reduced, data embedded, 27 runs (1 failed), seeds 1 2 3, commit 0123456789, cpu, 2 threads, 1 h 02 min in all.`
fn provenance(section: &Section) -> String {
    let p: &Provenance = &section.provenance;
    let commits: Vec<&str> = p.commits.iter().map(|commit| short(commit)).collect();
    let failed = if p.failed > 0 { format!(" ({} failed)", p.failed) } else { String::new() };
    let s = if p.runs == 1 { "" } else { "s" };
    let changed = if p.dirty { " with changed sources" } else { "" };
    format!(
        "Provenance: profile {}, data {}, {} run{s}{failed}, seed{} {}, commit {}{changed}, {}, {} threads, {} in all.",
        section.profile,
        section.data_source,
        p.runs,
        if p.seeds.len() == 1 { "" } else { "s" },
        joined(&p.seeds),
        commits.join(" "),
        p.devices.join("; "),
        joined(&p.threads),
        duration(p.seconds),
    )
}

fn joined<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// Seconds in the two largest units.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A Markdown table: activations, then `columns`, every column as wide as its longest text.
pub(super) fn grid(rows: &[String], columns: &[TextColumn]) -> String {
    let labels = rows.iter().map(|row| format!("`{}`", row.replace('|', "\\|"))).collect();
    let all: Vec<TextColumn> = [("activation".to_owned(), labels)].into_iter().chain(columns.iter().cloned()).collect();
    let width = |(heading, lines): &TextColumn| {
        let longest = lines.iter().map(|line| line.chars().count()).max();
        longest.unwrap_or(0).max(heading.chars().count()).max(3)
    };
    let widths: Vec<usize> = all.iter().map(width).collect();
    let mut text = String::new();
    let mut line = |fields: &mut dyn Iterator<Item = String>| {
        let _ = writeln!(text, "| {} |", fields.collect::<Vec<_>>().join(" | "));
    };
    let zip = || all.iter().zip(&widths);
    line(&mut zip().map(|((heading, _), &w)| format!("{heading:<w$}")));
    line(&mut zip().map(|(_, &w)| "-".repeat(w)));
    for n in 0..rows.len() {
        line(&mut zip().map(|((_, lines), &w)| format!("{:<w$}", lines[n])));
    }
    text
}
