#!/usr/bin/env bash
# Noise at the coordinator, and the auditor: an honest one is drawn again to the bit, joins that did not come are counted; one
# that divides its noise once too often is found by who holds the key, and only by who holds it; without an auditor nobody can tell.
source "$(dirname "$0")/lib.sh"

POLICY=$TOP/member-1/witness.policy
KEY=$TOP/dpo/auditor.x25519

# The plan that describe wrote, with noise at the coordinator.
noised_plan() { # ROUNDS
    python3 - "$PLAN" "$1" <<'PY'
import re, sys
path, rounds = sys.argv[1:]
text = open(path).read()
text = text.replace(", encode: ple", "")
text = re.sub(r"^split:.*$", "split: {key: 1}", text, flags=re.M)
text = re.sub(r"^training:\n(  .*\n|\s*#.*\n)*",
              f"training:\n  rounds: {rounds}\n  epochs: 1\n  batch: 32\n  optimizer: {{sgd: {{rate: 0.5}}}}\n  seed: 1\n\n", text, flags=re.M)
text = re.sub(r"^model:\n(  .*\n|\s*#.*\n)*", "model:\n  layers: [{dense: 8}, relu, {dense: 1}]\n\n", text, flags=re.M)
text = re.sub(r"^aggregation:\n(  .*\n|\s*#.*\n)*",
              "aggregation:\n  weights: equal\n  min_members: 3\n  join: 2s\n  update: 20s\n\n", text, flags=re.M)
text += "\nprivacy: {unit: member, epsilon: 8, delta: 1e-5, clip: 1.0, max_members_per_person: 3, persons: assumed}\n"
open(path, "w").write(text)
PY
    coordinator plan-check "$PLAN" >"$LOGS/plan-check.log" 2>&1 || fail "plan-check: $(cat "$LOGS/plan-check.log")"
}

# federation NAME AWAKE [AUDITOR]: four members are connected, the first AWAKE of them answer; its export is $TOP/NAME.export
federation() {
    local i print
    rm -rf "$FED" "$TOP"/member-[0-9]
    fed_init
    yaml_set "$FED/federation.yaml" min_members 3
    fed_serve
    fed_enrol 4
    if [ -n "${3:-}" ]; then
        coordinator admit-auditor --dir "$FED" "$TOP/dpo/auditor.pub" >"$LOGS/admit.log" 2>&1 || fail "admit-auditor: $(cat "$LOGS/admit.log")"
        print=$(grep -oE '[0-9a-f]{64}' "$LOGS/keygen.log" | head -n 1)
        for i in 1 2 3 4; do yaml_set "$TOP/member-$i/client.yaml" auditors "[\"$print\"]"; done
    fi
    for i in 1 2 3 4; do member "member-$i"; done
    for i in $(seq $(($2 + 1)) 4); do
        expect_line "member-$i" 'connected to' 20
        kill -STOP "${PID[member-$i]}"
    done
    fed_start
    fed_finish "$2" 60
    for i in $(seq $(($2 + 1)) 4); do kill9 "member-$i"; done
    coordinator export --dir "$FED" --to "$TOP/$1.export" >"$LOGS/export.log" 2>&1 || fail "export: $(tail -n 2 "$LOGS/export.log")"
}

fed_data 4 400 8
yaml_set "$TOP/client.yaml" min_members 2
noised_plan 3
audit keygen --dir "$TOP/dpo" >"$LOGS/keygen.log"

say "one member of four does not answer: its joins are rerolls, the noise is drawn again to the bit"
federation honest 3 auditor
EXPORT=$TOP/honest.export
expect_status 0 verify audit verify "$EXPORT" --policy "$POLICY" --key "$KEY"
expect_line verify '^OK   V13 3 rounds booked in 1 runs' 1
expect_line verify '^OK   V15 .*noise of 3 rounds: .* 9 nonces open .* 3 seeds opened; rerolls 3' 1
[ "$(audit verify "$EXPORT" --policy "$POLICY" --json | jq .rerolls)" -eq 3 ] || fail "verify --json does not count the rerolls"
expect_status 0 replay audit replay "$EXPORT" --policy "$POLICY" --key "$KEY"
[ "$(count_lines replay 'sum and noise identical')" -eq 3 ] || fail "not every round has its noise"
expect_line replay '^VERDICT PASS 3/3 rounds bit-identical; rerolls 3' 1
expect_status 3 replay audit replay "$EXPORT" --policy "$POLICY"
expect_status 0 report audit report "$EXPORT" --policy "$POLICY" --key "$KEY" --out "$TOP/r.html" --json
jq -e '.privacy.budgets[0] | .unit == "member" and .noise_at == "coordinator" and .base.is == "plan" and
    .epsilon_spent <= .epsilon_limit and .noise.withheld_joins == 3 and .noise.provable and
    ([.persons[].members] == [1, 2, 3]) and .persons[0].epsilon > .epsilon_spent' "$LOGS/report.log" >/dev/null ||
    fail "report --json: $(jq -c .privacy "$LOGS/report.log")"
grep -q 'noise is added at the coordinator: it sees each member' "$TOP/r.html" || fail "the report does not say whom to trust"

say "one bit of a sealed seed"
seed=$(find "$EXPORT/blob" -type f -size 80c -print -quit) # 32 bytes, and what a seal adds
[ -n "$seed" ] || fail "the export has no sealed seed"
printf '\x00\x00' | dd of="$seed" bs=1 seek=50 conv=notrunc 2>/dev/null
expect_status 1 verify audit verify "$EXPORT" --policy "$POLICY"
expect_line verify '^FAIL V15 .*the sealed seed is not the one that the log names' 1

say "a coordinator whose noise is divided by the members once more"
ENTENTE_PLANT=noise-divided-by:3 COORDINATOR=$TESTBIN/entente-coordinator federation cheat 4 auditor
expect_status 0 verify audit verify "$TOP/cheat.export" --policy "$POLICY" --key "$KEY"
expect_status 1 replay audit replay "$TOP/cheat.export" --policy "$POLICY" --key "$KEY"
expect_line replay 'with the noise that it owes, is not the logged result' 1
expect_status 3 replay audit replay "$TOP/cheat.export" --policy "$POLICY"

say "no auditor: nobody can prove the noise"
federation alone 4
expect_line start 'nobody will be able to prove' 1
expect_status 3 verify audit verify "$TOP/alone.export" --policy "$POLICY"
expect_line verify '^SKIP V15 run 1: that the noise of its 3 rounds was drawn is the coordinator.s word' 1
