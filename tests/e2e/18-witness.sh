#!/usr/bin/env bash
# Members as witnesses: nothing leaves before a quorum has cosigned it; members leave; old copies and second coordinators are
# refused; the log's time does not go back; a directory without a log is none.
source "$(dirname "$0")/lib.sh"

SHIM=$TESTBIN/entente-e2e-clock.so
[ -r "$SHIM" ] || fail "$SHIM is not built"
awaited() { status_json | jq -r '.log.awaited'; }
verified() { # EXPORT [OPTIONS]: of member-1's policy
    local to=$TOP/$1
    shift
    coordinator export --dir "$FED" --to "$to" >"$LOGS/export.log" 2>&1 || fail "export: $(tail -n 2 "$LOGS/export.log")"
    expect_status 0 verify audit verify "$to" --policy "$TOP/member-1/witness.policy" "$@"
    expect_line verify '^VERDICT PASS' 1
}

say "two of the three witnesses that are needed: a round's opening waits for the others by name"
fed_new 4 1200 2
yaml_set "$PLAN" join 10s
fed_serve --dir "$FED"
fed_enrol 4
status_json | jq -e '.log.quorum == 3 and (.log.witnesses | length) == 4' >/dev/null || fail "$(status_json | jq .log)"
# stuck N: a run in which member-3 and member-4 are killed at their Nth note, before they cosign it
stuck() {
    rm -f "$LOGS"/member-?.log
    for i in 1 2; do member "member-$i"; done
    for i in 3 4; do ENTENTE_KILL=mirror.noted:$1 CLIENT=$TESTBIN/entente-client member "member-$i"; done
    for i in 1 2 3 4; do expect_line "member-$i" '^connected to' 10; done
    fed_start
    for i in 3 4; do expect_exit "member-$i" 30 137; done
    wait_for 10 waits || fail "nobody is awaited: $(awaited)"
    [[ "$(awaited)" == *member-3* && "$(awaited)" == *member-4* && "$(awaited)" != *member-[12]* ]] || fail "awaited: $(awaited)"
    coordinator status --dir "$FED" >"$LOGS/status.log"
    expect_line status 'waiting for witnesses: member-[34] \(last seen 20.*, member-[34] \(last seen 20' 1
    status_json | jq -e '[.log.witnesses[] | select(.connected and .cosigned) | .name] | sort == ["member-1", "member-2"]' >/dev/null ||
        fail "JSON of status: $(status_json | jq -c .log)"
    sleep 2 # a member writes the models that it has into files when there is time
    waits || fail "it went on without a quorum"
}
waits() { [[ "$(awaited)" == *member-[34]*"(last seen 20"* ]]; }
stuck 4 # the note that closes a round of training and opens the next
expect_line serve 'waiting for witnesses: member-[34] .*member-[34] .*\(2 of 3 that are needed\)' 10
expect_line member-1 'round 2 .* closed with' 1
expect_no_line member-1 'round 3 .* closed with'
newest=$(find "$FED/models" -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)
[ -s "$newest" ] || fail "the coordinator has no model in $FED/models"
for held in "$TOP"/member-[12]/models/*; do
    [ -s "$held" ] || fail "members 1 and 2 hold no model at all, not even the one they trained from"
    ! cmp -s "$newest" "$held" || fail "a model left without a quorum: $held"
done
for i in 1 2 3 4; do [ ! -e "$TOP/member-$i/global.safetensors" ] || fail "member-$i has the run's model"; done
member member-3
expect_line serve 'run 1 is complete' 60
for i in 1 2 3; do expect_exit "member-$i" 20; done
member member-4
expect_line member-4 'run 1 is complete' 20
expect_exit member-4 20
same_models 4

say "the end of a run waits too: nobody has its model before, also when the coordinator is started again"
cp "$TOP/member-1/global.safetensors" "$TOP/run1.safetensors"
yaml_set "$PLAN" seed 2
: >"$LOGS/serve.log"
stuck 8
expect_line member-1 'round 5 .* closed' 1
expect_line serve 'waiting for witnesses: member-[34] .*member-[34] .*\(2 of 3 that are needed\)' 5
kill9 serve
fed_serve --dir "$FED"
wait_for 10 waits || fail "nobody is awaited after the start: $(awaited)"
sleep 1
expect_no_line serve 'run 2 is complete'
for i in 1 2 3 4; do cmp "$TOP/member-$i/global.safetensors" "$TOP/run1.safetensors" || fail "member-$i has the second run's model"; done
member member-4
expect_line serve 'run 2 is complete' 20
for i in 1 2 4; do expect_exit "member-$i" 20; done
member member-3
expect_exit member-3 20
same_models 4
! cmp -s "$TOP/member-1/global.safetensors" "$TOP/run1.safetensors" || fail "the second run has the first one's model"

say "a member leaves in mid-run: the others go on, the quorum follows, the log verifies"
yaml_set "$PLAN" rounds 60
rm -f "$LOGS"/member-?.log
fed_run 4
for i in 1 2 3 4; do expect_line "member-$i" '^connected to' 10; done
fed_start
expect_line member-4 'round 9 .* closed' 30
expect_status 8 leave client leave --dir "$TOP/member-4" --yes # it runs
kill -INT "${PID[member-4]}"
expect_exit member-4 10
expect_status 0 leave client leave --dir "$TOP/member-4" --yes
expect_line leave '^left: the log holds it' 1
cp "$TOP/member-4/head.note" "$TOP/last.note"
for i in 1 2 3; do expect_exit "member-$i" 60; done
expect_line serve 'run 3 is complete' 1
expect_line serve 'member-4 has left the federation' 1
expect_line serve 'closed with 3 members' 1
status_json | jq -e '.log.quorum == 3 and ([.log.witnesses[].name] | sort == ["member-1", "member-2", "member-3"])' >/dev/null ||
    fail "$(status_json | jq -c .log)"
[ "$(status_json | jq -r '.members[] | select(.name == "member-4").state')" = revoked ] || fail "$(status_json | jq -c .members)"
expect_status 19 gone client run --dir "$TOP/member-4" --once
expect_status 19 gone client leave --dir "$TOP/member-4" --yes
verified left.export --head "$TOP/last.note" --head "$TOP/member-1/head.note" --head "$TOP/member-2/head.note"
python3 "$TOP/left.export/verify.py" "$TOP/left.export" "$TOP/member-1/witness.policy" --head "$TOP/last.note" >"$LOGS/second.log" ||
    fail "the second reader: $(tail -n 1 "$LOGS/second.log")"

say "an old copy of the directory: serve ends with 9 and says what to do; the newer one goes on"
fed_stop
cp -a "$FED" "$TOP/old"
fed_serve --dir "$FED"
rm -f "$LOGS"/member-?.log
fed_run 3
for i in 1 2 3; do expect_line "member-$i" '^connected to' 10; done
fed_start
expect_line serve 'run 4 is complete' 60
for i in 1 2 3; do expect_exit "member-$i" 20; done
fed_stop
mv "$FED" "$TOP/new"
cp -a "$TOP/old" "$FED"
rm -f "$LOGS/serve.log"
fed_serve --dir "$FED"
member member-2
expect_exit serve 20 9
expect_line serve 'entente-coordinator: .*member-2: .*This directory is an old copy, or another coordinator runs with its keys; .*recover' 1
kill -INT "${PID[member-2]}"
expect_exit member-2 10
rm -rf "$FED"
mv "$TOP/new" "$FED"
fed_serve --dir "$FED"
: >"$LOGS/member-2.log"
member member-2
expect_line member-2 '^connected to' 20
kill -INT "${PID[member-2]}"
expect_exit member-2 10
fed_stop

say "the log's time: a clock that was set back a little holds it; more than five minutes are named"
clock() { # SECONDS: a coordinator with another clock
    printf '#!/bin/sh\nexec env LD_PRELOAD=%s ENTENTE_CLOCK_OFFSET_S=%s %s "$@"\n' "$SHIM" "$1" "$BIN/entente-coordinator" >"$TOP/bin/clock"
    chmod +x "$TOP/bin/clock"
}
clock 200
"$TOP/bin/clock" invite --dir "$FED" ann >/dev/null 2>&1 || fail "invite"
newest=$(sqlite3 "file:$FED/federation.db?mode=ro" 'SELECT time_ms FROM head')
[ "$newest" -gt $(($(date +%s) * 1000 + 150000)) ] || fail "the shim does not work here"
coordinator invite --dir "$FED" bob >/dev/null 2>"$LOGS/bob.log" || fail "a clock that is a little behind: $(cat "$LOGS/bob.log")"
[ "$(sqlite3 "file:$FED/federation.db?mode=ro" 'SELECT time_ms FROM head')" = "$newest" ] || fail "the log's time was not held"
clock -400
for verb in 'invite --dir '"$FED"' eve' 'serve --dir '"$FED"; do
    # shellcheck disable=SC2086
    expect_status 22 clock "$TOP/bin/clock" $verb
    expect_line clock "entente-coordinator: .*this machine's clock is (10 min|9 min 5[0-9] s).* behind the newest entry of the audit log .*set the clock" 1
done
rm -f "$LOGS"/member-?.log
fed_serve --dir "$FED" # its clock is a little behind the log's time
for i in 1 2 3; do bg "member-$i" "$BIN/entente-client" run --dir "$TOP/member-$i"; done
covered() { status_json | jq -e '.log.cosigned == .log.size' >/dev/null; }
wait_for 10 covered || fail "not covered: $(status_json | jq -c .log)"
for i in 1 2 3; do kill -INT "${PID[member-$i]}"; done
for i in 1 2 3; do expect_exit "member-$i" 10; done
fed_stop
verified time.export --head "$TOP/member-1/head.note" --head "$TOP/member-2/head.note" --head "$TOP/member-3/head.note"

say "two coordinators with one key, members split between them: neither has a quorum, and their heads prove it"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
for copy in A B; do
    cp -a "$FED" "$TOP/$copy"
    for key in listen enroll_listen; do yaml_set "$TOP/$copy/federation.yaml" $key "127.0.0.1:$(free_port)"; done
    coordinator invite --dir "$TOP/$copy" "eve-$copy" >/dev/null 2>"$LOGS/invite.log" || fail "invite in $copy" # here they part
    bg "serve$copy" "$BIN/entente-coordinator" serve --dir "$TOP/$copy"
    expect_line "serve$copy" 'members on' 20
done
at() { sed -n 's/.*members on 127.0.0.1\(:[0-9]*\),.*/localhost\1/p' "$LOGS/serve$1.log" | tail -n 1; }
dial() { yaml_set "$TOP/member-$1/client.yaml" coordinator "$(at "$2")"; }
rm -f "$LOGS"/member-?.log
dial 1 A
dial 2 B
for i in 1 2; do member "member-$i"; done
for i in 1 2; do expect_line "member-$i" '^connected to' 10; done
for copy in A B; do
    coordinator start --dir "$TOP/$copy" "$PLAN" >"$LOGS/start.log" 2>&1 || fail "start $copy"
