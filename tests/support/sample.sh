#!/bin/sh
# The samples of deploy/examples/audit: that they are what the forge writes today, and that the programs say of them what
# the README there promises.
#   sample.sh ENTENTE-FORGE ENTENTE-AUDIT SAMPLES            checks
#   sample.sh ENTENTE-FORGE --write SAMPLES                  writes them anew, after a change of formats or of verify.py
set -eu

forge=$1 audit=$2 samples=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

"$forge" sample "$work/new" >/dev/null
if [ "$audit" = --write ]; then
    for part in "$work"/new/*; do
        rm -rf "${samples:?}/$(basename "$part")"
        cp -R "$part" "$samples/"
    done
    chmod -R u=rwX,go=rX "$samples"
    exit 0
fi

for part in "$work"/new/*; do
    if ! diff -r "$part" "$samples/$(basename "$part")"; then
        echo "FAILED: $(basename "$part") is not what the forge writes; run: tests/support/sample.sh $forge --write $samples"
        failed=1
    fi
done

# expect STATUS WORDS COMMAND...
expect() {
    status=$1 words=$2 got=0
    shift 2
    out=$("$@" 2>&1) || got=$?
    if [ "$got" -ne "$status" ] || ! printf '%s\n' "$out" | grep -qF "$words"; then
        printf 'FAILED: status %s, not %s, or without "%s":\n%s\n' "$got" "$status" "$words" "$out"
        failed=1
    else
        printf 'ok      %s\n' "$words"
    fi
}

policy=$samples/witness.policy
expect 0 "VERDICT PASS" "$audit" verify "$samples/honest.export" --policy "$policy"
expect 0 "VERDICT PASS 5/5 rounds bit-identical" "$audit" replay "$samples/honest.export" --policy "$policy"
expect 0 "1 receipts hold" "$audit" verify "$samples/honest.export" --policy "$policy" --receipt "$samples/receipt"
expect 1 "then neither accepted, rejected nor dropped" "$audit" verify "$samples/dropped.export" --policy "$policy"
expect 1 "the coordinator signed that it accepted an update, and its log does not count it" \
    "$audit" verify "$samples/dropped.export" --policy "$policy" --receipt "$samples/receipt"
expect 3 "VERDICT INCOMPLETE" "$audit" verify "$samples/honest.export"
if command -v python3 >/dev/null; then
    expect 0 "VERDICT PASS" python3 "$samples/honest.export/verify.py" "$samples/honest.export" "$policy"
    expect 0 "VERDICT PASS" python3 "$samples/dropped.export/verify.py" "$samples/dropped.export" "$policy"
fi
exit $failed
