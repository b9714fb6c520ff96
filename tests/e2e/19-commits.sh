#!/usr/bin/env bash
# Commits of a round in a real run: counted as what the coordinator makes durable of its database's log (every commit is one).
source "$(dirname "$0")/lib.sh"

strace -f -o "$TOP/trace" -e trace=fdatasync true 2>/dev/null || skip "no process can be traced here (strace)"
fed_new 4 600 5
fed_serve
fed_enrol 4
fed_stop
# syncs ROUNDS: sets SYNCS, of a run of so many training rounds; also those of its start and end
syncs() {
    yaml_set "$PLAN" rounds "$1"
    rm -f "$LOGS"/serve.log "$LOGS"/member-?.log
    coordinator start --dir "$FED" "$PLAN" >"$LOGS/start.log" 2>&1 || fail "start"
    fed_run 4
    bg serve strace -f -qq -y -e trace=fdatasync,fsync -o "$TOP/trace" "$BIN/entente-coordinator" serve --dir "$FED" --once
    expect_exit serve 60
    members_exit 4 20
    [ "$(count_lines serve 'closed with 4 members')" -eq $((2 * $1 + 2)) ] || fail "not all rounds closed with all members"
    SYNCS=$(grep -c 'federation.db-wal>' "$TOP/trace")
}
syncs 5
few=$SYNCS
syncs 35
many=$SYNCS
say "$few commits with 12 rounds, $many with 72"
[ $((many - few)) -le $((4 * 60)) ] || fail "more than four commits a round: $((many - few)) in 60 rounds"
[ $((many - few)) -ge 60 ] || fail "fewer commits than rounds: not all are counted"
