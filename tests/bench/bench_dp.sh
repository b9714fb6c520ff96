#!/bin/sh
# What clipping by example costs: a clipped step, sums in double included, takes at most 1.35 times the plain step on the same 256
# rows of the 64-128-64-1 model. Interleaved pairs in one run; the best of each side counts. Sampling, padding and noise are printed apart.
#
#   bench_dp.sh [PAIRS]   default 20; ENTENTE_BIN: where bench_dp is
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${ENTENTE_BIN:-$here/../../build/release/bin}
bar=1.35

[ -x "$bin/bench_dp" ] || { echo "bench_dp is not built in $bin" >&2; exit 1; }
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
out=$("$bin/bench_dp" "${1:-20}")
echo "$out"
ratio=$(echo "$out" | sed -n 's/.*"ratio": *\([0-9.e+-]*\).*/\1/p')
awk "BEGIN { exit !($ratio <= $bar) }" || { echo "clipped / plain is $ratio, the bar is $bar" >&2; exit 1; }
