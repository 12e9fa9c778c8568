//! One measurement: a process that prints one line of JSON.

use serde::Deserialize;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What is read of a line.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Measured {
    /// Milliseconds a step, or nanoseconds an element forward and backward.
    #[serde(alias = "ms_median", alias = "ns_forward_backward_median")]
    pub median: f64,
    /// Peak resident memory.
    #[serde(default)]
    pub peak_rss_mib: Option<f64>,
    /// Parameters of the network.
    #[serde(default)]
    pub params: Option<u64>,
    /// Tokens of the translations.
    #[serde(default)]
    pub tokens: Option<u64>,
}

impl Measured {
    /// This measurement, if it is of a network as large as the other's, and of as long translations.
    pub fn beside(self, other: &Self) -> Result<Self, String> {
        for (what, own, others) in [("parameters", self.params, other.params), ("tokens", self.tokens, other.tokens)] {
            if let (Some(own), Some(others)) = (own, others)
                && own != others
            {
                return Err(format!("{own} {what}, but ours has {others}"));
            }
        }
        Ok(self)
    }
}

/// A line is a measurement, or says why there is none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Failed { err: String },
    Measured(Measured),
}

/// The two programs that are compared.
#[derive(Clone, Debug)]
pub struct Programs {
    /// This program.
    pub swish: PathBuf,
    /// Python with PyTorch.
    pub python: PathBuf,
    /// `bench/peer.py`.
    pub script: PathBuf,
    /// A process that takes longer is ended.
    pub limit: Duration,
}

impl Programs {
    /// Runs `swish bench`. The error is the reason, in one line.
    pub fn ours(&self, arguments: &[String]) -> Result<Measured, String> {
        run(Command::new(&self.swish).arg("bench").args(arguments), self.limit)
    }

    /// Runs the script in one of its modes. The error is the reason, in one line.
    pub fn peer(&self, arguments: &[String], mode: &str) -> Result<Measured, String> {
        run(Command::new(&self.python).arg(&self.script).args(arguments).args(["--mode", mode]), self.limit)
    }

    /// The version of PyTorch, or why it cannot be used.
    pub fn torch(&self) -> Result<String, String> {
        let output = Command::new(&self.python)
            .arg(&self.script)
            .arg("version")
            .output()
            .map_err(|e| format!("{}: {e}", self.python.display()))?;
        #[derive(Deserialize)]
        struct Version {
            torch: String,
        }
        serde_json::from_slice(&output.stdout).map(|v: Version| v.torch).map_err(|_| {
            let talk = String::from_utf8_lossy(&output.stderr).into_owned();
            let last = talk.lines().rfind(|line| !line.trim().is_empty());
            last.map_or_else(|| output.status.to_string(), str::to_owned)
        })
    }
}

/// Runs a command to its end and reads its line; what it says on standard error goes to ours.
fn run(command: &mut Command, limit: Duration) -> Result<Measured, String> {
    let failed = |e: std::io::Error| e.to_string();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let start = Instant::now();
    // Read while it runs, so that the child never waits for room in the pipe.
    let reader = child.stdout.take().map(|mut out| {
        std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text)
        })
    });
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if start.elapsed() > limit {
            child.kill().and_then(|()| child.wait()).map_err(failed)?;
            return Err(format!("not finished after {} s", limit.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let text = match reader.map(std::thread::JoinHandle::join) {
        Some(Ok(text)) => text.map_err(failed)?,
        _ => String::new(),
    };
    parse(&text).map_err(|reason| if status.success() || !text.is_empty() { reason } else { status.to_string() })
}

/// The last line of `text` as a measurement.
fn parse(text: &str) -> Result<Measured, String> {
    let line = text.lines().last().unwrap_or_default();
    match serde_json::from_str(line) {
        Ok(Line::Measured(measured)) if measured.median > 0.0 => Ok(measured),
        Ok(Line::Measured(measured)) => Err(format!("a time of {}", measured.median)),
        Ok(Line::Failed { err }) => Err(err),
        Err(_) => Err(format!("no line of JSON with a time: {line:?}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lines_of_both_programs_are_read() {
        let step = parse("{\"model\": \"resnet20\", \"ms_median\": 12.5, \"ms_p20\": 12.0, \"peak_rss_mib\": 100.5}\n");
        assert_eq!(step, Ok(Measured { median: 12.5, peak_rss_mib: Some(100.5), params: None, tokens: None }));
        let alone = parse("a line of talk\n{\"ns_forward_median\":0.3,\"ns_forward_backward_median\":0.7}");
        assert_eq!(alone, Ok(Measured { median: 0.7, peak_rss_mib: None, params: None, tokens: None }));
    }

    #[test]
    fn another_network_is_no_peer() {
        let of = |params| Measured { median: 1.0, peak_rss_mib: None, params, tokens: params };
        for (peer, ours) in [(None, None), (Some(7), None), (Some(7), Some(7))] {
            assert_eq!(of(peer).beside(&of(ours)), Ok(of(peer)));
        }
        assert_eq!(of(Some(8)).beside(&of(Some(7))).unwrap_err(), "8 parameters, but ours has 7");
        let short = Measured { tokens: Some(6), ..of(Some(7)) };
        assert_eq!(short.beside(&of(Some(7))).unwrap_err(), "6 tokens, but ours has 7");
    }

    #[test]
    fn a_failure_says_why() {
        let failed = parse("{\"mode\": \"compile\", \"err\": \"RuntimeError: no compiler\"}").unwrap_err();
        assert_eq!(failed, "RuntimeError: no compiler");
        assert!(parse("{\"ms_median\": 0.0}").unwrap_err().contains('0'));
        assert!(parse("Killed").unwrap_err().contains("Killed"));
        assert!(parse("").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_process_is_read_or_ended() {
        let shell = |script: &str, limit| run(Command::new("sh").args(["-c", script]), Duration::from_secs(limit));
        assert_eq!(shell("echo '{\"ms_median\": 2}'", 60).unwrap().median, 2.0);
        assert!(shell("exit 3", 60).unwrap_err().contains('3'));
        assert!(shell("exec sleep 60", 0).unwrap_err().contains("not finished"));
    }

    #[test]
    fn python_that_is_not_there_is_named() {
        let programs = Programs {
            swish: "swish".into(),
            python: "/nowhere/python".into(),
            script: "peer.py".into(),
            limit: Duration::ZERO,
        };
        assert!(programs.torch().unwrap_err().contains("/nowhere/python"));
    }
}
