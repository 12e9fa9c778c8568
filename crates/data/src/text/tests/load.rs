#![allow(clippy::unwrap_used)]

use super::*;
use crate::tests::support::shared;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A hub that knows nothing but this cache.
fn hub(cache: &Path) -> Hub {
    let contact = Duration::from_secs(1);
    Hub { offline: true, cache: Some(cache.to_path_buf()), endpoint: None, contact, stall: contact }
}

fn options(choice: DataChoice, dir: Option<&Path>) -> TextOptions {
    let dir = dir.map(Path::to_path_buf);
    TextOptions::new(DataOptions { choice, dir, cache: "no cache".into(), require_real: false })
}

fn from_dir(dir: &Path) -> Result<Corpus, DataError> {
    load_with(&options(DataChoice::Auto, Some(dir)), &hub(dir))
}

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// Two training sets and two evaluation sets without usual names.
fn small(dir: &Path) {
    write(
        dir,
        &[
            ("train/one.en", "A.\nB.\n\nHeld.\n"),
            ("train/one.de", "Ein.\nZwei.\nLeer.\nGehalten.\n"),
            ("train/two.en", "A.\nC.\n"),
            ("train/two.de", "Ein.\nDrei.\n"),
            ("train/notes.txt", "not a set\n"),
            ("eval/first.en", "Held.\n\n"),
            ("eval/first.de", "Gehalten.\nLeer.\n"),
            ("eval/second.en", "X.\n"),
            ("eval/second.de", "Iks.\n"),
        ],
    );
}

#[test]
fn a_folder_of_files_is_read_cleaned_and_described() {
    let folder = tempfile::tempdir().unwrap();
    small(&folder.path().join("wmt-ende"));
    let corpus = from_dir(folder.path()).unwrap();
    assert_eq!(
        corpus.note,
        format!(
            "data: dir English-German text ({}, line-aligned files), 3 training pairs (one 2, two 1; left out: 1 empty, \
             1 also in an evaluation set, 1 duplicate), evaluation: first 2, second 1; warning: first has 1 pairs with an empty side",
            folder.path().display()
        )
    );
    assert_eq!((corpus.train_len(), corpus.dev().name.as_str(), corpus.tests().len()), (3, "first", 1));
    assert_eq!(corpus.sentences().collect::<Vec<_>>(), ["A.", "B.", "Ein.", "Zwei.", "C.", "Drei."]);
    assert_eq!(corpus.eval_set("second").unwrap().pairs().next(), Some(("X.", "Iks.")));
    assert_eq!(corpus.eval_set("third").unwrap_err().to_string(), "no set third; there are first, second");
    let other = tempfile::tempdir().unwrap();
    small(other.path());
    assert_eq!(from_dir(other.path()).unwrap().version, corpus.version, "the folder is no part of the content");
    write(other.path(), &[("train/two.en", "A.\nc.\n")]);
    assert_ne!(from_dir(other.path()).unwrap().version, corpus.version);
}

#[test]
fn sets_are_chosen_by_name() {
    let folder = tempfile::tempdir().unwrap();
    small(folder.path());
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let load = |sets: &[&str], eval: &[&str]| {
        let data = options(DataChoice::Dir, Some(folder.path())).data;
        load_with(&TextOptions { data, sets: names(sets), eval: names(eval) }, &hub(folder.path()))
    };
    let corpus = load(&["two"], &["second", "first"]).unwrap();
    assert_eq!((corpus.train[0].name.as_str(), corpus.train_len(), corpus.dev().name.as_str()), ("two", 2, "second"));
    // An evaluation set that is trained on is no evaluation set.
    let corpus = load(&["two", "first"], &[]).unwrap();
    assert_eq!((corpus.train_len(), corpus.eval.len(), corpus.dev().name.as_str()), (3, 1, "second"));
    // One name on both sides: two sets, and none of what is evaluated is trained on.
    write(folder.path(), &[("eval/two.en", "C.\nD.\n"), ("eval/two.de", "Drei.\nVier.\n")]);
    let corpus = load(&[], &["two"]).unwrap();
    assert_eq!((corpus.dev().len(), corpus.train_len()), (2, 2));
    for side in ["en", "de"] {
        std::fs::remove_file(folder.path().join(format!("eval/two.{side}"))).unwrap();
    }
    let message = load(&["first"], &["first"]).unwrap_err().to_string();
    assert_eq!(message, "no set first; there are second");
    let message = load(&["three"], &[]).unwrap_err().to_string();
    assert_eq!(message, "no set three; there are one, two, first, second");
}

