#![allow(clippy::unwrap_used)]

use super::*;
use crate::run::RunRecord;
use crate::run::samples::record;
use crate::table::{Column, Table, TableSpec, read_folder};

/// Runs of two models on two data sets, written and read back: relu loses, ties and wins.
fn tables(profile: Profile, runs: &[(&str, &str, &str, &[f64])]) -> Vec<TableFile> {
    let folder = tempfile::tempdir().unwrap();
    for (number, dataset) in [(4, "cifar10"), (5, "cifar100")] {
        let column = |model: &str| Column {
            dataset: dataset.into(),
            dataset_as_run: dataset.into(),
            model: model.into(),
            model_as_run: model.into(),
            metric: Metric::Top1,
        };
        let of_data = runs.iter().filter(|(_, data, ..)| *data == dataset);
        let records: Vec<RunRecord> = of_data
            .flat_map(|(model, _, activation, values)| {
                values.iter().enumerate().map(move |(seed, top1)| RunRecord {
                    dataset: dataset.into(),
                    ..record(model, profile, DataSource::Dir, activation, seed as u64, *top1)
                })
            })
            .collect();
        let spec = TableSpec {
            number,
            title: "t".into(),
            stem: format!("table_{number:02}-{profile}-dir"),
            rows: Vec::new(),
            columns: vec![column("resnet-164"), column("wrn-28-10")],
        };
        Table::build(spec, &records).write(folder.path()).unwrap();
    }
    read_folder(folder.path()).unwrap()
}

fn counts(better: usize, equal: usize, worse: usize) -> Counts {
    Counts { better, equal, worse }
}

#[test]
fn a_model_counts_once_and_equal_after_rounding_is_a_tie() {
    let tables = tables(
        Profile::Reduced,
        &[
            // Ahead on one data set, level on the other: ahead.
            ("resnet-164", "cifar10", "swish", &[94.54, 94.4, 94.5]),
            ("resnet-164", "cifar10", "relu", &[93.0, 93.5, 94.45]),
            ("resnet-164", "cifar100", "swish", &[74.04]),
            ("resnet-164", "cifar100", "max(x,0)", &[73.96]),
            // Ahead on one, behind on the other: level.
            ("wrn-28-10", "cifar10", "swish", &[95.0]),
            ("wrn-28-10", "cifar10", "relu", &[94.0]),
            ("wrn-28-10", "cifar100", "swish", &[77.0]),
            ("wrn-28-10", "cifar100", "relu", &[79.0]),
            // On one model only.
            ("wrn-28-10", "cifar100", "elu", &[77.3]),
        ],
    );
    let all = of_tables(&tables);
    assert_eq!(all.len(), 1);
    let (kind, relu, elu) = (&all[0], &all[0].rows[0][0], &all[0].rows[4][0]);
    assert_eq!((kind.profile, kind.models.len()), (Profile::Reduced, 2));
    assert_eq!((relu.counts, relu.p_models), (counts(1, 1, 0), Some(1.0)));
    assert_eq!(elu.counts, counts(0, 0, 1));
    assert_eq!(kind.rows[0][1].counts.total(), 0, "there are no runs of swish-1");
    // Only one pair of columns has several seeds: `scipy.stats.mannwhitneyu(.., method="exact")`.
    assert_eq!(relu.seeded, 1);
    assert!((relu.p_seeds.unwrap() - 0.2).abs() < 1e-12, "{relu:?}");
}

