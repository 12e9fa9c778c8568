//! `swish gpu`: which GPUs there are, whether the CUDA kernels give what the CPU's do, and how fast they are.

mod bandwidth;

use crate::args::say;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// List the GPUs and CUDA's libraries, or say why there are none; compare the kernels with the CPU's, or with a plain copy
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  swish gpu\n  swish gpu check --device 0 --out gpu.csv\n  swish gpu bandwidth --out bandwidth.csv\n\nNeeds a build with CUDA: make build-cuda"
)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(clap::Subcommand)]
enum What {
    Check(CheckArgs),
    Bandwidth(bandwidth::Args),
}

/// Run every kernel and whole networks on a GPU and compare the results with the CPU's; one CSV row a comparison
#[derive(clap::Args)]
#[command(after_help = "Example:\n  swish gpu check --only norm")]
struct CheckArgs {
    /// Number of the GPU
    #[arg(long, default_value_t = 0)]
    device: usize,
    /// One file of kernels (activation, moments, norm, sums, pool, loss, dropout, layer_norm, attention, embedding, depthwise, optim,
    /// images, layout), libraries for cuDNN and cuBLASLt, networks for passes of whole ones, or steps for recorded ones; all unless given
    #[arg(long, value_name = "SUBJECT")]
    only: Option<String>,
    /// Where the CSV goes; standard output unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(args: Args) -> Result<()> {
    match args.what {
        None => device::list(),
        Some(What::Check(args)) => device::check(&args),
        Some(What::Bandwidth(args)) => bandwidth::run(&args),
    }
}

/// Without CUDA there is nothing to ask.
#[cfg(not(feature = "cuda"))]
mod device {
    use super::{CheckArgs, Path, Result, say};
    use anyhow::bail;

    pub fn list() -> Result<()> {
        bail!("no GPU: this is a CPU build; `make build-cuda` makes one with CUDA (it needs no CUDA to build)")
    }

    pub fn check(args: &CheckArgs) -> Result<()> {
        let CheckArgs { device, only, out } = args;
        let (only, out) = (only.as_deref().unwrap_or("all kernels"), place(out.as_deref()));
        nothing(&format!("GPU {device}, {only}, to {out}"))
    }

    /// Says what would have been run.
    pub fn nothing(what: &str) -> Result<()> {
        say(format_args!("nothing was run: {what}"))?;
        list()
    }

    pub fn place(out: Option<&Path>) -> String {
        out.map_or("standard output".into(), |out| out.display().to_string())
    }
}

#[cfg(feature = "cuda")]
mod device {
    use super::{CheckArgs, Path, Result, say};
    use anyhow::{Context, bail};
    use std::fs::File;
    use std::io::{Write, stdout};
    use std::rc::Rc;
    use swish_kernels::cuda::Subject;
    use swish_kernels::cuda::check::{self, Row};
    use swish_kernels::cuda::gpu::{Gpu, info};

    /// What is checked: a file of kernels, what NVIDIA's libraries do, passes of whole networks, steps that were recorded.
    #[derive(Clone, Copy)]
    enum Checked {
        Kernels(Subject),
        Libraries,
        Networks,
        Steps,
    }

    impl Checked {
        fn all() -> impl Iterator<Item = Self> {
            Subject::ALL.into_iter().map(Self::Kernels).chain([Self::Libraries, Self::Networks, Self::Steps])
        }

        fn name(self) -> &'static str {
            match self {
                Self::Kernels(subject) => subject.name(),
                Self::Libraries => "libraries",
                Self::Networks => "networks",
                Self::Steps => "steps",
            }
        }

        fn run(self, gpu: &Rc<Gpu>) -> Result<Vec<Row>> {
            Ok(match self {
                Self::Kernels(subject) => check::run(&**gpu, subject)?,
                Self::Libraries => check::run_libraries(&**gpu)?,
                Self::Networks => swish_core::device::check::run(gpu)?,
                Self::Steps => swish_train::on_device::check::run(gpu)?,
            })
        }
    }

    pub fn list() -> Result<()> {
        // The libraries first: where there is no GPU they may be there all the same.
        for (library, version) in info::libraries() {
            say(format_args!("{library:<10} {}", version.unwrap_or_else(|missing| format!("missing: {missing}"))))?;
        }
        let gpus = info::all()?;
        let version = info::driver_version()?;
        say(format_args!("driver     for CUDA {}.{}", version / 1000, version % 1000 / 10))?;
        for gpu in gpus {
            let info::Info { ordinal, name, capability: (major, minor), multiprocessors, memory, free } = gpu;
            say(format_args!(
                "cuda:{ordinal}     {name}, compute capability {major}.{minor}, {multiprocessors} multiprocessors, {} MiB, {} free",
                memory >> 20,
                free >> 20
            ))?;
        }
        Ok(())
    }

    /// CSV to a file, or to standard output.
    pub fn writer(out: Option<&Path>) -> Result<csv::Writer<Box<dyn Write>>> {
        let to: Box<dyn Write> = match out {
            Some(path) => Box::new(File::create(path).with_context(|| path.display().to_string())?),
            None => Box::new(stdout()),
        };
        Ok(csv::Writer::from_writer(to))
    }

    pub fn check(args: &CheckArgs) -> Result<()> {
        let subjects: Vec<Checked> = match args.only.as_deref() {
            None => Checked::all().collect(),
            Some(name) => {
                let found = Checked::all().find(|checked| checked.name() == name);
                vec![found.with_context(|| format!("--only {name}: no such kernels; --help lists them"))?]
            }
        };
        let gpu = Rc::new(Gpu::new(args.device)?);
        let mut csv = writer(args.out.as_deref())?;
        csv.write_record(["subject", "function", "case", "element", "numbers", "error", "tolerance", "passed"])?;
        let (mut wrong, mut count) = (0, 0);
        for subject in subjects {
            let (name, rows) = (subject.name(), subject.run(&gpu)?);
            let failed: Vec<&Row> = rows.iter().filter(|row| !row.passed()).collect();
            failed.iter().for_each(|row| eprintln!("{row}"));
            eprintln!("{name}: {} comparisons, {} wrong", rows.len(), failed.len());
            (wrong, count) = (wrong + failed.len(), count + rows.len());
            for row in &rows {
                let [numbers, error, tolerance] =
                    [row.count.to_string(), format!("{:e}", row.error), format!("{:e}", row.tolerance)];
                let passed = if row.passed() { "yes" } else { "no" };
                csv.write_record([name, &row.function, &row.case, row.element, &numbers, &error, &tolerance, passed])?;
            }
            csv.flush()?;
        }
        if wrong > 0 {
            bail!("{wrong} of {count} comparisons are wrong");
        }
        Ok(())
    }
}
