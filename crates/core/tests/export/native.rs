//! C, and CUDA with a few macros in the place of a device, compiled and run.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use swish_core::activation::export::{Precision, Target, export};

use super::cases::{Case, POINTS, at, cases, numbers};

/// Compiles a program, runs it on `input` and returns the numbers that it writes; `None` where there is no such compiler.
fn run(compiler: &str, flags: &[&str], source: &Path, input: &[f64]) -> Option<Vec<f64>> {
    let program = source.with_extension("run");
    let compiled = Command::new(compiler).args(flags).arg("-o").args([&program, source]).arg("-lm").output();
    let Ok(compiled) = compiled else {
        eprintln!("SKIPPED: there is no compiler {compiler}");
        return None;
    };
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let files = ["in", "out"].map(|ending| source.with_extension(ending));
    std::fs::write(&files[0], input.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    assert!(Command::new(&program).args(&files).status().unwrap().success());
    let bytes = std::fs::read(&files[1]).unwrap();
    Some(bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect())
}

/// x and parameters of each point of each case.
fn input(cases: &[&Case]) -> Vec<f64> {
    let points = cases.iter().flat_map(|case| (0..POINTS).map(move |i| (case, i)));
    points.flat_map(|(case, i)| std::iter::once(case.xs[i]).chain(at(&case.params, i))).collect()
}

fn compare(cases: &[&Case], found: &[f64], tolerance: f64) {
    let mut found = found.iter();
    for case in cases {
        for (i, expected) in case.expected.iter().enumerate() {
            let found: Vec<f64> = found.by_ref().take(2 + case.params.len()).copied().collect();
            let Some(expected) = expected else { continue };
            for (a, b) in numbers(expected).into_iter().zip(&found) {
                let (function, x, params) = (&case.activation, case.xs[i], at(&case.params, i));
                assert!(
                    (a - b).abs() <= tolerance * a.abs().max(1.0),
                    "{function} at {x}, {params:?}: {expected:?}, but {found:?}"
                );
            }
        }
    }
    assert_eq!(found.len(), 0);
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// `x[0], x[1]` and so on.
fn list(form: impl Fn(usize) -> String, n: usize) -> String {
    (0..n).map(form).collect::<Vec<_>>().join(", ")
}

const MAIN: &str = "
int main(int argc, char **argv) {
    FILE *in = fopen(argv[1], \"rb\"), *out = fopen(argv[2], \"wb\");
    if (argc != 3 || !in || !out) return 1;
    CALLS
    return fclose(out);
}
";

fn main_of(cases: &[&Case]) -> String {
    let calls: String = (0..cases.len()).map(|n| format!("    if (!run_{n}(in, out)) return 1;\n")).collect();
    MAIN.replace("    CALLS\n", &calls)
}

/// A program of all functions in C.
fn c_program(cases: &[&Case], precision: Precision) -> String {
    let real = if precision == Precision::F32 { "float" } else { "double" };
    let mut text = "#include <stdio.h>\n".to_owned();
    for (n, case) in cases.iter().enumerate() {
        text += &export(&case.activation, Target::C, Some(&format!("case_{n}")), precision).unwrap();
        let p = case.params.len();
        let args = list(|k| format!("v[{k}]"), p + 1);
        let outs: String = (0..p).map(|k| format!(", &r[{}]", k + 2)).collect();
        write!(
            text,
            "static int run_{n}(FILE *in, FILE *out) {{
    for (int i = 0; i < {POINTS}; i++) {{
        double buffer[{size}];
        {real} v[{size}], r[{size}];
        if (fread(buffer, 8, {given}, in) != {given}) return 0;
        for (int k = 0; k < {given}; k++) v[k] = ({real})buffer[k];
        r[0] = case_{n}({args});
        r[1] = case_{n}_grad({args}{outs});
        for (int k = 0; k < {size}; k++) buffer[k] = r[k];
        if (fwrite(buffer, 8, {size}, out) != {size}) return 0;
    }}
    return 1;
}}
",
            given = p + 1,
            size = p + 2,
        )
        .unwrap();
    }
    text + &main_of(cases)
}

const C_FLAGS: &[&str] = &["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"];

fn compiler(variable: &str, default: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

#[test]
fn c_has_our_values_and_derivatives() {
    let all = cases();
    let all: Vec<&Case> = all.iter().collect();
    let source = file("export_f64.c", &c_program(&all, Precision::F64));
    let found = run(&compiler("CC", "cc"), C_FLAGS, &source, &input(&all));
    compare(&all, &found.expect("a C compiler, which the build needs as well"), 1e-6);
    // In single precision the bound is 1e-5, and only for the paper's functions: a drawn one may lose digits on the way.
    let named: Vec<&Case> = all.into_iter().filter(|case| case.named).collect();
    let source = file("export_f32.c", &c_program(&named, Precision::F32));
    let found = run(&compiler("CC", "cc"), C_FLAGS, &source, &input(&named));
    compare(&named, &found.unwrap(), 1e-5);
}

/// A device of one thread: blocks run one after the other.
const DEVICE: &str = "#include <math.h>
#include <stdio.h>
#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static
static struct { unsigned x; } blockIdx, threadIdx, blockDim = {1};
static void __syncthreads() {}
";

/// A program of all functions in CUDA. Every point is a channel, so the gradients of parameters come out one by one.
fn cuda_program(cases: &[&Case]) -> String {
    let mut text = DEVICE.to_owned();
    for (n, case) in cases.iter().enumerate() {
        text += &export(&case.activation, Target::Cuda, Some(&format!("case_{n}")), Precision::F64).unwrap();
        let p = case.params.len();
        let params: String = (0..p).map(|k| format!("v[{}], ", k + 1)).collect();
        let gradients: String = (0..p).map(|k| format!(", r[{}]", k + 2)).collect();
        let shape = if p == 0 { format!("{POINTS}") } else { format!("1, {POINTS}, 1") };
        write!(
            text,
            "static int run_{n}(FILE *in, FILE *out) {{
    static double v[{given}][{POINTS}], r[{size}][{POINTS}], dy[{POINTS}];
    for (int i = 0; i < {POINTS}; i++) {{
        dy[i] = 1;
        for (int k = 0; k < {given}; k++) {{
            if (fread(&v[k][i], 8, 1, in) != 1) return 0;
        }}
    }}
    for (blockIdx.x = 0; blockIdx.x < {POINTS}; blockIdx.x++) case_{n}_forward(v[0], {params}r[0], {shape});
    for (blockIdx.x = 0; blockIdx.x < {POINTS}; blockIdx.x++) {{
        case_{n}_backward(v[0], {params}dy, r[1]{gradients}, {shape});
    }}
    for (int i = 0; i < {POINTS}; i++) {{
        for (int k = 0; k < {size}; k++) {{
            if (fwrite(&r[k][i], 8, 1, out) != 1) return 0;
        }}
    }}
    return 1;
}}
",
            given = p + 1,
            size = p + 2,
        )
        .unwrap();
    }
    text + &main_of(cases)
}

#[test]
fn cuda_has_our_values_and_derivatives() {
    let all = cases();
    let all: Vec<&Case> = all.iter().collect();
    let source = file("export_cuda.cpp", &cuda_program(&all));
    let flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"];
    if let Some(found) = run(&compiler("CXX", "c++"), &flags, &source, &input(&all)) {
        compare(&all, &found, 1e-6);
    }
}
