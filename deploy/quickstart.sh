#!/usr/bin/env bash
# A whole federation on this machine: one coordinator and four members as separate processes over mutual TLS on
# loopback, and at the end a table that shows what federating was worth.
#
#   deploy/quickstart.sh                                        # shared reference data if present, else generated data
#   deploy/quickstart.sh --data crm.csv --by REGION --label churned=yes     # your own CSV (.gz works too)
#
# Everything it makes is in ./quickstart (removed at the start of the next run).
set -euo pipefail
self=$(readlink -f "$0")
from=$PWD

usage() { sed -n '2,8s/^# \{0,1\}//p' "$self"; }
wrong() { echo "quickstart: $*" >&2; usage >&2; exit 2; }
data='' by='' label='' rounds=''
while [ $# -gt 0 ]; do
    case "$1" in
    --help) usage; exit 0 ;;
    --data | --by | --label | --rounds) [ $# -ge 2 ] && [ -n "$2" ] || wrong "$1 needs a value" ;;
    *) wrong "no option $1" ;;
    esac
    case "$1" in
    --data) data=$2 ;;
    --by) by=$2 ;;
    --label) label=$2 ;;
    --rounds) rounds=$2 ;;
    esac
    shift 2
done
if [ -n "$data$by$label" ] && { [ -z "$data" ] || [ -z "$by" ] || [ -z "$label" ]; }; then
    wrong "--data FILE, --by COLUMN and --label COL=VALUE go together"
