//! Files from the Hugging Face cache, or from the hub into that cache: a data set's parquet files, a model's weights.
//!
//! The client is `hf-hub` in the version `candle-datasets` uses. `candle_datasets::hub::from_hub` itself does not serve
//! here: it asks the network even when everything is cached, waits as long as the system does, and returns readers that
//! say neither which split they are nor where their file lies.

use crate::error::one_line;
use crate::{DataError, Dataset};
use hf_hub::progress::{DownloadEvent, ProgressEvent, ProgressHandler};
use hf_hub::repository::RepoTreeEntry;
use hf_hub::{HFClient, HFError, HFRepositorySync, RepoType, RepoTypeDataset, RepoTypeModel};
use std::error::Error;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How the hub is reached.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    /// Use the cache only.
    pub(crate) offline: bool,
    /// The cache; `None` for the client's own rule (HF_HUB_CACHE, HF_HOME, the home folder).
    pub(crate) cache: Option<PathBuf>,
    /// The hub's address; `None` for the client's own rule (HF_ENDPOINT).
    pub(crate) endpoint: Option<String>,
    /// Longest wait for the first answer.
    pub(crate) contact: Duration,
    /// Longest silence once bytes flow.
    pub(crate) stall: Duration,
}

/// Bytes of one file that have arrived, of all its bytes (0 while unknown).
pub type Progress<'a> = &'a mut dyn FnMut(&str, u64, u64);

/// What the downloading thread tells.
enum Message {
    Progress { file: String, done: u64, total: u64 },
    Finished(Result<Vec<PathBuf>, String>),
}

impl Hub {
    /// From the environment: HF_HUB_OFFLINE (1, true, yes, on), and what the client itself reads.
    pub(crate) fn from_env() -> Self {
        let offline = std::env::var("HF_HUB_OFFLINE")
            .is_ok_and(|value| ["1", "true", "yes", "on"].contains(&value.to_ascii_lowercase().as_str()));
        Self { offline, cache: None, endpoint: None, contact: Duration::from_secs(8), stall: Duration::from_secs(60) }
    }

    /// Paths of CIFAR's (training, test) parquet files, downloaded where the cache lacks them.
    ///
    /// # Errors
    /// [`DataError::Hub`] when neither the cache nor the hub gives the files.
    pub(crate) fn files(&self, dataset: Dataset, progress: Progress) -> Result<[PathBuf; 2], DataError> {
        let (_, _, files) = place(dataset);
        let paths = self.named(&Place::of(dataset), &files, progress)?;
        <[PathBuf; 2]>::try_from(paths).map_err(|paths| DataError::Hub {
            what: dataset.to_string(),
            detail: format!("{} files; expected 2", paths.len()),
        })
    }

