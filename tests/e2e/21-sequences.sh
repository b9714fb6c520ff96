#!/usr/bin/env bash
# Sequences through the real programs: what comes next, in a federation of three shops; the same parameters as simulated;
# scores of the released model; a member without sequences declines; a client killed while it sorts leaves no file behind.
set -euo pipefail
bin=${ENTENTE_BIN:-$(cd "$(dirname "$0")/../.." && pwd)/build/dev/bin}
dir=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

# Clicks of visitors in the order of time, so rows of a visitor are apart; shop s3 has visitors of one click only.
awk 'BEGIN {
    srand(7)
    print "visit,clock,page,shop"
    for (t = 0; t < 9; t++)
        for (v = 0; v < 240; v++)
            if (t < 2 + v % 8)
                printf "v%d,%d,p%d,s%d\n", v, t, (v + t + (rand() < 0.1)) % 6, v % 3
    for (v = 0; v < 9; v++) printf "w%d,1,p0,s3\n", v
}' >"$dir/clicks.csv"
cat >"$dir/plan.yaml" <<'YAML'
features:
  - {name: page, type: category, values: [p0, p1, p2, p3, p4, p5], embed: 4}
sequence: {unit: visit, time: clock, length: 6, keep: all}
label: {next: page}
min_group: 1
split: {key: 42, validation: 0.1, test: 0.2}
model: {layers: [{gru: 12}, {dense: 6}], truncate: 4}
training: {rounds: 4, batch: 16, optimizer: {adam: {rate: 0.02}}, seed: 3}
aggregation: {weights: examples_log2, min_members: 3, join: 30s, update: 5min}
YAML

"$bin/entente-coordinator" init --dir "$dir/fed" --name sim --host localhost --listen 127.0.0.1:0 \
    --enroll-listen 127.0.0.1:0 >"$dir/log" 2>&1
"$bin/entente-coordinator" plan-check "$dir/plan.yaml" >"$dir/out" || fail "plan-check"
grep -q "next page, one of 6, after every event" "$dir/out" || fail "plan-check does not say what is predicted"
: >"$dir/serve.log"
"$bin/entente-coordinator" serve --dir "$dir/fed" --once >"$dir/serve.log" 2>&1 &
serve=$!
pids=("$serve")
until grep -q '^federation' "$dir/serve.log"; do kill -0 "$serve"; sleep 0.05; done
address=$(sed -n 's/^federation .*members on 127.0.0.1:\([0-9]*\),.*/localhost:\1/p' "$dir/serve.log")
for name in s0 s1 s2 s3; do
    awk -F, -v n="$name" 'NR == 1 || $4 == n' "$dir/clicks.csv" >"$dir/$name.csv"
    "$bin/entente-coordinator" invite --dir "$dir/fed" "$name" 2>>"$dir/log" |
        "$bin/entente-client" enroll --dir "$dir/$name" >>"$dir/log" 2>&1 || fail "enroll $name: $(tail -3 "$dir/log")"
    printf 'coordinator: %s\ndata: {source: csv, path: %s}\npolicy: {tasks: [stats, train, evaluate], min_members: 3, plans: any, min_customers: 3, min_group: 1}\n' \
        "$address" "$dir/$name.csv" >"$dir/$name/client.yaml"
    "$bin/entente-client" run --dir "$dir/$name" --once >"$dir/$name.log" 2>&1 &
    pids+=("$!")
done
for name in s0 s1 s2 s3; do # the run starts when all are here
    until grep -q "^$name is here" "$dir/serve.log"; do kill -0 "$serve"; sleep 0.05; done
done
"$bin/entente-coordinator" policy --dir "$dir/fed" >>"$dir/log" 2>&1
"$bin/entente-coordinator" start --dir "$dir/fed" "$dir/plan.yaml" >>"$dir/log" 2>&1
wait "${pids[@]}" || fail "a member: $(tail -n 3 "$dir"/s?.log)"
pids=()
real=$dir/s0/global.safetensors
[ -r "$real" ] || fail "no model: $(tail -3 "$dir/s0.log")"
grep -q "no sequence is left" "$dir/s3.log" || fail "s3 does not say why it declines: $(tail -3 "$dir/s3.log")"
grep -q "hit@10" "$dir/s0.log" || fail "s0 has no figures of classes: $(tail -3 "$dir/s0.log")"
grep -q "among its 10 most probable" "$dir/serve.log" || fail "no table of classes: $(tail -9 "$dir/serve.log")"
"$bin/entente-coordinator" status --dir "$dir/fed" --json >"$dir/status"
grep -q '"hit_10"' "$dir/status" || fail "no figures of classes in the status"

# ---- simulated ----
"$bin/entente-simulate" "$dir/plan.yaml" --data "$dir/clicks.csv" --by shop --quiet --output "$dir/one.safetensors" \
    >"$dir/out"
grep -q "9 sequences have one event" "$dir/out" || fail "the visitors of one click are not counted"
grep -q "1 without rows" "$dir/out" || fail "the shop without sequences is not named"
parameters() { # behind the header: headers differ in the lineage
    local n
    n=$(od -An -t u8 -N 8 "$1" | tr -d ' ')
    tail -c +$((8 + n + 1)) "$1"
}
parameters "$dir/one.safetensors" >"$dir/one.bin"
parameters "$real" >"$dir/real.bin"
cmp "$dir/one.bin" "$dir/real.bin" || fail "simulation and federation give different parameters"

# ---- scores ----
"$bin/entente-client" score --model "$real" --input "$dir/clicks.csv" --output "$dir/scores.csv" --evaluate >"$dir/out" 2>&1
[ "$(wc -l <"$dir/scores.csv")" = 250 ] || fail "not a row for each of 249 visitors"
head -1 "$dir/scores.csv" | grep -q '^visit,p0,p1,p2,p3,p4,p5$' || fail "header: $(head -1 "$dir/scores.csv")"
grep -q 'hit_5=' "$dir/out" || fail "no figures: $(cat "$dir/out")"

# ---- killed while it sorts ----
mkdir "$dir/tmp"
awk 'BEGIN { print "visit,clock,page,shop"; for (i = 0; i < 3000000; i++) printf "v%d,%d,p%d,s0\n", (i * 7919) % 500000, i, i % 6 }' \
    >"$dir/large.csv"
TMPDIR=$dir/tmp "$bin/entente-client" score --model "$real" --input "$dir/large.csv" --output "$dir/never.csv" \
    >"$dir/out" 2>&1 &
sorter=$!
pids=("$sorter")
for ((i = 0; i < 600; i++)); do # until it holds a temporary file, which has no name
    kill -0 "$sorter" 2>/dev/null || fail "it ended before it was killed: $(cat "$dir/out")"
    # shellcheck disable=SC2012
    if ls -l "/proc/$sorter/fd" 2>/dev/null | grep -q "$dir/tmp/.*deleted"; then break; fi
    sleep 0.05
done
[ "$i" -lt 600 ] || fail "it uses no temporary file"
kill -9 "$sorter"
wait "$sorter" 2>/dev/null || true
pids=()
[ -z "$(ls -A "$dir/tmp")" ] || fail "left behind: $(ls "$dir/tmp")"
[ ! -e "$dir/never.csv" ] || fail "half an output"
[ -n "${E2E_SHOW:-}" ] && tail -n 40 "$dir/serve.log"
echo "ok"
