#!/usr/bin/env bash
# Noise at the coordinator: it is killed between reservation, seed, noise and release, at each point, and members at theirs.
# No budget is lost from the books, none is given back twice, one model comes out of a round, an auditor draws the same noise.
# When the budget has no room for the next round, the run ends, its last model is released, and everybody says so.
source "$(dirname "$0")/lib.sh"

export ENTENTE_KILL=
POLICY=$TOP/member-1/witness.policy

# The plan that describe wrote, with noise at the coordinator; every round needs all three.
noised_plan() { # ROUNDS UPDATE
    python3 - "$PLAN" "$1" "$2" <<'PY'
import re, sys
path, rounds, update = sys.argv[1:]
text = open(path).read()
text = text.replace(", encode: ple", "")
text = re.sub(r"^split:.*$", "split: {key: 1}", text, flags=re.M)
text = re.sub(r"^training:\n(  .*\n|\s*#.*\n)*",
              f"training:\n  rounds: {rounds}\n  epochs: 1\n  batch: 32\n  optimizer: {{sgd: {{rate: 0.5}}}}\n  seed: 1\n\n", text, flags=re.M)
text = re.sub(r"^model:\n(  .*\n|\s*#.*\n)*", "model:\n  layers: [{dense: 8}, relu, {dense: 1}]\n\n", text, flags=re.M)
text = re.sub(r"^aggregation:\n(  .*\n|\s*#.*\n)*",
              f"aggregation:\n  weights: equal\n  min_members: 3\n  join: 3s\n  update: {update}\n  attempts: 9\n\n", text, flags=re.M)
text += "\nprivacy: {unit: member, epsilon: 8, delta: 1e-5, clip: 1.0}\n"
open(path, "w").write(text)
PY
    coordinator plan-check "$PLAN" >"$LOGS/plan-check.log" 2>&1 || fail "plan-check: $(cat "$LOGS/plan-check.log")"
}

# What is committed, whoever is alive: rounds booked and given back, attempts opened, rounds closed; and what is wrong.
books() {
    python3 - "$FED/federation.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None)
db.execute("BEGIN")  # one moment for all figures
one = lambda sql: db.execute(sql).fetchone()[0]
events = one("SELECT COUNT(*) FROM dp_event")
back = one("SELECT COUNT(*) FROM dp_event WHERE refund IS NOT NULL")
opens = one("SELECT COUNT(*) FROM event WHERE kind = 2")
closes = one("SELECT COUNT(DISTINCT round) FROM event WHERE kind = 9")
twice = (one("SELECT COUNT(*) FROM (SELECT 1 FROM dp_event GROUP BY round_open HAVING COUNT(*) > 1)")
         + one("SELECT COUNT(*) FROM (SELECT 1 FROM event WHERE kind = 9 GROUP BY round HAVING COUNT(*) > 1)")
         + one("SELECT COUNT(*) FROM (SELECT 1 FROM event WHERE kind = 6 GROUP BY round, attempt, member HAVING COUNT(*) > 1)"))
over = one("SELECT COUNT(*) FROM dp_event e JOIN dp_account a ON a.leaf = e.leaf WHERE a.after_nano > e.limit_nano")
print(f"booked {events} back {back} opened {opens} closed {closes} twice {twice} over {over}")
PY
}
fits() { # every attempt is booked once, nothing is over the limit; prints booked, given back, closed
    local -a b
    read -ra b <<<"$(books)"
    [ "${b[1]}" -eq "${b[5]}" ] && [ "${b[9]}" -eq 0 ] && [ "${b[11]}" -eq 0 ] || fail "the books: ${b[*]}"
    echo "${b[1]} ${b[3]} ${b[7]}"
}
ledger() { # DIR: one line an entry
    python3 - "$1/state.db" <<'PY'
import sqlite3, sys
for row in sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute("SELECT run, round, attempt FROM ledger ORDER BY seq"):
    print(*row)
PY
}
crash_at() { # POINT[:N]: the coordinator in the test link, until it is dead
    ENTENTE_KILL=$1
    bg serve "$TESTBIN/entente-coordinator" serve --dir "$FED" --once
    ENTENTE_KILL=
    expect_exit serve 30 137
    fits >/dev/null
}
member_crash_at() { # POINT: member-2 in the test link, until it is dead
    ENTENTE_KILL=$1
    CLIENT=$TESTBIN/entente-client member member-2
    ENTENTE_KILL=
    expect_exit member-2 30 137
    alive serve || fail "the run ended before $1"
}

