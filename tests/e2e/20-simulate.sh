#!/usr/bin/env bash
# entente-simulate: the same parameters as a federation of the real programs gives on the same rows; the same model with
# one thread and two; bad input by name.
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

awk 'BEGIN {
    srand(5)
    print "a,b,c,shop,y"
    for (i = 0; i < 900; i++) {
        a = rand() * 4 - 2; b = rand() * 4 - 2
        printf "%.4f,%.4f,%s,s%d,%d\n", a, b, substr("xyz", 1 + int(rand() * 3), 1), i % 3, (a * b + rand() - 0.5 > 0)
    }
}' >"$dir/rows.csv"
cat >"$dir/plan.yaml" <<'YAML'
features:
  - {name: a, type: number, range: [-4, 4], encode: ple}
  - {name: b, type: number, range: [-4, 4]}
  - {name: c, type: category, values: [x, y, z]}
label: {name: y, positive: "1"}
min_group: 1
split: {key: 42, validation: 0.1, test: 0.2}
model: {ensemble: 2, layers: [{dense: 16}, relu, {dropout: 0.2}, {dense: 1}], loss: bce}
training: {rounds: 3, epochs: 1, batch: 16, optimizer: {adam: {rate: 0.01}}, schedule: cosine, seed: 3}
aggregation: {rule: fedavg, weights: examples_log2, scale_bits: 20, min_members: 3, join: 30s, update: 5min, attempts: 3}
YAML

simulate() { "$bin/entente-simulate" "$dir/plan.yaml" --data "$dir/rows.csv" --quiet "$@"; }

# ---- the real programs ----
"$bin/entente-coordinator" init --dir "$dir/fed" --name sim --host localhost --listen 127.0.0.1:0 \
    --enroll-listen 127.0.0.1:0 >"$dir/log" 2>&1
: >"$dir/serve.log"
"$bin/entente-coordinator" serve --dir "$dir/fed" --once >"$dir/serve.log" 2>&1 &
serve=$!
pids=("$serve")
until grep -q '^federation' "$dir/serve.log"; do kill -0 "$serve"; sleep 0.05; done
address=$(sed -n 's/^federation .*members on 127.0.0.1:\([0-9]*\),.*/localhost:\1/p' "$dir/serve.log")
for name in s0 s1 s2; do
    awk -F, -v n="$name" 'NR == 1 || $4 == n' "$dir/rows.csv" >"$dir/$name.csv"
    "$bin/entente-coordinator" invite --dir "$dir/fed" "$name" 2>>"$dir/log" |
        "$bin/entente-client" enroll --dir "$dir/$name" >>"$dir/log" 2>&1 || fail "enroll $name: $(tail -3 "$dir/log")"
    own=stay
    [ "$name" != s1 ] || own=go
    printf 'coordinator: %s\ndata: {source: csv, path: %s}\npolicy: {tasks: [stats, train, evaluate], min_members: 3, min_group: 1, plans: any, own_figures: %s}\n' \
        "$address" "$dir/$name.csv" "$own" >"$dir/$name/client.yaml"
    "$bin/entente-client" run --dir "$dir/$name" --once >"$dir/$name.log" 2>&1 &
    pids+=("$!")
done
for name in s0 s1 s2; do # the run starts when all are here
    until grep -q "^$name is here" "$dir/serve.log"; do kill -0 "$serve"; sleep 0.05; done
done
"$bin/entente-coordinator" policy --dir "$dir/fed" >>"$dir/log" 2>&1
"$bin/entente-coordinator" start --dir "$dir/fed" "$dir/plan.yaml" >>"$dir/log" 2>&1
real=$dir/s0/global.safetensors
wait "${pids[@]}" || fail "a member: $(tail -n 3 "$dir"/s?.log)"
pids=()
[ -r "$real" ] || fail "no model: $(tail -3 "$dir/s0.log")"

