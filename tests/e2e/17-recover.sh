#!/usr/bin/env bash
# A directory that is put back from an old copy: serve refuses, recover gets the lost leaves from the members, and the run
# ends in the bytes of one that nothing happened to.
source "$(dirname "$0")/lib.sh"

fed_new 3 600 6
yaml_set "$PLAN" update 60s
fed_serve
fed_enrol 3
fed_stop
fed_twin 3
coordinator start --dir "$FED" "$PLAN" >"$LOGS/start.log"
fed_run 3

crash_at() { # POINT:N
    ENTENTE_KILL=$1 bg serve "$TESTBIN/entente-coordinator" serve --dir "$FED" --once
    expect_exit serve 60 137
}
put_back() { # COPY
    rm -rf "$FED"
    cp -a "$1" "$FED"
}
refuses() {
    bg serve "$BIN/entente-coordinator" serve --dir "$FED" --once
    expect_exit serve 30 9
    expect_line serve 'This directory is an old copy.*entente-coordinator recover' 1
}
leaves() { coordinator status --dir "$FED" --json | jq -r .log.size; }
recover() { # STATUS NAME [OPTIONS]
    expect_status "$1" "$2" "$BIN/entente-coordinator" recover --dir "$FED" --wait 30 "${@:3}"
}

say "copies of the first rounds, of one in the middle, and the end of all: in a round, its updates accepted"
cp -a "$FED" "$TOP/copy-0" # the run is stored and has not started
crash_at engine.open-committed:3
cp -a "$FED" "$TOP/copy-1"
crash_at engine.close-before-commit:3
cp -a "$FED" "$TOP/copy-2"
crash_at engine.close-before-commit:3
cp -a "$FED" "$TOP/newest"
size=$(leaves)

say "serve refuses an old copy; recover brings it up to what the members saw"
put_back "$TOP/copy-1"
[ "$(leaves)" -lt "$size" ] || fail "the copy is not older"
refuses
recover 0 recover-1
expect_line recover-1 'this directory was served as it was: 1 leaf of its own that no member saw' 1
expect_line recover-1 'recovered: leaves [0-9]+ to [0-9]+, from member-.; a quorum of the witnesses cosigned them' 1
expect_line recover-1 'run 1 goes on in round' 1
seen=$(sed -n 's/.*leaves [0-9]* to \([0-9]*\),.*/\1/p' "$LOGS/recover-1.log")
[ "$(leaves)" -eq $((seen + 2)) ] || fail "$(leaves) leaves, not the $((seen + 1)) that were seen and one more"

say "a second time there is nothing to recover"
recover 0 recover-2
expect_line recover-2 'nothing to recover' 1

say "the same from a copy in which the run had not started, and from one in the middle of another round"
for copy in copy-0 copy-2; do
    put_back "$TOP/$copy"
    recover 0 "recover-$copy"
    expect_line "recover-$copy" "recovered: leaves [0-9]+ to $seen," 1
done

say "another history: something that no member saw depends on a leaf of the copy"
put_back "$TOP/copy-1"
public() { openssl genpkey -algorithm "$1" | openssl pkey -pubout -outform DER | tail -c 32 | od -An -v -tx1 | tr -d ' \n'; }
printf 'x25519 %s\ned25519 %s\nname dpo\n' "$(public x25519)" "$(public ed25519)" >"$TOP/auditor.pub"
coordinator admit-auditor --dir "$FED" "$TOP/auditor.pub" >"$LOGS/auditor.log" 2>&1 || fail "admit-auditor"
size=$(leaves)
recover 9 recover-other
expect_line recover-other 'this directory went on by itself: its leaf [0-9]+ .auditor.admit. is one that' 1
[ "$(leaves)" -eq "$size" ] || fail "something was changed"

say "the run goes on from the oldest copy, and ends in the same bytes"
put_back "$TOP/copy-0"
recover 0 recover-last
fed_serve
fed_finish 3 90
same_as_twin
expect_no_line serve 'attempt 2' # what was joined and computed before is taken up, not asked for anew
[ "$(leaves)" -gt "$seen" ] || fail "leaves were lost"

# INCOMPLETE: a member keeps the newest note alone, so those between the copy and it have no quorum to show any more.
say "what was recovered is one history: an audit finds nothing wrong, and the heads that members kept in it"
coordinator export --dir "$FED" --to "$TOP/export" >"$LOGS/export.log" 2>&1 || fail "export"
for i in 1 2 3; do
    expect_status 3 "verify-$i" audit verify "$TOP/export" --policy "$TOP/member-$i/witness.policy" --head "$TOP/member-$i/head.note"
    expect_line "verify-$i" 'VERDICT INCOMPLETE .*: 0 violations' 1
done

say "nobody is there"
expect_status 11 recover-nobody "$BIN/entente-coordinator" recover --dir "$FED" --wait 1
expect_line recover-nobody 'no member came in 1 s' 1
