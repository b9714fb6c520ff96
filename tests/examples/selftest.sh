#!/usr/bin/env bash
# example.sh on an example of its own: it passes, and each way to fail fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
export ENTENTE_SHARED=$dir
mkdir "$dir/data" "$dir/ex"
awk 'BEGIN { srand(3); print "a,b,y"; for (i = 0; i < 600; i++) { a = rand(); b = rand(); printf "%.3f,%.3f,%d\n", a, b, (a > 0.5) } }' \
    >"$dir/data/rows.csv"
cat >"$dir/ex/plan.yaml" <<'YAML'
features: [{name: a, type: number, range: [0, 1]}, {name: b, type: number, range: [0, 1]}]
label: {name: y, positive: "1"}
min_group: 1
model: {layers: [{dense: 8}, relu, {dense: 1}]}
training: {rounds: 5, optimizer: {adam: {rate: 0.05}}}
YAML
run() { # exit status, words, lines of expect
    local want=$1 words=$2 got=0
    shift 2
    printf '%s\n' "$@" >"$dir/ex/expect"
    "$here/example.sh" "$dir/ex" >"$dir/out" 2>&1 || got=$?
    [ "$got" = "$want" ] || fail "exit $got, not $want: $* ($(tail -n 1 "$dir/out"))"
    grep -q -- "$words" "$dir/out" || fail "no '$words': $(tail -n 1 "$dir/out")"
}
ok='args --data $DATA/rows.csv --iid 3'
run 0 'auc  *[01][.]' "$ok" 'figure auc least 0.9' 'seconds 60'
run 0 'gain_over_alone' "$ok --compare" 'figure gain_over_alone least -1' 'seconds 60'
run 1 'at least 1.01 is asked for' "$ok" 'figure auc least 1.01' 'seconds 60'
run 1 'at most 0.5 is asked for' "$ok" 'figure auc most 0.5' 'seconds 60'
run 1 'no figure beauty' "$ok" 'figure beauty least 0' 'seconds 60'
run 1 'no figure gain_over_alone' "$ok" 'figure gain_over_alone least -1' 'seconds 60'
run 1 'neither least nor most' "$ok" 'figure auc about 0.9' 'seconds 60'
run 1 'at least one figure' "$ok" 'seconds 60'
run 1 "unknown line 'sceonds'" "$ok" 'figure auc least 0.9' 'sceonds 60'
run 1 'plan-check' "$ok" 'figure auc least 0.9' 'seconds 60' 'plan none.yaml'
run 1 'status 2' 'args --data $DATA/rows.csv' 'figure auc least 0.9' 'seconds 60'
run 77 'SKIPPED example ex' 'args --data $DATA/absent.csv --iid 3' 'figure auc least 0.9' 'seconds 60'
echo ok