    /// Paths of these files of a data set's repository, downloaded where the cache lacks them.
    ///
    /// # Errors
    /// As for [`Hub::files`].
    pub(crate) fn named(
        &self,
        place: &Place,
        files: &[&'static str],
        progress: Progress,
    ) -> Result<Vec<PathBuf>, DataError> {
        let files = files.to_vec();
        self.run(place, progress, move |hub, repo: &HFRepositorySync<RepoTypeDataset>, sender| {
            files.iter().map(|file| hub.file(repo, file, None, sender)).collect()
        })
    }

    /// Paths of ImageNet's parquet shards, training and validation, downloaded where the cache lacks them.
    ///
    /// # Errors
    /// [`DataError::Hub`] as for [`Hub::files`]; the hub gives this data set only to those who have accepted its terms.
    pub(crate) fn shards(&self, progress: Progress) -> Result<Vec<PathBuf>, DataError> {
        let (_, _, beginnings) = place(Dataset::ImageNet);
        self.run(
            &Place::of(Dataset::ImageNet),
            progress,
            move |hub, repo: &HFRepositorySync<RepoTypeDataset>, sender| {
                if hub.offline {
                    return Err("HF_HUB_OFFLINE is set".into());
                }
                let tree = repo.list_tree().path_in_repo("data").send().map_err(|e| describe(&e))?;
                let mut names: Vec<String> = tree
                    .into_iter()
                    .filter_map(|entry| match entry {
                        RepoTreeEntry::File { path, .. } => Some(path),
                        RepoTreeEntry::Directory { .. } => None,
                    })
                    .filter(|path| path.ends_with(".parquet") && beginnings.iter().any(|start| path.starts_with(start)))
                    .collect();
                names.sort();
                if names.is_empty() {
                    return Err("no parquet shards there".into());
                }
                names.iter().map(|file| hub.file(repo, file, None, sender)).collect()
            },
        )
    }

    /// The folder of a data set's files in the cache.
    ///
    /// # Errors
    /// [`DataError::Hub`] when nothing of it is there.
    pub(crate) fn cached_folder(&self, place: &Place) -> Result<PathBuf, DataError> {
        let failed = |detail: String| DataError::Hub { what: place.what.clone(), detail };
        let repository = self.repository::<RepoTypeDataset>(place).map_err(failed)?;
        let found = repository.snapshot_download().local_files_only(true).send();
        found.map_err(|_| failed("not in the Hugging Face cache".into()))
    }

    /// Path of a file of a model's repository at `revision` (`None`: its main branch), downloaded where the cache lacks it.
    ///
    /// # Errors
    /// [`DataError::Hub`] when neither the cache nor the hub gives the file.
    pub(crate) fn model_file(
        &self,
        place: &Place,
        revision: Option<&str>,
        file: &'static str,
        progress: Progress,
    ) -> Result<PathBuf, DataError> {
        let revision = revision.map(str::to_owned);
        let paths = self.run(place, progress, move |hub, repo: &HFRepositorySync<RepoTypeModel>, sender| {
            let path = hub.file(repo, file, revision.as_deref(), sender).map_err(|e| format!("{file}: {e}"))?;
            Ok(vec![path])
        })?;
        let none = || DataError::Hub { what: place.what.clone(), detail: "no file".into() };
        paths.into_iter().next().ok_or_else(none)
    }

    /// Runs `work` with the client.
    ///
    /// The client's own waiting cannot be bounded (it makes its connections itself), so it runs on a thread; when that
    /// stays silent too long it is left behind and ends with its connection or with the program.
    fn run<T: RepoType>(
        &self,
        place: &Place,
        progress: Progress,
        work: impl FnOnce(&Self, &HFRepositorySync<T>, &Sender<Message>) -> Result<Vec<PathBuf>, String> + Send + 'static,
    ) -> Result<Vec<PathBuf>, DataError> {
        let failed = |detail: String| DataError::Hub { what: place.what.clone(), detail: one_line(&detail) };
        let (sender, messages) = channel();
        let (hub, place) = (self.clone(), place.clone());
        std::thread::Builder::new()
            .name("hub".into())
            .spawn(move || {
                let finished = hub.repository(&place).and_then(|repo| work(&hub, &repo, &sender));
                // Nobody listens any more when the wait was given up.
                drop(sender.send(Message::Finished(finished)));
            })
            .map_err(|e| failed(e.to_string()))?;
        self.wait(&messages, progress).map_err(failed)
    }

    fn wait(&self, messages: &Receiver<Message>, progress: Progress) -> Result<Vec<PathBuf>, String> {
        let mut patience = self.contact;
        loop {
            match messages.recv_timeout(patience) {
                Ok(Message::Finished(result)) => return result,
                Ok(Message::Progress { file, done, total }) => {
                    patience = self.stall;
                    progress(&file, done, total);
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("no answer for {} s", patience.as_secs()));
                }
                Err(RecvTimeoutError::Disconnected) => return Err("the client stopped".into()),
            }
        }
    }

    fn repository<T: RepoType>(&self, place: &Place) -> Result<HFRepositorySync<T>, String> {
        let mut builder = HFClient::builder().retry_max_attempts(1);
        if let Some(cache) = &self.cache {
            builder = builder.cache_dir(cache);
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint(endpoint);
        }
        let client = builder.build_sync().map_err(|e| describe(&e))?;
        Ok(client.repository(T::default(), place.owner.as_str(), place.name.as_str()))
    }

