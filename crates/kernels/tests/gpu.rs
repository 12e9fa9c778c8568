//! Every function on a real GPU compared with the CPU's; without one the tests say so and pass.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, missing_docs)]

use swish_kernels::cuda::Subject;
use swish_kernels::cuda::check::{Row, run, run_libraries};
use swish_kernels::cuda::gpu::{Gpu, GpuError, info};

/// The first GPU, or a loud word that nothing was run.
fn gpu() -> Option<Gpu> {
    match Gpu::new(0) {
        Ok(gpu) => Some(gpu),
        Err(e @ (GpuError::NoDriver | GpuError::DriverTooOld { .. } | GpuError::NoDevice(_))) => {
            eprintln!("SKIPPED, nothing was run on a GPU: {e}");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

fn assert_passed(rows: &[Row]) {
    let wrong: Vec<String> = rows.iter().filter(|row| !row.passed()).map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{} of {} comparisons:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn kernels() {
    let Some(gpu) = gpu() else { return };
    for subject in Subject::ALL {
        assert_passed(&run(&gpu, subject).unwrap());
    }
}

#[test]
fn convolutions_and_products() {
    let Some(gpu) = gpu() else { return };
    assert_passed(&run_libraries(&gpu).unwrap());
}

/// The same work twice gives the same bits.
#[test]
fn results_repeat() {
    let Some(gpu) = gpu() else { return };
    for subject in [Subject::Norm, Subject::Depthwise, Subject::Embedding] {
        assert_eq!(run(&gpu, subject).unwrap(), run(&gpu, subject).unwrap());
    }
    assert_eq!(run_libraries(&gpu).unwrap(), run_libraries(&gpu).unwrap());
}

/// Whatever this machine is, it is described without a crash, and what is missing is named with what to do.
#[test]
fn machines_without_a_gpu_are_described() {
    match info::all() {
        Ok(gpus) => assert!(gpus.iter().all(|gpu| gpu.memory > 0 && gpu.capability.0 >= 5)),
        Err(e) => assert!(e.to_string().contains("GPU"), "{e}"),
    }
    for (library, version) in info::libraries() {
        match version {
            Ok(version) => assert!(version.contains('.'), "{library} {version}"),
            Err(e) => assert!(e.contains("pip install"), "{library}: {e}"),
        }
    }
    let far = Gpu::new(1000).map(|_| ());
    assert!(far.is_err());
}
