//! A Slurm of this machine alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs until it is dropped.
pub struct LocalSlurm {
    dir: tempfile::TempDir,
}

impl LocalSlurm {
    /// Starts one; `None`, with a loud word, where Slurm is neither installed nor can be.
    pub fn start() -> Option<Self> {
        let slurm = Self { dir: tempfile::tempdir().unwrap() };
        // One at a time: two would install the same packages, or take a port that the other has found free.
        let lock = std::fs::File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("slurm.lock")).unwrap();
        lock.lock().unwrap();
        let out = slurm.script("start");
        drop(lock);
        let talk = String::from_utf8_lossy(&out.stderr);
        if out.status.code() == Some(77) {
            eprintln!("{}", talk.trim());
            return None;
        }
        assert!(out.status.success(), "{talk}");
        Some(slurm)
    }

    /// What goes into the environment variable `SLURM_CONF`.
    pub fn conf(&self) -> PathBuf {
        self.dir.path().join("slurm.conf")
    }

    /// Kills the controller, `kill -9`.
    pub fn kill_controller(&self) {
        let pid = std::fs::read_to_string(self.dir.path().join("run/slurmctld.pid")).unwrap();
        assert!(kill(pid.trim().parse().unwrap()));
    }

    /// Starts the controller again.
    pub fn restart(&self) {
        self.succeed("restart");
    }

    /// Brings the node back where the controller has drained it, as an administrator would.
    pub fn resume(&self) {
        self.succeed("resume");
    }

    fn succeed(&self, action: &str) {
        let out = self.script(action);
        assert!(out.status.success(), "{action}: {}", String::from_utf8_lossy(&out.stderr));
    }

    fn script(&self, action: &str) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/slurm-local.sh");
        Command::new(script).arg(action).arg(self.dir.path()).output().unwrap()
    }
}

impl Drop for LocalSlurm {
    fn drop(&mut self) {
        self.script("stop");
    }
}

/// `kill -9`; false where the process has ended by itself.
pub fn kill(pid: u32) -> bool {
    Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success()
}

/// Processes in whose command line all of these stand.
pub fn processes(words: &[&str]) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if words.iter().all(|word| line.contains(word)) {
            found.push(pid);
        }
    }
    found
}
