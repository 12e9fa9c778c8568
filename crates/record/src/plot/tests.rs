#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use super::picture::{Align, Mark, Picture};
use super::text::text_width;
use super::*;
use crate::metrics::Row;
use crate::paper::Metric;
use crate::run::samples::record;
use crate::run::{DataSource, Profile, RunRecord};
use crate::stats::{Histogram, Summary};
use crate::table::{Column, Table, TableSpec};

mod search;

const PAPER: [&str; 9] = ["lrelu", "prelu", "softplus", "elu", "selu", "gelu", "relu", "swish-1", "swish"];
const MODELS: [(&str, &str); 3] =
    [("resnet-164", "resnet164"), ("wrn-28-10", "wrn28_10"), ("densenet-100-12", "densenet100_12")];

/// Made-up numbers: spread that depends on activation, model and seed, but not on chance.
fn noise(a: usize, m: usize, seed: u64) -> f64 {
    ((a * 37 + m * 101 + seed as usize * 53) % 97) as f64 / 97.0
}

/// Table 4 from made-up runs of `activations` on the first `models` models.
fn table(profile: Profile, source: DataSource, activations: &[&str], models: usize) -> Table {
    let columns = MODELS[..models].iter().map(|(model, model_as_run)| Column {
        dataset: "cifar10".into(),
        dataset_as_run: "cifar10".into(),
        model: (*model).into(),
        model_as_run: (*model_as_run).into(),
        metric: Metric::Top1,
    });
    let mut records = Vec::new();
    for (m, (_, model)) in MODELS[..models].iter().enumerate() {
        for (a, activation) in activations.iter().enumerate() {
            for seed in 1..=3 {
                let top1 = 91.0 + 3.0 * noise(a, m, 0) + noise(a, m, seed);
                let mut record = record(model, profile, source, activation, seed, top1);
                if (a, m) == (4, 1) || ((a, m) == (2, 0) && seed == 3) {
                    record.err = Some("diverged".into());
                }
                if (a, m) == (5, 2) {
                    record.top1 = Some(10.0);
                }
                records.push(record);
            }
        }
    }
    let spec = TableSpec {
        number: 4,
        title: "Table 4: CIFAR-10, made-up numbers".into(),
        stem: "table_04".into(),
        rows: activations.iter().map(|name| (*name).to_owned()).collect(),
        columns: columns.collect(),
    };
    Table::build(spec, &records)
}

/// Made-up curves: loss that falls and accuracy that rises; one activation diverges.
fn runs(activations: &[&str], models: usize) -> Vec<(RunRecord, Vec<Row>)> {
    let mut runs = Vec::new();
    for (m, (_, model)) in MODELS[..models].iter().enumerate() {
        for (a, activation) in activations.iter().enumerate() {
            let record = record(model, Profile::Reduced, DataSource::Embedded, activation, 1, 90.0);
            let rows = (1..=40_u32).map(|n| {
                let t = f64::from(n) / 40.0;
                let wiggle = 0.08 * (f64::from(n) * 1.7 + a as f64).sin();
                let fall = 2.3 * (-(2.0 + a as f64 * 0.3 + m as f64) * t).exp() + wiggle * (1.0 - t) + 0.05;
                let diverged = *activation == "elu" && m == 1 && n > 20;
                let train_loss = match n {
                    36.. if diverged => f64::NAN,
                    _ if diverged => fall * f64::from(n - 20).exp(),
                    _ => fall,
                };
                Row {
                    step: u64::from(n) * 1600,
                    epoch: f64::from(n),
                    lr: 0.1,
                    train_loss,
                    test_loss: None,
                    test_top1: (n % 4 == 0 && !diverged).then(|| 100.0 - 30.0 * fall.min(3.0)),
                    test_bleu: None,
                }
            });
            runs.push((record, rows.collect()));
        }
    }
    runs
}

fn order() -> Vec<String> {
    PAPER.map(String::from).to_vec()
}

/// Where a text lies: left, right, top, bottom.
fn boxes(picture: &Picture) -> Vec<(f64, f64, f64, f64, String)> {
    let text_box = |mark: &Mark| match mark {
        Mark::Text { x, y, text, ink, align } if !text.is_empty() => {
            let width = text_width(text, *ink);
            let left = match align {
                Align::Left => *x,
                Align::Center => x - width / 2.0,
                Align::Right => x - width,
            };
            Some((left, left + width, y - 0.75 * ink.size, y + 0.2 * ink.size, text.clone()))
        }
        _ => None,
    };
    picture.marks.iter().filter_map(text_box).collect()
}

