#!/usr/bin/env bash
# On a GPU: norms with activations beside a plain copy; training steps beside PyTorch's, and on several GPUs; a child network trained, and
# several at once. Every stage leaves what it has measured.
#
#   scripts/gpu-measure.sh BINARY OUT [DATA]    BINARY: target/release/swish of `make build-cuda`; OUT: a folder; DATA: one with CIFAR-10
#
# Needs bash, coreutils, awk, python3 (with PyTorch for its times) and bench/ beside this folder. DEVICE=cuda:0, or cpu for a try-out;
# MODELS, BATCH=128, ROUNDS=3, STEPS=20 and BUDGET=240 seconds of speed; RANKS_MODELS on several GPUs; CHILD_STEPS=10000 of the child;
# CHILDREN="1 4 8" at once, of SHORT_STEPS=2500. Writes bandwidth.csv, speed.jsonl and speed.csv, ranks_speed.csv, learning.json,
# children.csv, summary of all in measured.txt.
set -uo pipefail

usage() { sed -n '5,10s/^# *//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] && [ $# -le 3 ] || usage
binary=$1 out=$2 data=${3:-}
[ -x "$binary" ] || { echo "$binary: no such program; make build-cuda makes it" >&2; exit 2; }
bench=$(cd "$(dirname "$0")/../bench" && pwd) || exit 2
mkdir -p "$out" || exit 2
device=${DEVICE:-cuda:0}
models=${MODELS:-resnet20 resnet164 mobilenet_v1_same inception_v3_tfpool wrn28_10 densenet100_12_bc}
ranks_models=${RANKS_MODELS:-resnet164 wrn28_10}
batch=${BATCH:-128} rounds=${ROUNDS:-3} steps=${STEPS:-20} budget=${BUDGET:-240}
child_steps=${CHILD_STEPS:-10000} children=${CHILDREN:-1 4 8} short_steps=${SHORT_STEPS:-2500}
modes="max_autotune eager compile_channels_last"
summary=$out/measured.txt
# What is left of an earlier run would stand for this one's.
rm -f "$out"/{bandwidth,speed,ranks_speed,children}.csv "$out"/speed.{jsonl,log}
: >"$out/speed.jsonl"
{ date -u +%FT%TZ; sha256sum "$binary"; "$binary" gpu 2>&1; } >"$summary"

case $device in
    cuda:*)
        timeout 120 "$binary" gpu bandwidth --device "${device#cuda:}" --out "$out/bandwidth.csv" 2>&1 | tee -a "$summary"
        ;;
    *) echo "$device is no GPU: nothing was compared with its copy" | tee -a "$summary" ;;
esac

if ! python3 -c 'import torch' 2>/dev/null; then
    echo "python3 has no PyTorch: ours is timed alone" | tee -a "$summary"
    modes=
fi

# One line of JSON of a process, its own words of what went wrong among them, or why there is none.
line() {
    local limit=$1 said status
    shift
    said=$(timeout "$limit" "$@" 2>>"$out/speed.log")
    status=$?
    said=$(tail -n 1 <<<"$said" | grep '^{')
    [ $status -ne 124 ] || said="{\"err\": \"no end within $limit s\", \"command\": \"$*\"}"
    [ -n "$said" ] || said="{\"err\": \"status $status, see speed.log\", \"command\": \"$*\"}"
    echo "$said"
}

start=$SECONDS skipped=
# Programs in turn; ours and what it is to be compared with come first, for all models, in case there is no time for the rest.
for round in $(seq "$rounds"); do
    for mode in swish $modes; do
        for model in $models; do
            arguments="step --model $model --activation swish --batch $batch --precision bf16 --steps $steps --threads $(nproc)"
            left=$((budget - (SECONDS - start)))
            [ $left -gt 0 ] || { skipped+=" $mode-$model"; continue; }
            # shellcheck disable=SC2086 # words
            case $mode in
                swish) line "$left" "$binary" bench $arguments --device "$device" ;;
                *) line "$left" python3 "$bench/peer.py" $arguments --mode "$mode" --device "$device" ;;
            esac | sed "s/^{/{\"program\": \"$mode\", \"round\": $round, /" >>"$out/speed.jsonl"
        done
    done
