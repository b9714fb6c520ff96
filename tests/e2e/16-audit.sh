#!/usr/bin/env bash
# The audit log of a real federation: an auditor is admitted and one member refuses it; exports verify, replay and report;
# whatever is changed in one is found, and the exit status says which kind of wrong it is.
if [ "$(id -u)" -ne 0 ] && [ -z "${E2E_UNSHARED:-}" ] && unshare -rm true 2>/dev/null; then
    E2E_UNSHARED=1 exec unshare -rm "$0"
fi
source "$(dirname "$0")/lib.sh"

POLICY=$TOP/member-1/witness.policy
KEY=$TOP/dpo/auditor.x25519
# verdict STATUS NAME COMMAND...: and the word that belongs to the status is said
verdict() {
    expect_status "$@"
    case $1 in
    0) expect_line "$2" '^VERDICT PASS' 1 ;;
    1) expect_line "$2" '^VERDICT FAIL' 1 ;;
    3) expect_line "$2" '^VERDICT INCOMPLETE' 1 ;;
    4) expect_line "$2" '^entente-audit: ' 1 ;;
    esac
}
# The second reader, as it lies in the export.
second() { # STATUS EXPORT POLICY [OPTIONS]
    local want=$1 dir=$2
    shift 2
    expect_status "$want" second python3 "$dir/verify.py" "$dir" "$@"
}

fresh() {
    rm -rf "$TOP/bad.export"
    cp -a "$TOP/a.export" "$TOP/bad.export"
    BAD=$TOP/bad.export
}
flip() { # FILE [AT]: one bit
    local at=${2:-$(($(stat -c %s "$1") * 3 / 4))}
    printf "\\x$(printf %02x $((0x$(od -An -tx1 -j "$at" -N 1 "$1" | tr -d ' ') ^ 0x10)))" | dd of="$1" bs=1 seek="$at" conv=notrunc 2>/dev/null
}
letter() { # FILE LINE COLUMN: another letter of base64
    local old
    old=$(sed -n "$2p" "$1" | cut -c "$3")
    sed -i -E "$2s/^(.{$(($3 - 1))})./\1$([ "$old" = A ] && echo B || echo A)/" "$1"
}

say "an auditor is admitted; members see it in check; a run starts with three that allow it and one that does not"
fed_new 4 1200 2
audit keygen --dir "$TOP/dpo" >"$LOGS/keygen.log"
[ "$(stat -c %a "$KEY")" = 600 ] || fail "others can read the auditor's key"
expect_status 2 keygen2 audit keygen --dir "$TOP/dpo" # keys are not replaced
print=$(grep -oE '[0-9a-f]{64}' "$LOGS/keygen.log" | head -n 1)
fed_serve --dir "$FED"
for i in 1 2 3 4; do fed_enrol_one "member-$i"; done
expect_status 17 early coordinator start --dir "$FED" "$PLAN"
expect_line early 'no witness set is frozen yet: run entente-coordinator policy' 1
coordinator admit-auditor --dir "$FED" "$TOP/dpo/auditor.pub" >"$LOGS/admit.log" 2>&1 || fail "admit-auditor"
expect_line admit "$print" 1
fed_policy 4
expect_status 7 admit2 coordinator admit-auditor --dir "$FED" "$TOP/dpo/auditor.pub"
for i in 1 2 3; do yaml_set "$TOP/member-$i/client.yaml" auditors "[\"$print\"]"; done
expect_status 0 check1 client check --dir "$TOP/member-1" --plan "$PLAN"
expect_line check1 "$print" 1
expect_status 23 check4 client check --dir "$TOP/member-4" --plan "$PLAN"
expect_line check4 "$print" 1
fed_run 4
for i in 1 2 3 4; do expect_line serve "member-$i is here" 10; done
fed_start
expect_line start 'updates are kept, sealed to 1 auditor' 1
members_exit 4 60
expect_line serve 'run 1 is complete' 1
same_models 4
expect_line member-4 "round 1 .*does not take part: updates would be sealed to the auditor $print, which .auditors. of client.yaml does not list" 1
expect_line serve "member-4 declines: updates would be sealed to the auditor $print" 1
expect_line serve 'round 2 of [0-9]+ \(train\) closed with 3 members.*without member-4' 1
expect_line member-4 '^stopped: 0 updates accepted' 1