/// Nothing leaves the picture; points without a place, such as NaN, are nowhere.
fn assert_inside(picture: &Picture) {
    let inside = |x: f64, y: f64, r: f64| x >= r && x + r <= picture.width && y >= r && y + r <= picture.height;
    for mark in &picture.marks {
        let holds = match mark {
            Mark::Text { x, y, .. } => inside(*x, *y, 0.0),
            Mark::Disc { x, y, radius, .. } => inside(*x, *y, *radius),
            Mark::Line { points, .. } | Mark::Area { points, .. } => points.iter().all(|(x, y)| inside(*x, *y, 0.0)),
        };
        assert!(holds, "{mark:?} of {} x {}", picture.width, picture.height);
    }
}

/// Nothing leaves the picture, and no text touches another.
fn assert_readable(picture: &Picture) {
    assert_inside(picture);
    let boxes = boxes(picture);
    assert!(!boxes.is_empty());
    for (n, a) in boxes.iter().enumerate() {
        assert!(
            a.0 >= 0.0 && a.1 <= picture.width && a.2 >= 0.0 && a.3 <= picture.height,
            "{a:?} of {} x {}",
            picture.width,
            picture.height
        );
        for b in &boxes[n + 1..] {
            let apart = a.1 <= b.0 || b.1 <= a.0 || a.3 <= b.2 || b.3 <= a.2;
            assert!(apart, "{a:?} touches {b:?}");
        }
    }
}

/// Fraction of the pixels that are not white, and number of colours.
fn ink(path: &Path) -> (f64, usize) {
    let picture = image::open(path).unwrap().to_rgb8();
    let colors: std::collections::BTreeSet<[u8; 3]> = picture.pixels().map(|pixel| pixel.0).collect();
    let inked = picture.pixels().filter(|pixel| pixel.0 != [255; 3]).count();
    (inked as f64 / f64::from(picture.width() * picture.height()), colors.len())
}

fn assert_written([png, svg]: [PathBuf; 2]) {
    let (inked, colors) = ink(&png);
    assert!((0.01..0.5).contains(&inked), "{}: {inked} of the pixels", png.display());
    assert!(colors > 50, "{}: {colors} colours", png.display());
    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg width=") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("font-family=\"sans-serif\"") && svg.contains("made-up"));
}

/// Where plots are written: a folder that is removed, or that of `SWISH_PLOTS=folder`, which keeps them to be looked at.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn base(&self, name: &str) -> PathBuf {
        std::env::var_os("SWISH_PLOTS").map_or(self.0.path().to_owned(), PathBuf::from).join(name)
    }
}

/// The plots people will see, nine activations on three models and few on one.
#[test]
fn plots_are_readable_and_written() {
    let folder = Folder::new();
    let reduced = (Profile::Reduced, DataSource::Embedded);
    let paper = (Profile::Paper, DataSource::Hub);
    for (name, (profile, source), activations, models) in [
        ("dots-9x3-paper", paper, &PAPER[..], 3),
        ("dots-9x3-reduced", reduced, &PAPER[..], 3),
        ("dots-2x1-reduced", reduced, &PAPER[6..8], 1),
    ] {
        let plots = DotPlot::of_table(&table(profile, source, activations, models));
        assert_eq!(plots.len(), 1);
        assert_readable(&plots[0].1.picture());
        assert_written(plots[0].1.write(folder.base(name)).unwrap());
    }
    for (name, activations, models) in [("curves-9x3", &PAPER[..], 3), ("curves-2x1", &["x*tanh(x)", "swish"][..], 1)] {
        let plot = CurvePlot::of_runs("Training curves, made-up numbers", &order(), &runs(activations, models));
        assert_readable(&plot.picture());
        assert_written(plot.write(folder.base(name)).unwrap());
    }
}

/// Made-up ratios of three models in two precisions and two functions in one, as the benchmark plots them.
fn ratios(factor: f64) -> RatioPlot {
    let ratio = |median: f64| Summary::of(&[0.93 * factor * median, factor * median, 1.1 * factor * median]);
    let row = |label: &str, ratios| RatioRow { label: label.into(), ratios };
    let steps = [("resnet20", 1.4, 2.0), ("resnet164", 1.05, 1.08), ("wrn28_10", 0.5, 0.8)];
    let steps = steps.map(|(model, f32, bf16)| row(&format!("{model}, swish, 128"), [ratio(f32), ratio(bf16)]));
    let functions = [("swish", 1.2), ("max(x,sin(x))", 3.9)].map(|(name, f32)| row(name, [ratio(f32), None]));
    let panel = |heading: &str, rows: &[RatioRow]| RatioPanel { heading: heading.into(), rows: rows.to_vec() };
    RatioPlot {
        title: "Speed, made-up numbers".into(),
        notes: vec!["A processor, 2 threads, avx512".into()],
        axis: "time of the other by ours".into(),
        sides: ["the other is faster".into(), "swish is faster".into()],
        series: ["f32".into(), "bf16".into()],
        panels: vec![panel("Training step", &steps), panel("Activation alone", &functions)],
    }
}

