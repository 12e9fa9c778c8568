//! The numbers of the paper ("Searching for Activation Functions", arXiv 1710.05941v2, Tables 1 to 11)
//! and the names that mean the same there and here.
//!
//! The numbers are `results/paper/table_NN.csv`, built into the program. Tables 1, 2, 4 and 5 of the
//! paper print medians of five runs; Tables 6 and 7 print their three runs one by one.

use std::fmt;
use std::sync::OnceLock;

use crate::stats;

/// What a number measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Top-1 accuracy, percent.
    Top1,
    /// Top-5 accuracy, percent.
    Top5,
    /// BLEU, 0 to 100; ours as SacreBLEU computes it.
    Bleu,
    /// BLEU of Moses' tokens with compounds split (`get_ende_bleu.sh` of tensor2tensor). The paper does not say which of the two it has.
    TokenisedBleu,
    /// Number of models on which Swish does better than the activation (Table 3).
    SwishBetter,
    /// Number of models on which Swish does as well as the activation (Table 3).
    SwishEqual,
    /// Number of models on which Swish does worse than the activation (Table 3).
    SwishWorse,
}

impl Metric {
    /// Name in the CSV files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Top1 => "top1",
            Self::Top5 => "top5",
            Self::Bleu => "bleu",
            Self::TokenisedBleu => "tokenised_bleu",
            Self::SwishBetter => "swish_better",
            Self::SwishEqual => "swish_equal",
            Self::SwishWorse => "swish_worse",
        }
    }

    /// Name with the unit, for headings and axes.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Top1 => "top-1 accuracy (%)",
            Self::Top5 => "top-5 accuracy (%)",
            Self::Bleu => "BLEU (SacreBLEU)",
            Self::TokenisedBleu => "BLEU (tokenised, compounds split)",
            Self::SwishBetter => "models on which Swish is better",
            Self::SwishEqual => "models on which Swish is equal",
            Self::SwishWorse => "models on which Swish is worse",
        }
    }

    /// As which the paper prints it: it has one BLEU.
    #[must_use]
    pub fn printed(self) -> Self {
        if self == Self::TokenisedBleu { Self::Bleu } else { self }
    }

    /// As [`Metric::label`], of the paper's numbers.
    #[must_use]
    pub fn printed_label(self) -> &'static str {
        match self.printed() {
            Self::Bleu => "BLEU",
            other => other.label(),
        }
    }

    /// The metric of that name in the CSV files.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [
            Self::Top1,
            Self::Top5,
            Self::Bleu,
            Self::TokenisedBleu,
            Self::SwishBetter,
            Self::SwishEqual,
            Self::SwishWorse,
        ];
        all.into_iter().find(|metric| metric.name() == name)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One number of the paper, under the paper's own names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaperNumber {
    /// Table, 1 to 11.
    pub table: u8,
    /// Data set.
    pub dataset: &'static str,
    /// Model.
    pub model: &'static str,
    /// What is measured.
    pub metric: Metric,
    /// Activation; Tables 1 and 2 write it as a formula.
    pub activation: &'static str,
    /// Repeated run, from 1.
    pub run: u8,
    /// The value as printed.
    pub value: f64,
}

/// The tables as they stand in `results/paper`.
const TABLES: [&str; 11] = [
    include_str!("../../../results/paper/table_01.csv"),
    include_str!("../../../results/paper/table_02.csv"),
    include_str!("../../../results/paper/table_03.csv"),
    include_str!("../../../results/paper/table_04.csv"),
    include_str!("../../../results/paper/table_05.csv"),
    include_str!("../../../results/paper/table_06.csv"),
    include_str!("../../../results/paper/table_07.csv"),
    include_str!("../../../results/paper/table_08.csv"),
    include_str!("../../../results/paper/table_09.csv"),
    include_str!("../../../results/paper/table_10.csv"),
    include_str!("../../../results/paper/table_11.csv"),
];

/// All 323 numbers, table by table, in the paper's order.
#[must_use]
pub fn paper_numbers() -> &'static [PaperNumber] {
    static NUMBERS: OnceLock<Vec<PaperNumber>> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let lines = TABLES.iter().flat_map(|table| table.lines().skip(1));
        #[expect(clippy::expect_used, reason = "built into the program, and a test reads every line")]
        lines.map(|line| parse(line).expect("a row of results/paper")).collect()
    })
}

