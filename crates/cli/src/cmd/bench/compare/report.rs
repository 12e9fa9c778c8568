//! The rows as Markdown and as a plot.

use super::case::{MODES, What, is_text};
use super::table::Row;
use std::fmt::Write as _;
use swish_core::models::ModelInfo;
use swish_record::Summary;
use swish_record::plot::{RatioPanel, RatioPlot, RatioRow};
use swish_record::provenance::short;

/// What stands where nothing was measured.
const NOTHING: &str = "–";

/// Rows of one kind and machine.
fn sections(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|a, b| a.key.section() == b.key.section())
}

fn imagenet(row: &Row) -> bool {
    row.key.info().is_some_and(|info| info.classes == 1000)
}

fn heading(row: &Row) -> String {
    let key = &row.key;
    let what = match key.what {
        What::Step if is_text(&key.model) => "Training step, translation",
        What::Step if imagenet(row) => "Training step, ImageNet",
        What::Step => "Training step, CIFAR-10",
        What::Translate => "Beam search",
        What::Activation => "Activation alone, forward and backward",
    };
    let s = if key.threads == 1 { "" } else { "s" };
    format!("{what} · {} · {} · {} thread{s}", key.cpu, key.simd, key.threads)
}

/// All rows, a table for each kind and machine.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::new();
    for section in sections(rows) {
        let _ = write!(text, "### {}\n\n{}\n{}\n", heading(&section[0]), grid(&columns(section)), notes(section));
    }
    text.trim_end().to_owned() + "\n"
}

/// The columns of a section: a heading, then a text a row. Modes that no row has are left out.
fn columns(section: &[Row]) -> Vec<Vec<String>> {
    let (what, unit) = (section[0].key.what, &section[0].unit);
    let decimals = if what == What::Activation { 2 } else { 1 };
    let number = |value: Option<f64>| value.map_or_else(|| NOTHING.to_owned(), |v| format!("{v:.decimals$}"));
    let mut columns = Vec::new();
    let mut column = |heading: &str, text: &dyn Fn(&Row) -> String| {
        columns.push(std::iter::once(heading.to_owned()).chain(section.iter().map(text)).collect());
    };
    if what != What::Activation {
        column("model", &|r| r.key.model.clone());
        column("batch", &|r| r.key.batch.to_string());
    }
    column("activation", &|r| format!("`{}`", r.key.activation.replace('|', "\\|")));
    column("precision", &|r| r.key.precision.clone());
    column(&format!("ours, {unit}"), &|r| number(Some(r.ours)));
    for (m, mode) in MODES.iter().enumerate() {
        if section.iter().any(|row| row.peers[m].is_some()) {
            column(mode, &|r| number(r.peers[m]));
        }
    }
    column("fastest / ours", &ratio);
    if what != What::Activation {
        let whole = |value: Option<f64>| value.map_or_else(|| NOTHING.to_owned(), |v| format!("{v:.0}"));
        column("MiB, ours / eager", &|r| format!("{} / {}", whole(r.rss_mib_ours), whole(r.rss_mib_eager)));
    }
    columns
}

fn ratio(row: &Row) -> String {
    match summary(row) {
        Some(r) if r.n > 1 => format!("{:.2} [{:.2}, {:.2}]", r.median, r.min, r.max),
        Some(r) => format!("{:.2}", r.median),
        None => NOTHING.to_owned(),
    }
}

/// The row's ratio; its values were summarized when it was measured.
fn summary(row: &Row) -> Option<Summary> {
    let (median, min, max) = (row.ratio?, row.ratio_min?, row.ratio_max?);
    Some(Summary { n: row.rounds, median, min, max, mean: median, std: None })
}

