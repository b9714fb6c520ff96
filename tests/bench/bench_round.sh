#!/usr/bin/env bash
# What a round costs without training (epochs: 0), real programs over TLS 1.3 on loopback, 8 members, next to the floor
# program (OpenSSL over plain sockets: same bytes, digests, sums, commits): mean over the rounds of a run, in interleaved
# pairs, the median of their ratios; beside it the ratio to a floor that signs and verifies what is said, as the design
# demands of every message (Ed25519 is most of a small round's floor then). Then peak memory of coordinator and client (also of one that trains and keeps its momentum), and the time
# from `start` to the end of the first round. Prints a table and checks the bars of issue 3 (MB = 10^6 bytes).
#
#   bench_round.sh [--params "10000 1000000 10000000"] [--pairs 5] [--floor plain|signed]     which floor the bar is of
set -euo pipefail
source_dir=${ENTENTE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${ENTENTE_BIN:-$source_dir/build/release/bin}
sizes="10000 1000000 10000000" pairs=5 members=8 against=plain
while [ $# -gt 0 ]; do
    case "$1" in
    --params) sizes=$2; shift 2 ;;
    --pairs) pairs=$2; shift 2 ;;
    --floor) against=$2; shift 2 ;;
    *) echo "usage: bench_round.sh [--params NUMBERS] [--pairs N] [--floor plain|signed]" >&2; exit 2 ;;
    esac
done
command -v python3 >/dev/null || { echo "SKIPPED bench_round: no python3 to read status --json"; exit 0; }
top=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    rm -rf "$top"
}
trap cleanup EXIT
bad=0

layers() { # parameters -> layers over one input
    case "$1" in
    10000) echo "[{dense: 3333}, relu, {dense: 1}]" ;;                    # 3 * 3333 + 1
    1000000) echo "[{dense: 1000}, relu, {dense: 996}, relu, {dense: 1}]" ;;
    10000000) echo "[{dense: 3159}, relu, {dense: 3161}, relu, {dense: 1}]" ;;
    *) echo "no layers for $1 parameters" >&2; exit 2 ;;
    esac
}

plan() { # parameters, rounds, epochs
    cat <<YAML
features: [{name: x, type: number, range: [0, 1]}]
label: {name: y, positive: "1"}
split: {key: 1, validation: 0, test: 0}
model: {layers: $(layers "$1"), loss: bce}
training: {rounds: $2, epochs: $3, batch: 32, optimizer: {sgd: {rate: 0.01, momentum: 0.9, keep_state: $([ "$3" -gt 0 ] && echo true || echo false)}}, seed: 1}
aggregation: {rule: fedavg, weights: equal, scale_bits: 20, min_members: $members, join: 60s, update: 5min}
YAML
}

peak() { awk '/^VmHWM/ {printf "%.1f", $2 * 1024 / 1e6}' "/proc/$1/status"; } # MB
over() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }
now() { date +%s.%N; }
bar() { # what, value, most
    if over "$2" "$3"; then
        echo "FAILED: $1: $2, at most $3"
        bad=1
    fi
}

# A federation of 8 with ten rows each; leaves pids: serve, members. dir
up() {
    local dir=$1 i
    "$bin/entente-coordinator" init --dir "$dir/fed" --name bench --host localhost --listen 127.0.0.1:0 \
        --enroll-listen 127.0.0.1:0 >"$dir/log" 2>&1
    "$bin/entente-coordinator" serve --dir "$dir/fed" >"$dir/serve.log" 2>&1 &
    serve=$!
    pids=("$serve")
    until grep -qs '^federation' "$dir/serve.log"; do sleep 0.02; done
    address=$(sed -n 's/^federation .*members on 127.0.0.1:\([0-9]*\),.*/localhost:\1/p' "$dir/serve.log")
    { echo x,y; for i in 0 1 2 3 4 5 6 7 8 9; do echo "0.$i,$((i % 2))"; done; } >"$dir/data.csv"
    for i in $(seq "$members"); do
        "$bin/entente-coordinator" invite --dir "$dir/fed" "m$i" 2>>"$dir/log" |
            "$bin/entente-client" enroll --dir "$dir/m$i" >>"$dir/log" 2>&1
        cat >"$dir/m$i/client.yaml" <<YAML
coordinator: $address
data: {source: csv, path: $dir/data.csv}
policy: {tasks: [stats, train, evaluate], min_members: 3, plans: any}
YAML
        "$bin/entente-client" run --dir "$dir/m$i" >"$dir/m$i.log" 2>&1 &
        pids+=("$!")
    done
    for i in $(seq "$members"); do
        until grep -qs "^m$i is here" "$dir/serve.log"; do sleep 0.02; done
    done
    "$bin/entente-coordinator" policy --dir "$dir/fed" >>"$dir/log" 2>&1
}

down() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    pids=()
}

run_plan() { # dir, parameters, rounds, epochs: runs to the end
    local dir=$1 before
    before=$(grep -c 'is complete' "$dir/serve.log" || true)
    plan "$2" "$3" "$4" >"$dir/plan.yaml"
    "$bin/entente-coordinator" start --dir "$dir/fed" "$dir/plan.yaml" >>"$dir/log"
    until [ "$(grep -c 'is complete' "$dir/serve.log" || true)" -gt "$before" ]; do
        kill -0 "$serve"
        sleep 0.5 # looked at seldom: the programs have the cores, as the floor's have
    done
}

round_seconds() { # dir -> seconds a round of the last run, from start to end
    "$bin/entente-coordinator" status --dir "$1/fed" --json | python3 -c '
import json, sys
run = json.load(sys.stdin)["run"]
print("%.5f" % ((run["ended_ms"] - run["started_ms"]) / 1000 / len(run["rounds"])))'
}

first_round_seconds() { # dir, parameters -> from `start` to the end of round 1
    local dir=$1 from
    plan "$2" 1 0 >"$dir/plan.yaml"
    from=$(now)
    "$bin/entente-coordinator" start --dir "$dir/fed" "$dir/plan.yaml" >>"$dir/log"
    until grep -q '^round 1 of .* closed' "$dir/serve.log"; do sleep 0.005; done
    awk -v a="$from" -v b="$(now)" 'BEGIN { printf "%.3f", b - a }'
}

floor_seconds() { # parameters, rounds, "" or signed
    mkdir "$top/floor"
    "$bin/floor_round" "$top/floor" "$1" "$members" "$2" $3 | sed 's/.*"mean_s": \([0-9.]*\).*/\1/'
    rm -rf "$top/floor"
}

printf '%10s | %10s %10s | %10s | %6s %6s | %11s %9s\n' P floor signed round ratio signed coordinator client
for p in $sizes; do
    rounds=$((p >= 10000000 ? 6 : p >= 1000000 ? 12 : 100))
    n=$((p >= 10000000 && pairs > 3 ? 3 : pairs))
    : >"$top/ratios"
    for pair in $(seq "$n"); do
        mkdir "$top/run"
        floors="$(floor_seconds "$p" "$rounds" "") $(floor_seconds "$p" "$rounds" signed)"
        up "$top/run"
        run_plan "$top/run" "$p" "$rounds" 0
        echo "$floors $(round_seconds "$top/run") $(peak "$serve") $(peak "${pids[1]}")" >>"$top/ratios"
        down
        rm -rf "$top/run"
    done
    read -r floor signed round ratio signed_ratio coordinator client < <(python3 - "$top/ratios" <<'PY'
import statistics, sys
rows = [list(map(float, line.split())) for line in open(sys.argv[1])]
median = lambda values: statistics.median(values)
print("%.1f %.1f %.1f %.2f %.2f %.1f %.1f" % (
    1e3 * median([r[0] for r in rows]), 1e3 * median([r[1] for r in rows]), 1e3 * median([r[2] for r in rows]),
    median([r[2] / r[0] for r in rows]), median([r[2] / r[1] for r in rows]),
    max(r[3] for r in rows), max(r[4] for r in rows)))
PY
    )
    printf '%10d | %7.1f ms %7.1f ms | %7.1f ms | %5.2fx %5.2fx | %8.1f MB %6.1f MB\n' \
        "$p" "$floor" "$signed" "$round" "$ratio" "$signed_ratio" "$coordinator" "$client"
    [ "$against" = plain ] || ratio=$signed_ratio
    bar "P = $p: a round, as a multiple of the $against floor" "$ratio" 2.5
    bar "P = $p: coordinator's peak memory in MB" "$coordinator" 200
    [ "$p" != 10000 ] || bar "P = $p: client's peak memory in MB" "$client" 20
done

mkdir "$top/run"
up "$top/run"
first=$(first_round_seconds "$top/run" 10000)
down
rm -rf "$top/run"
echo "from start to the end of the first round, $members members: $first s"
bar "from start to the first round in s" "$first" 1

case " $sizes " in
*" 10000000 "*)
    mkdir "$top/run"
    up "$top/run"
    run_plan "$top/run" 10000000 2 1
    trained=$(peak "${pids[1]}")
    down
    rm -rf "$top/run"
    # parameters, base, gradient, momentum, update: 40 MB each, and 40 MB over
    echo "client that trains P = 10000000: $trained MB, of which 200 MB are what it trains"
    bar "P = 10000000, trained: client's peak memory in MB" "$trained" 240
    ;;
esac
exit $bad
