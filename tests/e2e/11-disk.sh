#!/usr/bin/env bash
# A full disk, at the coordinator and at a member: one clear line, nothing half-written, and the run goes on once there is
# space again. The disk is a small tmpfs; without root in a mount namespace of its own.
if [ "$(id -u)" -ne 0 ] && [ -z "${E2E_UNSHARED:-}" ] && unshare -rm true 2>/dev/null; then
    E2E_UNSHARED=1 exec unshare -rm "$0"
fi
source "$(dirname "$0")/lib.sh"

DISK=$TOP/disk
mkdir "$DISK"
mount -t tmpfs -o size=16m tmpfs "$DISK" 2>/dev/null || skip "no file system can be mounted here"
MOUNTS+=("$DISK")
fill() { dd if=/dev/zero of="$DISK/fill" bs=4k 2>/dev/null || true; }

say "init and enrolment on a full disk leave nothing behind"
fill
FED=$DISK/fed
expect_status 5 init1 coordinator init --dir "$FED" --name e2e --host localhost
expect_line init1 'No space left|full' 1
[ "$(ls "$DISK")" = fill ] || fail "left behind: $(ls "$DISK")"
rm "$DISK/fill"

say "the coordinator's disk"
fed_new 3 900 25
yaml_set "$PLAN" update 60s
fed_serve
fed_enrol 3
fed_stop
fed_twin 3
fed_serve
fed_run 3
fed_start
expect_line serve 'round 6 of' 20
fill
expect_exit serve 20 5
expect_line serve 'entente-coordinator: .*(No space left|disk is full)' 1
coordinator status --dir "$FED" >"$LOGS/status.log" 2>&1 || true
rm "$DISK/fill"
for file in "$FED"/models/*.safetensors; do
    [ "$(sha256sum <"$file" | cut -d' ' -f1)" = "$(basename "$file" .safetensors)" ] || fail "$file is half-written"
done
fed_serve
fed_finish 3
same_as_twin
[ -z "$(find "$FED" -name '*.part' -o -name '*.tmp*')" ] || fail "left behind: $(find "$FED" -name '*.part' -o -name '*.tmp*')"

say "a member's disk: it says so; it goes on trying or ends with status 5, and finishes after its restart"
rm -rf "$FED" "$TOP"/member-? "$LOGS"/* "$TOP/twin.safetensors"
FED=$TOP/fed
fed_init
fed_serve
fed_enrol 3
fed_stop
fed_twin 3
mv "$TOP/member-2" "$DISK"
ln -s "$DISK/member-2" "$TOP/member-2"
fed_serve
fed_run 3
fed_start
expect_line serve 'round 6 of' 20
fill
expect_line member-2 'No space left on device|disk is full' 20
sleep 1
rm "$DISK/fill"
if gone member-2; then
    expect_exit member-2 1 5
    expect_line member-2 'entente-client: .*(No space left on device|disk is full)' 1
    member member-2
fi
fed_finish 3
same_as_twin
[ -z "$(find "$DISK" -name '*.part' -o -name '*.tmp*')" ] || fail "left behind: $(find "$DISK" -name '*.part' -o -name '*.tmp*')"

say "enrolment and scores on a full disk"
fed_serve --dir "$FED"
coordinator invite --dir "$FED" ann >"$TOP/ann" 2>/dev/null
fill
expect_status 5 enroll client enroll --dir "$DISK/anns" --token-file "$TOP/ann"
expect_line enroll 'No space left|full' 1
[ ! -e "$DISK/anns" ] || fail "left behind: $(find "$DISK/anns")"
expect_status 5 score client score --model "$TOP/member-1/global.safetensors" --input "$TOP/data/pooled.csv" --output "$DISK/scores.csv"
expect_line score 'No space left|full' 1
[ ! -s "$DISK/scores.csv" ] || fail "scores that are not all"
