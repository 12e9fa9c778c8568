//! The hub, played by a small server of the test's own: it answers what the client asks, refuses, or falls silent.
#![allow(clippy::unwrap_used)]

use super::support::write_small;
use crate::fetch::fetch_with;
use crate::hub::Hub;
use crate::load::load_with;
use crate::{DataChoice, DataOptions, DataSource, Dataset, Published};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the server does with a request for a file's bytes.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Sends them.
    Whole,
    /// Sends half and then nothing.
    Stalls,
}

/// Serves the files of `write_small(dir)` until the test ends; returns the address.
fn serve(dir: &Path, manner: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let files = write_small(dir);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let files = files.clone();
            std::thread::spawn(move || answer(stream, &files, manner));
        }
    });
    address
}

fn answer(mut stream: TcpStream, files: &[PathBuf; 2], manner: Manner) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    for line in lines.by_ref() {
        if line.is_empty() {
            break;
        }
    }
    let train = request.contains("/datasets/uoft-cs/cifar10/resolve/main/plain_text/train-00000-of-00001.parquet");
    let Ok(body) = std::fs::read(&files[usize::from(!train)]) else {
        return;
    };
    let etag = if train { "a" } else { "b" }.repeat(64);
    let commit = "0123456789".repeat(4);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"{etag}\"\r\nX-Repo-Commit: {commit}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let sent = match (request.starts_with("HEAD"), manner) {
        (true, _) => 0,
        (false, Manner::Whole) => body.len(),
        (false, Manner::Stalls) => body.len() / 2,
    };
    // A client that gave up is no failure of the server.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body[..sent])));
    if sent != body.len() && !request.starts_with("HEAD") {
        std::thread::sleep(Duration::from_secs(5));
    }
}

fn hub(cache: &Path, endpoint: &str) -> Hub {
    Hub {
        offline: false,
        cache: Some(cache.to_path_buf()),
        endpoint: Some(endpoint.into()),
        contact: Duration::from_secs(8),
        stall: Duration::from_secs(8),
    }
}

fn options(cache: &Path, require_real: bool) -> DataOptions {
    DataOptions { choice: DataChoice::Auto, dir: None, cache: cache.to_path_buf(), require_real }
}

#[test]
fn downloads_once_and_then_needs_no_network() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(&dir.path().join("hub"), &serve(dir.path(), Manner::Whole));
    let first = load_with(Dataset::Cifar10, &options(dir.path(), false), &hub).unwrap();
    assert_eq!((first.source, first.train.len()), (DataSource::Hub, 10));
    assert!(first.note.starts_with("data: hub cifar10 (no --data-dir), 10 training"), "{}", first.note);
    // A part of a data set is not the data set.
    let message = load_with(Dataset::Cifar10, &options(dir.path(), true), &hub).unwrap_err().to_string();
    assert!(message.contains("10 training and 10 test images instead of 50000 and 10000"), "{message}");
    for cut_off in [Hub { endpoint: Some("http://127.0.0.1:9".into()), ..hub.clone() }, Hub { offline: true, ..hub }] {
        assert_eq!(load_with(Dataset::Cifar10, &options(dir.path(), false), &cut_off).unwrap().version, first.version);
    }
}

#[test]
fn without_a_hub_the_program_goes_on_with_its_own_data_or_says_how_to_get_the_real() {
    let dir = tempfile::tempdir().unwrap();
    // Nothing listens on a port that was just given back.
    let closed = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let hub = hub(dir.path(), &closed);
    let start = Instant::now();
    assert!(hub.files(Dataset::Cifar10, &mut |_, _, _| ()).is_err());
    eprintln!("without a hub: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(5));
    let data = load_with(Dataset::Cifar10, &options(dir.path(), false), &hub).unwrap();
    assert_eq!(data.source, DataSource::Embedded);
    let expected = "data: embedded cifar10 (no --data-dir; hub: not cached, and the download failed: ";
    assert!(data.note.starts_with(expected) && !data.note.contains('\n'), "{}", data.note);
    let message = load_with(Dataset::Cifar10, &options(dir.path(), true), &hub).unwrap_err().to_string();
    assert!(message.contains("get it with `swish data fetch --dataset cifar10`"), "{message}");
    let asked = DataOptions { choice: DataChoice::Hub, ..options(dir.path(), false) };
    let message = load_with(Dataset::Cifar10, &asked, &hub).unwrap_err().to_string();
    assert!(message.starts_with("hub: cifar10: not cached, and the download failed: "), "{message}");
    let offline = Hub { offline: true, ..hub };
    let message = load_with(Dataset::Cifar10, &asked, &offline).unwrap_err().to_string();
    assert_eq!(message, "hub: cifar10: not in the Hugging Face cache, and HF_HUB_OFFLINE is set");
}

#[test]
fn a_silent_hub_is_left() {
    let dir = tempfile::tempdir().unwrap();
    // Accepts (the system does, up to the backlog) and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let silent = Hub { contact: Duration::from_secs(1), ..hub(dir.path(), &address) };
    let start = Instant::now();
    let message = silent.files(Dataset::Cifar10, &mut |_, _, _| ()).unwrap_err().to_string();
    assert_eq!(message, "hub: cifar10: no answer for 1 s");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_download_that_stalls_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let address = serve(dir.path(), Manner::Stalls);
    let stalling = Hub { stall: Duration::from_secs(1), ..hub(&dir.path().join("hub"), &address) };
    let message = stalling.files(Dataset::Cifar10, &mut |_, _, _| ()).unwrap_err().to_string();
    assert_eq!(message, "hub: cifar10: no answer for 1 s");
}

#[test]
fn fetch_reports_progress_and_refuses_what_is_not_the_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(&dir.path().join("hub"), &serve(dir.path(), Manner::Whole));
    let mut last = (String::new(), 0, 0);
    let error =
        fetch_with(Dataset::Cifar10, None, &mut |file, done, total| last = (file.to_owned(), done, total), &hub)
            .unwrap_err();
    assert!(error.to_string().ends_with("train-00000-of-00001.parquet: 10 images; expected 50000"), "{error}");
    assert_eq!(last.0, "plain_text/test-00000-of-00001.parquet");
    assert!(last.1 > 0 && last.1 == last.2, "{last:?}");
}