/// A row `table,dataset,model,metric,activation,run,value`; only the activation may be quoted.
fn parse(line: &'static str) -> Option<PaperNumber> {
    let mut head = line.splitn(5, ',');
    let (table, dataset, model, metric) = (head.next()?, head.next()?, head.next()?, head.next()?);
    let mut tail = head.next()?.rsplitn(3, ',');
    let (value, run, activation) = (tail.next()?, tail.next()?, tail.next()?);
    Some(PaperNumber {
        table: table.parse().ok()?,
        dataset,
        model,
        metric: Metric::from_name(metric)?,
        activation: activation.trim_matches('"'),
        run: run.parse().ok()?,
        value: value.parse().ok()?,
    })
}

/// The paper's accuracy (top-1) or BLEU: the median over the runs it prints, `None` where it prints none.
/// Names may be the paper's or ours (see [`activation_key`], [`model_key`]).
#[must_use]
pub fn lookup(table: u8, dataset: &str, model: &str, activation: &str) -> Option<f64> {
    [Metric::Top1, Metric::Bleu].into_iter().find_map(|metric| lookup_metric(table, dataset, model, metric, activation))
}

/// As [`lookup`], for any metric.
#[must_use]
pub fn lookup_metric(table: u8, dataset: &str, model: &str, metric: Metric, activation: &str) -> Option<f64> {
    stats::median(&lookup_runs(table, dataset, model, metric, activation))
}

/// The runs that the paper prints, in its order: three in Tables 6 and 7, at most one elsewhere.
#[must_use]
pub fn lookup_runs(table: u8, dataset: &str, model: &str, metric: Metric, activation: &str) -> Vec<f64> {
    let (model, activation) = (model_key(model), activation_key(activation));
    paper_numbers()
        .iter()
        .filter(|number| {
            number.table == table
                && number.metric == metric.printed()
                && number.dataset == dataset
                && model_key(number.model) == model
                && activation_key(number.activation) == activation
        })
        .map(|number| number.value)
        .collect()
}

/// Activations: the name used for comparison, and other spellings of the same function.
/// Tables 1 and 2 of the paper write formulas, the others names.
const ACTIVATIONS: [(&str, &[&str]); 16] = [
    ("relu", &["max(x,0)", "max(0,x)"]),
    ("lrelu", &["leakyrelu"]),
    ("prelu", &[]),
    ("softplus", &["log(1+exp(x))"]),
    ("elu", &[]),
    ("selu", &[]),
    ("gelu", &[]),
    ("swish1", &["silu", "x*sigmoid(x)", "sigmoid(x)*x"]),
    ("swish", &["x*sigmoid(beta*x)", "sigmoid(beta*x)*x"]),
    ("max(x,sigmoid(x))", &["max(sigmoid(x),x)"]),
    ("cos(x)-x", &[]),
    ("min(x,sin(x))", &["min(sin(x),x)"]),
    ("atan(x)^2-x", &["(atan(x))^2-x"]),
    ("max(x,tanh(x))", &["max(tanh(x),x)"]),
    ("sinc(x)+x", &["x+sinc(x)"]),
    ("x*asinh(x)^2", &["x*(asinh(x))^2", "asinh(x)^2*x"]),
];

/// Models: the paper's name and ours, both as [`plain`] leaves them.
/// Ours say so where the padding or pooling is TensorFlow's, which the paper's are anyway.
const MODELS: [(&str, &[&str]); 4] = [
    ("mobilenet", &["mobilenetv1", "mobilenetv1same"]),
    ("mobilenasneta", &["nasnetamobile"]),
    ("inceptionv3", &["inceptionv3tfpool"]),
    ("transformer12", &["transformer1212"]),
];

/// Name under which equal activations compare equal: `ReLU`, `relu` and `max(x, 0)` give `relu`.
/// A formula it does not know is its own name, without blanks.
#[must_use]
pub fn activation_key(name: &str) -> String {
    alias(&ACTIVATIONS, plain(name))
}

/// Name under which equal models compare equal: `resnet-164`, `resnet164` and `ResNet_164` give `resnet164`.
#[must_use]
pub fn model_key(name: &str) -> String {
    alias(&MODELS, plain(name))
}

/// Lower case without blanks; a name (`Swish-1`, not `x-1`) also without hyphens and underscores.
fn plain(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let letters = text.chars().take_while(char::is_ascii_alphabetic).count();
    let joined = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    // In a formula the hyphen is a minus sign. No operator is a bare word of three letters.
    if letters >= 3 && joined { text.replace(['-', '_'], "") } else { text }
}