# ---- figures of one member stay with it unless its policy lets them go ----
grep -q 'are in the top 10 % of scores; random would find 10 %' "$dir/serve.log" || fail "no line for a marketer"
sed -n '/^of their own test rows/,/^$/p' "$dir/serve.log" >"$dir/own"
grep -qE '^s1 +[0-9]+ +0\.[0-9]+ +0\.[0-9]+ +[0-9]+ %$' "$dir/own" || fail "no figures of s1: $(cat "$dir/own")"
! grep -qE '^s[02] ' "$dir/own" || fail "figures of a member whose policy lets none go"
grep -q 'these figures go to the operator' "$dir/s1.log" || fail "s1 does not say that its figures go"
grep -q 'these figures stay here' "$dir/s0.log" || fail "s0 does not say that its figures stay"
"$bin/entente-coordinator" status --dir "$dir/fed" --json >"$dir/out"
grep -q '"own_figures":\[{"member":"s1","round":[0-9]*,"auc":0\.' "$dir/out" || fail "status has no own figures"
"$bin/entente-client" check --dir "$dir/s1" --plan "$dir/plan.yaml" >"$dir/out"
grep -q '^  own figures 1 x  this member' "$dir/out" || fail "check does not show that they would leave"
"$bin/entente-client" check --dir "$dir/s0" --plan "$dir/plan.yaml" >"$dir/out"
! grep -q 'own figures' "$dir/out" || fail "check shows figures that stay"

# ---- simulated ----
simulate --by shop --threads 1 --output "$dir/one.safetensors" >"$dir/one.txt"
simulate --by shop --threads 2 --output "$dir/two.safetensors" >"$dir/two.txt"
cmp "$dir/one.safetensors" "$dir/two.safetensors" || fail "one thread and two give different models"
head -1 "$dir/one.txt" | grep -q '^memory: about' || fail "the first line does not say the memory"
grep -q 'AUC 0\.' "$dir/one.txt" || fail "no AUC"

# Headers differ in the lineage (another federation); what is behind them is the parameters.
parameters() {
    local size n
    n=$(od -An -t u8 -N 8 "$1" | tr -d ' ')
    size=$((8 + n))
    tail -c +$((size + 1)) "$1"
}
parameters "$dir/one.safetensors" >"$dir/one.bin"
parameters "$real" >"$dir/real.bin"
cmp "$dir/one.bin" "$dir/real.bin" || fail "simulation and federation give different parameters"

# ---- outputs (into files: a reader that leaves early would end the program) ----
simulate --by shop --compare --json >"$dir/out" 2>/dev/null
grep -q '"alone":{"members_auc":0\.' "$dir/out" || fail "no comparison in JSON"
simulate --iid 5 --rounds 1 --sweep 'train.lr=0.1,0.01;train.batch=16,32' >"$dir/out" 2>/dev/null
[ "$(wc -l <"$dir/out")" = 5 ] || fail "not four combinations"
simulate --by shop --seeds 2 --rounds 1 >"$dir/out"
grep -q 'mean of 2 seeds' "$dir/out" || fail "no mean"
simulate --members 6 --alpha 0.5 --rounds 1 --state-memory 1kB >"$dir/out"
head -1 "$dir/out" | grep -q 'temporary file' || fail "no file for the state"
simulate --members 6 --shards 2 --rounds 1 >"$dir/out"
grep -q '^6 members with 2 shards by label each' "$dir/out" || fail "no shards"
simulate --members 6 --by shop --alpha 0.3 --rounds 1 >"$dir/out"
grep -q '^6 members by shop, alpha 0.3' "$dir/out" || fail "no shares of a column's values"

