#!/usr/bin/env bash
# The audit of a large log: 1,000 rounds of 50 members, made by tests/support/forge.c with real keys. Prints the log's
# size, the time a coordinator needs to open a directory with as large a log, V1-V3 alone (leaves decoded strictly,
# hashed, roots at all notes), and the whole of verify: time, signatures a second beside what `openssl speed` gives on
# all cores in the same minute, peak memory. Bars of issue 5: V1-V3 100,000 leaves/s; signatures 70 % of openssl's;
# 64 MiB.
#
#   bench_audit.sh [MEMBERS ROUNDS]
set -euo pipefail
source_dir=${ENTENTE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=${ENTENTE_BIN:-$source_dir/build/release/bin}
members=${1:-50} rounds=${2:-1000}
top=$(mktemp -d "${TMPDIR:-/tmp}/entente-bench.XXXXXX")
trap 'rm -rf "$top"' EXIT
bad=0

of() { sed -n "s/.*\"$2\": \"\{0,1\}\([^,\"}]*\).*/\1/p" <<<"$1"; } # json, key
calc() { awk "BEGIN { printf \"$1\", $2 }"; }
bar() { # what, value, <= or >=, limit, unit
    if awk "BEGIN { exit !($2 $3 $4) }"; then
        printf 'ok      %-36s %s %s (%s %s)\n' "$1" "$2" "$5" "$3" "$4"
    else
        printf 'FAILED  %-36s %s %s (%s %s)\n' "$1" "$2" "$5" "$3" "$4"
        bad=1
    fi
}

made=$("$bin/bench_audit" make "$top/log" "$members" "$rounds")
leaves=$(of "$made" leaves)
notes=$(of "$made" notes)
printf 'log     %s members, %s rounds: %s leaves, %s MB of leaves, %s notes; export %s MB (made in %s s)\n' \
    "$members" "$rounds" "$leaves" "$(calc %.1f "$(of "$made" leaf_bytes) / 1e6")" "$notes" \
    "$(du -sm --apparent-size "$top/log" | cut -f1)" "$(of "$made" seconds)"

if [ -x "$source_dir/tests/bench/bench_store.sh" ] && store=$("$source_dir/tests/bench/bench_store.sh" "$leaves" "$notes" 2>&1); then
    printf 'store   a directory with as large a log opens in %s ms\n' "$(of "$store" open_ms)"
else
    printf 'store   not measured: %s\n' "$(tail -n 1 <<<"${store:-bench_store.sh is not here}")"
fi

tree=
for _ in 1 2 3; do # the first reads the files in
    now=$("$bin/bench_audit" tree "$top/log")
    if [ -z "$tree" ] || awk "BEGIN { exit !($(of "$now" seconds) < $(of "$tree" seconds)) }"; then tree=$now; fi
done
cores=$(nproc)
# Verifications a second on all cores, before and after: what else runs on the machine shares both.
speed() { openssl speed -seconds 2 -multi "$cores" ed25519 2>/dev/null | awk '/Ed25519/ { print $NF }' | tail -n 1; }
before=$(speed)
full=$("$bin/bench_audit" verify "$top/log")
after=$(speed)
openssl=$(calc %.0f "($before > $after ? $before : $after)") # the better of both: what else runs takes from it
signatures=$(of "$full" signatures)
rate=$(calc %.0f "$signatures / $(of "$full" seconds)")
rest=$(calc %.0f "$signatures / ($(of "$full" seconds) - $(of "$tree" seconds) > 0.001 ? $(of "$full" seconds) - $(of "$tree" seconds) : 0.001)")

printf 'verify  %s in %s s: %s signatures; %s/s over all of it, %s/s without the time of V1-V3; openssl speed on %s cores: %s/s\n' \
    "$(of "$full" verdict)" "$(of "$full" seconds)" "$signatures" "$rate" "$rest" "$cores" "$openssl"
[ "$(of "$full" verdict)" = PASS ] || { echo "FAILED  the forged log does not pass"; bad=1; }
bar "V1-V3, leaves a second" "$(calc %.0f "$leaves / $(of "$tree" seconds)")" '>=' 100000 /s
bar "other checks, share of openssl speed" "$(calc %.2f "$rest / $openssl")" '>=' 0.70 ''
bar "peak memory of verify" "$(of "$full" peak_mib)" '<=' 64 MiB
exit $bad
