#!/usr/bin/env bash
# Clocks that differ are named; certificates are renewed by themselves before they end, the revocation list daily; a token
# ends after three days. Other times come from a shim of the wall clock.
source "$(dirname "$0")/lib.sh"

SHIM=$TESTBIN/entente-e2e-clock.so
CERT=$TESTBIN/entente-e2e-cert
{ [ -r "$SHIM" ] && [ -x "$CERT" ]; } || fail "$SHIM or $CERT is not built"
at() { # SECONDS-FROM-NOW COMMAND...
    local offset=$1
    shift
    env LD_PRELOAD="$SHIM" ENTENTE_CLOCK_OFFSET_S="$offset" "$@"
}
[ "$(at 86400 date +%s)" -ge $(($(date +%s) + 86399)) ] || fail "the shim does not work here"
HOUR=3600
DAY=86400
export COORDINATOR CLIENT
shifted() { # PROGRAM OFFSET: a program that runs PROGRAM at another time
    printf '#!/bin/sh\nexec env LD_PRELOAD=%s ENTENTE_CLOCK_OFFSET_S=%s %s "$@"\n' "$SHIM" "$2" "$1" >"$TOP/bin/at$2-$(basename "$1")"
    chmod +x "$TOP/bin/at$2-$(basename "$1")"
    echo "$TOP/bin/at$2-$(basename "$1")"
}
expires() { openssl x509 -in "$TOP/$1/keys/tls.pem" -noout -enddate | cut -d= -f2; }
expires_in_days() { echo $((($(date -d "$(expires "$1")" +%s) - $(date +%s)) / DAY)); }

fed_new 3 900 2
fed_serve
fed_enrol 3

say "a clock three hours behind, one an hour ahead: named on both sides; the run finishes"
CLIENT=$(shifted "$BIN/entente-client" -$((3 * HOUR))) member member-1
CLIENT=$(shifted "$BIN/entente-client" $HOUR) member member-2
member member-3
expect_line member-1 'your clock is (3 h|2 h 59 min).* behind' 10
expect_line member-2 'your clock is (1 h|59 min).* ahead' 10
expect_line serve 'member-1: its clock is (3 h|2 h 59 min).* behind ours' 5
expect_line serve 'member-2: its clock is (1 h|59 min).* ahead of ours' 5
expect_no_line member-3 'clock'
fed_start
fed_finish 3

say "certificates: renewed when two thirds of their time are over, unattended"
: >"$LOGS/serve.log"
before=$(expires member-2)
"$CERT" "$FED" "$TOP/member-1" due
[ "$(expires_in_days member-1)" -lt 25 ] || fail "the certificate is not due: $(expires member-1)"
fed_serve
fed_run 3
expect_line serve 'member-1 renewed its certificate' 10
expect_line member-1 'this member.s certificate was renewed' 10
[ "$(expires_in_days member-1)" -ge 89 ] || fail "$(expires member-1)"
expect_no_line serve 'member-[23] renewed'
[ "$(expires member-2)" = "$before" ] || fail "member-2's was renewed too"
client run --dir "$TOP/member-1" --once >"$LOGS/second.log" 2>&1 && fail "a second client in the same directory"
expect_line second 'in use|lock|process' 1
fed_start
expect_exit serve 60
members_exit 3 20

say "killed while it renews: old pair or new pair, never a mixture"
for point in agent.renewing agent.renewed; do
    "$CERT" "$FED" "$TOP/member-1" due
    : >"$LOGS/serve.log"
    fed_serve --verbose
    ENTENTE_KILL=$point CLIENT=$TESTBIN/entente-client member member-1
    expect_exit member-1 20 137
    : >"$LOGS/member-1.log"
    member member-1
    expect_line member-1 'connected to' 20
    wait_for 10 eval '[ "$(expires_in_days member-1)" -ge 89 ]' || fail "not renewed after a kill at $point: $(expires member-1)"
    kill -INT "${PID[member-1]}"
    expect_exit member-1 5
    fed_stop
done

say "65 days on: all members renew, the revocation list is made anew"
COORDINATOR=$(shifted "$BIN/entente-coordinator" $((65 * DAY)))
CLIENT=$(shifted "$BIN/entente-client" $((65 * DAY)))
rm -f "$LOGS"/member-?.log "$LOGS/serve.log"
fed_serve
fed_run 3
for i in 1 2 3; do expect_line serve "member-$i renewed its certificate" 15; done
for i in 1 2 3; do [ "$(expires_in_days "member-$i")" -ge 150 ] || fail "$(expires "member-$i")"; done
openssl crl -in "$FED/crl.pem" -noout -nextupdate >"$LOGS/crl.log"
[ "$(date -d "$(sed 's/.*=//' "$LOGS/crl.log")" +%s)" -gt $(($(date +%s) + 70 * DAY)) ] || fail "$(cat "$LOGS/crl.log")"
fed_start
expect_exit serve 60
members_exit 3 20
same_models 3

say "120 days after enrolment: in with the renewed certificate; a member that was away all the time has to enrol anew"
COORDINATOR=$(shifted "$BIN/entente-coordinator" $((120 * DAY)))
CLIENT=$(shifted "$BIN/entente-client" $((120 * DAY)))
rm -f "$LOGS"/member-?.log "$LOGS/serve.log"
fed_serve --verbose
member member-1
expect_line serve 'member-1 is here' 15
kill -INT "${PID[member-1]}"
expect_exit member-1 5
cp -r "$TOP/member-2" "$TOP/away"
"$CERT" "$FED" "$TOP/away" due # 20 days from now: 100 days ago by these clocks
member away
expect_line away 'not connected: .*certificate expired' 10
expect_line away 'this member.s certificate ended at .*invite this member anew' 1
expect_line serve 'not admitted: .*certificate has expired' 10
kill -INT "${PID[away]}"
expect_exit away 5
fed_stop

say "a token ends after 72 hours: at the member, and at the coordinator whatever the member's clock says"
"$COORDINATOR" invite --dir "$FED" ann >"$TOP/ann" 2>/dev/null # still at 120 days: the log does not go back
expect_status 21 ann1 "$(shifted "$BIN/entente-client" $((120 * DAY + 73 * HOUR)))" enroll --dir "$TOP/anns" --token-file "$TOP/ann"
expect_line ann1 'the token expired at' 1
[ ! -e "$TOP/anns" ] || fail "something is left"
COORDINATOR=$(shifted "$BIN/entente-coordinator" $((120 * DAY + 73 * HOUR)))
rm -f "$LOGS/serve.log"
fed_serve --verbose
expect_status 21 ann2 client enroll --dir "$TOP/anns" --token-file "$TOP/ann"
expect_line ann2 'refused: the token has expired' 1
expect_line serve 'refused \(expired\): the token has expired' 5
[ ! -e "$TOP/anns" ] || fail "something is left"
fed_stop
