#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::run::SetScore;
use crate::run::samples::record;

fn spec() -> TableSpec {
    let column = |model: &str, model_as_run: &str| Column {
        dataset: "cifar10".into(),
        dataset_as_run: "cifar10".into(),
        model: model.into(),
        model_as_run: model_as_run.into(),
        metric: Metric::Top1,
    };
    TableSpec {
        number: 4,
        title: "Table 4: CIFAR-10".into(),
        stem: "table_04".into(),
        rows: ["relu", "swish"].map(String::from).to_vec(),
        columns: vec![
            column("resnet-164", "resnet164"),
            column("resnet-164", "resnet11_v2"),
            column("wrn-28-10", "wrn28_10"),
        ],
    }
}

/// Paper-size runs on real data, reduced runs on a stand-in, and a reduced run on real data.
fn mixed() -> Vec<RunRecord> {
    let mut records = Vec::new();
    for (seed, top1) in [(1, 93.0), (2, 94.5), (3, 94.0)] {
        records.push(record("resnet164", Profile::Paper, DataSource::Hub, "relu", seed, top1));
        records.push(record("resnet11_v2", Profile::Reduced, DataSource::Embedded, "max(x,0)", seed, top1 - 30.0));
    }
    records.push(record("resnet164", Profile::Paper, DataSource::Hub, "swish", 1, 95.0));
    records.push(record("resnet11_v2", Profile::Reduced, DataSource::Hub, "relu", 1, 70.0));
    records
}

fn block<'a>(table: &'a Table, section: usize, model_as_run: &str) -> &'a Block {
    let mut blocks = table.sections[section].blocks.iter();
    blocks.find(|block| block.column.model_as_run == model_as_run).unwrap()
}

#[test]
fn the_median_stands_beside_the_papers_number() {
    let table = Table::build(spec(), &mixed());
    let cells = &block(&table, 0, "resnet164").cells;
    let summary = cells[0].summary.unwrap();
    assert_eq!((summary.n, summary.median, summary.min, summary.max), (3, 94.0, 93.0, 94.5));
    // Table 4 of the paper prints 93.8 for ReLU on ResNet-164.
    assert_eq!(cells[0].paper, Some(93.8));
    assert!((cells[0].difference.unwrap() - 0.2).abs() < 1e-9);
    assert_eq!(cells[0].values, [93.0, 94.5, 94.0]);
}

#[test]
fn profiles_and_data_sources_never_share_a_section_and_only_the_papers_runs_have_a_difference() {
    let table = Table::build(spec(), &mixed());
    let kinds: Vec<_> = table.sections.iter().map(|s| (s.profile, s.data_source)).collect();
    let expected = [
        (Profile::Paper, DataSource::Hub),
        (Profile::Reduced, DataSource::Hub),
        (Profile::Reduced, DataSource::Embedded),
    ];
    assert_eq!(kinds, expected);
    for section in &table.sections {
        let comparable = section.profile == Profile::Paper;
        for block in &section.blocks {
            assert_eq!(block.comparable, comparable);
            assert!(comparable || block.cells.iter().all(|cell| cell.difference.is_none()));
        }
    }
    // A name and its formula are one row.
    let cells = &block(&table, 2, "resnet11_v2").cells;
    assert_eq!((cells.len(), cells[0].summary.unwrap().n), (2, 3));
    assert_eq!(cells[1].summary, None);
}

#[test]
fn a_smaller_model_is_not_the_papers_even_at_full_length() {
    let records = [record("resnet11_v2", Profile::Paper, DataSource::Hub, "relu", 1, 93.0)];
    let table = Table::build(spec(), &records);
    assert!(!block(&table, 0, "resnet11_v2").comparable);
}

#[test]
fn different_settings_never_share_a_column() {
    let mut records = vec![record("resnet164", Profile::Paper, DataSource::Hub, "relu", 1, 93.0); 6];
    records[1].steps = 10;
    records[2].precision = "bf16".into();
    records[3].data_version = "v2".into();
    records[4].batch = 1;
    records[5].recipe = "adam".into();
    let table = Table::build(spec(), &records);
    assert_eq!(table.sections[0].blocks.len(), 6);
    let markdown = table.markdown();
    let header = markdown.lines().find(|line| line.starts_with("| activation")).unwrap();
    let mut headings: Vec<&str> = header.split(" | ").filter(|h| h.starts_with("resnet164")).map(str::trim).collect();
    headings.sort_unstable();
    headings.dedup();
    assert_eq!(headings.len(), 6, "{header}");
}

