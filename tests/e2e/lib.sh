# Sourced by tests/e2e/NN-name.sh: federations of real processes with real TLS on loopback, in a directory that is
# removed at the end. Every wait has an end; every process that was started here is gone when the script is.
#
#   fed_new 3; fed_serve; fed_enrol 3; fed_run 3; fed_start; expect_exit serve 60; members_exit 3 30
#
# BIN and TESTBIN are the ordinary programs and those of the test link (ENTENTE_KILL, protocol.md 6).
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C
# shellcheck disable=SC2317
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SOURCE=${ENTENTE_SOURCE:-$(cd "$HERE/../.." && pwd)}
BIN=${ENTENTE_BIN:-$SOURCE/build/release/bin}
TESTBIN=${ENTENTE_TEST_BIN:-$(dirname "$BIN")/test-bin}
SHARED=${ENTENTE_SHARED:-$(dirname "$SOURCE")/shared}
[ -x "$BIN/entente-coordinator" ] || { echo "no programs in $BIN" >&2; exit 1; }

TOP=$(mktemp -d "${TMPDIR:-/tmp}/entente-e2e.XXXXXX")
FED=$TOP/fed  # the coordinator's directory
LOGS=$TOP/log # NAME.log of each process: standard output and error
PLAN=$TOP/plan.yaml
mkdir "$LOGS" "$TOP/bin"
ln -s "$BIN/entente-coordinator" "$TOP/bin/coordinator" # short names, also for timeout and others that start programs
ln -s "$BIN/entente-client" "$TOP/bin/client"
ln -s "$BIN/entente-audit" "$TOP/bin/audit"
PATH=$TOP/bin:$PATH
declare -A PID=()
declare -A STATUS=() # of those that ended
MOUNTS=()

kill_tree() { # PID: it and what it started
    local child
    for child in $(ps -o pid= --ppid "$1" 2>/dev/null || true); do kill_tree "$child"; done
    kill -9 "$1" 2>/dev/null || true
}
e2e_cleanup() {
    local status=$? name mount
    trap - EXIT ERR
    for name in "${!PID[@]}"; do kill_tree "${PID[$name]}"; done
    for name in "${!PID[@]}"; do wait "${PID[$name]}" 2>/dev/null || true; done
    for mount in "${MOUNTS[@]}"; do umount "$mount" || umount -l "$mount" || true; done
    if [ "$status" -ne 0 ] && [ -n "${E2E_KEEP:-}" ]; then
        echo "kept: $TOP" >&2
    else
        rm -rf "$TOP"
    fi
    exit "$status"
}
trap e2e_cleanup EXIT
trap 'exit 130' INT TERM

say() { printf -- '--- %3d s  %s\n' "$SECONDS" "$*"; }
skip() { # the rest of the script, by name
    echo "SKIPPED $(basename "$0"): $*"
    exit 77
}
fail() {
    local log
    echo "FAILED $(basename "$0") line ${BASH_LINENO[-2]:-?}: $*" >&2
    for log in "$LOGS"/*.log; do
        case $log in */init.log | */data.log | *.invite.log | *.enroll.log) continue ;; esac
        [ -s "$log" ] || continue
        echo "== $(basename "$log")" >&2
        tail -n 15 "$log" >&2
    done
    exit 1
}
trap 'fail "$BASH_COMMAND"' ERR
set -E

# ---- waiting ----

now_ms() { date +%s%3N; }
# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
    local end=$(($(now_ms) + $1 * 1000))
    shift
    until "$@"; do
        [ "$(now_ms)" -lt "$end" ] || return 1
        sleep 0.03
    done
}
has_line() { grep -qE -- "$2" "$1" 2>/dev/null; }
# expect_line FILE|NAME REGEX SECONDS
expect_line() {
    local file=$1
    [ -e "$file" ] || file=$LOGS/$1.log
    wait_for "${3:-10}" has_line "$file" "$2" || fail "no line '$2' in $(basename "$file") within ${3:-10} s"
}
expect_no_line() { # now
    local file=$1
    [ -e "$file" ] || file=$LOGS/$1.log
    ! has_line "$file" "$2" || fail "a line '$2' in $(basename "$file")"
}
count_lines() { # FILE|NAME REGEX
    local file=$1
    [ -e "$file" ] || file=$LOGS/$1.log
    grep -cE -- "$2" "$file" || true
}

# ---- processes ----

