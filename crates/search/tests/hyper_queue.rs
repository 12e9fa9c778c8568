//! The engine over a few lines of shell that stand for `hq`: they show that the engine reads answers in HyperQueue's form, not
//! that HyperQueue gives them.

use crate::common::{again, executable, passed};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use swish_search::engine::{Engine, HyperQueue, HyperQueueConfig};
use swish_search::trial::Trial;

/// Runs the tasks of a job one after another when it is submitted. Job 7 is an earlier process's, job 8 another search's.
const HQ: &str = r#"#!/bin/sh
[ "$1 $2" = "--output-mode json" ] || exit 9
shift 2
echo "$*" >>"$HQ_STATE/calls"
case "$1 $2" in
"job list") echo '[{"id":7,"name":"'$(cat "$HQ_STATE/name")'"},{"id":8,"name":"other"}]' ;;
"job cancel" | "server info") echo '{}' ;;
"task list") echo "{$(cat "$HQ_STATE/tasks")}" ;;
submit*)
    job=$(($(cat "$HQ_STATE/job" 2>/dev/null || echo 0) + 1))
    echo $job >"$HQ_STATE/job"
    while [ "$1" != -- ]; do
        case $1 in
        --array=*) last=${1#--array=0-} ;;
        --cwd) cwd=$2 ;;
        --name=*) echo "${1#--name=}" >"$HQ_STATE/name" ;;
        esac
        shift
    done
    shift
    cd "$cwd"
    for task in $(seq 0 "$last"); do
        state='"state":"finished"'
        HQ_TASK_ID=$task "$@" 2>"logs/${job}_$task.err" || state='"state":"failed","error":"Error: Program terminated with exit code 3"'
        states="$states${states:+,}{\"id\":$task,$state}"
    done
    [ $job = 1 ] || comma=,
    echo "$comma\"$job\":[$states]" >>"$HQ_STATE/tasks"
    echo '{"id":'$job'}'
    ;;
*) exit 9 ;;
esac
"#;

const PROGRAM: &str = r#"#!/bin/sh
line=$(sed -n "$(($7 + 1))p" "$5")
id=$(echo "$line" | sed 's/.*"id":"\([^"]*\)".*/\1/')
case $line in *crash*) echo "out of luck" >&2; exit 3 ;; esac
echo '{"id":"'$id'","top1":50.0,"train_loss":1.0,"seconds":0.1,"started":"","device":"","commit":"","dirty":false,"err":null}' >"$3/results/.$id"
mv "$3/results/.$id" "$3/results/$id.json"
"#;

/// Runs the test `name` of this file in a process of its own, with this PATH.
fn run(name: &str, path: &str, state: &Path) {
    let test = format!("hyper_queue::{name}");
    passed(&test, &again(&test).env("PATH", path).env("HQ_STATE", state).output().unwrap());
}

fn config(dir: &Path) -> HyperQueueConfig {
    HyperQueueConfig {
        dir: dir.into(),
        program: dir.join("program"),
        jobs: 8,
        resources: vec!["gpus/nvidia=1".into()],
        time_limit: Some(Duration::from_secs(60)),
        extra: Vec::new(),
    }
}

#[test]
fn trials_go_through_hq() {
    let state = tempfile::tempdir().unwrap();
    executable(&state.path().join("hq"), HQ);
    std::fs::write(state.path().join("name"), "none").unwrap();
    let path = format!("{}:{}", state.path().display(), std::env::var("PATH").unwrap());
    run("through_hq", &path, state.path());
}

#[test]
#[ignore = "run by `trials_go_through_hq`, which makes an `hq`"]
fn through_hq() {
    let state = std::env::var("HQ_STATE").unwrap();
    let state = Path::new(&state);
    let dir = tempfile::tempdir().unwrap();
    executable(&dir.path().join("program"), PROGRAM);
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = notes.clone();
    let mut engine =
        HyperQueue::new(config(dir.path()), Box::new(move |note| heard.lock().unwrap().push(note.into()))).unwrap();
    let trial = |id: &str| Trial { id: id.into(), activation: id.into() };
    engine.submit(&["one", "two", "crash"].map(trial)).unwrap();
    let mut outcomes = Vec::new();
    while let Some(outcome) = engine.next(Duration::from_secs(60)).unwrap() {
        outcomes.push((outcome.id, outcome.err));
    }
    let lost = "lost: Error: Program terminated with exit code 3: out of luck".to_string();
    assert_eq!(outcomes, [("one".into(), None), ("two".into(), None), ("crash".into(), Some(lost))]);
    assert_eq!(notes.lock().unwrap().len(), 2, "{notes:?}");

    let calls = || std::fs::read_to_string(state.join("calls")).unwrap();
    assert_eq!(calls().lines().filter(|line| line.starts_with("submit")).count(), 3);
    assert!(calls().contains("--resource=gpus/nvidia=1 --time-limit=60s -- sh "), "{}", calls());
    assert!(!calls().contains("job cancel"), "nothing was left over: {}", calls());
    // A further process cancels what stands under the search's name, and nothing else.
    let _engine = HyperQueue::new(config(dir.path()), Box::new(|_| ())).unwrap();
    assert!(calls().lines().any(|line| line == "job cancel 7"), "{}", calls());
}

#[test]
fn where_hq_is_missing_the_way_out_is_named() {
    let state = tempfile::tempdir().unwrap();
    run("missing", "/nowhere", state.path());
}

#[test]
#[ignore = "run without a PATH by `where_hq_is_missing_the_way_out_is_named`"]
fn missing() {
    let dir = tempfile::tempdir().unwrap();
    let Err(error) = HyperQueue::new(config(dir.path()), Box::new(|_| ())) else { panic!("there is one") };
    let error = error.to_string();
    assert!(error.contains("hq is not on PATH") && error.contains("--engine local"), "{error}");
}