    fn file<T: RepoType>(
        &self,
        repo: &HFRepositorySync<T>,
        file: &str,
        revision: Option<&str>,
        sender: &Sender<Message>,
    ) -> Result<PathBuf, String> {
        let cached = repo.download_file().filename(file).maybe_revision(revision).local_files_only(true).send();
        match cached {
            Err(HFError::LocalEntryNotFound { .. }) if self.offline => {
                Err("not in the Hugging Face cache, and HF_HUB_OFFLINE is set".into())
            }
            Err(HFError::LocalEntryNotFound { .. }) => {
                let watcher = Watcher { file: file.to_owned(), sender: sender.clone() };
                repo.download_file()
                    .filename(file)
                    .maybe_revision(revision)
                    .progress(watcher)
                    .send()
                    .map_err(|e| format!("not cached, and the download failed: {}", missing(repo, revision, &e)))
            }
            other => other.map_err(|e| describe(&e)),
        }
    }
}

/// A repository of the hub, and what messages call it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) what: String,
}

impl Place {
    pub(crate) fn of(dataset: Dataset) -> Self {
        let (owner, name, _) = place(dataset);
        Self { owner: owner.into(), name: name.into(), what: dataset.to_string() }
    }
}

/// Owner, name and the (training, test) files of a data set on the hub; for ImageNet what its shards' names begin with.
pub(crate) const fn place(dataset: Dataset) -> (&'static str, &'static str, [&'static str; 2]) {
    match dataset {
        Dataset::Cifar10 => (
            "uoft-cs",
            "cifar10",
            ["plain_text/train-00000-of-00001.parquet", "plain_text/test-00000-of-00001.parquet"],
        ),
        Dataset::Cifar100 => {
            ("uoft-cs", "cifar100", ["cifar100/train-00000-of-00001.parquet", "cifar100/test-00000-of-00001.parquet"])
        }
        Dataset::ImageNet => ("ILSVRC", "imagenet-1k", ["data/train-", "data/validation-"]),
    }
}

/// Passes a download's progress on.
struct Watcher {
    file: String,
    sender: Sender<Message>,
}

impl ProgressHandler for Watcher {
    fn on_progress(&self, event: &ProgressEvent) {
        let (done, total) = match event {
            ProgressEvent::Download(DownloadEvent::Start { total_bytes, .. }) => (0, *total_bytes),
            ProgressEvent::Download(DownloadEvent::AggregateProgress { bytes_completed, total_bytes, .. }) => {
                (*bytes_completed, *total_bytes)
            }
            ProgressEvent::Download(DownloadEvent::Progress { files }) => match files.last() {
                Some(file) => (file.bytes_completed, file.total_bytes),
                None => return,
            },
            _ => return,
        };
        drop(self.sender.send(Message::Progress { file: self.file.clone(), done, total }));
    }
}

/// As [`describe`]; where a file is not found, which of repository, revision and file it is, which the client does not say.
fn missing<T: RepoType>(repo: &HFRepositorySync<T>, revision: Option<&str>, error: &HFError) -> String {
    if !matches!(error, HFError::EntryNotFound { .. }) {
        return describe(error);
    }
    let exists = repo.exists().send();
    let revision_exists = || revision.map_or(Ok(true), |revision| repo.revision_exists().revision(revision).send());
    match exists.and_then(|exists| Ok((exists, exists && revision_exists()?))) {
        Ok((false, _)) => ABSENT.into(),
        Ok((true, false)) => "the repository has no such revision".into(),
        Ok((true, true)) => "the repository has no such file".into(),
        Err(e) => describe(&e),
    }
}

/// How to get what the hub does not give to everybody.
const GATED: &str = "the hub gives this only to accounts that accepted its terms: accept them on its page, and put a \
    token of that account (with read access to gated repositories) into HF_TOKEN or $HF_HOME/token";

/// The hub's word for a repository that is not there or not shown.
const ABSENT: &str =
    "no such repository, or a private one (put a token of its account into HF_TOKEN or $HF_HOME/token)";

/// The innermost cause of an error, which is the part that says what happened to the connection; or what to do about it.
fn describe(error: &HFError) -> String {
    // Lists come with the status alone, files with an error of its own.
    if let HFError::AuthRequired { context } | HFError::Forbidden { context } | HFError::Http { context } = error {
        match (context.status.as_u16(), context.error_code.as_deref()) {
            // Who has no right to see a repository is not told whether it exists.
            (401 | 403, Some("RepoNotFound")) => return ABSENT.into(),
            (401 | 403, _) => return GATED.into(),
            _ => {}
        }
    }
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