fi
case "$label" in '' | ?*=?*) ;; *) wrong "--label is COL=VALUE: the column to predict and its positive value" ;; esac
[ -z "$by" ] || [ "$by" != "${label%%=*}" ] || wrong "--by and --label name the same column"
case "$rounds" in '') ;; *[!0-9]* | 0*) wrong "--rounds takes a number from 1 on, not '$rounds'" ;; esac
case "$data" in '' | /*) ;; *) data=$from/$data ;; esac
[ -z "$data" ] || { [ -f "$data" ] && [ -r "$data" ]; } || { echo "quickstart: $data is not a file that can be read" >&2; exit 4; }

cd "$(dirname "$self")/.."
source deploy/packages.sh
need_packages deploy/apt.txt
echo "building ..."
{ cmake --preset release && cmake --build --preset release; } >quickstart-build.log 2>&1 ||
    { tail -n 40 quickstart-build.log >&2; exit 1; }
rm -f quickstart-build.log
bin=$PWD/build/release/bin
export ENTENTE_SHARED="${ENTENTE_SHARED:-$(cd .. && pwd)/shared}"

top=$PWD/quickstart
if [ -e "$top" ] && [ ! -e "$top/.entente-quickstart" ]; then
    echo "quickstart: $top exists and is not from an earlier quickstart; move it away" >&2
    exit 7
fi
rm -rf "$top"
mkdir -m 700 "$top"
touch "$top/.entente-quickstart"
pids=()
cleanup() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap cleanup EXIT
fail() { echo "quickstart: $*; logs are in $top/logs" >&2; exit 1; }
say() { printf '\n--- %s\n' "$*"; }
mkdir "$top/logs"
started=$(date +%s)

say "data: four members, each with its own CSV file"
bank=$ENTENTE_SHARED/data/bank-full-80.csv.gz
extra=()
if [ -z "$data" ] && [ -r "$bank" ]; then
    echo "Bank Marketing (a bank's phone campaign), by job, without 'duration' (it is known only after the call)"
    data=$bank by=job label=y=yes
    extra=(--test-rows "$ENTENTE_SHARED/data/splits/bank-full-80.s42.test")
    drop=duration
elif [ -z "$data" ]; then
    echo "generated customers (deploy/demo/README.md says what is true of them)"
    "$bin/entente-demo-data" generate --members 4 --out "$top/generated" --pooled >"$top/logs/generate.log"
    data=$top/generated/pooled.csv by=brand label=bought=yes
    drop=''
else
    drop=''
fi
"$bin/entente-demo-data" split --input "$data" --by "$by" --groups 4 --label "$label" --out "$top/data" "${extra[@]}"

say "plan: drafted from the CSV by 'entente-client describe'"
"$bin/entente-client" describe --input "$top/data/pooled.csv" --label "$label" --out "$top" ${drop:+--exclude "$drop"} \
    --test-file ${rounds:+--rounds "$rounds"}
"$bin/entente-coordinator" plan-check "$top/plan.yaml"

say "coordinator: CA, keys, federation.yaml"
"$bin/entente-coordinator" init --dir "$top/coordinator" --name quickstart --host localhost \
    --listen 127.0.0.1:0 --enroll-listen 127.0.0.1:0
"$bin/entente-coordinator" serve --dir "$top/coordinator" --once >"$top/logs/coordinator.log" 2>&1 &
serve=$!
pids+=("$serve")
for _ in $(seq 100); do
    [ -S "$top/coordinator/control.sock" ] && break
    kill -0 "$serve" 2>/dev/null || { cat "$top/logs/coordinator.log" >&2; fail "the coordinator did not start"; }
    sleep 0.1
done

say "auditor: its keys; updates will be sealed to it, and each member lists it in client.yaml"
"$bin/entente-audit" keygen --dir "$top/auditor" | tee "$top/logs/auditor.log"
fingerprint=$(grep -oE '[0-9a-f]{64}' "$top/logs/auditor.log" | head -n 1)
"$bin/entente-coordinator" admit-auditor --dir "$top/coordinator" "$top/auditor/auditor.pub"

members=()
for csv in "$top"/data/member-*.csv; do
    name=$(basename "$csv" .csv)
    members+=("$name")
done
say "enrolment: a one-time token each; keys are made by the member"
for name in "${members[@]}"; do
    me=$top/$name
    "$bin/entente-coordinator" invite --dir "$top/coordinator" "$name" 2>/dev/null |
        "$bin/entente-client" enroll --dir "$me" >"$top/logs/$name.enroll.log" 2>&1 ||
        { cat "$top/logs/$name.enroll.log" >&2; fail "$name could not enrol"; }
    # The member's engineer edits client.yaml: here the draft of 'describe', with this member's address and files.
    sed -e "s|^coordinator:.*|$(grep '^coordinator:' "$me/client.yaml")|" \
        -e "s|path: .*|path: $top/data/$name.csv|" -e "s|^split_file:.*|split_file: $top/data/$name.test|" \
        -e "s|^auditors:.*|auditors: [\"$fingerprint\"]|" "$top/client.yaml" >"$me/client.yaml.new"
    mv "$me/client.yaml.new" "$me/client.yaml"
    "$bin/entente-client" check --dir "$me" --plan "$top/plan.yaml" >"$top/logs/$name.check.log" ||
        { cat "$top/logs/$name.check.log" >&2; fail "$name cannot take part"; }
done
"$bin/entente-coordinator" roster --dir "$top/coordinator"
echo
echo "what would leave the first member (entente-client check):"
sed -n '/^what would leave/,$p' "$top/logs/${members[0]}.check.log"

say "the run"
for name in "${members[@]}"; do
    "$bin/entente-client" run --dir "$top/$name" --once >"$top/logs/$name.run.log" 2>&1 &
    pids+=("$!")
done
"$bin/entente-coordinator" policy --dir "$top/coordinator" # who cosigns the log: signed by all members
"$bin/entente-coordinator" start --dir "$top/coordinator" "$top/plan.yaml"
# Of the coordinator's lines: who is here, every tenth training round, troubles, the end.
tail -n +1 -f --pid="$serve" "$top/logs/coordinator.log" | awk '
    /^round .*\(train\)/ { next }
    /^round .*\(evaluate validation\)/ { if (++n % 10 != 1) next }
    / invited$| enrolled | is gone/ { next }
    { print; fflush() }' &
pids+=("$!")
wait "$serve" || fail "the coordinator ended with an error"
for pid in "${pids[@]}"; do wait "$pid" || fail "a member ended with an error"; done
pids=()
if grep -q 'log loss nan' "$top/logs/coordinator.log"; then fail "no validation rows: the best round could not be chosen"; fi
model=$top/${members[0]}/global.safetensors
[ -r "$model" ] || fail "the members did not get the model"

say "what federating was worth: the same test rows, each metric compared with itself only"
mkdir "$top/pooled"
sed -e "s|path: .*|path: $top/data/pooled.csv|" -e "s|^split_file:.*|split_file: $top/data/pooled.test|" \
    "$top/client.yaml" >"$top/pooled/client.yaml"
for name in "${members[@]}" pooled; do
    "$bin/entente-client" train --local --dir "$top/$name" --plan "$top/plan.yaml" >"$top/logs/$name.local.log" 2>&1 ||
        { cat "$top/logs/$name.local.log" >&2; fail "local training of $name failed"; }
done
auc() { # member, model file -> "auc rows"; "- rows" where the test rows hold one class only
    "$bin/entente-client" score --dir "$top/$1" --model "$2" --input "$top/data/$1.csv" \
        --rows "$top/data/$1.test" --evaluate 2>>"$top/logs/score.log" |
        sed -n 's/.*auc=\([^ ]*\).*rows=\([0-9]*\).*/\1 \2/p'
}
for name in "${members[@]}" pooled; do
    echo "$name $(auc "$name" "$top/$name/local.safetensors") $(auc "$name" "$model")"