# bg NAME COMMAND...: in the background, all output to NAME.log (appended: a restart goes on in the same file)
bg() {
    local name=$1
    shift
    "$@" >>"$LOGS/$name.log" 2>&1 </dev/null &
    PID[$name]=$!
    unset "STATUS[$name]"
}
alive() { [ -n "${PID[$1]:-}" ] && kill -0 "${PID[$1]}" 2>/dev/null; }
gone() { ! alive "$1"; }
reap() { # its status is in STATUS afterwards
    local status=0
    wait "${PID[$1]}" 2>/dev/null || status=$?
    STATUS[$1]=$status
    unset "PID[$1]"
}
# expect_exit NAME SECONDS [STATUS]
expect_exit() {
    wait_for "$2" gone "$1" || fail "$1 has not ended within $2 s"
    reap "$1"
    [ "${STATUS[$1]}" -eq "${3:-0}" ] || fail "$1 ended with status ${STATUS[$1]}, not ${3:-0}"
}
kill9() { # NAME
    kill -9 "${PID[$1]}"
    wait "${PID[$1]}" 2>/dev/null || true
    unset "PID[$1]"
}
# expect_status STATUS NAME COMMAND...: in the foreground, all output to NAME.log
expect_status() {
    local want=$1 name=$2 status=0
    shift 2
    { timeout -k 2 60 "$@" >"$LOGS/$name.log" 2>&1 </dev/null || status=$?; } 2>/dev/null # no "Killed" of the shell
    [ "$status" -eq "$want" ] || fail "$1 ${2:-} ended with status $status, not $want ($name)"
}

# ---- federations ----

