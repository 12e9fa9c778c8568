//! Which ImageNet a run gets, and the line that says so.

use super::classes::Classes;
use super::labels::{self, Labels};
use super::layout::{Layout, find};
use super::listing::Split;
use super::set::ImageSet;
use crate::hub::{Hub, Place};
use crate::{DataChoice, DataError, DataOptions, DataSource, Dataset, digest, embedded};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the caller wants loaded, and from where.
#[derive(Debug, Clone)]
pub struct ImageNetOptions {
    /// Allowed source, folder (here also one archive of both splits), cache of archives' indices.
    pub data: DataOptions,
    /// A list of classes whose places are the labels, such as `LOC_synset_mapping.txt`; `None` for the classes that there are.
    /// A part of ImageNet (ten classes of it) has with the list the labels that published weights have.
    pub classes: Option<PathBuf>,
    /// Height and width of embedded images, pixels.
    pub embedded_side: usize,
}

impl ImageNetOptions {
    /// The classes that there are; embedded images of 224 pixels.
    pub const fn new(data: DataOptions) -> Self {
        Self { data, classes: None, embedded_side: 224 }
    }
}

/// ImageNet, with its history. Images are read when they are wanted.
#[derive(Debug, Clone)]
pub struct ImageNet {
    /// Where it came from.
    pub source: DataSource,
    /// One line for the user: which data, why, how many images.
    pub note: String,
    /// 12 hexadecimal digits of the hash of both splits' lists: names, sizes and labels of the files (the same for a folder and
    /// an archive of it), or names, sizes and labels of the shards; not of the pixels.
    pub version: String,
    /// Training images.
    pub train: Arc<ImageSet>,
    /// Validation images.
    pub val: Arc<ImageSet>,
    /// Class names (wnids) in label order; of parquet shards without a list of classes, `000`, `001`, ...
    pub class_names: Vec<String>,
}

/// What a message adds where nothing is cached.
const FETCH: &str = "`swish data fetch --dataset imagenet` gets it (150 GB)";

/// Loads ImageNet. With [`DataChoice::Auto`]: the folder if one is given, else the Hugging Face cache, else embedded data.
/// Nothing is downloaded here (it is 150 GB): `swish data fetch --dataset imagenet` does it.
///
/// # Errors
/// Any [`DataError`]; [`DataError::RealRequired`] when only embedded data or a part could be had and `require_real` is set.
pub fn load(options: &ImageNetOptions) -> Result<ImageNet, DataError> {
    load_with(options, &Hub::from_env())
}

pub(crate) fn load_with(options: &ImageNetOptions, hub: &Hub) -> Result<ImageNet, DataError> {
    let data = &options.data;
    let dataset = Dataset::ImageNet;
    // A part of the shards is no reason to stop: it is as if there were none.
    let from_hub = || {
        let absent = |e: DataError| {
            let detail = if let DataError::Hub { detail, .. } = e { detail } else { e.to_string() };
            DataError::Hub { what: dataset.to_string(), detail: format!("{detail}; {FETCH}") }
        };
        hub.cached_folder(&Place::of(dataset)).and_then(|folder| find(&folder)).map_err(absent)
    };
    match (data.choice, &data.dir) {
        (DataChoice::Embedded, _) => load_embedded(options, "asked for"),
        (DataChoice::Dir, None) => Err(DataError::Argument {
            what: "data source",
            value: "dir".into(),
            expected: "a folder with it: --data-dir or SWISH_DATA".into(),
        }),
        (DataChoice::Dir | DataChoice::Auto, Some(dir)) => {
            let layout = find(dir)?;
            let why = format!("{}, {}", dir.display(), layout.kind());
            load_files(options, DataSource::Dir, &why, layout)
        }
        (DataChoice::Hub, _) => load_files(options, DataSource::Hub, "asked for", from_hub()?),
        (DataChoice::Auto, None) => match from_hub() {
            Ok(layout) => load_files(options, DataSource::Hub, "no --data-dir", layout),
            Err(DataError::Hub { detail, .. }) => load_embedded(options, &format!("no --data-dir; hub: {detail}")),
            Err(other) => Err(other),
        },
    }
}

