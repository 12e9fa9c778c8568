//! Every kernel compiled by NVRTC for two architectures; needs the library, but no GPU.
//!
//! `SWISH_NVRTC` is the folder that it lies in, such as `site-packages/nvidia/cu13/lib`; otherwise that of the active Python environment
//! or the system's is taken.
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "../src/cuda/libraries.rs"]
mod libraries;
#[path = "../src/cuda/nvrtc.rs"]
mod nvrtc;

use nvrtc::{Nvrtc, NvrtcError};
use swish_kernels::act::{Op, Program, Unary};
use swish_kernels::cuda::check::{SETS, random_set};
use swish_kernels::cuda::source::Part;
use swish_kernels::cuda::{ActSource, Source, Subject};

const ARCHITECTURES: [&str; 2] = ["sm_80", "sm_90"];

/// The library, or a loud word that the test is skipped.
fn load() -> Option<Nvrtc> {
    match Nvrtc::load() {
        Ok(nvrtc) => Some(nvrtc),
        Err(e) => {
            eprintln!("SKIPPED: no kernel was compiled by NVRTC: {e}");
            None
        }
    }
}

/// The code of a text for both architectures, which begins as an ELF file does.
fn compile(nvrtc: &Nvrtc, source: &Source<'_>) {
    let text = source.text();
    for arch in ARCHITECTURES {
        let code = nvrtc.compile(source.subject.name(), &text, arch).unwrap_or_else(|e| panic!("{source:?}: {e}"));
        assert!(code.starts_with(b"\x7fELF"), "{source:?} for {arch}");
    }
}

#[test]
fn every_kernel_compiles() {
    let Some(nvrtc) = load() else { return };
    let ops = vec![Op::X, Op::Param(0), Op::Unary(Unary::Sinc, 0)];
    let act = ActSource::new(&Program::new(ops, 1).unwrap());
    for subject in Subject::ALL {
        let parts = match subject {
            Subject::Activation | Subject::Norm => vec![Part::Act(&act)],
            Subject::Depthwise => vec![Part::Window(3, 3), Part::Window(7, 7)],
            _ => vec![Part::None],
        };
        for part in parts {
            for (bf16, vec) in [(false, 1), (false, 2), (false, 4), (true, 1), (true, 2), (true, 4), (true, 8)] {
                compile(&nvrtc, &Source { subject, bf16, vec, part });
            }
        }
    }
}

#[test]
fn random_activations_compile() {
    let Some(nvrtc) = load() else { return };
    for set in 0..SETS {
        let (programs, act) = random_set(set);
        assert_eq!(programs.len() as u64 * SETS, 200);
        compile(&nvrtc, &Source { subject: Subject::Activation, bf16: false, vec: 1, part: Part::Act(&act) });
    }
}

#[test]
fn mistakes_are_reported_with_the_compilers_words() {
    let Some(nvrtc) = load() else { return };
    let error = nvrtc.compile("wrong", "__global__ void f() { nothing(); }", "sm_90").unwrap_err();
    assert!(matches!(error, NvrtcError::Compile { .. }), "{error}");
    assert!(error.to_string().contains("nothing"), "{error}");
    assert!(nvrtc.compile("wrong", "", "sm_1").is_err());
    assert!(nvrtc.version().unwrap() >= (12, 0));
}
