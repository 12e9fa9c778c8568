//! A search as a user runs it: killed and resumed, looked at, given bad input.

use crate::common::swish;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const EVALUATIONS: usize = 24;

fn begin(dir: &Path, strategy: &str) -> Command {
    let mut command = begin_any(dir, strategy);
    command.args(["--evaluations", &EVALUATIONS.to_string()]);
    command
}

fn begin_any(dir: &Path, strategy: &str) -> Command {
    let mut command = swish();
    command.args(["search", "run"]).arg(dir).args(["--strategy", strategy, "--seed", "3", "--profile", "smoke"]);
    command.args(["--data", "embedded", "--jobs", "2", "--batch", "6"]);
    quiet(&mut command, dir);
    command
}

fn on(dir: &Path, what: &str) -> Command {
    let mut command = swish();
    command.args(["search", what]).arg(dir);
    quiet(&mut command, dir);
    command
}

fn quiet(command: &mut Command, dir: &Path) {
    command.env("SWISH_CACHE", dir.parent().unwrap().join("cache")).stdout(Stdio::piped()).stderr(Stdio::piped());
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeed(mut command: Command) -> Output {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    out
}

fn journal(dir: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn events(dir: &Path, kind: &str) -> Vec<serde_json::Value> {
    journal(dir).into_iter().filter(|event| event["event"] == kind).collect()
}

/// A random search that has ended, which every test that needs one gets a copy of.
static ENDED: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ended-search-{}", std::process::id()));
    if dir.exists() {
        std::fs::remove_dir_all(&dir).unwrap();
    }
    let search = dir.join("search");
    succeed(begin(&search, "random"));
    search
});

/// Puts it there.
fn ended(dir: &Path) {
    copy(&ENDED, dir);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.as_ref().unwrap(), to.join(entry.as_ref().unwrap().file_name()));
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// What must not depend on kills: proposals with their fates, rewards by trial, updates.
fn course(dir: &Path) -> (Vec<serde_json::Value>, Vec<(String, String)>, Vec<serde_json::Value>) {
    let outcome = |e: &serde_json::Value| (e["id"].to_string(), format!("{} {}", e["top1"], e["err"]));
    let mut outcomes: Vec<_> = events(dir, "outcome").iter().map(outcome).collect();
    outcomes.sort();
    (events(dir, "proposal"), outcomes, events(dir, "update"))
}