done | awk '
    function show(name, rows, alone, together) {
        printf "%-28s %9s  %9.4f  %9.4f  %+9.4f\n", name, rows, alone, together, together - alone
    }
    BEGIN { printf "%-28s %9s  %9s  %9s  %9s\n", "test AUC", "test rows", "alone", "federated", "gain" }
    $1 != "pooled" && $2 + 0 == $2 {
        show($1, $3, $2, $4); n += $3; a += $2 * $3; f += $4 * $3
    }
    $1 == "pooled" {
        if (n > 0) show("mean, weighted by test rows", n, a / n, f / n)
        printf "\n%-28s %9s  %9s  %9s %10s\n", "test AUC over all customers", "test rows", "all data", "federated", "difference"
        show("in one place / federated", $3, $2, $4)
    }' | tee "$top/table.txt"
cat <<TXT

alone      trained on this member's rows only (entente-client train --local)
federated  the federation's model; no row left a member
all data   the same trainer on all rows in one place, which is what the members may not do
The two tables are not comparable: the AUC over all customers also rewards telling members apart.
TXT

for name in "${members[@]}"; do
    "$bin/entente-client" score --dir "$top/$name" --model "$top/$name/global.safetensors" \
        --input "$top/data/$name.csv" --output "$top/$name/scores.csv" >>"$top/logs/score.log" 2>&1 ||
        fail "$name could not score"
done
say "audit: the export, a member's policy and head, the auditor's key"
"$bin/entente-coordinator" export --dir "$top/coordinator" --to "$top/quickstart.export"
policy=$top/${members[0]}/witness.policy
"$bin/entente-audit" verify "$top/quickstart.export" --policy "$policy" --head "$top/${members[0]}/head.note" --model "$model" |
    tee "$top/logs/verify.log" || fail "the export does not verify"
"$bin/entente-audit" replay "$top/quickstart.export" --policy "$policy" --key "$top/auditor/auditor.x25519" |
    tee "$top/logs/replay.log" | tail -n 3 || fail "the rounds cannot be replayed"
"$bin/entente-coordinator" disclose --dir "$top/coordinator" >"$top/names.txt" 2>"$top/logs/disclose.log" ||
    fail "no names for the report"
"$bin/entente-audit" report "$top/quickstart.export" --policy "$policy" --head "$top/${members[0]}/head.note" --model "$model" \
    --key "$top/auditor/auditor.x25519" --disclose "$top/names.txt" --out "$top/report.html" >/dev/null || fail "no report"
cat <<TXT

proved      the log is one history that a quorum of the members cosigned; each update in it was signed by its member; and
            the model is exactly what those updates add up to, recomputed from the sealed copies to the last bit
not proved  that the members' data is real, or that nobody can learn from the model: this plan asks for no noise (privacy in plan.yaml does)
TXT

say "done in $(($(date +%s) - started)) s after the build"
cat <<TXT
to explore: $(basename "$top")/coordinator (entente-coordinator status --dir quickstart/coordinator), the members' directories
(scores.csv, global.safetensors), plan.yaml, quickstart.export, report.html and logs; the programs are in build/release/bin
TXT
