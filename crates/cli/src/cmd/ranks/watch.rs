//! Watches over the processes that train together: brings them together, and ends all when one is lost.

use super::{BEGUN, MEETING};
use anyhow::{Context, Result, bail};
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use swish_train::checkpoint;
use swish_train::trainer::checkpoint_file;

/// From the moment when the first rank waits for the others until all have begun.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// How long what an ended rank has said may be on the way.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Between looks at the processes.
const PAUSE: Duration = Duration::from_millis(50);

/// A rank's process.
struct Running {
    name: String,
    process: Child,
    /// Open as long as it is to live.
    input: ChildStdin,
    begun: bool,
    ended: Option<ExitStatus>,
}

impl Running {
    fn end(&mut self) {
        if self.ended.is_none() {
            // One that has ended by itself meanwhile cannot be killed, and need not be.
            drop(self.process.kill());
            self.ended = self.process.wait().ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Who watches over the ranks.
struct Watcher<R> {
    ranks: Vec<Running>,
    patience: Duration,
    /// For those that have not begun.
    deadline: Option<Instant>,
    /// The run's folder, where it has one and has begun.
    dir: Option<PathBuf>,
    /// Gets what the first rank writes.
    result: R,
}

/// Waits for all ranks. `result` gets what the first one writes.
///
/// # Errors
/// One that is lost, or that has not begun within `patience` from when the first was ready to: then all are ended.
pub(super) fn watch(
    commands: Vec<(String, Command)>,
    patience: Duration,
    result: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let (lines, heard) = channel();
    let mut watcher = Watcher { ranks: Vec::new(), patience, deadline: None, dir: None, result };
    for (rank, (name, command)) in commands.into_iter().enumerate() {
        watcher.ranks.push(start(rank, name, command, &lines)?);
    }
    drop(lines);
    let done = watcher.wait(&heard);
    watcher.ranks.iter_mut().for_each(Running::end);
    // Their last words may still be on the way, of one that has failed too: a run that diverged leaves a record.
    while let Ok((rank, line)) = heard.recv_timeout(LAST_WORDS) {
        watcher.hear(rank, &line)?;
    }
    done
}

impl<R: FnMut(&str) -> Result<()>> Watcher<R> {
    /// Until all have ended, or one should not have.
    fn wait(&mut self, heard: &Receiver<(usize, String)>) -> Result<()> {
        while self.look()? {
            if let Some((rank, line)) = next_line(heard) {
                self.hear(rank, &line)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, rank: usize, line: &str) -> Result<()> {
        if let Some(meeting) = line.strip_prefix(MEETING) {
            self.deadline = Some(Instant::now() + self.patience);
            return self.ranks.iter_mut().skip(1).try_for_each(|other| tell(other, meeting));
        }
        if let Some(folder) = line.strip_prefix(BEGUN) {
            self.ranks[rank].begun = true;
            self.dir = Some(PathBuf::from(folder)).filter(|dir| !dir.as_os_str().is_empty());
            return Ok(());
        }
        if rank == 0 { (self.result)(line) } else { Ok(()) }
    }

    /// Whether any of them still runs.
    fn look(&mut self) -> Result<bool> {
        for rank in &mut self.ranks {
            if rank.ended.is_none() {
                rank.ended = rank.process.try_wait().with_context(|| rank.name.clone())?;
            }
        }
        for Running { name, ended, .. } in &self.ranks {
            if let Some(status) = ended.filter(|status| !status.success()) {
                bail!("{name} has ended ({status}), and so all have{}", what_stays(self.dir.as_deref()));
            }
        }
        let late = self.deadline.is_some_and(|deadline| Instant::now() > deadline);
        if let Some(rank) = self.ranks.iter().find(|rank| late && !rank.begun && rank.ended.is_none()) {
            bail!("{} has not met the others within {} s, so all are ended", rank.name, self.patience.as_secs());
        }
        Ok(self.ranks.iter().any(|rank| rank.ended.is_none()))
    }
}

/// What a rank says next, after a pause where it says nothing.
fn next_line(heard: &Receiver<(usize, String)>) -> Option<(usize, String)> {
    match heard.recv_timeout(PAUSE) {
        Ok(line) => Some(line),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => {
            std::thread::sleep(PAUSE);
            None
        }
    }
}

/// The first rank's talk goes where the watcher's does, that of the others line by line behind their names.
fn start(rank: usize, name: String, mut command: Command, lines: &Sender<(usize, String)>) -> Result<Running> {
    let talk = if rank == 0 { Stdio::inherit() } else { Stdio::piped() };
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(talk).spawn();
    let mut process = started.with_context(|| name.clone())?;
    let (input, output, talk) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let (Some(input), Some(output)) = (input, output) else { bail!("{name}: a process without pipes") };
    let lines = lines.clone();
    each_line(output, move |line| lines.send((rank, line)).is_ok());
    if let Some(talk) = talk {
        let name = name.clone();
        each_line(talk, move |line| {
            eprintln!("[{name}] {line}");
            true
        });
    }
    Ok(Running { name, process, input, begun: false, ended: None })
}

/// Takes lines to `to` on a thread of its own, until there are no more or it wants none.
fn each_line(from: impl Read + Send + 'static, mut to: impl FnMut(String) -> bool + Send + 'static) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if !to(String::from_utf8_lossy(&line).into_owned()) {
                break;
            }
        }
    });
}

fn tell(rank: &mut Running, line: impl Display) -> Result<()> {
    match io::Write::write_all(&mut rank.input, format!("{line}\n").as_bytes()) {
        // It has ended, and is found to have.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.with_context(|| rank.name.clone()),
    }
}

/// What can be gone on from.
fn what_stays(dir: Option<&Path>) -> String {
    let Some(dir) = dir else { return String::new() };
    if dir.join("run.json").exists() {
        return "; the run is over and has its record".into();
    }
    match checkpoint::standing(&checkpoint_file(dir)) {
        Ok(Some((at, _))) => {
            format!("; the checkpoint of step {} stays, and the same command goes on from it", at.step)
        }
        Ok(None) => "; there is no checkpoint yet".into(),
        Err(error) => format!("; {error}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Shell scripts as ranks.
    fn run(scripts: &[&str], patience: u64) -> (Result<()>, Vec<String>, Duration) {
        let command = |(rank, script): (usize, &&str)| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            (format!("rank {rank}"), command)
        };
        let (mut lines, start) = (Vec::new(), Instant::now());
        let done = watch(scripts.iter().enumerate().map(command).collect(), Duration::from_secs(patience), |line| {
            lines.push(line.to_string());
            Ok(())
        });
        (done, lines, start.elapsed())
    }

    #[test]
    fn ranks_meet_and_the_first_one_s_result_is_the_command_s() {
        let first = "echo swish-meeting abc; echo swish-begun /nowhere; echo one; echo two";
        let other = "read line; test \"$line\" = abc || exit 9; echo swish-begun /nowhere; echo not heard";
        let (done, lines, _) = run(&[first, other, other], 100);
        done.unwrap();
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn a_lost_rank_ends_all_and_the_checkpoint_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let waiting = format!("echo swish-meeting abc; echo swish-begun {}; exec sleep 300", dir.path().display());
        let error = |scripts: &[&str]| {
            let (done, _, seconds) = run(scripts, 100);
            assert!(seconds < Duration::from_secs(60), "{seconds:?}");
            done.unwrap_err().to_string()
        };
        // Long enough for the other's word.
        let message = error(&[&waiting, "read line; sleep 1; exit 3"]);
        let expected = "rank 1 has ended (exit status: 3), and so all have; there is no checkpoint yet";
        assert_eq!(message, expected);
        let standing = serde_json::to_string(&checkpoint::Standing { step: 120, ..Default::default() }).unwrap();
        let metadata = std::collections::HashMap::from([("standing".to_string(), standing)]);
        let none: Vec<(String, safetensors::tensor::TensorView<'_>)> = Vec::new();
        let bytes = safetensors::serialize(none, Some(metadata)).unwrap();
        std::fs::write(checkpoint_file(dir.path()), bytes).unwrap();
        let message = error(&[&waiting, "read line; sleep 1; kill -9 $$"]);
        assert!(message.starts_with("rank 1 has ended (signal: 9"), "{message}");
        assert!(
            message.ends_with("the checkpoint of step 120 stays, and the same command goes on from it"),
            "{message}"
        );
        let message = error(&["exit 1", "exec sleep 300"]);
        assert_eq!(message, "rank 0 has ended (exit status: 1), and so all have");
    }

    #[test]
    fn what_a_rank_that_fails_has_written_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("run.json"), "{}").unwrap();
        let first = format!("echo swish-begun {}; seq 1 3000; exit 1", dir.path().display());
        let (done, lines, _) = run(&[&first, "exec sleep 300"], 100);
        assert_eq!(lines.len(), 3000);
        let message = done.unwrap_err().to_string();
        let expected = "rank 0 has ended (exit status: 1), and so all have; the run is over and has its record";
        assert_eq!(message, expected);
    }

    #[test]
    fn a_rank_that_does_not_come_is_not_waited_for_for_ever() {
        let (done, _, seconds) =
            run(&["echo swish-meeting abc; echo swish-begun /x; exec sleep 300", "exec sleep 300"], 1);
        assert_eq!(done.unwrap_err().to_string(), "rank 1 has not met the others within 1 s, so all are ended");
        assert!(seconds < Duration::from_secs(60));
    }
}
