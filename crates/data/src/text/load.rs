//! Which parallel text a run gets: from a folder, from the Hugging Face cache, or made by the program; and the line that says so.

use crate::hub::Hub;
use crate::text::clean::clean;
use crate::text::corpus::version;
use crate::text::files::{Files, Found, Layout, find};
use crate::text::{Bitext, Corpus, TextError, phrases, wmt};
use crate::{DataChoice, DataError, DataOptions, DataSource};

/// What the caller wants loaded, and from where.
#[derive(Debug, Clone)]
pub struct TextOptions {
    /// Allowed source, folder, cache.
    pub data: DataOptions,
    /// Names of the training sets; none for all. An evaluation set that is named here is trained on.
    pub sets: Vec<String>,
    /// Names of the evaluation sets, the development set first; none for the paper's newstests, or what the data have instead.
    pub eval: Vec<String>,
}

impl TextOptions {
    /// All training sets, the usual evaluation sets.
    pub const fn new(data: DataOptions) -> Self {
        Self { data, sets: Vec::new(), eval: Vec::new() }
    }
}

/// Evaluation sets that belong together, the development set first: the paper's; of data without them, Multi30k's; those of embedded
/// data. Data with none of them: all they have, in the order of their names.
const USUAL: [&[&str]; 3] = [
    &["newstest2013", "newstest2014", "newstest2015", "newstest2016"],
    &["multi30k_val", "multi30k_test_2016_flickr"],
    &[phrases::VAL, phrases::TEST],
];

/// Training pairs, of the 4.5 million of WMT 2014, that count as all of them where real data are required: other copies of it differ a little.
const REAL: usize = 4_000_000;

/// Loads parallel text. With [`DataChoice::Auto`]: the folder if one is given, else WMT 2014 from the Hugging Face cache, else embedded
/// phrases. Nothing is downloaded here (it is 0.8 GB): `swish data fetch --dataset wmt14` does it. A folder that is given and holds no
/// text is an error, never a reason to take another.
///
/// Of training text the pairs with an empty side, those that stand in any evaluation set of the data, and repetitions are left out;
/// evaluation sets stay as they are.
///
/// # Errors
/// Any [`DataError`]; [`TextError::RealRequired`] when WMT 2014 is not to be had and `require_real` is set.
pub fn load(options: &TextOptions) -> Result<Corpus, DataError> {
    load_with(options, &Hub::from_env())
}

pub(crate) fn load_with(options: &TextOptions, hub: &Hub) -> Result<Corpus, DataError> {
    let data = &options.data;
    match (data.choice, &data.dir) {
        (DataChoice::Embedded, _) => load_embedded(options, "asked for"),
        (DataChoice::Dir, None) => Err(DataError::Argument {
            what: "data source",
            value: "dir".into(),
            expected: "a folder with it: --data-dir or SWISH_DATA".into(),
        }),
        (DataChoice::Dir | DataChoice::Auto, Some(dir)) => {
            let layout = find(dir)?;
            let why = format!("{}, {}", dir.display(), layout.kind);
            load_files(options, DataSource::Dir, &why, &layout)
        }
        (DataChoice::Hub, _) => load_files(options, DataSource::Hub, "asked for", &wmt::cached(hub)?),
        (DataChoice::Auto, None) => match wmt::cached(hub) {
            Ok(layout) => load_files(options, DataSource::Hub, "no --data-dir", &layout),
            Err(DataError::Hub { detail, .. }) => {
                load_embedded(options, &format!("no --data-dir; hub: wmt14: {detail}"))
            }
            Err(other) => Err(other),
        },
    }
}

fn load_embedded(options: &TextOptions, why: &str) -> Result<Corpus, DataError> {
    if options.data.require_real {
        return Err(TextError::RealRequired { why: format!("embedded data {why}") }.data());
    }
    let made = |set: Bitext| Found { name: set.name.clone(), files: Files::Made(set) };
    let [train, val, test] = phrases::generate().map(made);
    let layout = Layout { train: vec![train], eval: vec![val, test], kind: "phrases" };
    load_sets(options, DataSource::Embedded, &format!("embedded phrases ({why})"), &layout)
}

