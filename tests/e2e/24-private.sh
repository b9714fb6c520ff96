#!/usr/bin/env bash
# A member whose noise is its own is killed between booking, noise, storing and sending: nothing booked is lost, no update
# is released twice, and nothing beyond a limit leaves. Its directory's older copy is charged again.
source "$(dirname "$0")/lib.sh"

export ENTENTE_KILL
crash_at() { # POINT[:N]: member-2 in the test link, until it is dead
    ENTENTE_KILL=$1
    CLIENT=$TESTBIN/entente-client member member-2
    ENTENTE_KILL=
    expect_exit member-2 30 137
    alive serve || fail "the run ended before $1"
}

# The plan that describe wrote, with noise; no statistics, no evaluation.
private_plan() { # ROUNDS EPSILON
    python3 - "$PLAN" "$1" "$2" <<'PY'
import re, sys
path, rounds, epsilon = sys.argv[1:]
text = open(path).read()
text = text.replace(", encode: ple", "")
text = re.sub(r"^split:.*$", "split: {key: 1}", text, flags=re.M)
text = re.sub(r"^training:\n(  .*\n|\s*#.*\n)*",
              f"training:\n  rounds: {rounds}\n  optimizer: {{sgd: {{rate: 0.5}}}}\n  seed: 1\n\n", text, flags=re.M)
text = re.sub(r"^model:\n(  .*\n|\s*#.*\n)*", "model:\n  layers: [{dense: 8}, relu, {dense: 1}]\n\n", text, flags=re.M)
text = re.sub(r"^aggregation:\n(  .*\n|\s*#.*\n)*",
              "aggregation:\n  weights: equal\n  min_members: 2\n  join: 5s\n  update: 20s\n\n", text, flags=re.M)
text += f"\nprivacy: {{unit: customer, epsilon: {epsilon}, delta: 1e-5, clip: 1.0, rate: 0.1, batch: 40}}\n"
open(path, "w").write(text)
PY
    coordinator plan-check "$PLAN" >"$LOGS/plan-check.log" 2>&1 || fail "plan-check: $(cat "$LOGS/plan-check.log")"
}

# ledger DIR: what it holds, one line an entry
ledger() {
    python3 - "$1/state.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
for row in db.execute("SELECT seq, kind, run, round, attempt, steps FROM ledger ORDER BY seq"):
    print(*row)
PY
}
one_charge_an_attempt() {
    [ -z "$(ledger "$1" | awk '$2 == 1 {print $3, $4, $5}' | sort | uniq -d)" ] || fail "an attempt was booked twice"
}

say "killed at each step of a private round"
fed_data 3 600 8
yaml_set "$TOP/client.yaml" min_members 2
private_plan 8 8
fed_init
yaml_set "$FED/federation.yaml" min_members 2
fed_serve
fed_enrol 3
member member-1
member member-3
fed_start
for point in state.ledger.row state.ledger.booked agent.booked agent.computed state.update.row agent.stored agent.offered; do
    crash_at "$point"
done
member member-2
fed_finish 3 90
one_charge_an_attempt "$TOP/member-2"
booked=$(ledger "$TOP/member-2" | wc -l)
[ "$booked" -ge 5 ] && [ "$booked" -le 8 ] || fail "member-2 booked $booked rounds of 8"
[ "$(ledger "$TOP/member-1" | wc -l)" -eq 8 ] || fail "member-1 did not book every round"
# Booked, not stored: each such attempt was given up, and is charged.
[ "$(count_lines serve 'without member-2')" -ge 1 ] || fail "no lost update is said"
expect_no_line serve 'rewritten'

say "the next run does not fit what is left of a life: nothing is booked, nothing leaves, both sides say why"
sed -i 's/^policy:.*/&\n  epsilon_life: 8.5/' "$TOP/member-2/client.yaml"
client check --dir "$TOP/member-2" --plan "$PLAN" >"$LOGS/check.log" 2>&1 || true
grep -qE 'default: epsilon [0-9.]+ of 8.5 at delta 1e-05 spent \(policy.epsilon_life\)' "$LOGS/check.log" || fail "check: $(cat "$LOGS/check.log")"
left=$(sed -n 's/^ *\([0-9]*\) rounds\{0,1\} of this plan left, of 8 in a run$/\1/p' "$LOGS/check.log")
[ -n "$left" ] && [ "$left" -lt 8 ] || fail "rounds left: '$left'"
fed_serve
fed_run 3
fed_start
expect_exit serve 90
members_exit 3 20
[ "$(ledger "$TOP/member-2" | wc -l)" -eq $((booked + left)) ] || fail "$left rounds were left, $(ledger "$TOP/member-2" | wc -l) are booked after $booked"
expect_line serve 'member-2 declines: one round more would cost scope default epsilon .* \(policy.epsilon_life\); refusal: insufficient_budget' 1

