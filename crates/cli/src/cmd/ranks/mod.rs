//! Where a network is trained: on one device, or on several GPUs, a process for each, and the one that the user started watches over them.
//!
//! The ranks are started with the same arguments and `--rank`. On their standard output they say where they meet and when they have begun;
//! all else that the first says there is the command's result. Their standard input brings the meeting, and ends when the watcher does.

mod watch;

use crate::args::{ComputeArgs, distinct, gpu, say};
use anyhow::{Context, Result, bail};
use std::io;
use std::path::Path;
use std::process::Command;
use swish_core::device::{self, Seat, find_gpus};
use swish_core::nn::Compute;
use swish_kernels::cuda::Rank;
use swish_kernels::cuda::ranks::Member;

/// What lines of a rank to its watcher begin with: where the ranks meet, and the run's folder once it has begun.
const MEETING: &str = "swish-meeting ";
const BEGUN: &str = "swish-begun ";

/// Where a network is trained.
#[derive(clap::Args)]
pub struct TrainOn {
    /// GPUs that train together, such as 0,1: the batch is cut into a part for each, which is a batch of its own. --threads are those of
    /// each process
    #[arg(long, value_delimiter = ',', value_parser = gpu, value_name = "N,N,..", conflicts_with = "device")]
    devices: Vec<usize>,
    /// Which of the GPUs' processes this is; [`TrainOn::launch`] gives it
    #[arg(long, hide = true, requires = "devices")]
    rank: Option<usize>,
    #[command(flatten)]
    compute: ComputeArgs,
}

impl TrainOn {
    /// Errs where a GPU is named twice.
    pub fn distinct(&self) -> Result<()> {
        distinct(&self.devices)
    }

    /// Errs where a GPU is not there.
    pub fn found(&self) -> Result<()> {
        Ok(find_gpus(&self.devices)?)
    }

    /// How many devices there are.
    pub fn count(&self) -> usize {
        self.devices.len().max(1)
    }

    /// Batches a step, and examples of each.
    pub fn batches(&self, replicas: Option<u64>, batch: usize) -> Result<(u64, usize)> {
        let gpus = self.count();
        match replicas {
            Some(replicas) if replicas.is_multiple_of(gpus as u64) => Ok((replicas, batch)),
            Some(replicas) => {
                bail!("--replicas {replicas}: expected a multiple of the {gpus} of --devices, which share them out")
            }
            None if batch.is_multiple_of(gpus) => Ok((gpus as u64, batch / gpus)),
            None => bail!("--batch {batch}: expected a multiple of the {gpus} of --devices"),
        }
    }

    /// Whether the work is that of other processes.
    pub fn launches(&self) -> bool {
        self.devices.len() > 1 && self.rank.is_none()
    }

    /// Starts a rank for each of the GPUs and waits for all of them.
    pub fn launch(&self) -> Result<()> {
        let program = std::env::current_exe().context("this program's own file")?;
        let command = |(rank, gpu): (usize, &usize)| {
            let mut command = Command::new(&program);
            command.args(std::env::args_os().skip(1)).args(["--rank", &rank.to_string()]);
            (format!("rank {rank} (cuda:{gpu})"), command)
        };
        let commands = self.devices.iter().enumerate().map(command).collect();
        watch::watch(commands, watch::PATIENCE, |line| say(line))
    }

    /// Which of several processes this is, and its device.
    pub fn seat(&self) -> Result<Seat> {
        let Some(number) = self.rank else {
            let one = self.devices.first().map_or(self.compute.device(), |gpu| Compute::Cuda(*gpu));
            return Ok(one.into());
        };
        let gpu = self.devices.get(number).with_context(|| format!("--rank {number}: no such GPU among --devices"))?;
        let member = member(Rank::new(number, self.devices.len())?)?;
        Ok(Seat { compute: Compute::Cuda(*gpu), member: Some(member) })
    }

    /// The number of threads of each process.
    pub fn threads(&self) -> usize {
        self.compute.threads_of(self.count())
    }

    /// Says what every rank would say, once.
    pub fn note(&self, note: &str) {
        if self.rank.is_none() {
            eprintln!("{note}");
        }
    }
}

/// A rank's side: where it meets the others. From now on it ends with its watcher.
fn member(rank: Rank) -> Result<Member> {
    let meeting = if rank.is_first() {
        let meeting = device::meeting()?;
        say(format_args!("{MEETING}{meeting}"))?;
        meeting
    } else {
        let mut line = String::new();
        io::stdin().read_line(&mut line).context("standard input, where the ranks' meeting is told")?;
        line.trim().parse()?
    };
    std::thread::spawn(|| {
        // Nothing more is written there.
        drop(io::copy(&mut io::stdin(), &mut io::sink()));
        // Without the handlers of an exit: those of CUDA could wait for a kernel that waits for other ranks.
        std::process::abort();
    });
    Ok(Member { rank, meeting })
}

/// A rank's side: says that it has begun a run with this folder; empty for one that leaves nothing.
pub fn begun(dir: &Path) {
    // A watcher that hears nothing has ended.
    drop(say(format_args!("{BEGUN}{}", dir.display())));
}