fn load_files(options: &TextOptions, source: DataSource, why: &str, layout: &Layout) -> Result<Corpus, DataError> {
    load_sets(options, source, &format!("{source} English-German text ({why})"), layout)
}

fn load_sets(options: &TextOptions, source: DataSource, what: &str, layout: &Layout) -> Result<Corpus, DataError> {
    let all: Vec<&Found> = layout.train.iter().chain(&layout.eval).collect();
    let name_of = |set: &&Found| set.name.clone();
    let train: Vec<&Found> = match options.sets.as_slice() {
        [] => layout.train.iter().collect(),
        names => names.iter().map(|name| named(&all, name, |set| &set.name)).collect::<Result<_, _>>()?,
    };
    // What is trained on is no evaluation set.
    let rest: Vec<&Found> =
        layout.eval.iter().filter(|set| !train.iter().any(|trained| std::ptr::eq(*trained, *set))).collect();
    let usual = || {
        let there = |names: &[&str]| {
            names.iter().filter_map(|name| rest.iter().find(|set| set.name == *name)).map(name_of).collect()
        };
        let groups = USUAL.map(there);
        groups
            .into_iter()
            .find(|names: &Vec<String>| !names.is_empty())
            .unwrap_or_else(|| rest.iter().map(name_of).collect())
    };
    let eval = if options.eval.is_empty() { usual() } else { options.eval.clone() };
    let read = |sets: &[&Found]| sets.iter().map(|set| set.read()).collect::<Result<Vec<Bitext>, DataError>>();
    let held_out = read(&rest)?;
    let eval = eval.iter().map(|name| named(&held_out.iter().collect::<Vec<_>>(), name, |set| &set.name).cloned());
    let eval = eval.collect::<Result<Vec<_>, _>>()?;
    let corpus = finish(source, what, &read(&train)?, eval, &held_out)?;
    let pairs = corpus.train_len() + corpus.dropped.total();
    if options.data.require_real && pairs < REAL {
        let why = format!("{pairs} training pairs instead of the {} of WMT 2014", wmt::TRAIN_PAIRS);
        return Err(TextError::RealRequired { why }.data());
    }
    Ok(corpus)
}

/// The set of this name.
fn named<'a, T>(sets: &[&'a T], name: &str, name_of: impl Fn(&T) -> &str) -> Result<&'a T, DataError> {
    sets.iter().find(|set| name_of(set) == name).copied().ok_or_else(|| {
        let known = sets.iter().map(|set| name_of(set)).collect::<Vec<_>>().join(", ");
        TextError::UnknownSet { name: name.to_owned(), known }.data()
    })
}

/// Cleans, counts and describes.
fn finish(
    source: DataSource,
    what: &str,
    train: &[Bitext],
    eval: Vec<Bitext>,
    held_out: &[Bitext],
) -> Result<Corpus, DataError> {
    let (train, dropped) = clean(train, held_out);
    let lacks = |part| Err(TextError::Nothing { what: what.to_owned(), part }.data());
    if train.iter().all(Bitext::is_empty) {
        return lacks("training pairs");
    }
    if eval.is_empty() || eval.iter().any(Bitext::is_empty) {
        return lacks("evaluation pairs");
    }
    let list = |sets: &[Bitext]| {
        let counted: Vec<String> = sets.iter().map(|set| format!("{} {}", set.name, set.len())).collect();
        counted.join(", ")
    };
    let pairs: usize = train.iter().map(Bitext::len).sum();
    let mut note = format!(
        "data: {what}, {pairs} training pairs ({}; left out: {dropped}), evaluation: {}",
        list(&train),
        list(&eval)
    );
    for set in eval.iter().filter(|set| set.empty() > 0) {
        note += &format!("; warning: {} has {} pairs with an empty side", set.name, set.empty());
    }
    let version = version(train.iter().chain(&eval));
    Ok(Corpus { source, note, version, train, eval, dropped })
}

#[cfg(test)]
#[path = "tests/load.rs"]
mod tests;
