//! What can be wrong with text; every message is one line that names the file, the value and what was expected.

use crate::DataError;
use std::path::PathBuf;

/// Why parallel text, a tokenizer or a score could not be had. Part of [`DataError`](crate::DataError).
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The folder given by the user does not exist or is no folder.
    #[error("{dir}: no such folder; --data-dir (or SWISH_DATA) must be an existing folder with English-German text")]
    MissingDir {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder given by the user holds no parallel text.
    #[error("{dir}: no English-German text in this folder; expected {expected}")]
    NotInDir {
        /// The folder.
        dir: PathBuf,
        /// The layouts that are understood.
        expected: &'static str,
    },
    /// One language is there and the other is not.
    #[error("{path}: its other side is missing; expected {expected} beside it (or with .gz or .zst)")]
    MissingSide {
        /// The file that is there.
        path: PathBuf,
        /// Name of the one that is not.
        expected: String,
    },
    /// The two sides differ in length.
    #[error("{en} has {en_lines} lines and {de} has {de_lines}; expected one line for each sentence in both")]
    Unaligned {
        /// The English file.
        en: PathBuf,
        /// Its lines.
        en_lines: usize,
        /// The German file.
        de: PathBuf,
        /// Its lines.
        de_lines: usize,
    },
    /// A line is no UTF-8.
    #[error("{path}: line {line} is not UTF-8")]
    Utf8 {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// A compressed file ends too early or is damaged.
    #[error("{path}: not a whole {format} file ({detail})")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// gzip or zstd.
        format: &'static str,
        /// What the decoder said.
        detail: String,
    },
    /// A set of sentences was asked for that is not there.
    #[error("no set {name}; there are {known}")]
    UnknownSet {
        /// Its name.
        name: String,
        /// The sets that there are.
        known: String,
    },
    /// Text lacks what is needed: pairs to train on, or a set to evaluate on.
    #[error("{what}: no {part}; expected at least one pair")]
    Nothing {
        /// The data.
        what: String,
        /// Training or evaluation pairs.
        part: &'static str,
    },
    /// Real data is needed and there is none on this machine.
    #[error(
        "real English-German text is needed and was not found ({why}); get it with `swish data fetch --dataset wmt14`, or give its folder with --data-dir"
    )]
    RealRequired {
        /// Where was looked, or that embedded data was asked for.
        why: String,
    },
    /// The tokenizer could not be trained, read or used.
    #[error("{what}: {detail}")]
    Tokenizer {
        /// The file, or what was done.
        what: String,
        /// What is wrong.
        detail: String,
    },
    /// The tokenizer is another than the one a checkpoint was trained with.
    #[error(
        "the tokenizer's fingerprint is {found}; expected {expected}, that of the tokenizer that the weights were trained with"
    )]
    OtherTokenizer {
        /// Of the tokenizer at hand.
        found: String,
        /// Of the tokenizer that is needed.
        expected: String,
    },
    /// Translations and references differ in number.
    #[error("{hypotheses} translations for {references} references; expected one for each")]
    Sentences {
        /// Translations.
        hypotheses: usize,
        /// References.
        references: usize,
    },
}

impl TextError {
    /// As the crate's error. No `From`: with it, what an error is could no longer be inferred in many a closure.
    pub(crate) const fn data(self) -> DataError {
        DataError::Text(self)
    }
}