/// A server that answers every request with this status, and with further lines of a head in it.
fn refuse(status: &'static str) -> String {
    answering(move |_| status)
}

/// A server that answers each request, of which it is given the first line, without content.
fn answering(status: impl Fn(&str) -> &'static str + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let status = status(&lines.next().unwrap_or_default());
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            drop(write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        }
    });
    address
}

#[test]
fn what_is_given_only_to_those_who_accepted_the_terms_says_how() {
    let dir = tempfile::tempdir().unwrap();
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let hub = hub(dir.path(), &refuse(status));
        let message = fetch_with(Dataset::ImageNet, None, &mut |_, _, _| (), &hub).unwrap_err().to_string();
        assert!(message.starts_with("hub: imagenet: the hub gives this only to accounts that accepted"), "{message}");
        assert!(message.contains("HF_TOKEN"), "{message}");
    }
    let offline = Hub { offline: true, ..hub(dir.path(), "http://127.0.0.1:9") };
    let message = fetch_with(Dataset::ImageNet, None, &mut |_, _, _| (), &offline).unwrap_err().to_string();
    assert_eq!(message, "hub: imagenet: HF_HUB_OFFLINE is set");
    let message = load_with(Dataset::ImageNet, &options(dir.path(), false), &offline).unwrap_err().to_string();
    assert_eq!(message, "data set imagenet: expected cifar10 or cifar100 where images are held in memory");
}

#[test]
fn published_weights_are_named_by_repository_and_revision() {
    for text in ["timm/inception_v4.tf_in1k", "a-b/c_d@refs/pr/1"] {
        assert_eq!(text.parse::<Published>().unwrap().to_string(), text);
    }
    for text in ["", "a", "a/", "/b", "a/b/c", "a/b@", "../b", "a/b@../../c", "a/b c"] {
        let message = text.parse::<Published>().unwrap_err().to_string();
        assert_eq!(message, format!("repository {text}: expected OWNER/NAME or OWNER/NAME@REVISION"));
    }
}

#[test]
fn published_weights_are_downloaded_once_by_revision() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let found = request.contains(" /timm/net/resolve/v1/model.safetensors ");
            let status = if found { "200 OK" } else { "404 Not Found" };
            let head = "ETag: \"e\"\r\nX-Repo-Commit: 0123456789012345678901234567890123456789\r\nConnection: close";
            let body = if request.starts_with("HEAD") { "" } else { "weights" };
            drop(write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 7\r\n{head}\r\n\r\n{body}"));
        }
    });
    let online = hub(dir.path(), &address);
    let place: Published = "timm/net@v1".parse().unwrap();
    let file = place.weights_with(&mut |_, _, _| (), &online).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"weights");
    let offline = Hub { offline: true, ..online.clone() };
    assert_eq!(place.weights_with(&mut |_, _, _| (), &offline).unwrap(), file);
    // Another revision is another file.
    let main: Published = "timm/net".parse().unwrap();
    assert!(main.weights_with(&mut |_, _, _| (), &online).is_err());
}

#[test]
fn why_there_are_no_published_weights_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let message = |address: &str| {
        let place: Published = "timm/none@v1".parse().unwrap();
        let message = place.weights_with(&mut |_, _, _| (), &hub(dir.path(), address)).unwrap_err().to_string();
        let start = "hub: timm/none@v1: model.safetensors: not cached, and the download failed: ";
        message.strip_prefix(start).unwrap_or_else(|| panic!("{message}")).to_owned()
    };
    let gated = "the hub gives this only to accounts that accepted its terms";
    assert!(message(&refuse("401 Unauthorized\r\nX-Error-Code: GatedRepo")).starts_with(gated));
    assert!(message(&refuse("403 Forbidden")).starts_with(gated));
    let absent = "no such repository, or a private one";
    assert!(message(&refuse("401 Unauthorized\r\nX-Error-Code: RepoNotFound")).starts_with(absent));
    assert!(message(&refuse("404 Not Found")).starts_with(absent));
    let has = |revision: bool| {
        answering(move |request| match request.contains("/api/models/timm/none") {
            true if revision || !request.contains("/revision/") => "200 OK",
            _ => "404 Not Found",
        })
    };
    assert_eq!(message(&has(false)), "the repository has no such revision");
    assert_eq!(message(&has(true)), "the repository has no such file");
}
