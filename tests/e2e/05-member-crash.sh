#!/usr/bin/env bash
# A member that is killed goes on after its restart, wherever it was: the model is that of an undisturbed run. One that
# is gone for good costs at most the deadline and is named.
source "$(dirname "$0")/lib.sh"

export ENTENTE_KILL
crash_at() { # POINT[:N]: member-2 in the test link, until it is dead
    ENTENTE_KILL=$1
    CLIENT=$TESTBIN/entente-client member member-2
    ENTENTE_KILL=
    expect_exit member-2 30 137
    alive serve || fail "the run ended before $1"
}

say "killed at each step of its work; its update travels in frames of its own (100 kB)"
fed_data 3 600 8
sed -i -e 's/dense: 16/dense: 512/' -e 's/dense: 8/dense: 32/' "$PLAN"
yaml_set "$PLAN" update 60s
fed_init
fed_serve
fed_enrol 3
fed_stop
fed_twin 3
fed_serve
member member-1
member member-3
fed_start
for point in agent.join agent.join:2 agent.fetched agent.computing agent.computed state.update.file state.update.row agent.stored \
    agent.offered agent.uploading agent.uploading:2 state.update.deleted; do
    crash_at "$point"
done
member member-2
fed_finish 3 90
same_as_twin
expect_no_line serve 'without'
[ "$(count_lines serve 'member-2 is gone')" -ge 12 ] || fail "kills are not said"

say "killed in mid-upload, with part of 16 MB at the coordinator"
rm -rf "$FED" "$TOP"/member-?
yaml_set "$PLAN" rounds 1
sed -i -e 's/dense: 512/dense: 8192/' -e 's/dense: 32/dense: 480/' "$PLAN"
fed_init
yaml_set "$FED/federation.yaml" memory 64KiB # uploads go to files as they arrive
: >"$LOGS/serve.log"
fed_serve
fed_enrol 3
fed_run 3
python3 - "$FED/updates" "${PID[member-2]}" <<'PY' &
import os, signal, sys, time
handle, pid, end = None, int(sys.argv[2]), time.monotonic() + 60
while time.monotonic() < end:
    for entry in os.scandir(sys.argv[1]):
        try:
            if entry.name.endswith(".part") and entry.stat().st_size > 1 << 20:
                os.kill(pid, signal.SIGKILL)
                print("killed in mid-upload", flush=True)
                sys.exit(0)
        except FileNotFoundError:
            pass
PY
watcher=$!
fed_start
wait "$watcher" || fail "no upload was seen"
reap member-2 # waits: a process that was killed may take a moment to be gone
member member-2
fed_finish 3 90
expect_no_line serve 'without'
[ "$(find "$FED/updates" -type f | wc -l)" -eq 0 ] || fail "files of updates are left: $(ls "$FED/updates")"

say "gone for good: the round closes at its deadline without it, and it is named"
rm -rf "$FED" "$TOP"/member-?
fed_data 4 600 2
yaml_set "$PLAN" update 3s
fed_init
: >"$LOGS/serve.log"
fed_serve
fed_enrol 4
for i in 1 2 3; do member "member-$i"; done
ENTENTE_KILL=agent.computing:2 CLIENT=$TESTBIN/entente-client member member-4
for i in 1 2 3 4; do expect_line serve "member-$i is here" 10; done
fed_start
expect_exit member-4 30 137
began=$(now_ms)
expect_line serve 'round 2 goes on without member-4: the connection was lost' 20
expect_line serve 'round 2 of [0-9]+ \(train\) closed with 3 members.*without member-4' 5
took=$(($(now_ms) - began))
[ "$took" -lt 8000 ] || fail "the round waited $took ms for a member that was gone"
expect_exit serve 60
members_exit 3 20
expect_line serve 'run 1 is complete' 1
same_models 3

say "it comes back after the run's end: it gets the model"
fed_serve --dir "$FED"
bg late "$BIN/entente-client" run --dir "$TOP/member-4" --once
expect_exit late 20
cmp "$TOP/member-4/global.safetensors" "$(best_model)"