#[test]
fn failures_are_counted_and_told() {
    let mut records: Vec<RunRecord> =
        (1..=3).map(|seed| record("resnet164", Profile::Paper, DataSource::Hub, "relu", seed, 93.0)).collect();
    records[0].err = Some("diverged".into());
    records[1].top1 = Some(f64::NAN);
    records[2].top1 = None;
    let mut swish = record("resnet164", Profile::Paper, DataSource::Hub, "swish", 1, 95.0);
    (swish.err, swish.top1) = (Some("out of memory".into()), None);
    records.push(swish);
    let table = Table::build(spec(), &records);
    let cells = &block(&table, 0, "resnet164").cells;
    // The third run neither failed nor has a top-1 accuracy: it belongs to another metric.
    assert_eq!((cells[0].failed, cells[0].summary), (2, None));
    assert_eq!(cells[0].reasons, ["diverged", "result not finite"]);
    assert!(table.markdown().contains("1 failed: out of memory"));
    assert!(
        String::from_utf8(table.csv().unwrap()).unwrap().contains(",swish,paper,hub,v1,sgd,1000,128,f32,,1,0,,,,1,")
    );
}

/// Three rates a function, the best taken: Section 5.2 of the paper.
#[test]
fn of_several_learning_rates_the_best_is_shown_with_all_its_runs() {
    let mut records = Vec::new();
    for (lr, seed, top1) in [(0.1, 1, 99.0), (0.05, 1, 90.0), (0.05, 2, 92.0), (0.2, 1, 91.0), (0.2, 2, 94.0)] {
        let mut record = record("resnet164", Profile::Paper, DataSource::Hub, "relu", seed, top1);
        record.lr = lr;
        records.push(record);
    }
    let table = Table::build(spec(), &records);
    let cell = &block(&table, 0, "resnet164").cells[0];
    // One lucky run at 0.1 does not outweigh two at another rate.
    assert_eq!((cell.lr, cell.rates.len(), cell.summary.unwrap().median), (Some(0.2), 3, 92.5));
    assert!(table.markdown().contains("Of several learning rates"));

    // All three stand in a second table, the one that was taken in bold.
    let folder = tempfile::tempdir().unwrap();
    let files = table.write(folder.path()).unwrap();
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["table_04.csv", "table_04.md", "table_04_rates.csv", "table_04_rates.md"]);
    let markdown = std::fs::read_to_string(&files[3]).unwrap();
    let row = markdown.lines().find(|line| line.starts_with("| `relu`")).unwrap();
    let fields: Vec<&str> = row.split('|').map(str::trim).filter(|field| !field.is_empty()).collect();
    assert_eq!(fields, ["`relu`", "91.00 [90.00, 92.00] n=2", "99.00 n=1", "**92.50 [91.00, 94.00] n=2**"]);
    assert!(markdown.contains("| resnet164 · paper · hub · rate 0.05"), "{markdown}");
    let csv = std::fs::read_to_string(&files[2]).unwrap();
    assert!(csv.contains(",0.2,true,2,92.5,91,94,0") && csv.contains(",0.1,false,1,99,99,99,0"), "{csv}");
}

