//! Parallel English-German text for the Transformer: WMT 2014 and other line-aligned text, a shared tokenizer, batches.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use swish_data::text::{self, Encoded, Limits, TextBatches, TextOptions, Tokenizer};
//! # use swish_data::{DataChoice, DataOptions, DataError};
//! # fn main() -> Result<(), DataError> {
//! let cache = DataOptions::default_cache();
//! let data = DataOptions { choice: DataChoice::Auto, dir: None, cache: cache.clone(), require_real: false };
//! let corpus = text::load(&TextOptions::new(data))?;
//! eprintln!("{}", corpus.note);
//! let tokenizer = Tokenizer::of_corpus(&corpus, 8_000, Some(&cache))?;
//! tokenizer.save("run/tokenizer.json".as_ref())?;                 // and its fingerprint() into the checkpoint
//! let (train, dropped) = Encoded::train(&corpus, &tokenizer, Limits::default(), Some(&cache))?;
//! eprintln!("left out: {dropped}");
//! let batches = TextBatches::new(Arc::new(train), 4_096, 1, 0)?;  // tokens in a batch, seed, first step
//! for batch in batches.take(100_000) { /* batch.src: (n, src_len), batch.tgt: (n, tgt_len) */ }
//!
//! let dev = Encoded::eval(corpus.dev(), &tokenizer)?;             // every pair, in order
//! for (sentences, batch) in dev.in_order(4_096)? { /* batch row k is sentence sentences[k] */ }
//! # Ok(()) }
//! ```
//!
//! | module | for |
//! |---|---|
//! | `load` | which text a run gets, and the line that says so: [`load()`] |
//! | `corpus` | [`Corpus`], [`Bitext`], [`Lines`] |
//! | `files`, `lines` | pairs of files in a folder; plain, gzip and zstd |
//! | `wmt` | WMT's parquet files on the hub |
//! | `fetch` | getting them once, checked: [`fetch()`] |
//! | `phrases` | phrases made by the program |
//! | `clean` | what is left out of training text |
//! | `tokenizer` | [`Tokenizer`]: one byte-level BPE for both languages |
//! | `encoded` | [`Encoded`]: pairs of token ids, kept on disk |
//! | `batches` | [`TextBatches`]: batches by number of tokens |
//! | `error` | [`TextError`] |

mod batches;
mod clean;
mod corpus;
mod encoded;
mod error;
mod fetch;
mod files;
mod lines;
mod load;
mod phrases;
mod tokenizer;
mod wmt;

pub use batches::{InOrder, TextBatches};
pub use corpus::{Bitext, Corpus, Dropped, Lines};
pub use encoded::{Encoded, Limits};
pub use error::TextError;
pub use fetch::fetch;
pub use lines::read as read_lines;
pub use load::{TextOptions, load};
pub use swish_core::models::transformer::{EOS, PAD, TextBatch};
pub use tokenizer::Tokenizer;