say "export while serve runs; each member's policy and head; the model; JSON"
coordinator export --dir "$FED" --to "$TOP/a.export" >"$LOGS/export.log" 2>&1 || fail "export: $(tail -n 2 "$LOGS/export.log")"
expect_status 7 export2 coordinator export --dir "$FED" --to "$TOP/a.export"
expect_line export2 'entente-coordinator: .*a.export' 1
heads=()
for i in 1 2 3 4; do
    cmp "$POLICY" "$TOP/member-$i/witness.policy" || fail "member-$i has another policy"
    cp "$TOP/member-$i/head.note" "$TOP/head-$i.note" # members go on
    heads+=(--head "$TOP/head-$i.note")
    verdict 0 verify audit verify "$TOP/a.export" --policy "$TOP/member-$i/witness.policy" --head "$TOP/head-$i.note" \
        --model "$TOP/member-$i/global.safetensors"
done
for check in 1 2 3 4 5 6 7 8 9 10 11 12 15 16; do expect_line verify "^OK +V$check " 1; done
for check in 13 14; do expect_line verify "^SKIP +V$check " 1; done
audit verify "$TOP/a.export" --policy "$POLICY" "${heads[@]}" --key "$KEY" --json >"$TOP/verify.json"
jq -e '.verdict == "PASS" and .members == 4 and .rounds == 6 and ([.checks[] | select(.status == "OK")] | length) == 14' \
    "$TOP/verify.json" >/dev/null || fail "JSON of verify: $(head -c 400 "$TOP/verify.json")"
verdict 0 replay audit replay "$TOP/a.export" --policy "$POLICY" --key "$KEY"
expect_line replay '6/6 rounds bit-identical' 1
audit replay "$TOP/a.export" --policy "$POLICY" --key "$KEY" --json |
    jq -e '.verdict == "PASS" and .rounds_identical == 6 and .rounds_closed == 6' >/dev/null || fail "JSON of replay"
second 0 "$TOP/a.export" "$POLICY" "${heads[@]}"
expect_line second '^VERDICT PASS' 1

say "the report is one page of HTML that loads and runs nothing"
verdict 0 report audit report "$TOP/a.export" --policy "$POLICY" "${heads[@]}" --out "$TOP/report.html"
grep -qi '^<!doctype html>' "$TOP/report.html" || fail "no HTML: $(head -c 100 "$TOP/report.html")"
grep -q '</html>' "$TOP/report.html" || fail "the page has no end"
! grep -qiE '<script|<link|<img|<iframe|javascript:|@import|url\(|src=|onload=' "$TOP/report.html" || fail "the page loads or runs something"
cp "$TOP/report.html" "$TOP/report.first"
audit report "$TOP/a.export" --policy "$POLICY" "${heads[@]}" --out "$TOP/report.html" --json | jq -e '.verdict == "PASS"' >/dev/null ||
    fail "JSON of report"
cmp "$TOP/report.first" "$TOP/report.html" || fail "the same facts give another page"

say "proofs, out of an export and by a member itself"
handle=$(jq -r .handle "$TOP/member-1/member.json")
expect_status 0 prove audit prove "$TOP/a.export" --member "$handle" --round 2 --out "$TOP/p.proof"
verdict 0 proof audit check-proof "$TOP/p.proof" --policy "$POLICY"
expect_line proof 'update.accept .*run 1, round 2' 1
verdict 3 proof3 audit check-proof "$TOP/p.proof"
expect_status 0 receipts client receipts --dir "$TOP/member-2"
[ "$(count_lines receipts 'accepted, leaf [0-9]+; receipt here')" -eq 6 ] || fail "not six receipts"
client receipts --dir "$TOP/member-2" --json |
    jq -e '(.receipts | length) == 6 and all(.receipts[]; .log == "accepted" and .receipt)' >/dev/null || fail "JSON of receipts"
expect_status 0 receipts client receipts --dir "$TOP/member-2" --proof 3 --out "$TOP/q.proof"
verdict 3 proof audit check-proof "$TOP/q.proof" --policy "$POLICY" # a member has the log's signature and its own
expect_line proof 'quorum   1 cosignatures, 3 needed' 1
expect_line proof 'update.accept .*run 1, round 3' 1
{ audit check-proof "$TOP/q.proof" --policy "$POLICY" --json 2>/dev/null || true; } |
    jq -e '.verdict == "INCOMPLETE" and .type == "update.accept" and .round == 3' >/dev/null || fail "JSON of check-proof"
