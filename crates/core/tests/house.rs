//! Rules of the house that a compiler does not check.

use std::path::{Path, PathBuf};

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

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// A file of tests that no program of tests has as a module would be compiled by nobody.
#[test]
fn every_file_of_tests_is_part_of_a_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders: Vec<_> = entries(&root.join("crates")).into_iter().map(|c| (c.join("tests"), vec![c])).collect();
    folders.push((root.join("tests"), vec![root.join("crates/cli"), root.join("experiments")]));
    let mut files = 0;
    for (folder, packages) in folders {
        let manifests: String =
            packages.iter().map(|p| std::fs::read_to_string(p.join("Cargo.toml")).unwrap_or_default()).collect();
        let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_module = |path: &PathBuf| path.extension().is_some_and(|e| e == "rs") || path.join("mod.rs").exists();
        let all = entries(&folder).into_iter().filter(is_module);
        let (programs, modules): (Vec<_>, Vec<_>) =
            all.partition(|path| manifests.contains(&format!("tests/{}.rs\"", name(path))));
        let texts: String = programs.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        for path in modules {
            assert!(texts.lines().any(|line| line == format!("mod {};", name(&path))), "{}", path.display());
            files += 1;
        }
    }
    assert!(files >= 40, "{files}");
}
