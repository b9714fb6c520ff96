#!/usr/bin/env bash
# How long a coordinator takes to open its directory with a log of LEAVES leaves and NOTES notes: all of it is recomputed.
# Bar: 500 ms for the log of 1,000 rounds with 50 members.
set -euo pipefail
SOURCE=${ENTENTE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
BIN=${ENTENTE_BIN:-$SOURCE/build/release/bin}
STORE=${ENTENTE_TEST_BIN:-$(dirname "$BIN")/test-bin}/entente-e2e-log
LEAVES=${1:-106000}
NOTES=${2:-1000}

TOP=$(mktemp -d "${TMPDIR:-/tmp}/entente-bench.XXXXXX")
trap 'rm -rf "$TOP"' EXIT
"$STORE" make "$TOP/fed"
"$STORE" fill "$TOP/fed" "$LEAVES" "$NOTES"
best=
for _ in 1 2 3; do
    line=$("$STORE" time "$TOP/fed")
    ms=$(sed -n 's/^open \([0-9]*\) ms.*/\1/p' <<<"$line")
    if [ -z "$best" ] || [ "$ms" -lt "$best" ]; then best=$ms; fi
done
echo "{\"bench\": \"store\", \"leaves\": $LEAVES, \"notes\": $NOTES, \"bytes\": $(stat -c %s "$TOP/fed/federation.db"), \"open_ms\": $best}"
[ "$LEAVES" -gt 110000 ] || [ "$best" -le 500 ] || { echo "above 500 ms" >&2; exit 1; }