cp "$TOP/q.proof" "$TOP/bad.proof"
letter "$TOP/bad.proof" 4 9
verdict 1 bad audit check-proof "$TOP/bad.proof" --policy "$POLICY"
expect_status 0 receipts4 client receipts --dir "$TOP/member-4"
expect_status 6 receipts5 client receipts --dir "$TOP/member-4" --proof 2 # it sent nothing, and its end is a dropout
[ ! -e "$TOP/member-4/run-1-round-2.tlog-proof" ] || fail "a proof of nothing"

say "a second export, made in the middle of a run, and a third at its end: one history"
yaml_set "$PLAN" rounds 40
for i in 1 2 3; do : >"$LOGS/member-$i.log"; done
fed_run 4
for i in 1 2 3; do expect_line member-$i 'connected to' 10; done
fed_start
expect_line serve 'run 2.*started' 10
expect_line serve 'round 8 of 82' 30
coordinator export --dir "$FED" --to "$TOP/b.export" >"$LOGS/export.log" 2>&1 || fail "export: $(tail -n 2 "$LOGS/export.log")"
alive member-1 || fail "the run was over before its export"
verdict 0 verify audit verify "$TOP/b.export" --policy "$POLICY" "${heads[@]}"
verdict 0 replay audit replay "$TOP/b.export" --policy "$POLICY" --key "$KEY"
members_exit 4 60
expect_line serve 'run 2 is complete' 1
coordinator export --dir "$FED" --to "$TOP/c.export" >"$LOGS/export.log" 2>&1 || fail "export: $(tail -n 2 "$LOGS/export.log")"
verdict 0 verify audit verify "$TOP/c.export" --policy "$POLICY" "${heads[@]}" --head "$TOP/member-2/head.note" --head "$TOP/a.export/checkpoint" --head "$TOP/b.export/checkpoint"
for older in a b; do
    verdict 0 fork audit fork "$TOP/$older.export" "$TOP/c.export" --policy "$POLICY"
    verdict 0 fork audit fork "$TOP/c.export" "$TOP/$older.export/checkpoint" --policy "$POLICY"
    for note in "$TOP/$older.export"/checkpoints/*; do
        head -n 3 "$note" | cmp - <(head -n 3 "$TOP/c.export/checkpoints/$(basename "$note")") || fail "another $(basename "$note")"
    done
done
audit fork "$TOP/a.export" "$TOP/c.export" --json | jq -e '.verdict == "PASS"' >/dev/null || fail "JSON of fork"
verdict 1 cut audit verify "$TOP/a.export" --policy "$POLICY" --head "$TOP/member-3/head.note"
expect_line cut '^FAIL +V6' 1
second 1 "$TOP/a.export" "$POLICY" --head "$TOP/member-3/head.note"
verdict 0 since audit verify "$TOP/c.export" --policy "$POLICY" --since 5

say "nothing may be changed"
bad() { # STATUS REGEX [OPTIONS]
    local want=$1 regex=$2
    shift 2
    verdict "$want" bad audit verify "$BAD" --policy "$POLICY" "$@"
    expect_line bad "$regex" 1
}
entries=$(cd "$TOP/a.export" && find tile/entries -type f)
for at in 40 700 5000 $(($(stat -c %s "$TOP/a.export/$entries") - 3)); do # a frame, text, a body, a signature
    fresh
    flip "$BAD/$entries" "$at"
    bad 1 '^FAIL +V[13]'
    second 1 "$BAD" "$POLICY"
done
fresh
truncate -s -1 "$BAD/$entries"
bad 4 'entries'
fresh
flip "$BAD/$(cd "$BAD" && find tile/0 -type f)" 100
bad 1 '^FAIL +V1 .*tile/0'
second 1 "$BAD" "$POLICY"
fresh
letter "$BAD/checkpoint" 3 5
bad 1 '^FAIL +V3'
fresh
letter "$BAD/checkpoint" 5 60
bad 1 '^FAIL +V[45]'
second 1 "$BAD" "$POLICY"
fresh
letter "$BAD/checkpoints/$(ls "$BAD/checkpoints" | sort -n | sed -n 2p)" 3 5
bad 1 '^FAIL +V3'
fresh
echo 'not a note' >"$BAD/checkpoint"
bad 4 'checkpoint'
fresh
rm "$BAD/checkpoint"
bad 4 'no file checkpoint'
fresh
sealed=$(find "$BAD/blob" -type f -size -12k | head -n 1) # an update of training: smaller than statistics and evaluations
flip "$sealed"
bad 1 '^FAIL +V(15|16)'
rm "$sealed"
bad 1 '^FAIL +V(15|16)'
fresh
best=$(coordinator status --dir "$FED" --json | jq -r .run.best)
[ ! -e "$BAD/blob/${best:0:2}/$best" ] || fail "the second run's model is in the first export"
[ -f "$TOP/c.export/blob/${best:0:2}/$best" ] || fail "the export has no best model"
cp "$TOP/member-1/global.safetensors" "$TOP/other.safetensors"
bad 1 '^FAIL +V11 .*no model that this log released' --model "$TOP/other.safetensors" # released later than this export
flip "$TOP/other.safetensors"
verdict 1 model audit verify "$TOP/c.export" --policy "$POLICY" --model "$TOP/other.safetensors"
verdict 0 model audit verify "$TOP/c.export" --policy "$POLICY" --model "$TOP/member-1/global.safetensors"
mkdir "$TOP/empty"
for dir in "$TOP/empty" "$TOP/nowhere"; do verdict 4 nothing audit verify "$dir" --policy "$POLICY"; done

say "whom to believe: no policy, the export's own, another federation's; another auditor's key"
verdict 3 believe audit verify "$TOP/a.export"
for name in policy.sample acme.policy; do # whatever its name
    fresh
    [ "$name" = policy.sample ] || cp "$POLICY" "$BAD/$name"
    verdict 3 believe audit verify "$BAD" --policy "$BAD/$name"
    expect_line believe 'lies inside the export' 1
    verdict 3 believe audit replay "$BAD" --policy "$BAD/$name" --key "$KEY"
    second 3 "$BAD" "$BAD/$name"
done
verdict 3 believe audit replay "$TOP/a.export" --policy "$POLICY"
audit keygen --dir "$TOP/stranger" >"$LOGS/keygen2.log"
verdict 3 believe audit replay "$TOP/a.export" --policy "$POLICY" --key "$TOP/stranger/auditor.x25519"
verdict 3 believe audit verify "$TOP/a.export" --policy "$POLICY" --key "$TOP/stranger/auditor.x25519"
fed_stop
mv "$FED" "$TOP/fed-1"
for i in 1 2 3 4; do mv "$TOP/member-$i" "$TOP/first-$i"; done
POLICY=$TOP/first-1/witness.policy
fed_init e2e # the same name and host, other keys
fed_serve
fed_enrol 3
verdict 1 believe audit verify "$TOP/a.export" --policy "$TOP/member-1/witness.policy"
verdict 1 believe audit replay "$TOP/a.export" --policy "$TOP/member-1/witness.policy" --key "$KEY"
second 1 "$TOP/a.export" "$TOP/member-1/witness.policy"
verdict 3 believe audit verify "$TOP/a.export" --policy "$POLICY" --head "$TOP/member-1/head.note" # of another log: it says nothing of this one
expect_status 2 believe audit verify "$TOP/a.export" --policy "$TOP/nowhere"
expect_status 2 believe audit verify "$TOP/a.export" --policy "$TOP/member-1/client.yaml"
fed_stop

say "export without space for it: named, and nothing half-written stays"
FED=$TOP/fed-1
mkdir "$TOP/disk"
if mount -t tmpfs -o size=300k tmpfs "$TOP/disk" 2>/dev/null; then
    MOUNTS+=("$TOP/disk")
    expect_status 5 full coordinator export --dir "$FED" --to "$TOP/disk/d.export"
    expect_line full 'entente-coordinator: .*No space left' 1
    [ -z "$(ls -A "$TOP/disk")" ] || fail "left behind: $(ls -A "$TOP/disk")"
else
    say "no file system can be mounted here: left out"
fi
expect_status 6 nodir coordinator export --dir "$FED" --to "$TOP/no/where/d.export"
coordinator export --dir "$FED" --to "$TOP/d.export" --since 5 >"$LOGS/export.log" 2>&1 || fail "export without serve"
verdict 0 since audit verify "$TOP/d.export" --policy "$POLICY" --since 5
verdict 3 since audit replay "$TOP/d.export" --policy "$POLICY" --key "$KEY" --quiet
verdict 0 fork audit fork "$TOP/c.export" "$TOP/d.export" --policy "$POLICY"