#[test]
fn what_a_folder_lacks_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let message = || from_dir(dir).unwrap_err().to_string().replace(&format!("{}/", dir.display()), "");
    assert!(message().ends_with("or wmt14/de-en/{train,validation,test}-*.parquet"), "{}", message());
    small(dir);
    write(dir, &[("train/two.de", "Ein.\nDrei.\nVier.\n")]);
    assert_eq!(
        message(),
        "train/two.en has 2 lines and train/two.de has 3; expected one line for each sentence in both"
    );
    write(dir, &[("train/two.de", "Ein.\nDrei.\n"), ("train/three.de.gz", "")]);
    assert_eq!(
        message(),
        "train/three.de.gz: its other side is missing; expected three.en beside it (or with .gz or .zst)"
    );
    std::fs::remove_file(dir.join("train/three.de.gz")).unwrap();
    write(dir, &[("eval/second.en", ""), ("eval/second.de", "")]);
    assert!(message().ends_with("no evaluation pairs; expected at least one pair"));
    let message = from_dir(&dir.join("none")).unwrap_err().to_string();
    assert!(message.contains("no such folder; --data-dir (or SWISH_DATA) must be"), "{message}");
}

#[test]
fn embedded_phrases_stand_in_and_paper_runs_refuse_them() {
    let nothing = tempfile::tempdir().unwrap();
    let corpus = load_with(&options(DataChoice::Auto, None), &hub(nothing.path())).unwrap();
    assert_eq!(corpus.source, DataSource::Embedded);
    assert_eq!(
        corpus.note,
        "data: embedded phrases (no --data-dir; hub: wmt14: not in the Hugging Face cache; `swish data fetch --dataset wmt14` gets \
         it (0.8 GB)), 30000 training pairs (phrases 30000; left out: none), evaluation: phrases_val 1000, phrases_test 1000"
    );
    let mut options = options(DataChoice::Auto, None);
    options.data.require_real = true;
    let message = load_with(&options, &hub(nothing.path())).unwrap_err().to_string();
    assert!(message.starts_with("real English-German text is needed and was not found (embedded data no --data-dir"));
    small(nothing.path());
    options.data.dir = Some(nothing.path().to_path_buf());
    let message = load_with(&options, &hub(nothing.path())).unwrap_err().to_string();
    assert!(message.contains("(6 training pairs instead of the 4508785 of WMT 2014)"), "{message}");
    options.data = DataOptions { choice: DataChoice::Dir, dir: None, ..options.data };
    assert!(load_with(&options, &hub(nothing.path())).is_err());
    options.data.choice = DataChoice::Hub;
    assert!(matches!(load_with(&options, &hub(nothing.path())), Err(DataError::Hub { .. })));
}

