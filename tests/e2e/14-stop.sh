#!/usr/bin/env bash
# stop ends a run after its round; Ctrl-C ends serve and run cleanly, and both go on later; what is started first does not
# matter.
source "$(dirname "$0")/lib.sh"

fed_new 3 900 300
yaml_set "$PLAN" update 60s
fed_serve
fed_enrol 3
fed_stop
fed_twin 3

say "Ctrl-C at the coordinator in mid-run: status 0, said on both sides; the run goes on with the next serve"
fed_run 3
fed_serve
fed_start
expect_line serve 'round 6 of' 20
kill -INT "${PID[serve]}"
expect_exit serve 10
expect_line serve '^stopping' 1
[ ! -e "$FED/control.sock" ] || fail "control.sock is still there"
status_json | jq -e '.federation.serving == false and .run.state == "active"' >/dev/null || fail "$(status_json)"
for i in 1 2 3; do alive "member-$i" || fail "member-$i has ended"; done
expect_line member-1 'not connected: ' 5
fed_serve
expect_line serve 'run 1 goes on in round' 5

say "Ctrl-C and SIGTERM at members in mid-run: status 0; they go on after their restart"
expect_line serve 'round 14 of' 20
kill -INT "${PID[member-1]}"
kill -TERM "${PID[member-2]}"
expect_exit member-1 10
expect_exit member-2 10
expect_line member-1 '^stopped: [0-9]+ updates accepted' 1
expect_line serve 'member-1 is gone' 5
member member-1
member member-2
fed_finish 3
same_as_twin

say "SIGTERM at an idle coordinator; a second signal is not needed; status offline"
: >"$LOGS/serve.log"
fed_serve --dir "$FED"
kill -TERM "${PID[serve]}"
expect_exit serve 10
coordinator status --dir "$FED" >"$LOGS/status.log"
expect_line status 'not serving' 1
expect_line status 'run 1: complete' 1

say "stop: after the round, said to all; a run that waits for serve is stopped at once"
: >"$LOGS/serve.log"
yaml_set "$PLAN" rounds 400
fed_serve
fed_run 3
for i in 1 2 3; do expect_line serve "member-$i is here" 10; done
fed_start
expect_line serve 'round 5 of' 20
expect_status 0 stop coordinator stop --dir "$FED"
expect_line stop 'run 2 (ends after its round|is stopped)' 1
expect_exit serve 20
members_exit 3 20
expect_line serve 'run 2 was stopped' 1
expect_line member-1 'run 2 was stopped' 1
same_models 3
expect_status 0 start2 coordinator start --dir "$FED" "$PLAN"
expect_line start2 'run 3, .*starts when serve runs' 1
expect_status 0 stop2 coordinator stop --dir "$FED"
expect_line stop2 'run 3 is stopped' 1

say "a new run from the best model of an earlier one; members that were there all the time do two runs"
best=$(jq -r '.run.best' <<<"$(status_json)")
[ "$best" != null ] && [ -n "$best" ] || best=$(basename "$(find "$FED/models" -name '*.safetensors' | head -n 1)" .safetensors)
yaml_set "$PLAN" rounds 2
: >"$LOGS/serve.log"
fed_serve --dir "$FED"
for i in 1 2 3; do bg "member-$i" "$BIN/entente-client" run --dir "$TOP/member-$i"; done
for i in 1 2 3; do expect_line serve "member-$i is here" 10; done
coordinator start --dir "$FED" --base "$TOP/member-1/global.safetensors" "$PLAN" >"$LOGS/start.log"
expect_line serve 'run 4 is complete' 30
fed_start
expect_line serve 'run 5 is complete' 30
for i in 1 2 3; do
    expect_line "member-$i" 'run 5 is complete' 10
    kill -INT "${PID[member-$i]}"
    expect_exit "member-$i" 10
done
fed_stop
same_models 3
