//! Translation with the Transformer: the recipe, the network at work, its evaluation and use.
//!
//! | module | what it has |
//! |---|---|
//! | `recipe` | [`TranslationRecipe`]: what a recipe for translation says |
//! | `data` | [`TextData`]: a corpus with its tokenizer, as token ids |
//! | `on_device` | [`OnText`]: a Transformer that learns on another device |
//! | `session` | [`TranslationSession`]: a cell's network at work |
//! | `evaluate` | loss, accuracy and BLEU on evaluation sets; sample translations |
//! | `export` | [`export()`]: what another program needs to train the same run |
//! | `translator` | [`Translator`]: trained weights with their tokenizer |

mod data;
mod evaluate;
mod export;
pub mod on_device;
mod recipe;
mod session;
mod translator;

pub use data::{TOKENIZER_FILE, TextData};
pub use evaluate::{Sample, TranslationEvaluation};
pub use export::export;
pub use on_device::OnText;
pub use recipe::{LastAverage, Search, TranslationRecipe};
pub use session::TranslationSession;
pub use translator::Translator;

/// Name of the tokenizer's fingerprint in files of weights.
const MARK: &str = "tokenizer";