/// Two evaluation sets of the same runs say no more than one.
#[test]
fn evaluation_sets_of_the_same_runs_are_one_stratum() {
    let runs = |data| {
        [("resnet-164", data, "swish", &[4.0, 5.0, 6.0][..]), ("resnet-164", data, "relu", &[1.0, 2.0, 3.0][..])]
    };
    let mut tables = tables(Profile::Paper, &[runs("cifar10"), runs("cifar100")].concat());
    let seeds = |tables: &[TableFile]| {
        let duel = of_tables(tables)[0].rows[0][0].clone();
        (duel.seeded, duel.p_seeds.unwrap())
    };
    let (seeded, apart) = seeds(&tables);
    assert!(seeded == 2 && apart < 0.02, "{apart}");
    for row in tables.iter_mut().flat_map(|table| &mut table.rows) {
        row.dataset_as_run = format!("wmt/{}", row.dataset);
    }
    let (seeded, together) = seeds(&tables);
    assert!(seeded == 1 && (together - 0.1).abs() < 1e-12, "{together}");
}

#[test]
fn reduced_and_paper_never_share_an_overview() {
    let values =
        |value| vec![("resnet-164", "cifar10", "swish", value), ("resnet-164", "cifar10", "relu", &[93.0_f64][..])];
    let both = [tables(Profile::Paper, &values(&[94.0])), tables(Profile::Reduced, &values(&[50.0]))].concat();
    let all = of_tables(&both);
    let shown: Vec<_> = all.iter().map(|o| (o.stem(), o.rows[0][0].counts)).collect();
    let expected =
        [("table_03-paper-dir".to_owned(), counts(1, 0, 0)), ("table_03-reduced-dir".to_owned(), counts(0, 0, 1))];
    assert_eq!(shown, expected);
}

#[test]
fn a_function_that_never_finished_is_behind() {
    let mut tables = tables(
        Profile::Paper,
        &[("resnet-164", "cifar10", "swish", &[94.0]), ("resnet-164", "cifar10", "relu", &[93.0])],
    );
    let swish = tables[0].rows.iter_mut().find(|row| row.activation == "swish").unwrap();
    (swish.n, swish.median, swish.values) = (0, None, Vec::new());
    assert_eq!(of_tables(&tables)[0].rows[0][0].counts, counts(0, 0, 1));
}

/// Counted by hand from the printed tables: with Swish-1 all agree but LReLU and SELU.
#[test]
fn the_papers_own_tables_give_most_of_its_table_3() {
    let paper = of_paper();
    let printed: Vec<Counts> = paper.iter().map(|duel| duel.printed).collect();
    let expected = [(9, 0, 0), (7, 1, 1), (6, 3, 0), (6, 2, 1), (8, 0, 1), (8, 1, 0), (8, 1, 0)];
    assert_eq!(printed, expected.map(|(b, e, w)| counts(b, e, w)));
    let differ = |swish: usize| -> Vec<&str> {
        let all = BASELINES.iter().zip(&paper);
        all.filter(|(_, duel)| duel.recounted[swish] != duel.printed).map(|(baseline, _)| *baseline).collect()
    };
    assert_eq!(differ(1), ["lrelu", "selu"]);
    assert_eq!(differ(0), ["relu", "lrelu", "prelu", "softplus", "selu"]);
    assert!(paper.iter().all(|duel| duel.recounted.iter().all(|counts| counts.total() == 9)));
}

#[test]
fn the_files_hold_every_baseline_and_both_forms() {
    let tables = tables(
        Profile::Reduced,
        &[("resnet-164", "cifar10", "swish", &[40.0, 41.0]), ("resnet-164", "cifar10", "relu", &[39.0, 38.0])],
    );
    let overview = &of_tables(&tables)[0];
    let csv = String::from_utf8(overview.csv().unwrap()).unwrap();
    assert_eq!(csv.lines().count(), 1 + 2 * BASELINES.len());
    assert!(csv.lines().nth(1).unwrap().starts_with("3,reduced,dir,swish,relu,1,1,0,0,1.0,1,"), "{csv}");
    let markdown = overview.markdown();
    assert!(
        markdown.contains("| `relu` | 1 / 0 / 0 |") && markdown.contains("do not compare with the paper's"),
        "{markdown}"
    );
    assert!(markdown.contains("No runs yet of wrn-28-10, densenet-100-12, mobile-nasnet-a"), "{markdown}");
}