# A value of a YAML file: yaml_set FILE KEY VALUE (first line "  KEY: ...", its comment goes)
yaml_set() {
    grep -qE "^ *$2:" "$1" || fail "$1 has no $2"
    sed -i -E "0,/^( *)$2:.*/s||\1$2: $3|" "$1"
}
# fed_init [NAME] [HOST]: the coordinator's directory, with short deadlines
fed_init() {
    coordinator init --dir "$FED" --name "${1:-e2e}" --host "${2:-localhost}" \
        --listen 127.0.0.1:0 --enroll-listen 127.0.0.1:0 >"$LOGS/init.log" 2>&1 || fail "init"
    yaml_set "$FED/federation.yaml" handshake 2s
    yaml_set "$FED/federation.yaml" idle 10s
}
# fed_data N [ROWS] [ROUNDS]: member-1.csv ... and a small plan for them
fed_data() {
    rm -rf "$TOP/data" "$PLAN" "$TOP/client.yaml"
    "$BIN/entente-demo-data" generate --members "$1" --rows "${2:-1600}" --out "$TOP/data" --pooled >"$LOGS/data.log"
    client describe --input "$TOP/data/pooled.csv" --label bought=yes --exclude brand --rounds "${3:-3}" \
        --out "$TOP" >>"$LOGS/data.log" 2>&1 || fail "describe"
    sed -i -e 's/dense: 128/dense: 16/' -e 's/dense: 64/dense: 8/' "$PLAN"
    yaml_set "$PLAN" join 5s
    yaml_set "$PLAN" update 20s
    yaml_set "$PLAN" min_group 1
    yaml_set "$TOP/client.yaml" min_customers 1 # members are small here
    yaml_set "$TOP/client.yaml" min_group 1
    # What describe says of pooled.csv holds for each member's file.
    sed -i -e '/^coordinator:/d' "$TOP/client.yaml"
}
# fed_new N [ROWS] [ROUNDS]
fed_new() {
    fed_init
    fed_data "$@"
}
serving() { [ -S "$FED/control.sock" ] && coordinator status --dir "$FED" 2>/dev/null | grep -q 'serving on'; }
# fed_serve [OPTIONS]: --once unless options are given. COORDINATOR=PROGRAM: another one
fed_serve() {
    [ $# -gt 0 ] || set -- --once
    bg serve "${COORDINATOR:-$BIN/entente-coordinator}" serve --dir "$FED" "$@"
    wait_for 20 serving || fail "serve does not answer"
}
address() { sed -n 's/.*members on \([^,]*\), enrolment on.*/\1/p' "$LOGS/serve.log" | tail -n 1; }
enrol_address() { sed -n 's/.*enrolment on \([^ ]*\).*/\1/p' "$LOGS/serve.log" | tail -n 1; }
port() { address | sed 's/.*://'; }
# Enrols one member and writes its client.yaml: fed_enrol_one NAME [CSV]
fed_enrol_one() {
    local me=$TOP/$1
    coordinator invite --dir "$FED" "$1" 2>"$LOGS/$1.invite.log" | client enroll --dir "$me" >"$LOGS/$1.enroll.log" 2>&1 ||
        fail "$1 could not enrol"
    fed_config "$1" "${2:-$TOP/data/$1.csv}"
}
fed_config() { # NAME CSV
    local me=$TOP/$1
    { grep '^coordinator:' "$me/client.yaml"; sed -E "s|^( *)path:.*|\1path: \"$2\"|" "$TOP/client.yaml"; } >"$me/new"
    mv "$me/new" "$me/client.yaml"
}
fed_enrol() { # member-1 to member-N, and they agree to be the witnesses: no round opens before
    local i
    for i in $(seq "$1"); do fed_enrol_one "member-$i"; done
    fed_policy "$1"
}
# member-1 to member-N run for as long as it takes to agree to the witness set
fed_policy() {
    local i
    for i in $(seq "$1"); do bg "witness-$i" "$BIN/entente-client" run --dir "$TOP/member-$i"; done
    coordinator policy --dir "$FED" --wait 30 >"$LOGS/policy.log" 2>&1 || fail "policy: $(tail -n 3 "$LOGS/policy.log")"
    for i in $(seq "$1"); do wait_for 10 test -s "$TOP/member-$i/witness.policy" || fail "member-$i has no witness.policy"; done
    for i in $(seq "$1"); do
        kill -INT "${PID[witness-$i]}"
        expect_exit "witness-$i" 10
    done
}
# member NAME [OPTIONS]: run --once in the background. CLIENT=PROGRAM: another one
member() {
    local name=$1
    shift
    bg "$name" "${CLIENT:-$BIN/entente-client}" run --dir "$TOP/$name" --once "$@"
}
fed_run() { # member-1 to member-N
    local i
    for i in $(seq "$1"); do member "member-$i"; done
}
fed_start() { coordinator start --dir "$FED" "${1:-$PLAN}" >"$LOGS/start.log" 2>&1 || fail "start"; }
members_exit() { # N SECONDS
    local i
    for i in $(seq "$1"); do expect_exit "member-$i" "$2"; done
}
status_json() { coordinator status --dir "$FED" --json; }
# The coordinator's best model of its last run, as a path.
best_model() {
    local digest
    digest=$(status_json | jq -r .run.best)
    [ -r "$FED/models/$digest.safetensors" ] || fail "the coordinator has no model $digest"
    echo "$FED/models/$digest.safetensors"
}
# same_models N: every member has the coordinator's best model, byte for byte
same_models() {
    local i best
    best=$(best_model)
    [ "$(sha256sum <"$best" | cut -d' ' -f1)" = "$(basename "$best" .safetensors)" ] || fail "the model is not what its name says"
    for i in $(seq "$1"); do
        cmp "$best" "$TOP/member-$i/global.safetensors" || fail "member-$i has another model"
    done
}
# A whole undisturbed run of N members (fed_new and so on before): fed_finish N [SECONDS]
fed_finish() {
    expect_exit serve "${2:-60}"
    members_exit "$1" 20
    expect_line serve 'run 1 is complete' 1
    same_models "$1"
}
# An undisturbed run of N enrolled members (serve is stopped): its model is kept as $TOP/twin.safetensors, then the
# directories are put back as they were: what is run with them must end in the same bytes.
fed_twin() {
    local i
    mkdir -p "$TOP/before"
    cp -a "$FED" "$TOP/before/fed"
    cp -a "$TOP"/member-? "$TOP/before"
    fed_serve
    fed_run "$1"
    fed_start
    fed_finish "$1"
    cp "$(best_model)" "$TOP/twin.safetensors"
    for i in $(seq "$1"); do rm -rf "$TOP/member-$i"; done
    rm -rf "$FED"
    mv "$TOP/before/fed" "$FED"
    mv "$TOP/before"/member-? "$TOP"
    mkdir "$LOGS/twin"
    mv "$LOGS"/serve.log "$LOGS"/member-?.log "$LOGS/twin"
}
same_as_twin() { cmp "$TOP/twin.safetensors" "$(best_model)" || fail "the model is not that of the undisturbed run"; }
# serve, as Ctrl-C ends it
fed_stop() {
    kill -INT "${PID[serve]}"
    expect_exit serve 10
}
