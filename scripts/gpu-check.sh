#!/usr/bin/env bash
# The CUDA kernels compared with the CPU's on a GPU, and recorded steps with the same ones started launch by launch, stage by stage
# (STAGES="optim steps" for some), each with a time limit, so that one that hangs costs only itself; where there is more than one GPU,
# training on two compared with training on one.
#
#   scripts/gpu-check.sh BINARY OUT [DATA]    BINARY: target/release/swish of `make build-cuda`; OUT: a folder for logs and CSV; DATA: one
#                                             with CIFAR-10. After the comparisons scripts/gpu-measure.sh measures, unless MEASURE=no.
#
# Needs bash, coreutils, awk and the binary: no Rust, no CUDA toolkit. CUDA's libraries are taken from SWISH_CUDA_LIBS, else from the
# packages of python3 (torch brings them), else from the system. LIMIT=300 are the seconds of a stage. Ends with 0 where every
# comparison is within its bound, 1 where one is not or there is no end, 77 where there is no GPU; what was not measured, it says.
set -uo pipefail

usage() { sed -n '6,11s/^# *//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || [ $# -eq 3 ] || usage
binary=$1 out=$2
[ -x "$binary" ] || { echo "$binary: no such program; make build-cuda makes it" >&2; exit 2; }
mkdir -p "$out" || exit 2
limit=${LIMIT:-300}
stages=${STAGES:-activation moments norm sums pool loss dropout layer_norm attention embedding depthwise optim images layout libraries steps networks}

if [ -z "${SWISH_CUDA_LIBS:-}" ] && command -v python3 >/dev/null; then
    SWISH_CUDA_LIBS=$(python3 -c 'import glob, nvidia; print(*glob.glob(list(nvidia.__path__)[0] + "/*/lib"), sep=":")' 2>/dev/null)
    export SWISH_CUDA_LIBS
fi
# Compiled kernels belong to this check alone.
export SWISH_CUDA_CACHE=$out/cache

summary=$out/summary.txt
{ date -u +%FT%TZ; uname -m; sha256sum "$binary"; } >"$summary"
timeout "$limit" "$binary" gpu >"$out/gpu.txt" 2>&1
status=$?
[ $status -eq 0 ] || cat "$out/gpu.txt" >&2
case $status in
    0) ;;
    1)
        cat "$out/gpu.txt" >>"$summary"
        echo "no GPU that can be used: nothing was measured; these stages would have run, at most $limit s each: $stages" | tee -a "$summary"
        exit 77
        ;;
    124)
        echo "\`swish gpu\` has no end within $limit s: nothing was measured" | tee -a "$summary"
        exit 1
        ;;
    *)
        echo "\`swish gpu\` ended with status $status: nothing was measured" | tee -a "$summary"
        exit 1
        ;;
esac
cat "$out/gpu.txt" | tee -a "$summary"

failed=0
for stage in $stages; do
    start=$SECONDS
    # One of an earlier run would stand for this one's.
    rm -f "$out/$stage.csv"
    timeout "$limit" "$binary" gpu check --only "$stage" --out "$out/$stage.csv" >"$out/$stage.log" 2>&1
    status=$?
    case $status in
        0) word=ok ;;
        124) word="no end within $limit s" ;;
        *) word="WRONG (status $status)" ;;
    esac
    [ $status -eq 0 ] || failed=1
    rows=0
    [ ! -s "$out/$stage.csv" ] || rows=$(($(wc -l <"$out/$stage.csv") - 1))
    echo "$stage: $word, $rows comparisons written, $((SECONDS - start)) s" | tee -a "$summary"
done

# The same batches on one GPU and on two, to the same curve: the loss is summed in another order, so its last digits differ.
ranks() {
    local word=ok start=$SECONDS where
    for where in "--device cuda:0" "--devices 0,1"; do
        rm -rf "$out/ranks-${where##* }"
        # shellcheck disable=SC2086 # words
        timeout "$limit" "$binary" train --model resnet20 --activation swish --data embedded --steps 40 --eval-every 20 --batch 32 \
            --replicas 2 $where --results "$out/ranks-${where##* }" >>"$out/ranks.log" 2>&1 || word="WRONG (status $?, $where)"
    done
    paste -d , "$out"/ranks-cuda:0/runs/*/metrics.csv "$out"/ranks-0,1/runs/*/metrics.csv >"$out/ranks.csv" 2>>"$out/ranks.log"
    # Columns 4 to 6 are the training loss, the test loss and the accuracy in percent.
    awk -F , 'NR > 1 { rows++; for (i = 4; i <= 6; i++) { d = $i - $(i + 6); if (d < 0) d = -d
        if (($i == "") != ($(i + 6) == "") || d > (i == 6 ? 0.5 : 0.001 * $i)) wrong = 1 } } END { exit wrong || !rows }' "$out/ranks.csv" ||
        [ "$word" != ok ] || word="WRONG (two GPUs learn otherwise than one: ranks.csv)"
    [ "$word" = ok ] || failed=1
    echo "ranks: $word, $((SECONDS - start)) s" | tee -a "$summary"
}
rm -f "$out/ranks.log"
if [ "$(grep -c '^cuda:' "$out/gpu.txt")" -ge 2 ]; then
    ranks
else
    echo "ranks: there is one GPU, so training on two was not compared" | tee -a "$summary"
fi
{ head -qn 1 "$out/activation.csv"; for stage in $stages; do tail -n +2 "$out/$stage.csv"; done; } >"$out/all.csv" 2>/dev/null
[ $failed -eq 0 ] && echo "all within their bounds" | tee -a "$summary" || echo "not all passed: see the logs in $out" | tee -a "$summary"
[ "${MEASURE:-}" = no ] || "$(dirname "$0")/gpu-measure.sh" "$binary" "$out" ${3:+"$3"} || failed=1
exit $failed