# ---- bad input ----
expect() { # exit status, words, arguments
    local want=$1 words=$2 got=0
    shift 2
    simulate "$@" >"$dir/out" 2>&1 || got=$?
    [ "$got" = "$want" ] || fail "exit $got, not $want: $* ($(tail -1 "$dir/out"))"
    grep -q -- "$words" "$dir/out" || fail "no '$words': $(tail -1 "$dir/out")"
}
expect 2 'in one way'
expect 2 'in one way' --by shop --iid 3
expect 4 'shopp' --by shopp
expect 3 'min_members' --iid 2
expect 2 'fraction' --by shop --fraction 1.5
expect 2 'did you mean train.lr' --by shop --sweep train.rl=1
expect 2 'above 0 and at most 10' --by shop --sweep train.lr=0
expect 2 'has no such setting' --by shop --sweep train.momentum=0.5
expect 2 'from 1 to 4096' --iid 0
expect 2 'from 0.001 to 1000000' --members 6 --alpha 0
expect 2 'from 0 to below 1' --iid 5 --dropout 1
expect 2 'from 1 to 256' --iid 5 --threads 0
expect 2 'from 1 to 1000' --iid 5 --seeds 0
expect 2 'from 1 to 100000' --iid 5 --rounds 0
expect 2 'size such as' --iid 5 --state-memory much
expect 2 'at most' --members 100 --shards 10
expect 5 'cannot make the file of --output' --iid 5 --output "$dir/nowhere/model"
expect 4 'Correct --by' --by shopp
sed 's/positive: "1"/positive: ja/' "$dir/plan.yaml" >"$dir/ja.yaml"
got=0
"$bin/entente-simulate" "$dir/ja.yaml" --data "$dir/rows.csv" --iid 5 >"$dir/out" 2>&1 || got=$?
[ "$got" = 4 ] || fail "exit $got, not 4, with a positive value that nobody has"
grep -q "5 without a positive row: every round declined (m0001: none of the 180 rows with a label has 'ja'" "$dir/out" ||
    fail "the account does not say why members decline: $(cat "$dir/out")"
tail -1 "$dir/out" | grep -q "none of the 900 rows with a label has 'ja'" || fail "no sentence: $(tail -1 "$dir/out")"
# ---- a setting that diverges is named, and the sweep goes on ----
sed 's/^model: .*/model: {layers: [{dense: 1}], loss: mse}/; s/^label: .*/label: {name: y, range: [0, 1]}/
     s/adam: {rate: 0.01}/sgd: {rate: 0.1}/' "$dir/plan.yaml" >"$dir/mse.yaml"
number() { "$bin/entente-simulate" "$dir/mse.yaml" --data "$dir/rows.csv" --iid 5 --quiet "$@"; }
got=0
number --sweep 'train.lr=0.01,10,0.02' >"$dir/out" 2>"$dir/err" || got=$?
[ "$got" = 24 ] || fail "exit $got, not 24, of a sweep with a setting that diverges"
head -1 "$dir/out" | grep -qx 'train.lr,seed,best_round,validation_squared_error,squared_error' || fail "CSV: $(head -1 "$dir/out")"
grep -qx '10,3,,,' "$dir/out" || fail "figures of a setting that diverges: $(cat "$dir/out")"
grep -q '^0.02,3,[1-3],[0-9]' "$dir/out" || fail "the sweep ends with the setting that diverges: $(cat "$dir/out")"
grep -q '^no figures: train.lr 10, seed 3: ' "$dir/err" || fail "the setting is not named: $(cat "$dir/err")"
tail -1 "$dir/err" | grep -q '1 of 3 runs have no figures' || fail "no count: $(tail -1 "$dir/err")"
got=0
number --sweep 'train.lr=0.01,10' --json >"$dir/out" 2>"$dir/err" || got=$?
[ "$got" = 24 ] && grep -q '"train.lr":10,"failed":"too few members"}' "$dir/out" || fail "JSON of a setting that diverges"

# ---- a number has a squared error, and no AUC ----
number --sweep 'train.lr=0.01' --output "$dir/mse.safetensors" >/dev/null 2>&1
number --rounds 1 --compare >"$dir/out"
grep -q 'squared error' "$dir/out" || fail "no squared error"
! grep -q 'AUC\|hit@10\|log loss' "$dir/out" || fail "figures that a number has not: $(cat "$dir/out")"
"$bin/entente-client" score --model "$dir/mse.safetensors" --input "$dir/rows.csv" --evaluate >"$dir/out" 2>/dev/null
grep -q '^squared_error=[0-9.]* rows=900 r2=' "$dir/out" || fail "score of a number: $(cat "$dir/out")"
grep -q "half the label's range" "$dir/out" || fail "no unit of the squared error"
"$bin/entente-client" score --model "$dir/mse.safetensors" --input "$dir/rows.csv" --evaluate --json >"$dir/out" 2>/dev/null
grep -q '"squared_error":' "$dir/out" && ! grep -q 'log_loss' "$dir/out" || fail "JSON of a number: $(cat "$dir/out")"

expect 24 'lower --dropout' --by shop --dropout 0.95
echo "ok"
