//! Lists of image files, before they have labels.

use crate::DataError;
use rayon::prelude::*;
use std::path::Path;

/// Which part of the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split {
    Train,
    Val,
}

impl Split {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
        }
    }

    fn named(word: &str) -> Option<Self> {
        match word {
            "train" => Some(Self::Train),
            "val" | "validation" => Some(Self::Val),
            _ => None,
        }
    }
}

/// An image file: where its bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// `class/file`, or `file` where folders do not tell the class.
    pub(crate) name: String,
    /// First byte within its archive; 0 for a file of its own.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) size: u64,
}

/// Image files by their names' endings.
fn is_image(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    matches!(ending.as_str(), "jpeg" | "jpg" | "png")
}

/// Errs for a file that is not called like an image. Hidden files (`.DS_Store`) are passed over: `false`.
pub(crate) fn wanted(name: &str, at: &Path) -> Result<bool, DataError> {
    let base = name.rsplit('/').next().unwrap_or(name);
    if base.starts_with('.') {
        return Ok(false);
    }
    if is_image(base) && !base.contains(char::is_control) {
        return Ok(true);
    }
    let detail = "no image by its name; expected .JPEG, .jpg or .png".into();
    Err(DataError::Entry { path: at.to_path_buf(), entry: name.escape_debug().to_string(), detail })
}

/// `class/file` of a path, or `file` where it lies in a split's own folder; `None` if it belongs to the other split.
pub(crate) fn place_in(path: &str, split: Split) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let other = parts.iter().find_map(|part| Split::named(part)).is_some_and(|found| found != split);
    let (file, folders) = parts.split_last()?;
    match folders.last() {
        _ if other => None,
        Some(class) if Split::named(class).is_none() => Some(format!("{class}/{file}")),
        _ => Some((*file).to_owned()),
    }
}

/// Lists a folder of class folders, or of images directly, sorted by name.
///
/// # Errors
/// A folder that cannot be read or has no image, a class folder without an image, a file that is no image.
pub(crate) fn list_folder(root: &Path) -> Result<Vec<Found>, DataError> {
    let mut classes = Vec::new();
    let mut found = Vec::new();
    for (name, metadata) in entries(root)? {
        if metadata.is_dir() {
            classes.push(name);
        } else if wanted(&name, root)? {
            found.push(Found { name, offset: 0, size: metadata.len() });
        }
    }
    let parts: Vec<Result<Vec<Found>, DataError>> =
        classes.par_iter().map(|class| list_class(&root.join(class), class)).collect();
    for part in parts {
        found.extend(part?);
    }
    if found.is_empty() {
        return Err(DataError::Archive { path: root.to_path_buf(), detail: "no image in this folder".into() });
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn list_class(folder: &Path, class: &str) -> Result<Vec<Found>, DataError> {
    let mut found = Vec::new();
    for (name, metadata) in entries(folder)? {
        if metadata.is_dir() {
            let detail = "a folder within a class folder; expected images".into();
            return Err(DataError::Entry { path: folder.to_path_buf(), entry: name, detail });
        }
        if wanted(&name, folder)? {
            found.push(Found { name: format!("{class}/{name}"), offset: 0, size: metadata.len() });
        }
    }
    if found.is_empty() {
        let detail = format!("class folder {class} has no image");
        return Err(DataError::Archive { path: folder.to_path_buf(), detail });
    }
    Ok(found)
}

/// Names and what they lead to (a folder of the user's own may hold links), without hidden ones.
fn entries(folder: &Path) -> Result<Vec<(String, std::fs::Metadata)>, DataError> {
    let failed = |e: std::io::Error| DataError::io(folder, &e);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().into_string().map_err(|name| DataError::Entry {
            path: folder.to_path_buf(),
            entry: name.to_string_lossy().into_owned(),
            detail: "a name that is not UTF-8".into(),
        })?;
        if !name.starts_with('.') {
            let path = entry.path();
            entries.push((name, path.metadata().map_err(|e| DataError::io(&path, &e))?));
        }
    }
    Ok(entries)
}
