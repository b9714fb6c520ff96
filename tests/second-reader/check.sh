#!/bin/sh
# verify.py passes a forged export, and refuses a changed leaf, a cut tail and a foreign cosignature.
#   check.sh ENTENTE-FORGE
set -eu

forge=$1
if ! command -v python3 >/dev/null; then
    echo "skipped: python3 is not here (tests/apt.txt)"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# expect NAME STATUS WORDS... : verify.py ARGS (in $args) ends with that status and says these words.
expect() {
    name=$1 status=$2 words=$3
    shift 3
    got=0
    out=$(python3 "$@" 2>&1) || got=$?
    if [ "$got" -ne "$status" ]; then
        echo "FAILED $name: exit status $got, not $status: $out"
        failed=1
    elif ! printf '%s\n' "$out" | grep -q "$words"; then
        echo "FAILED $name: \"$words\" is not in: $out"
        failed=1
    else
        echo "ok     $name ($got): $(printf '%s\n' "$out" | tail -n 1)"
    fi
}

fresh() {
    rm -rf "$work/bad"
    cp -R "$work/good" "$work/bad"
}

"$forge" make "$work/good" 5 22 >/dev/null # more than one tile
policy=$work/good.policy
reader=$work/good/verify.py # the one that the export carries
newest=$(sed -n 2p "$work/good/checkpoint")
older=$(ls "$work/good/checkpoints" | sed 's/\.note$//' | sort -n | tail -n 2 | head -n 1)

expect "as it is" 0 "VERDICT PASS" "$reader" "$work/good" "$policy"
expect "with a member's head" 0 "VERDICT PASS" "$reader" "$work/good" "$policy" --head "$work/good/checkpoints/$older.note"

fresh
python3 - "$work/bad" <<'EOP'
import pathlib, sys
bundle = pathlib.Path(sys.argv[1], "tile/entries/000")
data = bytearray(bundle.read_bytes())
data[2 + 56 + 5] ^= 1  # in the body of leaf 0
bundle.write_bytes(data)
EOP
expect "first leaf changed" 1 "not the one that the policy pins" "$reader" "$work/bad" "$policy"

fresh
python3 - "$work/bad" <<'EOP'
import pathlib, sys
bundle = pathlib.Path(sys.argv[1], "tile/entries/001")
data = bytearray(bundle.read_bytes())
data[2 + 56 + 5] ^= 1
bundle.write_bytes(data)
EOP
expect "leaf changed" 1 "leaf 256: a tile of level 0 has another hash" "$reader" "$work/bad" "$policy"

python3 - "$work/bad" <<'EOP'
import hashlib, pathlib, sys
tile = pathlib.Path(sys.argv[1], "tile/0/001")
bundle = pathlib.Path(sys.argv[1], "tile/entries/001").read_bytes()
leaf = bundle[2:2 + int.from_bytes(bundle[:2], "big")]
tile.write_bytes(hashlib.sha256(b"\0" + leaf).digest() + tile.read_bytes()[32:])
top = pathlib.Path(sys.argv[1], "tile/1").glob("*/*")
hashes = [tile.read_bytes()[i * 32:i * 32 + 32] for i in range(256)]
while len(hashes) > 1:
    hashes = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(hashes[::2], hashes[1::2])]
for path in top:
    data = path.read_bytes()
    path.write_bytes(data[:32] + hashes[0] + data[64:])
EOP
expect "leaf and tiles changed" 1 "are not those it was signed over" "$reader" "$work/bad" "$policy"

fresh
cp "$work/good/checkpoints/$older.note" "$work/bad/checkpoint"
expect "tail cut" 1 "signed over $newest leaves, but the export ends after $older" "$reader" "$work/bad" "$policy" \
    --head "$work/good/checkpoint"

fresh
python3 - "$work/bad" "$work/good/checkpoints/$older.note" <<'EOP'
import pathlib, sys
note = pathlib.Path(sys.argv[1], "checkpoint")
lines = note.read_text("utf-8").splitlines()
lines[5] = pathlib.Path(sys.argv[2]).read_text("utf-8").splitlines()[5]  # that member's, of another note
note.write_text("\n".join(lines) + "\n", "utf-8")
EOP
expect "cosignature of another note" 1 "a signature says it is of" "$reader" "$work/bad" "$policy"

fresh
"$forge" make "$work/other" 5 22 2 >/dev/null
python3 - "$work/bad" "$work/other" <<'EOP'
import pathlib, sys
note, other = pathlib.Path(sys.argv[1], "checkpoint"), pathlib.Path(sys.argv[2], "checkpoint")
lines, strangers = note.read_text("utf-8").splitlines(), other.read_text("utf-8").splitlines()
note.write_text("\n".join(lines[:6] + strangers[6:]) + "\n", "utf-8")  # one witness of ours, four of another federation
EOP
expect "cosignatures of strangers" 3 "cosigned by 1 of 5 members; the policy wants 4\|too few members" \
    "$reader" "$work/bad" "$policy"
expect "policy of another federation" 1 "is not signed by the log" "$reader" "$work/good" "$work/other.policy"

fresh
rm "$work/bad/tile/0/001"
expect "tile missing" 3 "VERDICT INCOMPLETE" "$reader" "$work/bad" "$policy"
expect "no arguments" 2 "python verify.py EXPORT POLICY" "$reader"
exit $failed
