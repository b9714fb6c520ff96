#!/bin/sh
# Every message has a comment above it or a comment on every field; every field has one, or the line above is one.
bad=0

for file in proto/entente/v1/*.proto; do
    if ! awk -v file="$file" '
        function report(text) { printf "%s:%d: %s\n", file, NR, text; bad = 1 }
        /^ +[a-z].* = [0-9]+;/ && !/\/\// && before !~ /^ *\/\// { report("field without a comment") }
        /^message / { name = $2; n = split("", seen) }
        /^ +[a-z].* = [0-9]+;/ {
            match($0, / = [0-9]+;/); number = substr($0, RSTART + 3, RLENGTH - 4)
            if (number in seen) { report("field number " number " twice in " name) }
            seen[number] = 1
        }
        { before = $0 }
        END { exit bad }' "$file"; then
        bad=1
    fi
done
exit $bad