/// Opens a validation set alone, for evaluating given weights, with a training set of no image: a folder of class folders or an
/// archive of one; labels of images without class folders are looked for beside it.
///
/// # Errors
/// As [`load`].
pub fn open_val(path: &Path, classes: Option<&Path>, cache: &Path) -> Result<ImageNet, DataError> {
    let classes = classes.map(Classes::read).transpose()?;
    let found = labels::find(path).or_else(|| path.parent().and_then(labels::find));
    let labels = found.map(|path| Labels::read(&path)).transpose()?;
    let (set, classes) = ImageSet::open(path, Split::Val, labels.as_ref(), classes.as_ref(), cache)?;
    let what = format!("{} {} ({})", DataSource::Dir, Dataset::ImageNet, path.display());
    Ok(loaded(DataSource::Dir, &what, [ImageSet::none(classes.len()), set], classes.names().to_vec()))
}

/// Images of (training, validation) in a folder of parquet shards; reads all labels.
pub(crate) fn count_shards(folder: &Path) -> Result<(usize, usize), DataError> {
    match find(folder)? {
        Layout::Shards { train, val } => {
            let classes = Classes::numbered(Dataset::ImageNet.classes());
            let [train, val] = [train, val].map(|files| Ok(ImageSet::open_shards(files, &classes)?.len()));
            Ok((train?, val?))
        }
        Layout::Trees { train, .. } => Err(DataError::Archive { path: train, detail: "not a parquet shard".into() }),
    }
}

fn load_embedded(options: &ImageNetOptions, why: &str) -> Result<ImageNet, DataError> {
    let dataset = Dataset::ImageNet;
    if options.data.require_real {
        return Err(DataError::RealRequired { dataset, why: format!("embedded data {why}") });
    }
    let side = options.embedded_side;
    if !(8..=1024).contains(&side) {
        let expected = "8 to 1024 pixels".into();
        return Err(DataError::Argument { what: "side of embedded images", value: side.to_string(), expected });
    }
    let sets = [Split::Train, Split::Val].map(|split| ImageSet::drawn(split, side));
    let what = format!("embedded {dataset} ({why}), drawn at {side}x{side}");
    Ok(loaded(DataSource::Embedded, &what, sets, embedded::class_names(dataset)))
}

fn load_files(options: &ImageNetOptions, source: DataSource, why: &str, layout: Layout) -> Result<ImageNet, DataError> {
    let dataset = Dataset::ImageNet;
    let cache = &options.data.cache;
    let listed = options.classes.as_deref().map(Classes::read).transpose()?;
    let (sets, names) = match layout {
        Layout::Trees { train, val, labels, .. } => {
            let (train, classes) = ImageSet::open(&train, Split::Train, None, listed.as_ref(), cache)?;
            let labels = labels.map(|path| Labels::read(&path)).transpose()?;
            let (val, _) = ImageSet::open(&val, Split::Val, labels.as_ref(), Some(&classes), cache)?;
            ([train, val], classes.names().to_vec())
        }
        Layout::Shards { train, val } => {
            let classes = listed.unwrap_or_else(|| Classes::numbered(dataset.classes()));
            let sets = [ImageSet::open_shards(train, &classes)?, ImageSet::open_shards(val, &classes)?];
            (sets, classes.names().to_vec())
        }
    };
    let data = loaded(source, &format!("{source} {dataset} ({why})"), sets, names);
    let counts = (data.train.len(), data.val.len());
    let full = dataset.full_counts();
    if counts == full {
        return Ok(data);
    }
    if options.data.require_real {
        let why =
            format!("{} training and {} validation images instead of {} and {}", counts.0, counts.1, full.0, full.1);
        return Err(DataError::RealRequired { dataset, why });
    }
    let note = format!("{}; warning: not the complete {} and {}", data.note, full.0, full.1);
    Ok(ImageNet { note, ..data })
}

fn loaded(source: DataSource, what: &str, [train, val]: [ImageSet; 2], class_names: Vec<String>) -> ImageNet {
    let version = digest::hex(&digest::sha256([*train.version(), *val.version()].as_flattened()), 12);
    let (n, classes) = (train.len(), class_names.len());
    let note = format!("data: {what}, {n} training and {} validation images, {classes} classes", val.len());
    ImageNet { source, note, version, train: Arc::new(train), val: Arc::new(val), class_names }
}
