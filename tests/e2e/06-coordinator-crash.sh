#!/usr/bin/env bash
# The coordinator is killed with -9 at every step of its work and started again: the members come back, the run goes on by
# itself, and its model is that of an undisturbed run, byte for byte.
source "$(dirname "$0")/lib.sh"

export ENTENTE_KILL=
inside='engine.open-committed engine.accept-committed:2 store-before-commit:3 engine.close-before-commit engine.close-committed'
frames='engine.open-committed:2 engine.update-stored engine.update-stored:3 engine.accept-committed engine.accept-committed:3
    store-after-commit:2 store-model-before-rename engine.close-before-commit:2 engine.close-committed engine.release-committed'

# The coordinator in the test link, from a start to its death there.
crash_at() { # POINT[:N]
    ENTENTE_KILL=$1
    bg serve "$TESTBIN/entente-coordinator" serve --dir "$FED" --once
    ENTENTE_KILL=
    expect_exit serve 40 137
}

crash_everywhere() { # DENSE POINTS: the first layer's units
    local point crashes=0
    rm -rf "$FED" "$TOP"/member-? "$LOGS"/*
    fed_data 3 600 7
    sed -i -e "s/dense: 16/dense: $1/" "$PLAN"
    yaml_set "$PLAN" update 60s
    yaml_set "$PLAN" join 30s
    fed_init
    fed_serve
    fed_enrol 3
    fed_stop
    fed_twin 3
    coordinator start --dir "$FED" "$PLAN" >"$LOGS/start.log"
    fed_run 3
    for point in $2; do
        say "$point"
        crash_at "$point"
        crashes=$((crashes + 1))
    done
    fed_serve
    fed_finish 3 90
    same_as_twin
    expect_no_line serve 'without'
    [ "$(count_lines serve 'run 1 goes on in round')" -ge $((crashes - 2)) ] || fail "it does not say that it goes on"
    expect_line member-1 'not connected: .*(closed|refused|reset)' 1
    [ "$(find "$FED/updates" -type f | wc -l)" -eq 0 ] || fail "files of updates are left: $(ls "$FED/updates")"
    rm -rf "$LOGS/twin" "$TOP/twin.safetensors"
}

say "updates inside their message"
crash_everywhere 16 "$inside"
say "updates in frames of their own, which are files until the round closes"
crash_everywhere 900 "$frames"

say "the ordinary program, killed at any time"
rm -rf "$FED" "$TOP"/member-? "$LOGS"/*
fed_data 3 600 400
yaml_set "$PLAN" update 60s
yaml_set "$PLAN" join 30s
fed_init
fed_serve
fed_enrol 3
fed_stop
fed_twin 3
coordinator start --dir "$FED" "$PLAN" >"$LOGS/start.log"
fed_run 3
for i in 1 2 3 4; do
    : >"$LOGS/serve.log"
    fed_serve --verbose
    wait_for 20 eval "[ \"\$(count_lines serve 'member-. is here')\" -ge 3 ]" || fail "the members do not come back"
    sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
    kill9 serve
    cp "$LOGS/serve.log" "$LOGS/serve-$i.log"
done
: >"$LOGS/serve.log"
fed_serve --verbose # not --once: the run may be over, with members that have not got the model yet
members_exit 3 60
fed_stop
[ "$(status_json | jq -r .run.state)" = complete ] || fail "$(status_json)"
same_models 3
same_as_twin
