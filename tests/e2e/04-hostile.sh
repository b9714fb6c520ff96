#!/usr/bin/env bash
# Peers that send nothing, rubbish, too much or hang up, while a run is going on: the run is not disturbed, the port
# goes on serving, and what was wrong is said.
source "$(dirname "$0")/lib.sh"

peer() { timeout -k 1 30 python3 "$HERE/peer.py" "$@"; }
hostile() { # NAME WHAT...: in the background
    local name=$1 what=$2
    shift 2
    bg "$name" timeout -k 1 30 python3 "$HERE/peer.py" "$what" 127.0.0.1 "$(port)" "$@"
}
PING='01 01 0000 00000000 0000000000000001'
HUGE='01 10 0000 7fffffff 0000000000000001'
DATA='01 03 0000 00100000 0000000000000007'

fed_new 3 1600 400
yaml_set "$FED/federation.yaml" handshake 1s
yaml_set "$FED/federation.yaml" idle 3s
fed_serve
fed_enrol 3
as_member=("$TOP/member-1/keys/tls.pem" "$TOP/member-1/ca.pem")

say "all at once, with a run"
fed_run 3
fed_start
expect_line serve 'round 3 of' 20
hostile resets resets 1000
hostile garbage garbage 10
hostile mute frame "${as_member[@]}" 10 ''
hostile pinged frame "${as_member[@]}" 10 "$PING"
hostile slow slow "${as_member[@]}" 10 "$PING"
hostile nohello frame "${as_member[@]}" 10 "$HUGE"
hostile oversized frame "${as_member[@]}" 10 "$PING $HUGE"
hostile ungranted frame "${as_member[@]}" 10 "$PING $DATA"
hostile version frame "${as_member[@]}" 10 "$PING 09 10 0000 00000004 0000000000000001"
expect_exit serve 60
members_exit 3 20
for name in resets garbage mute pinged slow nohello oversized ungranted version; do
    wait_for 20 gone "$name" || fail "$name goes on"
    reap "$name"
done
expect_line serve 'run 1 is complete' 1
expect_no_line serve 'without'
same_models 3

say "the same, one after the other, with nobody but them: how long each was kept, and what is said"
fed_serve --verbose # the lines are counted: beyond thirty a minute only with it
hostile silent1 silent 40 15
wait_for 5 has_line "$LOGS/silent1.log" 'opened 40'
member member-1 # more than 32 half-open connections are not taken: it comes in when they are closed
expect_exit silent1 20
expect_line silent1 'closed 40 of 40' 1
expect_line serve 'not admitted: 127.*: no TLS handshake within 1 s' 5
took=$(sed -n 's/.*the last after \([0-9]*\) ms/\1/p' "$LOGS/silent1.log")
{ [ "$took" -ge 700 ] && [ "$took" -le 6000 ]; } || fail "silent connections were kept $took ms"
expect_line serve 'member-1 is here' 10
kill -INT "${PID[member-1]}"
expect_exit member-1 5
peer resets 127.0.0.1 "$(port)" 1000 >"$LOGS/resets1.log"
expect_line resets1 'reset 1000, not connected 0' 1
peer garbage 127.0.0.1 "$(port)" 10 >"$LOGS/garbage1.log"
expect_line garbage1 'closed 3 of 3' 1
[ "$(count_lines serve 'not admitted: 127.*: (wrong version number|http request|packet length too long)')" -ge 3 ] || fail "garbage is not said"
for bytes in '' "$PING"; do
    peer frame 127.0.0.1 "$(port)" "${as_member[@]}" 10 "$bytes" >"$LOGS/mute1.log"
    expect_line mute1 '^closed .*after ([7-9][0-9]{2}|[1-3][0-9]{3}) ms' 1
done
expect_line serve 'not admitted: 127.*: no agreement with the other end within 1 s' 5
peer slow 127.0.0.1 "$(port)" "${as_member[@]}" 10 "$PING" >"$LOGS/slow1.log"
expect_line slow1 '^closed .*after ([7-9][0-9]{2}|[1-4][0-9]{3}) ms' 1
peer frame 127.0.0.1 "$(port)" "${as_member[@]}" 10 "$HUGE" >"$LOGS/huge1.log"
expect_line huge1 '^closed .*after [0-9]{1,3} ms' 1
expect_line serve 'not admitted: 127.*: a connection must begin with PING' 5
peer frame 127.0.0.1 "$(port)" "${as_member[@]}" 10 "$PING $HUGE" >"$LOGS/huge2.log"
expect_line huge2 '^closed .*after [0-9]{1,3} ms' 1
expect_line serve 'not admitted: 127.*: a control frame of 2147483647 bytes announced, at most 65536' 5
peer frame 127.0.0.1 "$(port)" "${as_member[@]}" 10 "$PING $DATA" >"$LOGS/data1.log"
expect_line data1 '^closed .*after [0-9]{1,3} ms' 1
rss=$(awk '/^VmHWM:/ { print $2 }' "/proc/${PID[serve]}/status")
[ "$rss" -lt 120000 ] || fail "the coordinator took $rss kB"
status_json | jq -e '[.refusals[] | .cause] | contains(["net", "timeout", "tls", "protocol"])' >/dev/null || fail "$(status_json)"
[ "$(ls "/proc/${PID[serve]}/fd" | wc -l)" -lt 40 ] || fail "connections are still open"
kill -INT "${PID[serve]}"
expect_exit serve 10

say "a member that stops answering in mid-run: left out at the deadline, named, and back afterwards"
yaml_set "$PLAN" rounds 300
yaml_set "$PLAN" update 4s
yaml_set "$PLAN" min_members 2
yaml_set "$FED/federation.yaml" min_members 2
for i in 1 2 3; do yaml_set "$TOP/member-$i/client.yaml" min_members 2; done
: >"$LOGS/serve.log"
fed_serve
fed_run 3
for i in 1 2 3; do expect_line serve "member-$i is here" 10; done
fed_start
expect_line serve 'round 6 of' 20
kill -STOP "${PID[member-3]}"
expect_line serve 'closed with 2 members.*without member-3' 15
expect_line serve 'member-3 is gone: .*(silent|idle|nothing)' 15
kill -CONT "${PID[member-3]}"
expect_line serve 'member-3 is here' 20
expect_exit serve 60
members_exit 3 20
expect_line serve 'run 2 is complete' 1
same_models 3
