//! Getting WMT's English-German text from the hub once, and checking all of it.

use crate::fetch::copy_to;
use crate::hub::{Hub, Progress};
use crate::text::{Bitext, wmt};
use crate::{DataError, Fetched};
use std::path::{Path, PathBuf};

/// Pairs of newstest2013, 2014 (all of it, not the 2,737 of some copies), 2015 and 2016.
const EVAL_PAIRS: [usize; 4] = [3000, 3003, 2169, 2999];

/// Gets WMT 2014 and the tests of 2015 and 2016 from the hub (0.8 GB, into the Hugging Face cache, where
/// [`load`](crate::text::load()) finds them), reads all of it and counts the pairs. With `dir`, the files are also copied to `dir`
/// in the layout that `load` reads from a folder.
///
/// # Errors
/// [`DataError::Hub`] when the hub cannot be reached; [`DataError::NotGenuine`] when the counts are others.
pub fn fetch(dir: Option<&Path>, progress: Progress) -> Result<Fetched, DataError> {
    fetch_with(dir, progress, &Hub::from_env())
}

pub(crate) fn fetch_with(dir: Option<&Path>, progress: Progress, hub: &Hub) -> Result<Fetched, DataError> {
    let (names, mut files): (Vec<String>, Vec<PathBuf>) = wmt::download(hub, progress)?.into_iter().unzip();
    if let Some(dir) = dir {
        files = copy_to(dir, &names.iter().map(String::as_str).collect::<Vec<_>>(), &files)?;
    }
    let counts = check(&files)?;
    let note = format!("wmt14: {} training pairs, newstest2013 to 2016 with {} pairs", counts.0, counts.1);
    Ok(Fetched { files, counts, note })
}

/// Reads the files in the order of [`wmt::download`] and errs unless they have as many pairs as they should.
fn check(files: &[PathBuf]) -> Result<(usize, usize), DataError> {
    let pairs = |files: &[PathBuf]| wmt::read("", files).map(|set: Bitext| set.len());
    // Three shards of training text, then a file for each evaluation set.
    let (train, eval) = files.split_at(files.len() - EVAL_PAIRS.len());
    let expected = std::iter::once((train, wmt::TRAIN_PAIRS)).chain(eval.chunks(1).zip(EVAL_PAIRS));
    for (files, expected) in expected {
        let found = pairs(files)?;
        if found != expected {
            let detail = format!("{found} pairs; expected {expected}");
            return Err(DataError::NotGenuine { path: files[0].clone(), detail });
        }
    }
    Ok((wmt::TRAIN_PAIRS, EVAL_PAIRS.iter().sum()))
}