fed_data 3 400 9
noised_plan 9 10s
audit keygen --dir "$TOP/dpo" >"$LOGS/keygen.log"
print=$(grep -oE '[0-9a-f]{64}' "$LOGS/keygen.log" | head -n 1)
fed_init
fed_serve
fed_enrol 3
coordinator admit-auditor --dir "$FED" "$TOP/dpo/auditor.pub" >"$LOGS/admit.log" 2>&1 || fail "admit-auditor"
fed_stop
for i in 1 2 3; do
    yaml_set "$TOP/member-$i/client.yaml" auditors "[\"$print\"]"
    sed -i 's/^policy:.*/&\n  epsilon_life: 100\n  noise: coordinator/' "$TOP/member-$i/client.yaml"
done
coordinator start --dir "$FED" "$PLAN" >"$LOGS/start.log" 2>&1 || fail "start: $(cat "$LOGS/start.log")"
fed_run 3
for point in engine.budget-reserved:2 engine.noise-committed engine.noise-drawn engine.noise-added engine.close-committed; do
    say "the coordinator, at $point"
    crash_at "$point"
done

say "nobody joins: it dies while it gives back, and the books do not"
for i in 1 2 3; do kill9 "member-$i"; done
ENTENTE_KILL=engine.budget-refunded
bg serve "$TESTBIN/entente-coordinator" serve --dir "$FED" --once
ENTENTE_KILL=agent.join
for i in 1 2 3; do CLIENT=$TESTBIN/entente-client member "member-$i"; done
ENTENTE_KILL=
for i in 1 2 3; do expect_exit "member-$i" 30 137; done
expect_exit serve 60 137
before=$(fits)
fed_serve
after=$(fits)
for i in 1 3; do member "member-$i"; done
[ "$(echo "$before" | cut -d ' ' -f 1)" -le "$(echo "$after" | cut -d ' ' -f 1)" ] || fail "books before $before, after $after"
given_back() { [ "$(fits | cut -d ' ' -f 2)" -ge 1 ]; }
wait_for 30 given_back || fail "nothing was given back: $(fits)"

say "a member, at its points: what was booked and is lost costs a round, what was stored does not"
for point in agent.booked agent.stored agent.offered; do
    member_crash_at "$point"
done
member member-2

say "the next round does not fit: the run ends, its last model is released, everybody says so"
expect_exit serve 90 40
expect_line serve 'the privacy budget allows no further round: epsilon [0-9.]+ of 8 at delta 1e-05 is spent by 9 rounds' 1
members_exit 3 20
same_models 3
read -r booked back closed <<<"$(fits)"
[ $((booked - back)) -eq 9 ] || fail "$booked rounds are booked and $back given back: not the 9 that fit"
[ "$closed" -lt 9 ] && [ "$closed" -ge 3 ] || fail "$closed rounds closed"
coordinator status --dir "$FED" >"$LOGS/status.log" 2>&1 || fail "status"
grep -q 'out of budget' "$LOGS/status.log" || fail "status: $(cat "$LOGS/status.log")"
[ "$(status_json | jq -r .run.state)" = 'out of budget' ] || fail "$(status_json)"
for i in 1 2 3; do
    [ -z "$(ledger "$TOP/member-$i" | sort | uniq -d)" ] || fail "member-$i booked an attempt twice"
done

say "an auditor draws the noise of every round again"
coordinator export --dir "$FED" --to "$TOP/export" >"$LOGS/export.log" 2>&1 || fail "export: $(tail -n 2 "$LOGS/export.log")"
expect_status 0 verify audit verify "$TOP/export" --policy "$POLICY"
expect_status 0 replay audit replay "$TOP/export" --policy "$POLICY" --key "$TOP/dpo/auditor.x25519"