/// What the numbers are, and where they come from.
fn notes(section: &[Row]) -> String {
    let first = &section[0];
    let mut text = match first.key.what {
        What::Step if is_text(&first.key.model) => {
            "Milliseconds of a training step on random sentences of 32 tokens, the batch in target tokens (forward, loss, backward, Adam)".into()
        }
        What::Step => {
            let of = |text: &dyn Fn(&ModelInfo) -> String| {
                joined(section, " or ", |r| r.key.info().map_or_else(String::new, text))
            };
            let sizes = of(&|info| format!("{}x{}", info.input[1], info.input[2]));
            let classes = of(&|info| info.classes.to_string());
            let head = if imagenet(first) { "; auxiliary heads included" } else { "" };
            format!(
                "Milliseconds of a training step on random images of {sizes}, {classes} classes (forward, loss, backward, SGD{head})"
            )
        }
        What::Translate => {
            "Milliseconds in which a batch of random sentences of 32 tokens is translated into sentences as long by random weights (beam of 4, keys and values kept; compiled are the encoder, and a step of the decoder with its choice of tokens)".into()
        }
        What::Activation => {
            let elements = joined(section, " or ", |r| r.key.batch.to_string());
            format!("Nanoseconds an element, float32, with the gradients of the parameters, on {elements} elements")
        }
    };
    let rounds = joined(section, " or ", |r| r.rounds.to_string());
    let steps = joined(section, " or ", |r| r.steps.to_string());
    let _ = write!(text, ": medians of {steps} times in each process, then over {rounds} rounds of processes in turn.");
    if section.iter().any(|row| row.ratio.is_some()) {
        text.push_str(" The last ratio is PyTorch's fastest mode to ours within a round, median [smallest, largest]: above 1 ours is faster.");
    }
    if let Some(note) = uncompiled(section) {
        let _ = write!(text, " {note}");
    }
    if section.iter().any(|row| row.peers_after_round_1 == "fastest") {
        text.push_str(" After the first round only PyTorch's fastest mode was measured again.");
    }
    for row in section.iter().filter(|row| !row.failed.is_empty()) {
        let _ =
            write!(text, " Failed on {} {} {}: {}.", row.key.model, row.key.activation, row.key.precision, row.failed);
    }
    let commit = |r: &Row| {
        let commit = short(&r.commit);
        if r.dirty { format!("{commit} with changed sources") } else { commit.to_owned() }
    };
    let torch = joined(section, " ", |r| r.torch.clone());
    let torch = if torch.is_empty() { String::new() } else { format!("PyTorch {torch}, ") };
    let dates = joined(section, " ", |r| r.date.get(..10).unwrap_or(&r.date).to_owned());
    let _ = writeln!(text, "\n\nProvenance: {torch}commit {}, {dates}.", joined(section, " ", commit));
    text
}

/// Where no compiled mode of PyTorch was measured, which may be faster than the others.
fn uncompiled(rows: &[Row]) -> Option<String> {
    let compiles = |mode: &str| !["eager", "channels_last"].contains(&mode);
    let compiled = |row: &Row| MODES.iter().zip(&row.peers).any(|(mode, ms)| compiles(mode) && ms.is_some());
    let without: Vec<Row> = rows.iter().filter(|row| row.ratio.is_some() && !compiled(row)).cloned().collect();
    let models = joined(&without, ", ", |row| row.key.model.clone());
    (!models.is_empty()).then(|| format!("Of {models} no compiled mode of PyTorch was measured."))
}

/// What the rows have, each once.
fn joined(section: &[Row], between: &str, text: impl Fn(&Row) -> String) -> String {
    let mut texts: Vec<String> = section.iter().map(text).filter(|text| !text.is_empty()).collect();
    texts.sort();
    texts.dedup();
    texts.join(between)
}

/// Columns as a Markdown table, each as wide as its longest text.
fn grid(columns: &[Vec<String>]) -> String {
    let widths: Vec<usize> =
        columns.iter().map(|column| column.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(3)).collect();
    let mut text = String::new();
    for line in 0..columns.first().map_or(0, Vec::len) {
        let fields: Vec<String> =
            columns.iter().zip(&widths).map(|(column, &width)| format!("{:<width$}", column[line])).collect();
        let _ = writeln!(text, "| {} |", fields.join(" | "));
        if line == 0 {
            let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            let _ = writeln!(text, "| {} |", rules.join(" | "));
        }
    }
    text
}

/// The ratios; `None` where there are none.
pub fn plot(rows: &[Row]) -> Option<RatioPlot> {
    let compared: Vec<Row> = rows.iter().filter(|row| row.ratio.is_some()).cloned().collect();
    let panels: Vec<RatioPanel> = sections(&compared).map(panel).collect();
    let torch = joined(&compared, " ", |r| r.torch.clone());
    (!panels.is_empty()).then(|| RatioPlot {
        title: format!("Speed beside PyTorch {torch}"),
        notes: ["Medians of processes run in turn. PyTorch in its fastest mode, compiled or not.".into()]
            .into_iter()
            .chain(uncompiled(&compared))
            .collect(),
        axis: "PyTorch's time / ours (logarithmic)".into(),
        sides: ["PyTorch is faster".into(), "ours is faster".into()],
        series: ["f32".into(), "bf16".into()],
        panels,
    })
}

