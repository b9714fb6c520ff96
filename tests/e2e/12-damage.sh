#!/usr/bin/env bash
# Files that are cut, changed or gone between two starts: one line that says which and what to do, or they are made anew
# and the run ends in the same bytes.
source "$(dirname "$0")/lib.sh"

fed_data 3 600 6
sed -i -e 's/dense: 16/dense: 700/' -e 's/dense: 8/dense: 24/' "$PLAN" # updates are files until their round closes
yaml_set "$PLAN" update 60s
fed_init
fed_serve
fed_enrol 3
fed_stop
cp -a "$TOP/member-3" "$TOP/old"
fed_twin 3
coordinator start --dir "$FED" "$PLAN" >"$LOGS/start.log"
fed_run 3

crash_at() { # POINT[:N]
    ENTENTE_KILL=$1 bg serve "$TESTBIN/entente-coordinator" serve --dir "$FED" --once
    expect_exit serve 40 137
}
flip() { # FILE: one byte in its second half
    local at
    at=$(($(stat -c %s "$1") * 3 / 4))
    printf "\\x$(printf %02x $((0x$(od -An -tx1 -j $at -N 1 "$1" | tr -d ' ') ^ 0x55)))" |
        dd of="$1" bs=1 seek=$at conv=notrunc 2>/dev/null
}

say "accepted updates that are damaged or gone: asked for again under the same digest"
crash_at engine.close-before-commit:2
[ "$(find "$FED/updates" -type f | wc -l)" -eq 3 ] || fail "no three updates: $(ls "$FED/updates")"
# shellcheck disable=SC2012
flip "$FED/updates/$(ls "$FED/updates" | head -n 1)"
rm "$FED/updates/$(ls "$FED/updates" | tail -n 1)"
crash_at engine.close-committed
[ "$(count_lines serve 'stored update of member-. is (damaged|gone).*asked for again')" -ge 2 ] ||
    [ "$(count_lines serve 'asked for again')" -ge 2 ] || fail "nothing is said of two updates"

say "a member's stored update and models"
kill9 member-2
for file in "$TOP"/member-2/models/* "$TOP"/member-2/updates/*; do [ -f "$file" ] && flip "$file"; done
member member-2

say "the coordinator's model of the round: the run is held, the file is named; put back, it goes on"
crash_at engine.open-committed:3
mkdir "$TOP/aside"
cp "$FED"/models/* "$TOP/aside"
for file in "$FED"/models/*; do flip "$file"; done
fed_serve
expect_line serve 'run 1 is held: its model file .*models/[0-9a-f]{64}.safetensors is missing or damaged; copy it' 10
cp "$TOP/aside"/* "$FED/models"
expect_line serve 'the missing file is back' 10
fed_finish 3 60
same_as_twin
expect_no_line serve 'without'

say "the coordinator's directory, one file after the other"
cp -a "$FED" "$TOP/whole"
# damaged FILE STATUS REGEX COMMAND...: the command makes it so in $file
damaged() {
    local file=$FED/$1 want=$2 regex=$3
    shift 3
    "$@" "$file"
    expect_status "$want" damaged coordinator serve --dir "$FED"
    expect_line damaged "entente-coordinator: .*$regex" 1
    rm -rf "$FED"
    cp -a "$TOP/whole" "$FED"
}
rubbish() { head -c 4096 /dev/urandom >"$1"; }
empty() { : >"$1"; }
damaged federation.db 9 'federation.db.*malformed.*restore .*federation.db from a backup' truncate -s 50000
damaged federation.db 9 'federation.db.*not a database.*restore .*federation.db from a backup' rubbish
damaged federation.db 9 'federation.db.*restore .*federation.db from a backup' empty
damaged federation.db 6 'no federation here' rm
damaged ca.pem 9 'ca.pem' truncate -s 100
damaged keys/ca.key 9 'ca.key' truncate -s 100
damaged keys/log.key 9 'log.key' rubbish
damaged coordinator.pem 6 'coordinator.pem' rm
damaged enroll.pem 9 'enroll.pem' truncate -s 100
rm "$FED/crl.pem" # it is made from the store
fed_serve --dir "$FED"
[ -s "$FED/crl.pem" ] || fail "no new revocation list"

say "a member's directory"
rm -rf "$TOP/whole"
cp -a "$TOP/member-1" "$TOP/whole"
damaged_member() {
    local file=$TOP/member-1/$1 want=$2 regex=$3
    shift 3
    "$@" "$file"
    expect_status "$want" damaged client run --dir "$TOP/member-1" --once
    expect_line damaged "entente-client: .*$regex" 1
    rm -rf "$TOP/member-1"
    cp -a "$TOP/whole" "$TOP/member-1"
}
damaged_member state.db 9 'state.db.*restore .*state.db from a backup' truncate -s 9000
damaged_member state.db 9 'state.db.*restore .*state.db from a backup' rubbish
damaged_member member.json 9 'member.json.*backup' truncate -s 60
damaged_member keys/statement.key 9 'statement.key' empty
damaged_member keys/tls.pem 9 'tls.pem.* -- put the file back' truncate -s 200
damaged_member keys/tls.pem 6 'tls.pem' rm
damaged_member ca.pem 9 'ca.pem.* -- put the file back' truncate -s 200
damaged_member crl.pem 9 'crl.pem.* -- put the file back.*crl.pem may be removed' truncate -s 200
damaged_member client.yaml 6 'client.yaml' rm
rm "$TOP/member-1/crl.pem" # a newer one comes with WELCOME
: >"$LOGS/member-1.log"
member member-1
expect_line member-1 'connected to' 10
kill -INT "${PID[member-1]}"
expect_exit member-1 5

say "a member's directory of before the run, out of a backup: its sequence numbers were used, it goes on above them"
rm -rf "$TOP/member-3"
mv "$TOP/old" "$TOP/member-3"
: >"$LOGS/member-3.log"
member member-3
expect_line member-3 'connected to' 10
kill -INT "${PID[member-3]}"
expect_exit member-3 5

say "models that are no models"
for what in rubbish empty; do
    cp "$TOP/member-1/global.safetensors" "$TOP/bad.safetensors"
    "$what" "$TOP/bad.safetensors"
    expect_status 9 score client score --model "$TOP/bad.safetensors" --input "$TOP/data/member-1.csv" --output "$TOP/s.csv"
    expect_line score 'bad.safetensors' 1
    [ ! -e "$TOP/s.csv" ] || fail "scores of a bad model"
done
cp "$TOP/member-1/global.safetensors" "$TOP/bad.safetensors"
truncate -s -100 "$TOP/bad.safetensors"
expect_status 9 score client score --model "$TOP/bad.safetensors" --input "$TOP/data/member-1.csv" --output "$TOP/s.csv"
fed_stop