/// The paper prints three runs of Mobile NASNet-A, and both accuracies; a smaller data set never gives a difference to it.
#[test]
fn top5_is_shown_for_the_rate_with_the_best_top1_beside_the_papers_runs() {
    let mut records = Vec::new();
    for (lr, top1, top5) in [(1.0, 72.0, 91.0), (2.0, 73.0, 90.0)] {
        let run = record("nasnet_a_mobile", Profile::Paper, DataSource::Dir, "relu", 1, top1);
        records.push(RunRecord { lr, top5: Some(top5), dataset: "imagenet".into(), ..run });
    }
    let column = |metric| Column {
        dataset: "imagenet".into(),
        dataset_as_run: "imagenet".into(),
        model: "mobile-nasnet-a".into(),
        model_as_run: "nasnet_a_mobile".into(),
        metric,
    };
    let mut spec = TableSpec {
        number: 6,
        title: "Table 6".into(),
        stem: "table_06".into(),
        rows: vec!["relu".into()],
        columns: [Metric::Top1, Metric::Top5].map(column).to_vec(),
    };
    let table = Table::build(spec.clone(), &records);
    let [top1, top5] = &table.sections[0].blocks[..] else { panic!("{table:?}") };
    assert_eq!((top1.cells[0].values.clone(), top5.cells[0].values.clone()), (vec![73.0], vec![90.0]));
    // 73.0 less the paper's median 73.6, 90.0 less 91.5.
    let differences = [top1, top5].map(|block| (block.cells[0].difference.unwrap() * 10.0).round() / 10.0);
    assert_eq!(differences, [-0.6, -1.5]);
    let markdown = table.markdown();
    assert!(markdown.contains("73.6 [73.5, 73.8] n=3") && markdown.contains("91.5 [91.4, 91.6] n=3"), "{markdown}");
    assert!(markdown.contains("nasnet_a_mobile · paper · dir · top5"), "{markdown}");

    // The same on a part of the data set.
    spec.columns.iter_mut().for_each(|column| column.dataset_as_run = "imagenette".into());
    records.iter_mut().for_each(|run| run.dataset = "imagenette".into());
    let table = Table::build(spec, &records);
    assert!(!table.sections[0].blocks[0].comparable && table.sections[0].blocks[0].cells[0].paper == Some(73.6));
    assert!(table.markdown().contains("nasnet_a_mobile · paper · dir · imagenette · top1"), "{}", table.markdown());
}

#[test]
fn activations_beyond_the_rows_follow_them() {
    let records = [
        record("resnet164", Profile::Paper, DataSource::Hub, "x*tanh(x)", 1, 90.0),
        record("resnet164", Profile::Paper, DataSource::Hub, "|x|", 1, 80.0),
    ];
    let table = Table::build(spec(), &records);
    assert_eq!(table.sections[0].rows, ["relu", "swish", "x*tanh(x)", "|x|"]);
    assert!(table.markdown().contains(r"| `\|x\|`"));
}

#[test]
fn reduced_numbers_are_never_in_a_column_with_the_papers() {
    let markdown = Table::build(spec(), &mixed()).markdown();
    let (paper, rest) = markdown.split_once("#### Profile reduced, data: hub").unwrap();
    assert!(paper.contains("| resnet164 · paper · hub") && paper.contains("| difference |"), "{paper}");
    assert!(!rest.contains("difference |"), "{rest}");
    assert!(rest.contains("| resnet11_v2 · reduced · hub") && rest.contains("| resnet-164 · in the paper"));
    assert!(rest.contains("data made by the program"));
    assert!(rest.contains("seeds 1 2 3, commit 0123456789, cpu, 2 threads, 38 s in all"), "{rest}");
    // Every line of a table is as long as its heading.
    for lines in markdown.split("\n\n").filter(|part| part.starts_with("| activation")) {
        let mut widths: Vec<usize> = lines.lines().map(|line| line.chars().count()).collect();
        widths.dedup();
        assert_eq!(widths.len(), 1, "{lines}");
    }
}

#[test]
fn files_are_written_and_the_csv_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let table = Table::build(spec(), &mixed());
    let files = table.write(folder.path()).unwrap();
    let [csv, markdown] = &files[..] else { panic!("{files:?}") };
    assert_eq!(*csv, folder.path().join("tables/table_04.csv"));
    assert_eq!(std::fs::read_to_string(markdown).unwrap(), table.markdown());
    let mut reader = csv::Reader::from_path(csv).unwrap();
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    let get = |row: &csv::StringRecord, name: &str| row[header.iter().position(|h| h == name).unwrap()].to_owned();
    // relu and swish at paper size, relu twice at reduced size: one line a cell that has runs.
    assert_eq!(rows.len(), 4);
    assert_eq!(get(&rows[0], "median"), "94");
    assert_eq!((get(&rows[0], "paper"), get(&rows[0], "difference")), ("93.8".into(), "0.2".into()));
    assert_eq!(get(&rows[3], "profile"), "reduced");
    assert_eq!((get(&rows[3], "median"), get(&rows[3], "difference")), ("64".into(), String::new()));
}

