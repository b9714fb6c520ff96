#!/usr/bin/env bash
# What a round costs without training (epochs: 0), real programs over TLS 1.3 on loopback, 8 members, next to the floor
# program (OpenSSL over plain sockets: same bytes, digests, sums, commits); peak memory of coordinator and client; time
# from start to the first round. Everything in one run, interleaved; prints a table and checks the bars of issue 3.
#
#   bench_round.sh [--params "10000 1000000 10000000"] [--pairs 3]
set -euo pipefail
source_dir=${ENTENTE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${ENTENTE_BIN:-$source_dir/build/release/bin}
sizes="10000 1000000 10000000" pairs=3 members=8
while [ $# -gt 0 ]; do
    case "$1" in
    --params) sizes=$2; shift 2 ;;
    --pairs) pairs=$2; shift 2 ;;
    *) echo "usage: bench_round.sh [--params NUMBERS] [--pairs N]" >&2; exit 2 ;;
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
training: {rounds: $2, epochs: $3, batch: 32, optimizer: {sgd: {rate: 0.01, momentum: 0.9}}, seed: 1}
aggregation: {rule: fedavg, weights: equal, scale_bits: 20, min_members: $members, join: 60s, update: 5min}
YAML
}

peak() { awk '/^VmHWM/ {printf "%.1f", $2 / 1024}' "/proc/$1/status"; } # MiB

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
        sleep 0.1
    done
}

round_seconds() { # dir -> seconds a round of the last run, from start to end
    "$bin/entente-coordinator" status --dir "$1/fed" --json | python3 -c '
import json, sys
run = json.load(sys.stdin)["run"]
print("%.5f" % ((run["ended_ms"] - run["started_ms"]) / 1000 / len(run["rounds"])))'
}

printf '%10s | %9s %9s | %6s | %11s %8s\n' P floor round ratio coordinator client
for p in $sizes; do
    rounds=$((p >= 10000000 ? 6 : p >= 1000000 ? 12 : 60))
    : >"$top/ratios"
    for pair in $(seq "$pairs"); do
        mkdir "$top/floor" "$top/run"
        floor=$("$bin/floor_round" "$top/floor" "$p" "$members" "$rounds" | sed 's/.*"median_s": \([0-9.]*\).*/\1/')
        up "$top/run"
        run_plan "$top/run" "$p" "$rounds" 0
        round=$(round_seconds "$top/run")
        coordinator=$(peak "$serve")
        client=$(peak "${pids[1]}")
        down
        echo "$floor $round $coordinator $client" >>"$top/ratios"
        rm -rf "$top/floor" "$top/run"
    done
    line=$(python3 - "$p" "$top/ratios" <<'PY'
import statistics, sys
rows = [list(map(float, line.split())) for line in open(sys.argv[2])]
med = lambda values: statistics.median(values)
print("%10d | %6.1f ms %6.1f ms | %5.2fx | %7.1f MiB %4.1f MiB" % (
    int(sys.argv[1]), 1e3 * med([r[0] for r in rows]), 1e3 * med([r[1] for r in rows]),
    med([r[1] / r[0] for r in rows]), max(r[2] for r in rows), max(r[3] for r in rows)))
PY
    )
    echo "$line"
    ratio=$(sed 's/.*| *\([0-9.]*\)x.*/\1/' <<<"$line")
    awk -v r="$ratio" 'BEGIN { exit !(r > 2.5) }' && { echo "FAILED: a round takes more than 2.5 times the floor"; bad=1; }
done
exit $bad
