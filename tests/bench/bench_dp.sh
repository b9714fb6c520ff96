#!/bin/sh
# What clipping by example costs: a clipped step, sums in double included, takes at most 1.35 times the plain step on the same 256
# rows of the 64-128-64-1 model, on every kernel path that this processor has. Interleaved pairs in one run; the best of each side
# counts. Sampling, padding and noise are printed apart. The portable path is that of processors without AVX2: there BLAS, which
# plain steps use, has none of it either (OPENBLAS_CORETYPE).
#
#   bench_dp.sh [PAIRS]   default 20; ENTENTE_BIN: where bench_dp is
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=${ENTENTE_BIN:-$here/../../build/release/bin}
bar=1.35

[ -x "$bin/bench_dp" ] || { echo "bench_dp is not built in $bin" >&2; exit 1; }
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
failed=
for kernel in avx512 avx2-fma portable; do
    core=
    if [ "$kernel" = portable ] && [ "$(uname -m)" = x86_64 ]; then
        core=OPENBLAS_CORETYPE=Nehalem
    fi
    # shellcheck disable=SC2086
    if ! out=$(env $core "$bin/bench_dp" "${1:-20}" "$kernel" 2>&1); then
        case "$out" in
        *"no kernel path"*) echo "SKIPPED $kernel: this processor has no such path"; continue ;;
        esac
        echo "FAILED: $out" >&2
        exit 1
    fi
    echo "$out"
    ratio=$(echo "$out" | sed -n 's/.*"ratio": *\([0-9.e+-]*\).*/\1/p')
    awk "BEGIN { exit !($ratio <= $bar) }" || {
        echo "FAILED: $kernel: clipped / plain is $ratio, the bar is $bar" >&2
        failed=yes
    }
done
[ -z "$failed" ]