done
[ -z "$skipped" ] || echo "no time within $budget s for:$skipped" | tee -a "$summary"
python3 - "$out" <<'P' | tee -a "$summary"
import collections, csv, json, statistics, sys

out = sys.argv[1]
times = collections.defaultdict(lambda: collections.defaultdict(list))
for line in open(f"{out}/speed.jsonl"):
    row = json.loads(line)
    if "ms_median" in row:
        times[row["model"], row["batch"]][row["program"]].append(row["ms_median"])
    else:
        print(f"{row['program']}: {row.get('err')}")
with open(f"{out}/speed.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["model", "batch", "precision", "program", "rounds", "ms_median", "ratio_to_ours"])
    for (model, batch), programs in times.items():
        medians = {name: statistics.median(each) for name, each in programs.items()}
        for name, ms in medians.items():
            ratio = ms / medians["swish"] if "swish" in medians else ""
            writer.writerow([model, batch, "bf16", name, len(programs[name]), ms, ratio])
            print(f"{model}, batch {batch}, bf16: {name} {ms:.3f} ms" + (f", {ratio:.2f} of ours" if ratio else ""))
P

# One batch a GPU, so that as many images as GPUs are there in the time of one.
gpus=$(grep -c '^cuda:' "$summary")
if [ "$gpus" -ge 2 ]; then
    echo "model,gpus,batch,ms_median,images_per_second,of_as_many_alone" >"$out/ranks_speed.csv"
    for model in $ranks_models; do
        alone=
        for n in $(seq "$gpus"); do
            step=$(line 120 "$binary" bench step --model "$model" --activation swish --batch $((n * batch)) --precision bf16 \
                --steps "$steps" --devices "$(seq -s , 0 $((n - 1)))")
            ms=$(echo "$step" | grep -o '"ms_median":[0-9.]*' | cut -d : -f 2)
            [ -n "$ms" ] || { echo "$model on $n GPUs: $step" | tee -a "$summary"; continue; }
            [ "$n" -gt 1 ] || alone=$ms
            awk -v m="$model" -v n="$n" -v b=$((n * batch)) -v ms="$ms" -v alone="$alone" 'BEGIN {
                printf "%s,%d,%d,%s,%.0f,%s\n", m, n, b, ms, b * 1000 / ms, alone ? sprintf("%.3f", alone / ms) : "" }' | tee -a "$out/ranks_speed.csv" "$summary"
        done
    done
else
    echo "there are not two GPUs, so none were timed together" | tee -a "$summary"
fi

if [ -z "$data" ]; then
    echo "no DATA: nothing was trained" | tee -a "$summary"
    exit 0
fi
train() {
    "$binary" train --model resnet20 --activation swish --dataset cifar10 --data dir --data-dir "$data" --batch 128 --precision bf16 \
        --device "$device" "$@"
}
start=$SECONDS
train --steps "$child_steps" --results "$out/learning" >"$out/learning.json" 2>"$out/learning.log"
echo "resnet20, $child_steps steps: status $?, $((SECONDS - start)) s, $(grep -o '"top1": [0-9.]*' "$out/learning.json")" | tee -a "$summary"

echo "at_once,steps,seconds,children_an_hour_of_${child_steps}_steps" >"$out/children.csv"
for n in $children; do
    start=$(date +%s%N)
    for seed in $(seq "$n"); do
        train --steps "$short_steps" --seed "$seed" --eval-every "$short_steps" --threads $(($(nproc) / n > 0 ? $(nproc) / n : 1)) \
            --results "$out/children-$n" >"$out/child-$n-$seed.json" 2>"$out/child-$n-$seed.log" &
    done
    wait
    failed=$(grep -L '"top1"' "$out"/child-"$n"-*.json | wc -l)
    awk -v n="$n" -v s="$short_steps" -v t="$(($(date +%s%N) - start))" -v whole="$child_steps" -v failed="$failed" 'BEGIN {
        t /= 1e9; printf "%d,%d,%.2f,%.0f\n", n, s, t, (n - failed) * 3600 / (t * whole / s) }' | tee -a "$out/children.csv" "$summary"
done
