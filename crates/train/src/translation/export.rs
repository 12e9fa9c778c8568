//! What another program needs to train the same run.

use super::{TOKENIZER_FILE, TextData, TranslationRecipe, TranslationSession};
use crate::cell::Cell;
use crate::error::Result;
use crate::task::Training;
use candle_core::{Device, Tensor};
use serde_json::json;
use std::path::Path;
use swish_core::nn::{Compute, weights};
use swish_record::write_atomic;

/// Writes into a folder, for a run that is not trained here: `export.json` (recipe, sizes of the network, activation, names of the
/// evaluation sets), `tokenizer.json`, `initial.safetensors` (the weights before the first step), `batches.safetensors` (all batches:
/// `shapes` (batches, 3) with pairs, source and target length of each, and their ids one after the other in `src` and `tgt`), and
/// every evaluation set as `NAME.en` and `NAME.de`.
///
/// # Errors
/// Files that cannot be written; what keeps the run from being started.
pub fn export(cell: &Cell<TranslationRecipe>, data: &TextData, dir: &Path) -> Result<()> {
    let session = TranslationSession::new(cell, data, Compute::Cpu)?;
    let recipe = &cell.recipe;
    let config = session.net.config;
    let told = json!({
        "recipe": recipe,
        "activation": cell.activation.to_string(),
        "seed": cell.seed,
        "config": {
            "vocab": config.vocab, "hidden": config.hidden, "filter": config.filter, "heads": config.heads,
            "encoder_layers": config.encoder_layers, "decoder_layers": config.decoder_layers,
        },
        "eval": data.eval().iter().map(|set| &set.name).collect::<Vec<_>>(),
    });
    write_atomic(dir.join("export.json"), format!("{told:#}\n"))?;
    data.tokenizer.save(&dir.join(TOKENIZER_FILE))?;
    let initial = weights::to_bytes(&weights::state_dict(&session.net.params)?, Some(session.marks()))?;
    write_atomic(dir.join("initial.safetensors"), initial)?;

    let (mut shapes, mut src, mut tgt) = (Vec::new(), Vec::new(), Vec::new());
    let batches = (recipe.steps * recipe.replicas) as usize;
    for batch in session.batches(0)?.take(batches) {
        shapes.extend([batch.n, batch.src_len, batch.tgt_len].map(|n| n as u32));
        src.extend(batch.src);
        tgt.extend(batch.tgt);
    }
    let flat = |ids: Vec<u32>| Tensor::from_slice(&ids, ids.len(), &Device::Cpu);
    let tensors = [
        ("shapes".to_string(), flat(shapes)?.reshape((batches, 3))?),
        ("src".to_string(), flat(src)?),
        ("tgt".to_string(), flat(tgt)?),
    ];
    write_atomic(dir.join("batches.safetensors"), weights::to_bytes(&tensors, None)?)?;
    for set in data.eval() {
        for (language, lines) in [("en", &set.en), ("de", &set.de)] {
            let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
            write_atomic(dir.join(format!("{}.{language}", set.name)), text)?;
        }
    }
    Ok(())
}
