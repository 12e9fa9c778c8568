//! Rules of the house that a compiler does not check.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

/// The activation is a value that is threaded through every model; a model that names one could not be searched.
#[test]
fn no_model_names_an_activation() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/models")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for name in ["relu(", "silu(", "gelu(", "named(\""] {
                assert!(!text.contains(name), "{} has {name}", path.display());
            }
            files += 1;
        }
    }
    assert!(files >= 12);
}
