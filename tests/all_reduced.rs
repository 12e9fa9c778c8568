//! `make all-reduced`: parts that fail or are missing do not stop the others.
#![cfg(unix)]

use std::process::Command;

#[test]
fn a_part_that_fails_stops_no_other_and_is_told_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/all_reduced.sh");
    let run = |makefile: &str| {
        std::fs::write(folder.path().join("stub.mk"), makefile).unwrap();
        let mut command = Command::new(script);
        command.current_dir(folder.path()).env("MAKE", "make -f stub.mk").env("RESULTS", "out");
        // A make around the tests must not speak to the one inside.
        let out = command
            .args(["PROFILE=reduced", "DATA_DIR=a b"])
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .output()
            .unwrap();
        let times = std::fs::read_to_string(folder.path().join("out/tables/all-reduced-times.csv")).unwrap();
        (out.status.success(), times, String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let (ok, times, said) = run("table-cifar:\n\t@false\nreport:\n\t@echo \"$(PROFILE) of $(DATA_DIR)\"\n");
    let outcome = |part: &str| {
        let line = times.lines().find(|line| line.starts_with(&format!("{part},"))).unwrap_or_default();
        line.rsplit(',').next().unwrap_or_default().to_owned()
    };
    assert!(!ok);
    assert_eq!(["table-cifar", "report", "figures"].map(outcome), ["failed", "done", "missing"]);
    assert!(said.contains("reduced of a b") && said.contains("part,seconds,outcome"), "{said}");
    assert_eq!(times.lines().count(), 12);
    assert!(run("report:\n\t@true\n").0, "what is missing is no failure");
}