/// The rows of a section, both precisions of a case in one line.
fn panel(section: &[Row]) -> RatioPanel {
    let mut rows: Vec<RatioRow> = Vec::new();
    for row in section {
        let key = &row.key;
        let label = match key.what {
            What::Step | What::Translate => format!("{}, {}, batch {}", key.model, key.activation, key.batch),
            What::Activation => key.activation.clone(),
        };
        let series = usize::from(key.precision != "f32");
        if rows.last().is_none_or(|last| last.label != label) {
            rows.push(RatioRow { label, ratios: [None, None] });
        }
        if let Some(last) = rows.last_mut() {
            last.ratios[series] = summary(row);
        }
    }
    RatioPanel { heading: heading(&section[0]), rows }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::table::tests::row;
    use super::*;

    fn rows() -> Vec<Row> {
        vec![
            row("resnet20", "f32", 100.0, Some(1.5)),
            row("resnet20", "bf16", 50.0, Some(2.0)),
            row("wrn28_10", "f32", 1000.0, None),
            row("", "f32", 0.7, Some(3.0)),
        ]
    }

    #[test]
    fn the_table_has_a_line_a_row_and_a_section_a_kind() {
        let text = markdown(&rows());
        assert_eq!(text.matches("### ").count(), 2);
        assert!(text.contains("### Training step, CIFAR-10 · A CPU, with a comma · avx512 · 2 threads"));
        let line = text.lines().find(|line| line.contains("bf16")).unwrap();
        assert!(line.contains("| 50.0") && line.contains("2.00 [1.80, 2.20]") && line.contains("100 / 900"), "{line}");
        // A mode that nobody measured has no column, a row without PyTorch no ratio.
        assert!(text.contains("| compile") && !text.contains("| channels_last"));
        let alone = text.lines().find(|line| line.contains("wrn28_10")).unwrap();
        assert_eq!(alone.matches(NOTHING).count(), 4, "{alone}");
        assert!(text.contains("PyTorch 2.15.0, commit") && text.contains("Failed on resnet20"));
        assert_eq!(markdown(&[]), "\n");
    }

    #[test]
    fn a_ratio_to_modes_that_are_not_compiled_says_so() {
        let mut rows = rows();
        let word = "Of wrn28_10 no compiled mode of PyTorch was measured.";
        assert!(!markdown(&rows).contains("no compiled mode"));
        rows[2] = Row { peers: [Some(1500.0), None, None, None, None], ..row("wrn28_10", "f32", 1000.0, Some(1.5)) };
        assert!(markdown(&rows).contains(word));
        assert_eq!(plot(&rows).unwrap().notes[1], word);
    }

    #[test]
    fn models_of_imagenet_have_a_section_of_their_own() {
        let models = ["resnet20", "mobilenet_v1_same", "inception_v3_tfpool"];
        let text = markdown(&models.map(|model| row(model, "f32", 100.0, Some(1.5))));
        let (cifar, imagenet) = text.split_once("### Training step, ImageNet").unwrap();
        assert!(cifar.contains("images of 32x32, 10 classes") && !cifar.contains("mobilenet"), "{cifar}");
        assert!(imagenet.contains("images of 224x224 or 299x299, 1000 classes") && imagenet.contains("auxiliary"));
    }

    #[test]
    fn transformers_have_a_section_of_their_own() {
        let text = markdown(&["resnet20", "transformer_base"].map(|model| row(model, "f32", 100.0, Some(1.5))));
        let (images, sentences) = text.split_once("### Training step, translation").unwrap();
        assert!(images.contains("random images") && !images.contains("transformer"), "{images}");
        assert!(sentences.contains("random sentences") && sentences.contains("Adam"), "{sentences}");
    }

    #[test]
    fn beam_search_has_a_section_of_its_own() {
        let mut search = row("transformer_base", "f32", 100.0, Some(1.5));
        (search.key.what, search.key.batch) = (What::Translate, 32);
        let text = markdown(&[row("transformer_base", "f32", 100.0, Some(1.5)), search]);
        let (steps, search) = text.split_once("### Beam search").unwrap();
        assert!(steps.contains("Adam") && !steps.contains("beam"), "{steps}");
        assert!(search.contains("| transformer_base | 32") && search.contains("beam of 4"), "{search}");
    }

    #[test]
    fn both_precisions_of_a_case_share_a_line_of_the_plot() {
        let plot = plot(&rows()).unwrap();
        assert_eq!(plot.panels.len(), 2);
        let [step] = &plot.panels[0].rows[..] else { panic!("{:?}", plot.panels[0]) };
        assert_eq!(step.label, "resnet20, max(x,sin(x)), batch 128");
        assert_eq!(step.ratios.map(|r| r.unwrap().median), [1.5, 2.0]);
        assert_eq!(plot.panels[1].rows[0].ratios[1], None);
        assert!(super::plot(&rows()[2..3]).is_none());
    }
}
