#!/bin/sh
# Every table and figure of the paper, then the report: scripts/all_reduced.sh [VARIABLE=VALUE ..] (make all-reduced). A part that fails
# does not stop the others; the exit code says so. Times: $RESULTS/tables/all-reduced-times.csv.
set -u
MAKE=${MAKE:-make}
times=${RESULTS:-results}/tables/all-reduced-times.csv
parts="table-cifar-search table-cifar imagenet-mobilenasnet imagenet-inception-resnet-v2 imagenet-mobilenet imagenet-inception-v3
imagenet-inception-v4 wmt-transformer figures table-overview report"

mkdir -p "$(dirname "$times")" || exit 1
echo "part,seconds,outcome" > "$times" || exit 1
failed=0
for part in $parts; do
    start=$(date +%s)
    # The reduced recipe of translation is made for the program's own phrases; a folder of images has no text.
    more=
    [ "$part" = wmt-transformer ] && more="ARGS=--data embedded"
    # What make cannot plan, it has no target for. $MAKE may hold flags.
    if ! $MAKE --no-print-directory -n "$part" "$@" ${more:+"$more"} > /dev/null 2>&1; then
        outcome=missing
    elif $MAKE --no-print-directory "$part" "$@" ${more:+"$more"}; then
        outcome=done
    else
        outcome=failed
        failed=1
    fi
    echo "$part,$(($(date +%s) - start)),$outcome" >> "$times"
done
echo "$times:" >&2
cat "$times"
exit $failed