/// Wherever the line at 1 lies.
#[test]
fn ratio_plots_are_readable_and_written() {
    let folder = Folder::new();
    for (name, factor) in [("ratios", 1.0), ("ratios-slow", 0.02), ("ratios-fast", 30.0)] {
        let plot = ratios(factor);
        assert_readable(&plot.picture());
        assert_written(plot.write(folder.base(name)).unwrap());
    }
}

/// The paper's numbers share a panel with ours only where they compare.
#[test]
fn the_papers_numbers_have_panels_of_their_own_beside_reduced_runs() {
    let plot = |profile, source| DotPlot::of_table(&table(profile, source, &PAPER, 2)).remove(0).1;
    let real = plot(Profile::Paper, DataSource::Hub);
    assert_eq!(real.bands.len(), 1);
    assert!(
        real.bands[0].iter().flat_map(|panel| &panel.rows).any(|row| row.paper.is_some() && !row.values.is_empty())
    );
    for (profile, source) in [(Profile::Reduced, DataSource::Hub), (Profile::Paper, DataSource::Embedded)] {
        let plot = plot(profile, source);
        assert_eq!(plot.bands.len(), 2);
        for panel in plot.bands.iter().flatten() {
            let ours = panel.rows.iter().any(|row| !row.values.is_empty());
            let paper = panel.rows.iter().any(|row| row.paper.is_some());
            assert!(ours != paper && paper == panel.heading.contains("in the paper"), "{}", panel.heading);
        }
    }
}

#[test]
fn plots_of_nothing_are_no_error() {
    let folder = tempfile::tempdir().unwrap();
    CurvePlot::of_runs("Nothing", &[], &[]).write(folder.path().join("curves")).unwrap();
    let empty = table(Profile::Smoke, DataSource::Embedded, &[], 1);
    assert!(DotPlot::of_table(&empty).is_empty());
}

#[test]
fn equal_plots_are_equal_files() {
    let folder = tempfile::tempdir().unwrap();
    let plot = CurvePlot::of_runs("Twice", &order(), &runs(&PAPER[7..], 1));
    let read = |name: &str| plot.write(folder.path().join(name)).unwrap().map(|path| std::fs::read(path).unwrap());
    assert_eq!(read("a"), read("b"));
}

/// The font has every character the plots use; a missing one would be drawn as glyph 0, a box.
#[test]
fn the_font_has_the_characters_used() {
    let wide = |text: &str| text_width(text, super::style::LABEL);
    let missing = wide("\u{e123}");
    for c in ["·", "−", "β", "σ", "²", "³", "|", "^"] {
        assert!((wide(c) - missing).abs() > 0.01, "{c} is as wide as a missing character");
    }
}

/// Made-up bells, some of them outside the axis; the large panel alone, and with parts.
#[test]
fn histograms_are_readable_and_written() {
    let folder = Folder::new();
    let bell = |center: f64| {
        let mut histogram = Histogram::new(-8.0, 8.0, 64);
        (0..400_u32).for_each(|n| {
            let spread: f64 = (0..6).map(|k| f64::from(n * (2 * k + 3) % 101) / 25.0 - 2.0).sum();
            histogram.add(center + spread);
        });
        histogram
    };
    for (name, parts) in [("histograms-1", 0), ("histograms-31", 31)] {
        let part = |n: usize| HistogramPanel {
            heading: format!("layer{}.{}.act2", n / 10 + 1, n % 10),
            histogram: bell(n as f64 / 8.0 - 4.0),
        };
        let plot = HistogramPlot {
            title: "Preactivations, made-up numbers".into(),
            notes: vec!["made-up numbers".into()],
            x_label: "preactivation".into(),
            y_label: "% of the preactivations".into(),
            band: (parts > 0).then_some((-5.0, 0.0)),
            references: vec![Reference { value: 1.0, label: "start".into() }],
            whole: HistogramPanel { heading: "all".into(), histogram: bell(-1.0) },
            parts: (0..parts).map(part).collect(),
        };
        assert_readable(&plot.picture());
        assert_written(plot.write(folder.base(name)).unwrap());
    }
}

#[test]
fn one_file_is_written_as_its_name_says() {
    let folder = tempfile::tempdir().unwrap();
    let line = CurveLine { label: "x".into(), points: vec![(-1.0, -1.0), (1.0, 1.0)] };
    let (heading, y_label) = (String::new(), "f(x)".into());
    let panel = FunctionPanel { heading, y_label, y_range: (-1.0, 1.0), lines: vec![line] };
    let plot = FunctionPlot { title: "made-up".into(), notes: Vec::new(), x_range: (-1.0, 1.0), panels: vec![panel] };
    for name in ["f.svg", "f.PNG"] {
        plot.write_file(folder.path().join(name)).unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    assert!(image::load_from_memory(&std::fs::read(folder.path().join("f.PNG")).unwrap()).is_ok());
    let error = plot.write_file(folder.path().join("f.pdf")).unwrap_err().to_string();
    assert!(error.contains("f.pdf") && error.contains(".png or .svg"), "{error}");
}
