#!/usr/bin/env bash
# The coordinator's log when the disk fails: every write, fsync, rename, ... of a step fails in turn, or the process is killed
# there, and the disk is full. Each time the head that is found is the one before the step or the one behind it, every head
# that was handed out is a prefix of it, and the next step succeeds.
if [ "$(id -u)" -ne 0 ] && [ -z "${E2E_UNSHARED:-}" ] && unshare -rm true 2>/dev/null; then
    E2E_UNSHARED=1 exec unshare -rm "$0"
fi
source "$(dirname "$0")/lib.sh"

STORE=$TESTBIN/entente-e2e-log
STEP=4 # leaves of a step
TRACE=$TOP/trace
TAG=0
BALLAST= # a file that fills the disk up to $room KiB during a step

look() { "$STORE" look "$1" || fail "$1: $WHAT: the log cannot be used"; }
leave_room() {
    local free
    free=$(df --output=avail -k "$DISK" | tail -1)
    head -c $(((free > room ? free - room : 0) * 1024)) /dev/zero >"$BALLAST"
}
# step DIR COMMAND...: one step under COMMAND, then the invariant. Sets GOT, its status.
step() {
    local dir=$1 old new
    shift
    old=$(look "$dir")
    [ -z "$BALLAST" ] || leave_room
    TAG=$((TAG + 1))
    GOT=0
    { "$@" "$STORE" step "$dir" "$TAG" >"$TOP/step.log" 2>&1; } 2>/dev/null || GOT=$?
    [ -z "$BALLAST" ] || rm -f "$BALLAST"
    case $GOT in
    0 | 5 | 137) ;; # done; IO; killed
    *) fail "$WHAT: status $GOT: $(cat "$TOP/step.log")" ;;
    esac
    [ "$GOT" -ne 5 ] || [ -s "$TOP/step.log" ] || fail "$WHAT: it failed without a word"
    new=$(look "$dir")
    if [ "$new" = "$old" ]; then
        [ "$GOT" -ne 0 ] || fail "$WHAT: the step succeeded, and is gone"
    else
        [ "${new%% *}" -eq $((${old%% *} + STEP)) ] || fail "$WHAT: a third head: $old, then $new"
        NEW=$((NEW + 1))
    fi
}

say "a full disk, with a little more room each time"
DISK=$TOP/disk
mkdir "$DISK"
if mount -t tmpfs -o size=2m tmpfs "$DISK" 2>/dev/null; then
    MOUNTS+=("$DISK")
    WHAT="a new log"
    "$STORE" make "$DISK/fed"
    NEW=0 FAILED=0
    for room in $(seq 0 4 400); do # KiB
        WHAT="$room KiB of room"
        BALLAST=$DISK/ballast
        step "$DISK/fed"
        [ "$GOT" -ne 0 ] || break
        FAILED=$((FAILED + 1))
    done
    BALLAST=
    [ "$GOT" -eq 0 ] || fail "a step needs more than $room KiB"
    [ "$FAILED" -gt 5 ] || fail "only $FAILED steps failed"
    say "$FAILED steps failed, the one with $room KiB of room did not"
else
    say "no file system can be mounted here: left out"
fi

strace -f -o "$TRACE" -e trace=write -e inject=write:error=EIO:when=1 true 2>/dev/null ||
    skip "no process can be traced here (strace)"

FEDERATION=$TOP/log-of-steps
WHAT="a new log"
"$STORE" make "$FEDERATION"
# each CALL FAULT: the first, second, ... call of this name meets the fault, until there is none left to meet it
each() {
    local call=$1 fault=$2 n
    NEW=0
    for n in $(seq 1 200); do
        WHAT="$call $n: $fault"
        step "$FEDERATION" strace -f -qq -o "$TRACE" -e "trace=$call" -e "inject=$call:$fault:when=$n"
        if ! grep -q -e INJECTED -e 'killed by SIGKILL' "$TRACE"; then
            [ "$GOT" -eq 0 ] || fail "$WHAT: not met, but status $GOT"
            say "$call, $fault: $((n - 1)) calls, $((NEW - 1)) of these behind the commit"
            TOTAL=$((TOTAL + n - 1))
            return
        fi
    done
    fail "$call is called without end"
}
TOTAL=0
for call in pwrite64 write fsync fdatasync rename ftruncate mkdir; do
    each "$call" error=EIO
    each "$call" signal=SIGKILL
done
for call in pwrite64 write rename mkdir; do each "$call" error=ENOSPC; done
[ "$TOTAL" -gt 60 ] || fail "only $TOTAL faults: the step does not do what it did"

say "a disk that fails for good from some call on"
for call in pwrite64 fsync fdatasync rename; do
    for n in 1 2 3 5 8; do
        WHAT="$call from $n on"
        step "$FEDERATION" strace -f -qq -o "$TRACE" -e "trace=$call" -e "inject=$call:error=EIO:when=$n+"
    done
done
WHAT="a step without a fault"
step "$FEDERATION"
[ "$GOT" -eq 0 ] || fail "$WHAT: status $GOT"
say "$(look "$FEDERATION")"