fn wait_for(dir: &Path, outcomes: usize) {
    let start = Instant::now();
    while events(dir, "outcome").len() < outcomes {
        assert!(start.elapsed() < Duration::from_secs(240), "{outcomes} outcomes in four minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn killed_and_resumed(strategy: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (whole, killed) = (dir.path().join("whole"), dir.path().join("killed"));
    match strategy {
        "random" => ended(&whole),
        _ => drop(succeed(begin(&whole, strategy))),
    }
    let expected = course(&whole);
    assert_eq!(expected.0.len(), EVALUATIONS);

    let mut driver = begin(&killed, strategy).spawn().unwrap();
    for outcomes in [2, 9] {
        wait_for(&killed, outcomes);
        driver.kill().unwrap();
        driver.wait().unwrap();
        let before = std::fs::read(killed.join("journal.jsonl")).unwrap();
        assert!(text(&succeed(on(&killed, "status")).stdout).starts_with("stopped"));
        driver = on(&killed, "resume").spawn().unwrap();
        wait_for(&killed, outcomes + 1);
        let after = std::fs::read(killed.join("journal.jsonl")).unwrap();
        assert!(after.starts_with(&before), "what stood in the journal stays");
    }
    // A second driver is refused while the first is at work.
    let second = on(&killed, "resume").output().unwrap();
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains("another process is driving this search"), "{}", text(&second.stderr));
    assert!(driver.wait().unwrap().success());

    assert_eq!(course(&killed), expected);
    let ids: Vec<_> = expected.1.iter().map(|(id, _)| id).collect();
    let mut once = ids.clone();
    once.dedup();
    assert_eq!(ids, once, "each trial has one outcome");
    // Finished: started again, it does nothing.
    let before = std::fs::read(killed.join("journal.jsonl")).unwrap();
    succeed(on(&killed, "resume"));
    assert_eq!(std::fs::read(killed.join("journal.jsonl")).unwrap(), before);
}

#[test]
fn the_controller_killed_twice_proposes_what_it_would_have() {
    killed_and_resumed("ppo");
}

#[test]
fn a_random_search_killed_twice_ends_as_if_it_had_not_been() {
    killed_and_resumed("random");
}

#[test]
fn a_search_is_looked_at_and_its_table_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let search = dir.path().join("search");
    ended(&search);
    let status: serde_json::Value = serde_json::from_slice(&{
        let mut command = on(&search, "status");
        command.arg("--json");
        succeed(command).stdout
    })
    .unwrap();
    assert_eq!(status["state"], "finished");
    assert_eq!(status["proposed"], EVALUATIONS);
    let of = |key: &str| status[key].as_u64().unwrap() as usize;
    assert_eq!(of("done") + of("same") + of("rejected"), EVALUATIONS);

    let top = text(&succeed(on(&search, "top")).stdout);
    let best = status["best"].as_str().unwrap();
    assert!(top.lines().next().unwrap().ends_with(best), "{top}");

    let table = text(&succeed(on(&search, "table")).stdout);
    assert_eq!(table.lines().count(), EVALUATIONS + 1);
    assert_eq!(table.lines().filter(|line| line.contains(",trained,")).count(), of("done") - of("failed"));
}

#[test]
fn a_torn_last_line_is_cut_off_and_said_and_a_torn_middle_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let search = dir.path().join("search");
    ended(&search);
    let file = search.join("journal.jsonl");
    let whole = std::fs::read_to_string(&file).unwrap();
    let expected = course(&search);

    let lines: Vec<&str> = whole.lines().collect();
    let half = lines[..lines.len() - 4].join("\n") + "\n" + &lines[lines.len() - 4][..20];
    std::fs::write(&file, half).unwrap();
    let out = succeed(on(&search, "resume"));
    assert!(text(&out.stderr).contains("cut off 20 bytes"), "{}", text(&out.stderr));
    assert_eq!(course(&search), expected);

    std::fs::write(&file, whole.replacen("\"proposal\"", "\"propo", 1)).unwrap();
    let out = on(&search, "resume").output().unwrap();
    assert!(!out.status.success() && text(&out.stderr).contains("line 2 is no event"), "{}", text(&out.stderr));
}

#[test]
fn bad_requests_are_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let search = dir.path().join("search");
    let refused = |mut command: Command, word: &str| {
        let out = command.output().unwrap();
        let talk = text(&out.stderr);
        assert!(!out.status.success() && talk.contains(word), "{word}: {talk}");
        assert_eq!(talk.lines().filter(|line| line.starts_with("error")).count(), 1, "{talk}");
    };
    refused(on(&search, "resume"), "holds no search");
    refused(on(&search, "status"), "holds no search");
    // None of them leaves a search behind that would be in the way of the right request.
    for (flags, word) in [
        (&["--child-batch", "20000"][..], "at most the"),
        (&["--units", "9"], "from 1 to 4"),
        (&["--unary", "sine"], "one of identity"),
        (&["--engine", "cloud"], "possible values: local"),
        (&["--strategy-config", "{\"speed\":1}"], "no parameter"),
        (&["--model", "resnet21"], "resnet20"),
        (&["--device", "cuda:0"], "cuda"),
    ] {
        let mut command = begin(&search, "random");
        command.args(flags);
        refused(command, word);
    }
    ended(&search);
    refused(begin(&search, "random"), "holds a search already");
}

