//! The other tests of convolution again with fewer instructions than the processor has: each level has routes and tiles of its own.

use std::process::Command;

#[test]
fn lower_levels_pass_the_tests_too() {
    // The level is found once per process, so each one needs its own; there this test has nothing to do.
    // Nor on other processors, which have one level.
    if std::env::var_os("SWISH_SIMD").is_some() || !cfg!(target_arch = "x86_64") {
        return;
    }
    let tests = std::env::current_exe().unwrap();
    for level in ["scalar", "avx2", "avx512"] {
        let output = Command::new(&tests).arg("conv::").env("SWISH_SIMD", level).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && out.contains("test conv::precision::"), "SWISH_SIMD={level}:\n{out}\n{err}");
    }
}
