#!/bin/sh
# main.c <= 150 lines, files <= 500 lines, functions <= 60 lines (clang-tidy counts exactly), lines <= 120 columns.
. "$(dirname "$0")/common.sh"
bad=0

for file in $(sources $product tests deploy); do
    lines=$(wc -l < "$file")
    limit=500
    case "$file" in
    */main.c) limit=150 ;;
    esac
    if [ "$lines" -gt $limit ]; then
        echo "$file: $lines lines, at most $limit"
        bad=1
    fi
    # A function's body stands between braces in the first column.
    if ! awk -v file="$file" '
        /^\{/ { start = NR }
        /^\}/ && start { if (NR - start - 1 > 60) { printf "%s:%d: function of %d lines, at most 60\n", file, start, NR - start - 1; bad = 1 } start = 0 }
        END { exit bad }' "$file"; then
        bad=1
    fi
done
exit $bad