say "noise at the coordinator: counted where the member trusts it, declined where it does not"
# The same members, a plan of unit member: ordinary training, the update clipped, noise added to the sum.
sed -i -E -e 's/^privacy:.*/privacy: {unit: member, epsilon: 6, delta: 1e-5, clip: 0.5, max_members_per_person: 2, persons: assumed}/' \
    -e 's/^( *)rounds: 8/\1rounds: 4/' "$PLAN"
printf 'purpose: churn\n' >>"$PLAN"
coordinator plan-check "$PLAN" >"$LOGS/plan-check.log" 2>&1 || fail "plan-check: $(cat "$LOGS/plan-check.log")"
coordinator privacy --plan "$PLAN" >"$LOGS/privacy.log" 2>&1 || fail "privacy: $(cat "$LOGS/privacy.log")"
grep -q '^privacy     unit member: epsilon 5\.9' "$LOGS/privacy.log" || fail "privacy: $(cat "$LOGS/privacy.log")"
grep -q 'at most 2 members (assumed)' "$LOGS/privacy.log" || fail "privacy does not say who a person may be with"
grep -q '^warning     .*members' "$LOGS/privacy.log" || fail "privacy does not warn of two members"
sed -i 's/^policy:.*/&\n  epsilon_life: 100\n  noise: coordinator\n  purposes: [churn]/' "$TOP/member-1/client.yaml"
sed -i 's/^ *epsilon_life:.*/  epsilon_life: 100/' "$TOP/member-2/client.yaml" # noise: own
ledgers=("$(ledger "$TOP/member-1" | wc -l)" "$(ledger "$TOP/member-2" | wc -l)")
expect_status 23 check client check --dir "$TOP/member-2" --plan "$PLAN"
grep -q 'CANNOT take part: .*unless policy.noise is coordinator' "$LOGS/check.log" || fail "check: $(tail -n 3 "$LOGS/check.log")"
expect_status 0 check client check --dir "$TOP/member-1" --plan "$PLAN"
grep -q 'covered by noise, which the coordinator adds' "$LOGS/check.log" || fail "check does not say whose noise it is"
grep -q 'whether it takes part depends on its rows here and is NOT covered' "$LOGS/check.log" || fail "check does not list the answer"
grep -qE 'a run costs a customer of this member epsilon [0-9.]+ at delta 1e-05' "$LOGS/check.log" || fail "check does not say what it costs"
fed_serve
fed_run 3
fed_start
expect_exit serve 90
members_exit 3 20
expect_line serve 'run 3 is complete' 1
expect_line serve 'member-2 declines: .*unless policy.noise is coordinator; refusal: declined' 1
[ "$(ledger "$TOP/member-1" | wc -l)" -eq $((ledgers[0] + 4)) ] || fail "member-1 did not book the four rounds"
[ "$(ledger "$TOP/member-2" | wc -l)" -eq "${ledgers[1]}" ] || fail "member-2 booked what it declined"
one_charge_an_attempt "$TOP/member-1"

say "with its consent it trains to the end; another purpose is not allowed"
sed -i 's/^ *epsilon_life:.*/&\n  noise: coordinator/' "$TOP/member-2/client.yaml"
sed -i 's/^policy:.*/&\n  purposes: [advertising]/' "$TOP/member-3/client.yaml"
fed_serve
fed_run 3
fed_start
expect_exit serve 90
members_exit 3 20
expect_line serve 'run 4 is complete' 1
expect_line serve "member-3 declines: the plan's purpose is churn, which policy.purposes does not list; refusal: not_allowed" 1
[ "$(ledger "$TOP/member-2" | wc -l)" -eq $((ledgers[1] + 4)) ] || fail "member-2 did not book the four rounds"
cmp "$(best_model)" "$TOP/member-2/global.safetensors" || fail "member-2 has another model"
