//! The flags that say where children are trained.

use crate::args::{distinct, gpu};
use anyhow::{Context, Result, bail};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;
use swish_core::device::find_gpus;
use swish_core::nn::Compute;
use swish_search::engine::{Engine, HyperQueue, HyperQueueConfig, Local, LocalConfig, Notify, Slurm, SlurmConfig};

/// Children in a cluster's queue at the same time, unless given.
const CLUSTER_JOBS: usize = 32;

/// Children on a GPU at the same time, unless given.
const CHILDREN: usize = 4;

/// The engines.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Name {
    Local,
    Slurm,
    #[value(name = "hyperqueue")]
    HyperQueue,
}

/// Where the children are trained.
#[derive(clap::Args)]
pub struct EngineArgs {
    /// Where they are trained: processes on this machine, or a cluster
    #[arg(long, default_value = "local")]
    engine: Name,
    /// Children at the same time, those waiting in a cluster's queue included; unless given, for the local engine one a core or, on
    /// GPUs, --children-per-gpu on each, else 32
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// GPUs of this machine among which the local engine shares the children out, such as 0,1; unless given, the search's device
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', value_parser = gpu)]
    devices: Vec<usize>,
    /// Children at the same time on each GPU, which one alone does not fill [default: 4]
    #[arg(long, value_name = "N", conflicts_with = "jobs")]
    children_per_gpu: Option<NonZeroUsize>,
    /// Slurm's partition
    #[arg(long, value_name = "NAME", help_heading = "Slurm")]
    slurm_partition: Option<String>,
    /// Generic resources of a child, e.g. gpu:1
    #[arg(long, value_name = "GRES", help_heading = "Slurm")]
    slurm_gres: Option<String>,
    /// Time limit of a child
    #[arg(long, value_name = "MINUTES", help_heading = "Slurm")]
    slurm_time: Option<u32>,
    /// A further argument of sbatch; may be given again
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, help_heading = "Slurm")]
    slurm_arg: Vec<String>,
    /// Resources of a child, e.g. gpus/nvidia=1; may be given again
    #[arg(long, value_name = "NAME=AMOUNT", help_heading = "HyperQueue")]
    hq_resource: Vec<String>,
    /// Time limit of a child
    #[arg(long, value_name = "MINUTES", help_heading = "HyperQueue")]
    hq_time: Option<u32>,
    /// A further argument of hq submit; may be given again
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, help_heading = "HyperQueue")]
    hq_arg: Vec<String>,
}

impl EngineArgs {
    /// The engine for the search in `dir` on `device`, which tells `notify` what goes wrong without ending the search.
    pub fn build(&self, dir: &Path, device: Compute, notify: Notify) -> Result<Box<dyn Engine>> {
        let program = std::env::current_exe().context("the path of this program")?;
        let dir = dir.to_path_buf();
        let limit = |minutes: Option<u32>| minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes)));
        let jobs = |default: usize| self.jobs.map_or(default, NonZeroUsize::get);
        if !matches!(self.engine, Name::Local) && (!self.devices.is_empty() || self.children_per_gpu.is_some()) {
            bail!("--devices and --children-per-gpu are the local engine's; a cluster shares out its own GPUs");
        }
        match self.engine {
            Name::Local => {
                distinct(&self.devices)?;
                find_gpus(&self.devices)?;
                let devices: Vec<Compute> = self.devices.iter().map(|&number| Compute::Cuda(number)).collect();
                let gpus = match device {
                    Compute::Cuda(_) => devices.len().max(1),
                    Compute::Cpu => devices.len(),
                };
                if gpus == 0 && self.children_per_gpu.is_some() {
                    bail!(
                        "--children-per-gpu: the search runs on the CPU; --jobs says how many children at the same time"
                    );
                }
                let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
                let children = self.children_per_gpu.map_or(CHILDREN, NonZeroUsize::get);
                let jobs = jobs(if gpus > 0 { gpus * children } else { cores });
                Ok(Box::new(Local::new(LocalConfig { dir, program, jobs, devices })?))
            }
            Name::Slurm => {
                let config = SlurmConfig {
                    dir,
                    program,
                    jobs: jobs(CLUSTER_JOBS),
                    partition: self.slurm_partition.clone(),
                    gres: self.slurm_gres.clone(),
                    time_limit: limit(self.slurm_time),
                    extra: self.slurm_arg.clone(),
                };
                Ok(Box::new(Slurm::new(config, notify)?))
            }
            Name::HyperQueue => {
                let config = HyperQueueConfig {
                    dir,
                    program,
                    jobs: jobs(CLUSTER_JOBS),
                    resources: self.hq_resource.clone(),
                    time_limit: limit(self.hq_time),
                    extra: self.hq_arg.clone(),
                };
                Ok(Box::new(HyperQueue::new(config, notify)?))
            }
        }
    }
}
