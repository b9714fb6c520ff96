#!/bin/sh
# Training and scoring speed against PyTorch: interleaved pairs A B A B, one thread each, median of the ratios.
#
#   bench_train.sh [PAIRS [SUBJECT]]   default 5, all; ENTENTE_BIN: where bench_train is
#
# Bars (both sides with dropout and Adam): MLP 128-64-1 at batch 32 at least 12, at 256 at least 4; GRU(64) and LSTM(64) of 20
# steps at batch 32 at least 3; scoring at 256 at least 1.3. Skipped by name where PyTorch is missing or has not loaded OpenBLAS.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${ENTENTE_BIN:-$here/../../build/release/bin}
pairs=${1:-5}
only=${2:-}
failed=

skip() {
    echo "SKIPPED bench_train against PyTorch: $1"
    for s in "mlp 32" "mlp 256" "ensemble 64" "gru 32" "lstm 32" "score 256"; do
        # shellcheck disable=SC2086
        "$bin/bench_train" $s 3
    done
    exit 0
}

[ -x "$bin/bench_train" ] || { echo "bench_train is not built in $bin" >&2; exit 1; }
python=
for p in /usr/bin/python3 python3; do # the distribution's python first: python3-torch belongs to it
    if "$p" -c 'import torch' 2>/dev/null; then
        python=$p
        break
    fi
done
[ -n "$python" ] || skip "no module torch (package python3-torch)"

export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
field() { sed -n "s/.*\"$1\": *\"\{0,1\}\([a-z0-9.]*\).*/\1/p"; }

compare() { # subject, batch, bar
    ratios=
    i=0
    while [ "$i" -lt "$pairs" ]; do
        theirs=$("$python" "$here/torch_train.py" "$1" "$2" 3)
        [ "$(echo "$theirs" | field blas)" = openblas ] || skip "PyTorch has not loaded OpenBLAS"
        ours=$("$bin/bench_train" "$1" "$2" 3)
        a=$(echo "$ours" | field samples_per_s)
        b=$(echo "$theirs" | field samples_per_s)
        r=$(awk "BEGIN { printf \"%.2f\", $a / $b }")
        echo "$1 batch $2 pair $((i + 1)): ours $a samples/s, PyTorch $b, ratio $r"
        ratios="$ratios $r"
        i=$((i + 1))
    done
    # shellcheck disable=SC2086
    median=$(printf '%s\n' $ratios | sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }')
    echo "{\"bench\":\"train_against_torch\",\"subject\":\"$1\",\"batch\":$2,\"pairs\":$pairs,\"median_ratio\":$median,\"bar\":$3}"
    if awk "BEGIN { exit !($median < $3) }"; then
        echo "FAILED: the median ratio $median of $1 at batch $2 is below $3" >&2
        failed=yes
    fi
}

for case in "mlp 32 12" "mlp 256 4" "gru 32 3" "lstm 32 3" "score 256 1.3"; do
    # shellcheck disable=SC2086
    set -- $case
    if [ -z "$only" ] || [ "$only" = "$1" ]; then
        compare "$1" "$2" "$3"
    fi
done
[ -z "$failed" ]
