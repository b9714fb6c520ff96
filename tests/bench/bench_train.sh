#!/bin/sh
# Training speed against PyTorch: interleaved pairs A B A B, one thread each, median of the ratios.
#
#   bench_train.sh [PAIRS]        default 5; ENTENTE_BIN: where bench_train is
#
# Bars (docs: performance): at least 8 at batch 32. Skipped by name where PyTorch is missing or runs without OpenBLAS.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${ENTENTE_BIN:-$here/../../build/release/bin}
pairs=${1:-5}
bar=8

skip() {
    echo "SKIP bench_train against PyTorch: $1"
    "$bin/bench_train" 32 3
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

for batch in 32 256; do
    ratios=
    i=0
    while [ "$i" -lt "$pairs" ]; do
        theirs=$("$python" "$here/torch_train.py" "$batch" 3)
        [ "$(echo "$theirs" | field blas)" = openblas ] || skip "PyTorch has not loaded OpenBLAS"
        ours=$("$bin/bench_train" "$batch" 3)
        a=$(echo "$ours" | field samples_per_s)
        b=$(echo "$theirs" | field samples_per_s)
        r=$(awk "BEGIN { printf \"%.2f\", $a / $b }")
        echo "batch $batch pair $((i + 1)): ours $a samples/s, PyTorch $b, ratio $r"
        ratios="$ratios $r"
        i=$((i + 1))
    done
    median=$(printf '%s\n' $ratios | sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }')
    echo "{\"bench\":\"train_against_torch\",\"batch\":$batch,\"pairs\":$pairs,\"median_ratio\":$median}"
    if [ "$batch" -eq 32 ] && awk "BEGIN { exit !($median < $bar) }"; then
        echo "FAILED: the median ratio $median at batch 32 is below $bar" >&2
        exit 1
    fi
done