#[test]
fn without_runs_only_the_papers_numbers_stand_there() {
    let table = Table::build(spec(), &[]);
    assert!(table.markdown().contains("No runs recorded yet"));
    assert!(table.markdown().contains("93.8"));
    assert_eq!(table.csv().unwrap().iter().filter(|byte| **byte == b'\n').count(), 1);
}

/// A run of translation with SacreBLEU on newstest2013 and newstest2014; tokenised BLEU is 0.5 more.
fn translated(activation: &str, lr: f64, bleu: [f64; 2]) -> RunRecord {
    let score = |(set, bleu): (&str, f64)| SetScore {
        set: set.into(),
        sentences: 3000,
        loss: 1.5,
        accuracy: 60.0,
        bleu,
        signature: String::new(),
        tokenised_bleu: bleu + 0.5,
        tokenised_signature: String::new(),
    };
    let run = record("transformer_12", Profile::Paper, DataSource::Hub, activation, 1, 60.0);
    let scores: Vec<SetScore> = ["newstest2013", "newstest2014"].into_iter().zip(bleu).map(score).collect();
    RunRecord { lr, dataset: "wmt14-en-de".into(), bleu: Some(bleu[0]), scores, ..run }
}

/// Columns of Table 11 for the first two sets as run under this name, in both kinds of BLEU, and for the others as the paper has them.
fn translation(dataset_as_run: &str) -> TableSpec {
    let sets = ["newstest2013", "newstest2014", "newstest2015"].iter().enumerate();
    let columns = sets.flat_map(|(n, set)| {
        let own = if n < 2 { dataset_as_run } else { "wmt14-en-de" };
        [Metric::Bleu, Metric::TokenisedBleu].map(|metric| Column {
            dataset: format!("wmt14-en-de/{set}"),
            dataset_as_run: format!("{own}/{set}"),
            model: "transformer-12".into(),
            model_as_run: "transformer_12".into(),
            metric,
        })
    });
    let rows = ["relu", "swish"].map(String::from).to_vec();
    TableSpec { number: 11, title: "Table 11".into(), stem: "table_11".into(), rows, columns: columns.collect() }
}

#[test]
fn one_rate_is_shown_on_all_sets_the_one_that_is_best_on_the_development_set() {
    let failed = RunRecord {
        scores: Vec::new(),
        bleu: None,
        err: Some("diverged".into()),
        ..translated("swish", 2.0, [0.0; 2])
    };
    let records = [translated("relu", 1.0, [26.0, 28.0]), translated("relu", 0.5, [26.5, 27.0]), failed];
    let table = Table::build(translation("wmt14-en-de"), &records);
    let section = &table.sections[0];
    let shown = |n: usize| (section.blocks[n].cells[0].lr, section.blocks[n].cells[0].summary.unwrap().median);
    // Set by set SacreBLEU and tokenised BLEU, each beside the paper's 26.1 and 27.8.
    assert_eq!([0, 1, 2, 3].map(shown), [26.5, 27.0, 27.0, 27.5].map(|bleu| (Some(0.5), bleu)));
    assert!(section.blocks.iter().all(|block| block.comparable && block.cells[1].failed == 1));
    assert_eq!(section.blocks[3].cells[0].paper, Some(27.8));
    assert!(table.markdown().contains("the best median SacreBLEU on the development set"));
}

#[test]
fn other_text_than_the_papers_does_not_compare() {
    let records = [RunRecord { dataset: "wmt-en-de".into(), ..translated("relu", 1.0, [26.0, 28.0]) }];
    let table = Table::build(translation("wmt-en-de"), &records);
    assert!(table.sections[0].blocks.iter().all(|block| !block.comparable && block.cells[0].difference.is_none()));
    let headings: Vec<_> =
        table.sections[0].blocks.iter().map(|block| table.sections[0].heading(block, &table.spec)).collect();
    assert!(headings[0].contains("wmt-en-de/newstest2013") && headings[0].ends_with("bleu"), "{headings:?}");
    assert!(headings[1].ends_with("tokenised_bleu"), "{headings:?}");
    // newstest2015 was not translated: the paper's 29.8 stands alone, once.
    let text = table.markdown();
    assert_eq!(text.matches("in the paper · wmt14-en-de/newstest2015").count(), 1, "{text}");
    assert!(text.contains("29.8") && table.sections[0].unfilled.len() == 1, "{text}");
}