/// The first name of the row `name` stands in, or `name` itself.
fn alias(rows: &[(&str, &[&str])], name: String) -> String {
    let row = rows.iter().find(|(_, others)| others.contains(&name.as_str()));
    row.map_or(name, |(first, _)| (*first).to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::path::Path;

    use super::*;

    #[test]
    fn every_number_of_the_source_is_there_and_no_other() {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/paper/tables.csv");
        if !Path::new(source).exists() {
            eprintln!("SKIPPED: ../shared/paper/tables.csv is missing");
            return;
        }
        let mut expected: Vec<[String; 6]> = Vec::new();
        for row in csv::Reader::from_path(source).unwrap().records() {
            let row = row.unwrap();
            let value: f64 = row[6].parse().unwrap();
            expected.push(
                [&row[0], &row[1], &row[2], &row[3], &row[4], &format!("{} {value}", &row[5])].map(str::to_owned),
            );
        }
        let mut ours: Vec<[String; 6]> = paper_numbers()
            .iter()
            .map(|n| {
                let run = format!("{} {}", n.run, n.value);
                [&n.table.to_string(), n.dataset, n.model, n.metric.name(), n.activation, &run].map(str::to_owned)
            })
            .collect();
        expected.sort();
        ours.sort();
        assert_eq!(ours.len(), 323);
        assert_eq!(ours, expected);
    }

    /// Read off the printed tables.
    #[test]
    fn numbers_are_found_under_both_spellings() {
        assert_eq!(lookup(1, "cifar10", "resnet-164", "relu"), Some(93.8));
        assert_eq!(lookup(1, "cifar10", "wrn28_10", "x * sigmoid(beta * x)"), Some(95.5));
        assert_eq!(lookup(1, "cifar10", "resnet164", "cos(x) - x"), Some(94.1));
        assert_eq!(lookup(1, "cifar10", "densenet100_12", "atan(x)^2 - x"), Some(94.9));
        assert_eq!(lookup(4, "cifar10", "resnet164", "swish"), lookup(4, "cifar10", "resnet-164", "Swish"));
        // Three runs, 73.5, 73.6 and 73.8: the median.
        assert_eq!(lookup(6, "imagenet", "nasnet_a_mobile", "relu"), Some(73.6));
        assert_eq!(lookup_metric(6, "imagenet", "nasnet_a_mobile", Metric::Top5, "swish"), Some(92.4));
        assert_eq!(lookup_runs(6, "imagenet", "nasnet_a_mobile", Metric::Top1, "relu"), [73.5, 73.6, 73.8]);
        assert_eq!(lookup_runs(8, "imagenet", "mobilenet_v1_same", Metric::Top5, "relu"), [90.8]);
        assert_eq!(lookup(9, "imagenet", "inception_v3_tfpool", "swish"), Some(78.7));
        assert_eq!(lookup(11, "wmt14-en-de/newstest2013", "transformer_12", "lrelu"), Some(26.2));
        assert_eq!(lookup_metric(3, "all", "nine models", Metric::SwishBetter, "relu"), Some(9.0));
    }

    #[test]
    fn what_the_paper_does_not_print_is_not_found() {
        assert_eq!(lookup(1, "cifar10", "resnet-164", "elu"), None);
        assert_eq!(lookup(4, "cifar100", "resnet-164", "relu"), None);
        assert_eq!(lookup(4, "cifar10", "resnet20", "relu"), None);
        assert_eq!(lookup(4, "cifar10", "densenet100_12_bc", "relu"), None);
        assert_ne!(activation_key("swish"), activation_key("swish-1"));
        // A minus sign is not a hyphen.
        assert_ne!(activation_key("exp(-x^2)"), activation_key("exp(x^2)"));
        assert_ne!(activation_key("x-1"), activation_key("x1"));
    }

    /// Tables 6 to 10 print both accuracies of nine activations, the first two of them in three runs (GELU in Table 6 in one).
    #[test]
    fn the_imagenet_tables_are_whole() {
        const ROWS: [&str; 9] = ["lrelu", "prelu", "softplus", "elu", "selu", "gelu", "relu", "swish-1", "swish"];
        for (table, model, runs) in [
            (6, "mobile-nasnet-a", 3),
            (7, "inception-resnet-v2", 3),
            (8, "mobilenet", 1),
            (9, "inception-v3", 1),
            (10, "inception-v4", 1),
        ] {
            for (row, metric) in ROWS.iter().flat_map(|row| [(row, Metric::Top1), (row, Metric::Top5)]) {
                let runs = if (table, *row) == (6, "gelu") { 1 } else { runs };
                assert_eq!(lookup_runs(table, "imagenet", model, metric, row).len(), runs, "{table} {row} {metric}");
            }
        }
    }

    /// Every activation the paper names has a row of its own: no two of a table fall together.
    #[test]
    fn the_alias_table_covers_the_paper() {
        for number in paper_numbers() {
            let key = activation_key(number.activation);
            assert!(ACTIVATIONS.iter().any(|(name, _)| *name == key), "{key}");
        }
    }
}
