#!/usr/bin/env bash
# DP-SGD on MNIST beside Abadi et al. 2016 ("Deep Learning with Differential Privacy", section 5.2: 90 %, 95 % and 97 % of the test
# pictures at epsilon 0.5, 2 and 8, delta 1e-5; 98.3 % without noise; 60 principal components, then 1,000 hidden units; one
# data set with one noise). Here: the pictures as they are, 128 hidden units, and two members that add noise each, because
# nobody is to be trusted with the sum: about 1.4 times the noise of one data set. Printed, no bar. plans/private-mnist.yaml
#
#   bench_mnist_private.sh [--seeds "1"] [--epsilons "1 2 4 8"]
set -euo pipefail
source_dir=${ENTENTE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${ENTENTE_BIN:-$source_dir/build/release/bin}
data=${ENTENTE_SHARED:-$source_dir/../shared}/data/mnist
seeds="1" epsilons="1 2 4 8"
while [ $# -gt 0 ]; do
    case "$1" in
    --seeds) seeds=$2; shift 2 ;;
    --epsilons) epsilons=$2; shift 2 ;;
    *) echo "usage: bench_mnist_private.sh [--seeds NUMBERS] [--epsilons NUMBERS]" >&2; exit 2 ;;
    esac
done
if [ ! -r "$data/train-images-idx3-ubyte.gz" ]; then
    echo "SKIPPED bench_mnist_private: no reference data (ENTENTE_SHARED)"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stop() { # what went wrong
    echo "FAILED: bench_mnist_private: $1" >&2
    exit 1
}

printf 'data: {source: idx, path: images}\n' >"$work/client.yaml"
echo 60000-69999 >"$work/test-rows" # the set's own test pictures, which follow the others

measure() { # seed, epsilon -> accuracy, epsilon spent, multiplier, seconds
    local out
    sed -e "s/^  seed: .*/  seed: $1/" -e "s/^  epsilon: .*/  epsilon: $2/" "$source_dir/tests/bench/plans/private-mnist.yaml" >"$work/plan.yaml"
    "$bin/entente-simulate" "$work/plan.yaml" --config "$work/client.yaml" --data "$data/train-images-idx3-ubyte.gz" \
        --more "$data/t10k-images-idx3-ubyte.gz" --test-rows "$work/test-rows" --iid 2 --quiet --json >"$work/out" 2>"$work/errors" ||
        stop "epsilon $2: entente-simulate ended with status $?: $(tail -n 3 "$work/errors")"
    out=$(for key in accuracy epsilon noise_multiplier train_cpu_seconds; do
        grep -o "\"$key\":[-0-9.e+]*" "$work/out" | head -n 1 | cut -d: -f2
    done | xargs)
    [ "$(echo "$out" | wc -w)" -eq 4 ] || stop "no figures of entente-simulate: $(head -c 300 "$work/out")"
    echo "$out"
}

echo "accuracy on the 10,000 test pictures; two members with 30,000 pictures each, delta 1e-5"
printf '%7s %4s  %8s %10s %9s %8s  %s\n' epsilon seed spent multiplier accuracy seconds "Abadi et al. 2016"
for epsilon in $epsilons; do
    case "$epsilon" in 0.5) paper=0.90 ;; 2) paper=0.95 ;; 8) paper=0.97 ;; *) paper=- ;; esac
    for seed in $seeds; do
        read -r accuracy spent multiplier seconds <<<"$(measure "$seed" "$epsilon")"
        printf '%7s %4s  %8.4f %10.3f %9.4f %8.0f  %s\n' "$epsilon" "$seed" "$spent" "$multiplier" "$accuracy" "$seconds" "$paper"
    done
done