done
size() { sed -n 2p "$TOP/member-$1/head.note"; }
wait_for 10 eval '[ "$(size 1)" = "$(size 2)" ]' || fail "heads of $(size 1) and $(size 2)"
expect_status 1 fork audit fork "$TOP/member-1/head.note" "$TOP/member-2/head.note" --policy "$TOP/member-3/witness.policy"
expect_line fork '^VERDICT FAIL' 1
dial 3 B # it saw what both have in common
member member-3
expect_line member-3 '^connected to' 10
kill -INT "${PID[member-1]}"
expect_exit member-1 10
dial 1 B
member member-1
expect_exit serveB 20 9
expect_line serveB 'member-1: .*another coordinator runs with its keys' 1
[ "$(status_json | jq -r .log.size)" -le "$(size 1)" ] || fail "the first directory was written to"
expect_no_line serveA 'round 1 .* closed'
expect_no_line serveB 'round 1 .* closed'
for i in 1 2 3; do kill -INT "${PID[member-$i]}"; done
for i in 1 2 3; do expect_exit "member-$i" 10; done
coordinator stop --dir "$TOP/A" >"$LOGS/stop.log" 2>&1 || fail "stop"
kill -INT "${PID[serveA]}"
expect_exit serveA 10

say "a directory without a log is refused"
FED=$TOP/A
sqlite3 "$FED/federation.db" 'DROP TRIGGER leaf_delete; DROP TRIGGER node_delete; DELETE FROM cosig; DELETE FROM ckpt;
    DELETE FROM leaf; DELETE FROM node; DELETE FROM head;'
expect_status 36 nolog coordinator serve --dir "$FED"
expect_line nolog 'was made before federations had an audit log.*entente-coordinator init, and invite the members again' 1