/// A shard as the hub has it: a column `translation`, a struct of strings.
fn write_shard(path: &Path, columns: [&str; 2], rows: &[(&str, Option<&str>)]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let [de, en] = columns;
    let schema = format!(
        "message schema {{ optional group translation {{ optional binary {de} (UTF8); optional binary {en} (UTF8); }} }}"
    );
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer = SerializedFileWriter::new(std::fs::File::create(path).unwrap(), schema, Arc::default()).unwrap();
    for rows in rows.chunks(2) {
        let mut group = writer.next_row_group().unwrap();
        for side in
            [|row: &(&str, Option<&str>)| Some(row.0.to_owned()), |row: &(&str, Option<&str>)| row.1.map(str::to_owned)]
        {
            let values: Vec<Option<String>> = rows.iter().map(side).collect();
            let levels: Vec<i16> = values.iter().map(|value| if value.is_some() { 2 } else { 1 }).collect();
            let values: Vec<ByteArray> = values.into_iter().flatten().map(|text| text.into_bytes().into()).collect();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// WMT 2014 and 2016 in folders under `dir`, of few pairs.
fn small_wmt(dir: &Path) {
    for i in 0..3 {
        let rows =
            [("Eins.", Some("One.")), ("Zwei\nZeilen.", Some("Two lines.")), ("Drei.", Some(["C.", "D.", "E."][i]))];
        write_shard(&dir.join(format!("wmt14/de-en/train-0000{i}-of-00003.parquet")), ["de", "en"], &rows);
    }
    for (file, de) in [
        ("wmt14/de-en/validation-00000-of-00001", "2013"),
        ("wmt14/de-en/test-00000-of-00001", "2014"),
        ("wmt16/de-en/test-00000-of-00001", "2016"),
    ] {
        write_shard(&dir.join(format!("{file}.parquet")), ["de", "en"], &[(de, Some("year"))]);
    }
}

#[test]
fn wmts_shards_are_read_from_a_folder_and_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    small_wmt(folder.path());
    let corpus = from_dir(folder.path()).unwrap();
    assert!(corpus.note.contains("5 training pairs (wmt14 5; left out: 4 duplicate)"), "{}", corpus.note);
    assert!(corpus.note.ends_with("evaluation: newstest2013 1, newstest2014 1, newstest2016 1"), "{}", corpus.note);
    assert_eq!(corpus.train[0].pairs().nth(1), Some(("Two lines.", "Zwei Zeilen.")));
    assert_eq!(corpus.dev().pairs().next(), Some(("year", "2013")));

    // The Hugging Face cache, as its client leaves it.
    let cache = folder.path().join("hub");
    let commit = "0123456789".repeat(4);
    for name in ["wmt14", "wmt16"] {
        let repository = cache.join(format!("datasets--wmt--{name}"));
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::write(repository.join("refs/main"), &commit).unwrap();
        let snapshot = repository.join("snapshots").join(&commit);
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::rename(folder.path().join(name).join("de-en"), snapshot.join("de-en")).unwrap();
    }
    let cached = load_with(&options(DataChoice::Auto, None), &hub(&cache)).unwrap();
    assert_eq!((cached.source, &cached.version), (DataSource::Hub, &corpus.version));
    // Without one of its shards it is as if nothing were there.
    let shard = format!("datasets--wmt--wmt14/snapshots/{commit}/de-en/train-00001-of-00003.parquet");
    std::fs::remove_file(cache.join(shard)).unwrap();
    assert_eq!(load_with(&options(DataChoice::Auto, None), &hub(&cache)).unwrap().source, DataSource::Embedded);
    let message = crate::text::fetch::fetch_with(None, &mut |_, _, _| (), &hub(&cache)).unwrap_err().to_string();
    assert!(message.starts_with("hub: wmt14: not in the Hugging Face cache"), "{message}");
}

#[test]
fn damaged_shards_are_told_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    small_wmt(folder.path());
    let path = folder.path().join("wmt14/de-en/train-00001-of-00003.parquet");
    let message = || from_dir(folder.path()).unwrap_err().to_string();
    write_shard(&path, ["de", "fr"], &[("Eins.", Some("Un."))]);
    assert!(
        message().ends_with("column translation.en: missing; found translation.de, translation.fr"),
        "{}",
        message()
    );
    write_shard(&path, ["de", "en"], &[("Eins.", Some("One.")), ("Zwei.", None)]);
    assert!(message().contains("column translation.en: 1 empty values"), "{}", message());
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(message().contains("not a whole parquet file"), "{}", message());
}

/// Counts from the table that lies beside the real text.
#[test]
fn real_text_has_its_counts() {
    let Some(shared) = shared() else { return };
    let corpus = from_dir(&shared).unwrap();
    eprintln!("{}", corpus.note);
    assert_eq!(corpus.train_len() + corpus.dropped.total(), 287_138);
    let counts: Vec<(&str, usize)> = corpus.eval.iter().map(|set| (set.name.as_str(), set.len())).collect();
    let expected = [("newstest2013", 3000), ("newstest2014", 3003), ("newstest2015", 2169), ("newstest2016", 2999)];
    assert_eq!(counts, expected);
    let dropped = corpus.dropped;
    assert!(dropped.empty == 0 && dropped.in_evaluation > 1_000 && dropped.duplicate > 500, "{dropped}");
}