/// The worker processes of a driver.
#[cfg(target_os = "linux")]
fn workers(driver: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{driver}/task")).unwrap();
    let children =
        tasks.flatten().map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    children.flat_map(|line| line.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn killed_workers_are_replaced_and_their_trials_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, killed) = (dir.path().join("whole"), dir.path().join("killed"));
    ended(&whole);
    let mut driver = begin(&killed, "random").spawn().unwrap();
    // Once while they load, then twice at work.
    for outcomes in [0, 3, 8] {
        wait_for(&killed, outcomes);
        let start = Instant::now();
        let mut found = workers(driver.id());
        while found.is_empty() && start.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
            found = workers(driver.id());
        }
        for pid in found {
            Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
        }
    }
    assert!(driver.wait().unwrap().success());
    assert_eq!(course(&killed), course(&whole));
}

#[test]
fn a_worker_that_cannot_go_on_ends_the_search_and_spoils_no_candidate() {
    let dir = tempfile::tempdir().unwrap();
    let search = dir.path().join("search");
    let mut driver = begin(&search, "random").spawn().unwrap();
    wait_for(&search, 2);
    driver.kill().unwrap();
    driver.wait().unwrap();
    // Nothing can be written where the outcomes go.
    std::fs::rename(search.join("results"), search.join("moved")).unwrap();
    std::fs::write(search.join("results"), "no folder").unwrap();
    let out = on(&search, "resume").output().unwrap();
    assert!(!out.status.success() && text(&out.stderr).contains("results"), "{}", text(&out.stderr));
    std::fs::remove_file(search.join("results")).unwrap();
    std::fs::rename(search.join("moved"), search.join("results")).unwrap();
    succeed(on(&search, "resume"));
    assert!(events(&search, "outcome").iter().all(|e| !e["err"].to_string().contains("lost")));
}

#[test]
fn a_report_is_no_search() {
    let dir = tempfile::tempdir().unwrap();
    let (search, report) = (dir.path().join("search"), dir.path().join("report"));
    ended(&search);
    let mut command = on(&search, "report");
    command.arg("--out").arg(&report);
    succeed(command);
    for file in ["asked.json", "candidates.csv", "summary.md", "progress.png", "groups.svg", "functions.png"] {
        assert!(report.join(file).metadata().unwrap().len() > 100, "{file}");
    }
    assert!(!on(&report, "resume").output().unwrap().status.success());
}

#[test]
fn the_best_are_trained_again_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let search = dir.path().join("search");
    ended(&search);
    let again = || {
        let mut command = on(&search, "rerun");
        command.args(["--top", "2", "--named", "relu", "--drawn", "3", "--steps", "6", "--seeds", "2"]);
        succeed(command)
    };
    again();
    let table = std::fs::read_to_string(search.join("rerun.csv")).unwrap();
    assert!((4..=7).contains(&table.lines().count()), "{table}");
    let relu = table.lines().find(|line| line.contains("max(x,0)") && line.starts_with("named")).unwrap();
    assert!(relu.contains(",2,0,"), "{relu}");
    let records = || std::fs::read_dir(search.join("rerun/runs")).unwrap().count();
    let before = records();
    again();
    assert_eq!((records(), std::fs::read_to_string(search.join("rerun.csv")).unwrap()), (before, table));
}

/// Children that fail are results, with their reason.
#[test]
fn a_child_that_explodes_is_recorded_as_failed() {
    let dir = tempfile::tempdir().unwrap();
    let search = dir.path().join("search");
    let mut command = begin_any(&search, "exhaustive");
    command.args(["--unary", "cube;exp", "--binary", "mul"]);
    succeed(command);
    let outcomes = events(&search, "outcome");
    assert_eq!((events(&search, "proposal").len(), outcomes.len()), (4, 3), "x^3*exp(x) is proposed twice");
    let failed = |e: &&serde_json::Value| e["err"].as_str().is_some_and(|why| why.starts_with("diverged"));
    assert!(outcomes.iter().filter(failed).count() > 0, "{outcomes:?}");
}
