#!/usr/bin/env bash
# One example plan of deploy/examples on the reference data, as its file `expect` says: the plan has to pass plan-check,
# the simulation to reach every figure, in the time that is given. Lines of `expect`, in any order:
#   args ARGUMENTS                what entente-simulate gets besides the plan; $DATA, $EXAMPLE: directories
#   plan FILE                     the plan; plan.yaml when absent
#   figure NAME least|most X      a figure of the test rows as --json calls it, or gain_over_alone (with --compare: how much
#                                 the mean of the members' AUC is above that of members alone)
#   seconds N                     most that it may take
#   long                          left to tests/run.sh --all
#
#   example.sh DIRECTORY          ends with 77 where the data is not there
set -euo pipefail
source_dir=${ENTENTE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${ENTENTE_BIN:-$source_dir/build/release/bin}
DATA=${ENTENTE_SHARED:-$source_dir/../shared}/data
EXAMPLE=$(cd "$1" && pwd)
name=$(basename "$EXAMPLE")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: example $name: $*" >&2; exit 1; }

plan=$EXAMPLE/plan.yaml
args=()
figures=()
seconds=
while read -r key rest; do
    case "$key" in
    '' | '#'*) ;;
    args)
        for word in $rest; do # only these two names mean something
            word=${word//\$DATA/$DATA}
            args+=("${word//\$EXAMPLE/$EXAMPLE}")
        done
        ;;
    plan) plan=$EXAMPLE/$rest ;;
    figure) figures+=("$rest") ;;
    seconds) seconds=$rest ;;
    long) ;;
    *) fail "expect: unknown line '$key'" ;;
    esac
done <"$EXAMPLE/expect"
if [ ${#args[@]} -eq 0 ] || [ ${#figures[@]} -eq 0 ] || [ -z "$seconds" ]; then
    fail "expect needs args, seconds and at least one figure"
fi

"$bin/entente-coordinator" plan-check "$plan" >"$work/check" 2>&1 || fail "plan-check: $(tail -n 2 "$work/check")"
for word in "${args[@]}"; do
    case "$word" in
    "$DATA"/*)
        if [ ! -r "$word" ]; then
            echo "SKIPPED example $name: no reference data (ENTENTE_SHARED)"
            exit 77
        fi
        ;;
    esac
done

start=$(date +%s%N)
timeout "$seconds" "$bin/entente-simulate" "$plan" "${args[@]}" --quiet --json >"$work/out" 2>"$work/err" ||
    fail "entente-simulate ended with status $? (124: not in $seconds s): $(tail -n 2 "$work/err")"
took=$(awk -v ns=$(($(date +%s%N) - start)) 'BEGIN { printf "%.1f", ns / 1e9 }')

figure() { # name
    if [ "$1" = gain_over_alone ]; then
        sed -n 's/.*"alone":{"members_auc":\([0-9.]*\).*"federated":{"members_auc":\([0-9.]*\).*/\1 \2/p' "$work/out" |
            awk '{ printf "%.6f", $2 - $1 }'
    else
        sed -n 's/.*"test":{\([^}]*\)}.*/,\1/p' "$work/out" | sed -n "s/.*,\"$1\":\([0-9.eE+-]*\).*/\1/p"
    fi
}

for line in "${figures[@]}"; do
    read -r key side bar <<<"$line"
    value=$(figure "$key")
    [ -n "$value" ] || fail "there is no figure $key"
    case "$side" in
    least) awk -v v="$value" -v b="$bar" 'BEGIN { exit !(v >= b) }' || fail "$key $value, at least $bar is asked for" ;;
    most) awk -v v="$value" -v b="$bar" 'BEGIN { exit !(v <= b) }' || fail "$key $value, at most $bar is asked for" ;;
    *) fail "expect: 'figure $line' has neither least nor most" ;;
    esac
    printf 'example %-18s %-16s %.4f  (%s %s)  %s s\n' "$name" "$key" "$value" "$side" "$bar" "$took"
done
