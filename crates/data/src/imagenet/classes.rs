//! Names of classes and their order.

use crate::DataError;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Class names (wnids such as `n01440764`), sorted: the place of a name is its label. The 1000 of ILSVRC2012 sorted so are in
/// the order that published weights use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Classes {
    names: Vec<String>,
    /// The file that listed them; `None` if they are those of the images themselves.
    listed: Option<PathBuf>,
}

impl Classes {
    /// The classes that images have.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: BTreeSet<&str> = names.collect();
        Self { names: names.into_iter().map(str::to_owned).collect(), listed: None }
    }

    /// Classes that have no names: `000`, `001`, ... (at most 1000, so that numbers sort).
    pub(crate) fn numbered(n: usize) -> Self {
        Self { names: (0..n).map(|i| format!("{i:03}")).collect(), listed: None }
    }

    /// Reads a list of wnids: one line a class, in which the first word of the form `n01440764` counts; lines without one
    /// (headings) are passed over. So `LOC_synset_mapping.txt`, `synset_words.txt`, `imagenet_synsets.txt` and tables with the wnid
    /// in any column will do. Their order does not matter.
    ///
    /// # Errors
    /// A file that cannot be read, has no wnid, or has one twice.
    pub(crate) fn read(path: &Path) -> Result<Self, DataError> {
        let text = std::fs::read_to_string(path).map_err(|e| DataError::io(path, &e))?;
        let wnid = |line: &str| line.split([' ', '\t', ',', ';', '"']).find(|word| is_wnid(word)).map(str::to_owned);
        let mut names: Vec<String> = text.lines().filter_map(wnid).collect();
        let wrong = |detail: String| DataError::Archive { path: path.to_path_buf(), detail };
        names.sort();
        if names.is_empty() {
            return Err(wrong("no class; expected a wnid such as n01440764 in each line".into()));
        }
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(wrong(format!("class {} is listed twice", pair[0])));
        }
        Ok(Self { names, listed: Some(path.to_path_buf()) })
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether images need not cover all of them.
    pub(crate) const fn are_listed(&self) -> bool {
        self.listed.is_some()
    }

    /// The label of a class.
    pub(crate) fn label(&self, name: &str) -> Option<u16> {
        self.names.binary_search_by(|other| other.as_str().cmp(name)).ok().and_then(|at| u16::try_from(at).ok())
    }

    /// Where the classes are from, for messages.
    pub(crate) fn origin(&self) -> String {
        let n = self.names.len();
        self.listed.as_ref().map_or(format!("the {n} training classes"), |p| format!("the {n} of {}", p.display()))
    }
}

/// Whether the word is an n and eight digits.
pub(crate) fn is_wnid(word: &str) -> bool {
    word.strip_prefix('n').is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit()))
}
