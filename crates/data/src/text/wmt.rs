//! WMT's English-German text in the hub's parquet layout: a column `translation`, a struct of the strings `de` and `en`.

use crate::DataError;
use crate::hub::{Hub, Place, Progress};
use crate::parquet_file::{broken, byte_arrays, guarded, open};
use crate::text::files::{Files, Found, Layout};
use crate::text::{Bitext, TextError};
use parquet::data_type::ByteArray;
use parquet::file::reader::FileReader;
use std::path::{Path, PathBuf};

/// The data sets of the hub's account `wmt`, and the folders of them under `--data-dir`.
pub(crate) const NAMES: [&str; 3] = ["wmt14", "wmt15", "wmt16"];
const OWNER: &str = "wmt";
/// The folder of the language pair in each.
const PAIR: &str = "de-en";
/// Training pairs of WMT 2014 on the hub.
pub(crate) const TRAIN_PAIRS: usize = 4_508_785;

/// What is wanted of each data set: WMT 2014's training text, newstest2013 (its validation set) and newstest2014; of the
/// later years the tests, newstest2015 and newstest2016.
const FILES: [&[&str]; 3] = [
    &[
        "de-en/train-00000-of-00003.parquet",
        "de-en/train-00001-of-00003.parquet",
        "de-en/train-00002-of-00003.parquet",
        "de-en/validation-00000-of-00001.parquet",
        "de-en/test-00000-of-00001.parquet",
    ],
    &["de-en/test-00000-of-00001.parquet"],
    &["de-en/test-00000-of-00001.parquet"],
];

/// The sets of the folders of WMT 2014, 2015 and 2016; `None` without WMT 2014's training and validation text.
pub(crate) fn find(folders: &[Option<PathBuf>; 3]) -> Option<Layout> {
    let set = |name: &str, year: usize, split: &str| -> Option<Found> {
        let shards = shards(&folders[year].as_ref()?.join(PAIR), split);
        (!shards.is_empty()).then(|| Found { name: name.to_owned(), files: Files::Parquet(shards) })
    };
    let train = vec![set(NAMES[0], 0, "train-")?];
    let mut eval = vec![set("newstest2013", 0, "validation-")?];
    let tests = [("newstest2014", 0), ("newstest2015", 1), ("newstest2016", 2)];
    eval.extend(tests.iter().filter_map(|(name, year)| set(name, *year, "test-")));
    Some(Layout { train, eval, kind: "parquet" })
}

fn shards(folder: &Path, split: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let of_split = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(split) && name.ends_with(".parquet")
    };
    let mut shards: Vec<PathBuf> = files.filter(of_split).collect();
    shards.sort();
    shards
}

/// The sets that the Hugging Face cache has. Nothing is downloaded here.
///
/// # Errors
/// [`DataError::Hub`] when WMT 2014 is not all there.
pub(crate) fn cached(hub: &Hub) -> Result<Layout, DataError> {
    let folders = NAMES.map(|name| hub.cached_folder(&place(name)).ok());
    let whole = |folder: &PathBuf| FILES[0].iter().all(|file| folder.join(file).is_file());
    folders[0].as_ref().filter(|folder| whole(folder)).and_then(|_| find(&folders)).ok_or_else(|| DataError::Hub {
        what: NAMES[0].into(),
        detail: "not in the Hugging Face cache; `swish data fetch --dataset wmt14` gets it (0.8 GB)".into(),
    })
}

/// The files of all three data sets, downloaded where the cache lacks them, each with its path under a data folder.
///
/// # Errors
/// [`DataError::Hub`].
pub(crate) fn download(hub: &Hub, progress: Progress) -> Result<Vec<(String, PathBuf)>, DataError> {
    let mut all = Vec::new();
    for (name, files) in NAMES.into_iter().zip(FILES) {
        let paths = hub.named(&place(name), files, progress)?;
        all.extend(files.iter().map(|file| format!("{name}/{file}")).zip(paths));
    }
    Ok(all)
}

fn place(name: &str) -> Place {
    Place { owner: OWNER.into(), name: name.into(), what: name.into() }
}

/// The pairs of some shards, in order.
pub(crate) fn read(name: &str, shards: &[PathBuf]) -> Result<Bitext, DataError> {
    let mut set = Bitext { name: name.to_owned(), ..Bitext::default() };
    for path in shards {
        guarded(path, || append(path, &mut set))?;
    }
    Ok(set)
}

fn append(path: &Path, set: &mut Bitext) -> Result<(), DataError> {
    let reader = open(path)?;
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(|e| broken(path, &e))?;
        let [en, de] =
            ["translation.en", "translation.de"].map(|column| byte_arrays(group.as_ref(), column, path, set.len()));
        let (en, de) = (en?, de?);
        if en.len() != de.len() {
            let detail = format!("{} sentences for {} in the other language", de.len(), en.len());
            return Err(DataError::Column { path: path.to_path_buf(), column: "translation.de", detail });
        }
        for (en, de) in en.iter().zip(&de) {
            let line = set.len() + 1;
            let text = |bytes: &ByteArray| -> Result<String, DataError> {
                let text = std::str::from_utf8(bytes.data());
                // A line break inside would come out as two sentences of a file.
                text.map(|text| text.replace(['\n', '\r'], " "))
                    .map_err(|_| TextError::Utf8 { path: path.to_path_buf(), line }.data())
            };
            set.push(&text(en)?, &text(de)?);
        }
    }
    Ok(())
}
