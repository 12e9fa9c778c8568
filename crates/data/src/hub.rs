//! The two parquet files of a data set from the Hugging Face cache, or from the hub into that cache.
//!
//! The client is `hf-hub` in the version `candle-datasets` uses. `candle_datasets::hub::from_hub` itself does not serve
//! here: it asks the network even when everything is cached, waits as long as the system does, and returns readers that
//! say neither which split they are nor where their file lies.

use crate::error::one_line;
use crate::{DataError, Dataset};
use hf_hub::progress::{DownloadEvent, ProgressEvent, ProgressHandler};
use hf_hub::{HFClient, HFError, HFRepositorySync, RepoTypeDataset};
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
    Progress { file: &'static str, done: u64, total: u64 },
    Finished(Result<[PathBuf; 2], String>),
}

impl Hub {
    /// From the environment: HF_HUB_OFFLINE (1, true, yes, on), and what the client itself reads.
    pub(crate) fn from_env() -> Self {
        let offline = std::env::var("HF_HUB_OFFLINE")
            .is_ok_and(|value| ["1", "true", "yes", "on"].contains(&value.to_ascii_lowercase().as_str()));
        Self { offline, cache: None, endpoint: None, contact: Duration::from_secs(8), stall: Duration::from_secs(60) }
    }

    /// Paths of the (training, test) parquet files, downloaded where the cache lacks them.
    ///
    /// The client's own waiting cannot be bounded (it makes its connections itself), so it runs on a thread; when that
    /// stays silent too long it is left behind and ends with its connection or with the program.
    ///
    /// # Errors
    /// [`DataError::Hub`] when neither the cache nor the hub gives the files.
    pub(crate) fn files(&self, dataset: Dataset, progress: Progress) -> Result<[PathBuf; 2], DataError> {
        let failed = |detail: String| DataError::Hub { dataset, detail: one_line(&detail) };
        let (sender, messages) = channel();
        let hub = self.clone();
        std::thread::Builder::new()
            .name("hub".into())
            .spawn(move || {
                let finished = hub.run(dataset, &sender);
                // Nobody listens any more when the wait was given up.
                drop(sender.send(Message::Finished(finished)));
            })
            .map_err(|e| failed(e.to_string()))?;
        self.wait(&messages, progress).map_err(failed)
    }

    fn wait(&self, messages: &Receiver<Message>, progress: Progress) -> Result<[PathBuf; 2], String> {
        let mut patience = self.contact;
        loop {
            match messages.recv_timeout(patience) {
                Ok(Message::Finished(result)) => return result,
                Ok(Message::Progress { file, done, total }) => {
                    patience = self.stall;
                    progress(file, done, total);
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("no answer for {} s", patience.as_secs()));
                }
                Err(RecvTimeoutError::Disconnected) => return Err("the client stopped".into()),
            }
        }
    }

    fn run(&self, dataset: Dataset, sender: &Sender<Message>) -> Result<[PathBuf; 2], String> {
        let mut builder = HFClient::builder().retry_max_attempts(1);
        if let Some(cache) = &self.cache {
            builder = builder.cache_dir(cache);
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint(endpoint);
        }
        let (owner, name, files) = place(dataset);
        let repo = builder.build_sync().map_err(|e| describe(&e))?.dataset(owner, name);
        let [train, test] = files.map(|file| self.file(&repo, file, sender));
        Ok([train?, test?])
    }

    fn file(
        &self,
        repo: &HFRepositorySync<RepoTypeDataset>,
        file: &'static str,
        sender: &Sender<Message>,
    ) -> Result<PathBuf, String> {
        let cached = repo.download_file().filename(file).local_files_only(true).send();
        match cached {
            Err(HFError::LocalEntryNotFound { .. }) if self.offline => {
                Err("not in the Hugging Face cache, and HF_HUB_OFFLINE is set".into())
            }
            Err(HFError::LocalEntryNotFound { .. }) => {
                let watcher = Watcher { file, sender: sender.clone() };
                repo.download_file()
                    .filename(file)
                    .progress(watcher)
                    .send()
                    .map_err(|e| format!("not cached, and the download failed: {}", describe(&e)))
            }
            other => other.map_err(|e| describe(&e)),
        }
    }
}

/// Owner, name and the (training, test) files of a data set on the hub.
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
    }
}

/// Passes a download's progress on.
struct Watcher {
    file: &'static str,
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
        drop(self.sender.send(Message::Progress { file: self.file, done, total }));
    }
}

/// The innermost cause of an error, which is the part that says what happened to the connection.
fn describe(error: &HFError) -> String {
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
